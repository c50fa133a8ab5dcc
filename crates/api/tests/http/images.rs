//! The image library (contract, section 5).

use std::fs;
use std::path::PathBuf;

use portfolio_testkit::{Kind, Server, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::{EMPLOYER, JSON, Stage};
use crate::wire::Reply;

pub(crate) const IMAGES: &str = "/api/images";
const LOGO: &[u8] = include_bytes!("images/logo.png");
const PHOTO: &[u8] = include_bytes!("images/photo.jpg");

/// A part of a form: what its head says beside `form-data`, and what it holds.
type Part<'a> = (&'a str, &'a [u8]);

/// A file part called `f`.
pub(crate) fn file(name: &str) -> String {
    format!("name=\"f\"; filename=\"{name}\"")
}

impl Stage {
    pub(crate) fn upload(&self, parts: &[Part<'_>]) -> Reply {
        let mut form = Vec::new();
        for (head, content) in parts {
            form.extend(format!("--limit\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
            form.extend_from_slice(content);
            form.extend(b"\r\n");
        }
        form.extend(b"--limit--\r\n");
        self.post_images(b"multipart/form-data; boundary=limit", &form)
    }

    fn post_images(&self, media_type: &[u8], body: &[u8]) -> Reply {
        let token = format!("Token {}", self.key);
        let headers = [("Authorization", token.as_bytes()), ("Content-Type", media_type)];
        self.send("POST", IMAGES, &headers, Some(body))
    }

    fn image(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        let token = format!("Token {}", self.key);
        let headers = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
        self.send(method, path, &headers, body.map(str::as_bytes))
    }

    /// Every file of the media store but those of the example.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.site.folder().join("data/media")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        let example = self.site.lines(
            "SELECT path AS line FROM images WHERE id IN (6, 123, 456) \
             UNION ALL SELECT path FROM thumbnails WHERE image_id IN (6, 123, 456)",
        );
        files.retain(|file| !example.iter().any(|path| file.ends_with(path)));
        files
    }
}

/// The path of an address that an answer shows.
fn path_of(address: &Value) -> String {
    address.as_str().unwrap().strip_prefix("http://localhost:8000").unwrap().to_owned()
}

#[rstest]
#[case::png_with_transparency("logo.png", LOGO, "image/png", "RGBA", (225, 225), "png")]
#[case::turned_jpeg("photo.jpg", PHOTO, "image/jpeg", "RGB", (200, 300), "jpg")]
#[case::moving_gif("moving.gif", include_bytes!("images/moving.gif"), "image/gif", "P", (90, 60), "jpg")]
#[case::webp("sign.webp", include_bytes!("images/sign.webp"), "image/webp", "RGB", (300, 200), "jpg")]
fn what_an_image_is_its_content_tells(
    #[case] name: &str,
    #[case] content: &[u8],
    #[case] media_type: &str,
    #[case] mode: &str,
    #[case] extent: (u32, u32),
    #[case] thumbnails: &str,
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let stage = Stage::new(kind);
    // Whatever it is called.
    let added = stage.upload(&[(&file("Sign 1.HTML"), content)]);
    assert_eq!(added.status, 201, "{name}: {added:?}");
    let image = added.json();
    let address = format!("{IMAGES}/{}", image["id"]);
    assert_eq!(added.header("location"), Some(format!("http://localhost:8000{address}").as_str()));
    assert_eq!((image["type"].as_str(), image["name"].as_str()), (Some("image"), Some("Sign 1")));
    assert_eq!(
        (image["width"].as_u64(), image["height"].as_u64()),
        (Some(extent.0.into()), Some(extent.1.into()))
    );
    assert_eq!((image["mode"].as_str(), image["size"].as_u64()), (Some(mode), Some(content.len() as u64)));
    let original = stage.send("GET", &path_of(&image["f"]), &[], None);
    assert_eq!((original.status, original.header("content-type")), (200, Some(media_type)));
    assert_eq!(original.bytes, content);
    let shown = image["thumbnails"].as_array().unwrap();
    let sides: Vec<_> = shown.iter().map(|thumbnail| thumbnail["size"].as_i64().unwrap()).collect();
    assert_eq!(sides, [64, 128, 512, 1080]);
    for thumbnail in shown {
        let path = path_of(&thumbnail["f"]);
        assert!(path.contains("/thumbnails/Sign_1_") && path.ends_with(thumbnails), "{path}");
        let smaller = stage.send("GET", &path, &[], None);
        assert_eq!(smaller.status, 200);
        assert!(!smaller.body.contains("SECRETCAMERA"), "metadata stays with the original");
    }
    for path in [address.clone(), format!("{address}/")] {
        assert_eq!(stage.image("GET", &path, None).body, added.body);
    }
    let given = json!({ "name": "With a logo", "image": image["id"] }).to_string();
    let employer = stage.image("POST", "/api/portfolios/employers", Some(&given));
    assert_eq!(employer.json()["image_data"], image);
}

#[test]
fn a_name_that_is_given_counts_and_one_that_is_taken_is_another_file() {
    let stage = Stage::new(Kind::Sqlite);
    let parts = [(&*file("logo.png"), LOGO), ("name=\"name\"", " نشان ".as_bytes())];
    let first = stage.upload(&parts).json();
    let second = stage.upload(&[("name=\"name\"", b""), parts[0], ("name=\"other\"", b"x")]).json();
    assert_eq!((first["name"].as_str(), second["name"].as_str()), (Some("نشان"), Some("logo")));
    assert_ne!(first["f"], second["f"]);
    assert_eq!(stage.send("GET", &path_of(&first["f"]), &[], None).bytes, LOGO);
}

/// As clients born before RFC 7578 write what is no ASCII (RFC 5987).
#[test]
fn a_file_name_may_be_an_extended_one() {
    let stage = Stage::new(Kind::Sqlite);
    let plain = "filename=\"a.png\"";
    for (head, name) in [
        ("filename*=UTF-8''%D9%86%D8%B4%D8%A7%D9%86.png", "نشان"),
        ("filename*=utf-8''%e2%82%ac.png", "€"),
        (&format!("{plain}; filename*=UTF-8''%e2%82%ac.png"), "€"),
        ("filename*=ISO-8859-1''caf%e9.png", "café"),
        (&format!("{plain}; filename*=UTF-8''%ff.png"), "a"),
        (&format!("{plain}; filename*=Big5''%e9.png"), "a"),
    ] {
        let added = stage.upload(&[(&format!("name=\"f\"; {head}"), LOGO)]);
        assert_eq!(added.status, 201, "{head}: {added:?}");
        assert_eq!(added.json()["name"].as_str(), Some(name), "{head}");
    }
}

#[test]
fn a_file_name_does_no_harm() {
    let stage = Stage::new(Kind::Sqlite);
    let long = "ن".repeat(300);
    for name in [
        "../../../etc/passwd.png",
        "C:\\\\x\\\\y.png",
        ".png",
        "a\u{202e}gpj.exe",
        &long,
        "%2e%2e%2f.png",
        "a\u{0}b.png",
    ] {
        let added = stage.upload(&[(&file(name), LOGO)]);
        if name.contains('\0') {
            assert_eq!(added.status, 400, "{name}");
            continue;
        }
        assert_eq!(added.status, 201, "{name}: {added:?}");
        let path = path_of(&added.json()["f"]);
        assert!(path.starts_with("/media/core_media/2") && path.rsplit('.').next() == Some("png"), "{path}");
        assert_eq!(stage.send("GET", &path, &[], None).bytes, LOGO, "{path}");
    }
}

#[rstest]
fn what_is_no_image_is_refused_and_leaves_nothing(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let before = stage.image("GET", IMAGES, None).body;
    let logo = file("logo.png");
    let no_image = r#"{"f":["Upload a valid image. The file you uploaded was either not an image or a corrupted image."]}"#;
    let mut huge = LOGO.to_vec();
    // The width in the head of a PNG, and no checksum to fit.
    huge[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    for (parts, answer) in [
        (vec![], r#"{"f":["No file was submitted."]}"#),
        (vec![(&*file(""), &b""[..])], r#"{"f":["No file was submitted."]}"#),
        (
            vec![("name=\"f\"", b"text")],
            r#"{"f":["The submitted data was not a file. Check the encoding type on the form."]}"#,
        ),
        (vec![(&logo, b"")], r#"{"f":["The submitted file is empty."]}"#),
        (vec![(&logo, b"<html><script>alert(1)</script>")], no_image),
        (vec![(&logo, b"<svg xmlns='http://www.w3.org/2000/svg'/>")], no_image),
        (vec![(&logo, &LOGO[..LOGO.len() / 2])], no_image),
        (vec![(&logo, &PHOTO[..PHOTO.len() - 200])], no_image),
        (vec![(&logo, &huge)], no_image),
        (
            vec![(&logo, b""), ("name=\"name\"", b" ")],
            r#"{"name":["This field may not be blank."],"f":["The submitted file is empty."]}"#,
        ),
        // As recorded of a file where a text should be.
        (
            vec![(&logo, LOGO), ("name=\"name\"; filename=\"a.txt\"", b"hi")],
            r#"{"name":["Not a valid string."]}"#,
        ),
    ] {
        let reply = stage.upload(&parts);
        let too_large = reply.body == r#"{"f":["The image is too large: at most 8192 pixels a side."]}"#;
        assert!(reply.status == 400 && (reply.body == answer || too_large), "{answer}: {reply:?}");
    }
    assert_eq!(stage.image("GET", IMAGES, None).body, before);
    assert_eq!(stage.files(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_no_form_is_refused() {
    let stage = Stage::new(Kind::Sqlite);
    stage
        .post_images(b"image/png", LOGO)
        .assert_detail(415, "Unsupported media type \"image/png\" in request.");
    for (media_type, body) in [
        (&b"multipart/form-data"[..], &b"--limit--\r\n"[..]),
        (
            b"multipart/form-data; boundary=limit",
            b"--limit\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx",
        ),
        (b"multipart/form-data; boundary=limit", b"garbage"),
    ] {
        let reply = stage.post_images(media_type, body);
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(
            reply.json()["detail"].as_str().unwrap().starts_with("Multipart form parse error - "),
            "{reply:?}"
        );
    }
    let too_long = vec![0; 10 * 1024 * 1024 + 1];
    for parts in [vec![(&*file("a.png"), &too_long[..])], vec![("name=\"name\"", &too_long[..70_000])]] {
        stage.upload(&parts).assert_detail(413, "Request body is too large.");
    }
    assert_eq!(stage.files(), Vec::<PathBuf>::new());
}

/// None of them takes the place of another, whatever they are called.
#[rstest]
fn of_sixteen_uploads_of_one_name_each_is_kept(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let contents: Vec<Vec<u8>> = (0..16_u8).map(|number| [LOGO, &[number]].concat()).collect();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let send = |content| stage.upload(&[(&file("logo.png"), content)]);
        let sent: Vec<_> = contents.iter().map(|content| scope.spawn(move || send(content))).collect();
        sent.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut kept = 0;
    for (content, reply) in contents.iter().zip(replies) {
        // More may have waited than there is room for.
        if reply.status == 503 {
            continue;
        }
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!(&stage.send("GET", &path_of(&reply.json()["f"]), &[], None).bytes, content);
        kept += 1;
    }
    assert!(kept > 1, "there is room for some");
    assert_eq!(stage.files().len(), 5 * kept);
}

#[rstest]
fn an_image_is_renamed_and_its_employers_are_other_versions(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let stage = Stage::new(kind);
    let path = "/api/images/6";
    let employer = || stage.image("GET", "/api/portfolios/employers/4", None);
    let before = employer();
    let image = before.json()["image_data"].clone();
    assert_eq!(stage.image("PATCH", path, Some("{}")).json(), image);
    assert_eq!(employer().header("etag"), before.header("etag"));
    let renamed = stage.image("PATCH", path, Some(r#"{"name":" نشان ","id":9}"#));
    assert_eq!((renamed.status, renamed.json()["name"].as_str()), (200, Some("نشان")));
    let after = employer();
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(after.json()["updated_at"], before.json()["updated_at"]);
    assert_eq!(after.json()["image_data"], renamed.json());
    for (body, answer) in [
        (r#"{"name":null}"#, r#"{"name":["This field may not be null."]}"#),
        (r#"{"name":7}"#, r#"{"name":["Not a valid string."]}"#),
        (r#"{"name":" "}"#, r#"{"name":["This field may not be blank."]}"#),
        ("[]", r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#),
    ] {
        stage.image("PATCH", path, Some(body)).assert(400, answer);
    }
    for nobody in ["/api/images/99999", "/api/images/06", "/api/images/x"] {
        for (method, body) in [("GET", None), ("PATCH", Some(r#"{"name":null}"#)), ("DELETE", None)] {
            stage.image(method, nobody, body).assert_detail(404, "Not found.");
        }
    }
}

#[test]
fn an_image_is_renamed_by_a_merge_patch() {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    let patch = |media_type: &str, body: &str| {
        let headers = [("Authorization", token.as_bytes()), ("Content-Type", media_type.as_bytes())];
        stage.send("PATCH", "/api/images/6", &headers, Some(body.as_bytes()))
    };
    let renamed = patch("application/merge-patch+json", r#"{"name":"Merged"}"#);
    assert_eq!((renamed.status, renamed.json()["name"].as_str()), (200, Some("Merged")));
    // Which would take the name away, and an image has one.
    let removed = patch("application/merge-patch+json", r#"{"name":null}"#);
    removed.assert(400, r#"{"name":["This field may not be null."]}"#);
    let refused = patch("application/json-patch+json", "[]");
    assert_eq!(refused.status, 415);
    assert_eq!(refused.header("accept-patch"), Some("application/json, application/merge-patch+json"));
    assert_eq!(stage.image("GET", "/api/images/6", None).json(), renamed.json());
}

/// The folder for temporary files may be away or the process out of open files: neither is the request's fault, nor
/// for ever.
#[test]
fn an_upload_without_a_place_for_its_file_may_be_tried_again() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("uploader", &["--admin"]);
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    let server =
        Server::start(command.env("LOG_FORMAT", "json").env("TMPDIR", site.folder().join("nowhere")));
    server.wait_until_ready();
    let stage = Stage { server, site, key };
    let reply = stage.upload(&[(&file("logo.png"), LOGO)]);
    reply.assert_detail(503, "Service temporarily unavailable, try again later.");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(stage.files(), Vec::<PathBuf>::new());
}

#[rstest]
fn an_image_in_use_stays_and_goes_with_its_files_after(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let image = stage.upload(&[(&file("logo.png"), LOGO)]).json();
    let address = format!("{IMAGES}/{}", image["id"]);
    assert_eq!(stage.files().len(), 5);
    let given = json!({ "image": image["id"] }).to_string();
    assert_eq!(stage.patch(&given).status, 200);
    stage
        .image("DELETE", &address, None)
        .assert(409, r#"{"detail":"The image is in use.","employers":[123]}"#);
    assert_eq!(stage.send("GET", &path_of(&image["f"]), &[], None).status, 200);
    assert_eq!(stage.patch(r#"{"image":null}"#).status, 200);
    let gone = stage.image("DELETE", &address, None);
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    stage.image("GET", &address, None).assert_detail(404, "Not found.");
    stage.send("GET", &path_of(&image["f"]), &[], None).assert_detail(404, "Not found.");
    assert_eq!(stage.files(), Vec::<PathBuf>::new());
    let picked = stage.image("PATCH", EMPLOYER, Some(&given));
    assert_eq!(picked.status, 400, "{picked:?}");
}

#[rstest]
fn images_are_searched_ordered_and_paged(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let page = stage.image("GET", &format!("{IMAGES}/?ordering=name&limit=1&search=e"), None).json();
    let next = path_of(&page["next"]);
    assert_eq!(next, "/api/images/?limit=1&offset=1&ordering=name&search=e");
    assert_eq!(page["previous"], Value::Null);
    let second = stage.image("GET", &next, None).json();
    let names = [&page, &second].map(|page| page["results"][0]["name"].as_str().unwrap().to_owned());
    assert_eq!(names, ["apple", "technology"]);
    assert_eq!((&second["next"], second["count"].as_u64()), (&Value::Null, Some(2)));
    stage.image("GET", &format!("{IMAGES}?ordering=updated_at&limit=0"), None).assert(
        400,
        r#"{"limit":["Ensure this value is greater than or equal to 1."],"ordering":["\"updated_at\" is not a valid choice. Choose from id, name, created_at, each with an optional \"-\"."]}"#,
    );
}
