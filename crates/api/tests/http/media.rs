//! The files of images, as they are served (contract, section 5).

use portfolio_testkit::{Kind, S3Server, Server, Site};

use crate::PROGRAM;
use crate::stage::Stage;
use crate::wire::Reply;

const CONTENT: &[u8] = b"0123456789";

/// A server that keeps this file.
fn stage(path: &str) -> Stage {
    let stage = Stage::new(Kind::Sqlite);
    let place = stage.site.folder().join("data/media").join(path);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(place, CONTENT).unwrap();
    stage
}

impl Stage {
    fn media(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.send("GET", path, &headers, None)
    }
}

#[test]
fn a_file_is_served_so_that_no_browser_runs_it() {
    let stage = stage("core_media/2026/a.png");
    let path = "/media/core_media/2026/a.png";
    let head = stage.send("HEAD", path, &[], None);
    for reply in [stage.media(path, &[]), head] {
        assert_eq!(reply.status, 200);
        for (name, value) in [
            ("content-type", "image/png"),
            ("content-length", "10"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("accept-ranges", "bytes"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name}");
        }
        assert!(reply.header("etag").unwrap().starts_with('"'));
        assert!(reply.header("last-modified").unwrap().ends_with(" GMT"));
    }
    assert_eq!(stage.media(path, &[]).bytes, CONTENT);
    assert_eq!(stage.send("HEAD", path, &[], None).bytes, b"");
}

#[test]
fn what_its_name_does_not_tell_is_for_no_browser() {
    for (path, media_type) in
        [("a.JPEG", "image/jpeg"), ("a.svg", "application/octet-stream"), ("a", "application/octet-stream")]
    {
        let stage = stage(path);
        assert_eq!(stage.media(&format!("/media/{path}"), &[]).header("content-type"), Some(media_type));
    }
}

#[test]
fn one_range_is_answered_and_no_more() {
    let stage = stage("a.png");
    let tag = stage.media("/media/a.png", &[]).header("etag").unwrap().to_owned();
    for (range, answer) in [
        ("bytes=0-0", Some((0, 1))),
        ("bytes=2-4", Some((2, 5))),
        ("bytes=7-", Some((7, 10))),
        ("bytes=7-99", Some((7, 10))),
        ("bytes=-3", Some((7, 10))),
        ("bytes=-99", Some((0, 10))),
        ("bytes=0-1,3-4", None),
        ("bytes=4-2", None),
        ("lines=1-2", None),
        ("garbage", None),
    ] {
        let reply = stage.media("/media/a.png", &[("Range", range)]);
        match answer {
            Some((from, to)) => {
                assert_eq!((reply.status, &reply.bytes[..]), (206, &CONTENT[from..to]), "{range}");
                let shown = format!("bytes {from}-{}/10", to - 1);
                assert_eq!(reply.header("content-range"), Some(shown.as_str()), "{range}");
            }
            None => assert!(
                reply.bytes == CONTENT && reply.status == 200 || reply.status == 416,
                "{range}: {reply:?}"
            ),
        }
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let reply = stage.media("/media/a.png", &[("Range", range)]);
        reply.assert_detail(416, "Requested range not satisfiable.");
        assert_eq!(reply.header("content-range"), Some("bytes */10"), "{range}");
    }
    // A range means something to GET alone (RFC 9110, section 14.2).
    let whole = stage.send("HEAD", "/media/a.png", &[("Range", b"bytes=2-4")], None);
    assert_eq!((whole.status, whole.header("content-length")), (200, Some("10")));
    let other = [("Range", "bytes=0-0"), ("If-Range", "\"other\"")];
    assert_eq!(stage.media("/media/a.png", &other).status, 200);
    assert_eq!(stage.media("/media/a.png", &[("Range", "bytes=0-0"), ("If-Range", &tag)]).status, 206);
}

#[test]
fn who_has_the_file_gets_a_304() {
    let stage = stage("a.png");
    let tag = stage.media("/media/a.png", &[]).header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let reply = stage.media("/media/a.png", &[("If-None-Match", &known)]);
        assert_eq!((reply.status, reply.header("etag"), reply.body.as_str()), (304, Some(tag.as_str()), ""));
    }
    assert_eq!(stage.media("/media/a.png", &[("If-None-Match", "\"x\"")]).status, 200);
    assert_eq!(stage.media("/media/a.png", &[("If-Match", "\"x\"")]).status, 412);
}

/// Tags go before times, where both are sent (RFC 9110, section 13.2.2).
#[test]
fn who_knows_no_tag_may_name_a_time() {
    let stage = stage("a.png");
    let known = stage.media("/media/a.png", &[]);
    let [time, tag] = ["last-modified", "etag"].map(|name| known.header(name).unwrap().to_owned());
    let (before, after) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sat, 06 Nov 2094 08:49:37 GMT");
    for (headers, status) in [
        (vec![("If-Modified-Since", &*time)], 304),
        (vec![("If-Modified-Since", after)], 304),
        (vec![("If-Modified-Since", before)], 200),
        (vec![("If-Modified-Since", "garbage")], 200),
        (vec![("If-Modified-Since", &time), ("If-None-Match", "\"x\"")], 200),
        (vec![("If-Unmodified-Since", &time)], 200),
        (vec![("If-Unmodified-Since", before)], 412),
        (vec![("If-Unmodified-Since", "garbage")], 200),
        (vec![("If-Unmodified-Since", before), ("If-Match", &tag)], 200),
    ] {
        assert_eq!(stage.media("/media/a.png", &headers).status, status, "{headers:?}");
    }
}

#[test]
fn a_file_is_there_with_and_without_a_trailing_slash() {
    let stage = stage("core_media/a.png");
    for path in ["/media/core_media/a.png", "/media/core_media/a.png/"] {
        assert_eq!(stage.media(path, &[]).bytes, CONTENT, "{path}");
    }
    for path in ["/media/core_media/a.png//", "/media/core_media/a.png%2f"] {
        stage.media(path, &[]).assert_detail(404, "Not found.");
    }
}

#[test]
fn a_file_in_a_bucket_is_served_alike() {
    let bucket = S3Server::start();
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    command
        .env("LOG_FORMAT", "json")
        .env("MEDIA_STORE", format!("s3://{}/site", S3Server::BUCKET))
        .env("AWS_ENDPOINT_URL", bucket.endpoint())
        .env("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_ACCESS_KEY);
    let server = Server::start(&mut command);
    server.wait_until_ready();
    let key = site.key("uploader", &["--permission", "4231", "--permission", "4234"]);
    let stage = Stage { server, site, key };
    let logo = include_bytes!("images/logo.png");
    let added = stage.upload(&[("name=\"f\"; filename=\"نشان.png\"", logo)]);
    assert_eq!(added.status, 201, "{added:?}");
    let image = added.json();
    let path = image["f"].as_str().unwrap().strip_prefix(portfolio_testkit::PUBLIC_URL).unwrap();
    let whole = stage.media(path, &[]);
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("image/png")));
    assert_eq!(whole.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    assert_eq!(whole.bytes, logo);
    let part = stage.media(path, &[("Range", "bytes=-7")]);
    assert_eq!((part.status, &part.bytes[..]), (206, &logo[logo.len() - 7..]));
    assert_eq!(stage.media(path, &[("If-None-Match", whole.header("etag").unwrap())]).status, 304);
    let head = stage.send("HEAD", path, &[], None);
    assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")));
    let token = format!("Token {}", stage.key);
    let address = format!("/api/images/{}", image["id"]);
    let gone = stage.send("DELETE", &address, &[("Authorization", token.as_bytes())], None);
    assert_eq!(gone.status, 204, "{gone:?}");
    stage.media(path, &[]).assert_detail(404, "Not found.");
    drop(bucket);
    let away = stage.media(path, &[]);
    away.assert_detail(503, "Service temporarily unavailable, try again later.");
    assert_eq!(away.header("retry-after"), Some("1"));
}

#[test]
fn no_path_leads_outside() {
    let stage = stage("core_media/a.png");
    let secret = stage.site.folder().join("secret.png");
    std::fs::write(&secret, "secret").unwrap();
    std::os::unix::fs::symlink(&secret, stage.site.folder().join("data/media/link.png")).unwrap();
    std::os::unix::fs::symlink(stage.site.folder(), stage.site.folder().join("data/media/folder")).unwrap();
    for path in [
        "/media/../secret.png",
        "/media/../../secret.png",
        "/media/core_media/../../secret.png",
        "/media/%2e%2e/%2e%2e/secret.png",
        "/media/..%2f..%2fsecret.png",
        "/media/core_media/..%5c..%5csecret.png",
        "/media//etc/passwd",
        "/media/%2fetc/passwd",
        "/media/link.png",
        "/media/folder/secret.png",
        "/media/core_media",
        "/media/core_media/",
        "/media/",
        "/media/a%00.png",
        "/media/core_media/a.png%00",
        "/media/core_media%252fa.png",
        "/media/%ff",
        "/media/core_media/./a.png",
        "/media/core_media//a.png",
    ] {
        let reply = stage.media(path, &[]);
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
        reply.assert_detail(404, "Not found.");
    }
    assert_eq!(stage.media("/media/core_media/a%2epng", &[]).bytes, CONTENT);
}
