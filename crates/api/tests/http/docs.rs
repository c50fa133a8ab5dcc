//! What the service says of itself (contract, section 5).

use portfolio_testkit::Kind;
use serde_json::Value;

use crate::stage::Stage;

#[test]
fn the_document_is_served_as_the_command_prints_it() {
    let stage = Stage::new(Kind::Sqlite);
    for path in ["/api/openapi.json", "/api/openapi.json/"] {
        let served = stage.send("GET", path, &[], None);
        assert_eq!((served.status, served.json()["openapi"].as_str()), (200, Some("3.1.0")));
        assert_eq!(format!("{}\n", served.body), stage.site.ok(&["openapi"]));
    }
}

/// The example that the document shows of a change is answered as it says.
#[test]
fn the_documented_example_is_in_the_document() {
    let stage = Stage::new(Kind::Sqlite);
    let document = stage.send("GET", "/api/openapi.json", &[], None).json();
    let patch = &document["paths"]["/api/portfolios/employers/{id}"]["patch"];
    let answer = &patch["responses"]["200"]["content"]["application/json"]["examples"];
    let token = format!("Token {}", stage.key);
    let headers = [("Authorization", token.as_bytes())];
    let shown = stage.send("GET", "/api/portfolios/employers/4", &headers, None).json();
    assert_eq!(answer["The documented employer"]["value"], shown);
    for media_type in ["application/json", "application/merge-patch+json"] {
        let examples = patch["requestBody"]["content"][media_type]["examples"].as_object().unwrap().clone();
        assert_eq!(examples.len(), 3);
        for (name, example) in examples {
            let body = example["value"].to_string();
            let reply = stage.patch_with(body.as_bytes(), &[]);
            assert_eq!(reply.status, 200, "{name}: {reply:?}");
            assert_eq!(reply.json()["image_data"].is_null(), example["value"]["image"].is_null(), "{name}");
        }
    }
}

#[test]
fn the_page_may_load_its_own_files_only_and_has_all_of_them() {
    let stage = Stage::new(Kind::Sqlite);
    for path in ["/api/docs", "/api/docs/"] {
        let page = stage.send("GET", path, &[], None);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let files: Vec<_> = page.body.split('"').filter(|text| text.starts_with("/api/")).collect();
        assert_eq!(files.len(), 5, "{}", page.body);
        for file in files {
            assert_eq!(stage.send("GET", file, &[], None).status, 200, "{file}");
        }
    }
}

#[test]
fn a_packed_file_is_unpacked_for_whoever_can_not() {
    let stage = Stage::new(Kind::Sqlite);
    for (path, media_type) in [
        ("/api/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/api/docs/swagger-ui.css", "text/css; charset=utf-8"),
    ] {
        let head = |encodings: Option<&str>| {
            let headers: Vec<_> =
                encodings.iter().map(|encodings| ("Accept-Encoding", encodings.as_bytes())).collect();
            let reply = stage.send("HEAD", path, &headers, None);
            assert_eq!((reply.status, reply.header("content-type")), (200, Some(media_type)));
            assert_eq!(reply.header("vary").map(str::to_lowercase).as_deref(), Some("accept-encoding"));
            let length: usize = reply.header("content-length").unwrap().parse().unwrap();
            (reply.header("content-encoding").map(str::to_owned), length)
        };
        let (_, plain) = head(None);
        for encodings in [None, Some(""), Some("identity"), Some("br"), Some("gzip;q=0")] {
            assert_eq!(head(encodings), (None, plain), "{encodings:?}");
        }
        let (encoding, packed) = head(Some("gzip, deflate, br"));
        assert_eq!(encoding.as_deref(), Some("gzip"));
        assert!(packed * 3 < plain, "{packed} {plain}");
        let whole = stage.send("GET", path, &[], None);
        assert_eq!(whole.body.len(), plain);
    }
    let nothing: Value = stage.send("GET", "/api/docs/swagger-ui.js", &[], None).json();
    assert_eq!(nothing["detail"], "Not found.");
}
