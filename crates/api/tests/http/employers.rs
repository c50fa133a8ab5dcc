//! The list, one employer, an addition and a removal (contract, sections 4 and 5).

use portfolio_testkit::Kind;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{EMPLOYER, JSON, NOBODY, Stage};
use crate::wire::Reply;

const LIST: &str = "/api/portfolios/employers";

impl Stage {
    /// A request by the one who may.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &[u8])], body: Option<&str>) -> Reply {
        let token = format!("Token {}", self.key);
        let mut all = vec![("Authorization", token.as_bytes())];
        if body.is_some() {
            all.push(("Content-Type", JSON.as_bytes()));
        }
        self.send(method, path, &[&all, headers].concat(), body.map(str::as_bytes))
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], None)
    }
}

fn ids(reply: &Reply) -> Vec<i64> {
    let results = reply.json()["results"].as_array().unwrap().clone();
    results.iter().map(|employer| employer["id"].as_i64().unwrap()).collect()
}

#[rstest]
fn an_employer_is_added_seen_listed_and_removed(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let made = stage.ask("POST", LIST, &[], Some(r#"{"name":" Quince ","image":"6"}"#));
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_i64().unwrap();
    let path = format!("{LIST}/{id}");
    assert_eq!(made.header("location"), Some(format!("http://localhost:8000{path}").as_str()));
    assert_eq!(made.json()["description"], Value::Null);
    assert_eq!(made.json()["image_data"]["id"], 6);
    for path in [path.clone(), format!("{path}/")] {
        let seen = stage.get(&path);
        assert_eq!((seen.status, &seen.body), (200, &made.body));
        assert_eq!(seen.header("etag"), made.header("etag"));
        let head = stage.ask("HEAD", &path, &[], None);
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("etag"), made.header("etag"));
        assert_eq!(head.header("content-length"), Some(made.body.len().to_string().as_str()));
    }
    let listed = stage.get(&format!("{LIST}/?search=quince"));
    assert_eq!(listed.json(), json!({"count": 1, "next": null, "previous": null, "results": [made.json()]}));
    let gone = stage.ask("DELETE", &path, &[], None);
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    for method in ["GET", "DELETE"] {
        stage.ask(method, &path, &[], None).assert_detail(404, "Not found.");
    }
    stage.ask("PATCH", &path, &[], Some(r#"{"name":"x"}"#)).assert_detail(404, "Not found.");
    stage.get(NOBODY).assert_detail(404, "Not found.");
}

#[rstest]
fn everything_wrong_with_a_new_employer_is_told_at_once(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let before = stage.get(LIST).body;
    let taken = stage.employer()["name"].clone();
    for (body, answer) in [
        ("{}".to_owned(), r#"{"name":["This field is required."]}"#),
        (r#"{"name":null}"#.to_owned(), r#"{"name":["This field may not be null."]}"#),
        (
            json!({"name": taken, "image": 999, "description": 5}).to_string(),
            r#"{"name":["employer with this name already exists."],"image":["Invalid pk \"999\" - object does not exist."],"description":["Not a valid string."]}"#,
        ),
    ] {
        stage.ask("POST", LIST, &[], Some(&body)).assert(400, answer);
    }
    let merge = [("Content-Type", &b"application/merge-patch+json"[..])];
    let token = format!("Token {}", stage.key);
    let headers = [&merge[..], &[("Authorization", token.as_bytes())]].concat();
    let refused = stage.send("POST", LIST, &headers, Some(b"{}"));
    refused.assert_detail(415, "Unsupported media type \"application/merge-patch+json\" in request.");
    assert_eq!(refused.header("accept-patch"), None);
    assert_eq!(stage.get(LIST).body, before);
}

#[rstest]
fn a_client_that_has_the_version_gets_a_304(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let tag = stage.get(EMPLOYER).header("etag").unwrap().to_owned();
    let other = "\"x\"";
    let ask = |method: &str, headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let body = (method == "PATCH").then_some(r#"{"description":"never"}"#);
        stage.ask(method, EMPLOYER, &headers, body)
    };
    for known in [tag.clone(), format!("W/{tag}"), format!("{other}, {tag}"), "*".into()] {
        for method in ["GET", "HEAD"] {
            let reply = ask(method, &[("If-None-Match", &known)]);
            assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{known}");
            assert_eq!(reply.header("etag"), Some(tag.as_str()));
        }
        for method in ["PATCH", "DELETE"] {
            ask(method, &[("If-None-Match", &known)]).assert_detail(412, "Precondition failed.");
        }
    }
    for unknown in [other, "garbage", ""] {
        assert_eq!(ask("GET", &[("If-None-Match", unknown)]).status, 200, "{unknown}");
    }
    for (if_match, status) in [(tag.as_str(), 200), ("*", 200), (other, 412), (&format!("W/{tag}"), 412)] {
        assert_eq!(ask("GET", &[("If-Match", if_match)]).status, status, "{if_match}");
    }
    ask("DELETE", &[("If-Match", other)]).assert_detail(412, "Precondition failed.");
    assert_eq!(ask("DELETE", &[("If-Match", &tag)]).status, 204);
    ask("GET", &[("If-None-Match", "*")]).assert_detail(404, "Not found.");
}

#[rstest]
fn links_lead_through_the_whole_list(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    for n in 0..5 {
        let body = json!({"name": format!("Client {n}")}).to_string();
        assert_eq!(stage.ask("POST", LIST, &[], Some(&body)).status, 201);
    }
    let mut seen = Vec::new();
    let mut next = Some(format!("{LIST}?ordering=name&search=client&limit=2&x=a%20b"));
    while let Some(path) = next {
        let reply = stage.get(&path);
        assert_eq!((reply.status, reply.json()["count"].as_i64()), (200, Some(5)), "{reply:?}");
        seen.extend(ids(&reply));
        let link = reply.json()["next"].as_str().map(str::to_owned);
        next = link.map(|link| link.strip_prefix("http://localhost:8000").unwrap().to_owned());
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    let middle = stage.get(&format!("{LIST}/?limit=2&offset=2")).json();
    assert_eq!(middle["previous"], "http://localhost:8000/api/portfolios/employers/?limit=2");
    assert_eq!(middle["next"], "http://localhost:8000/api/portfolios/employers/?limit=2&offset=4");
}

#[rstest]
fn bad_parameters_are_named_all_at_once(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let reply = stage.get(&format!("{LIST}?has_image=maybe&limit=0&ordering=bogus"));
    reply.assert(
        400,
        r#"{"limit":["Ensure this value is greater than or equal to 1."],"ordering":["\"bogus\" is not a valid choice. Choose from id, name, created_at, updated_at, each with an optional \"-\"."],"has_image":["Must be a valid boolean: true, false, 1 or 0."]}"#,
    );
    for fine in ["?limit=", "?unknown=1", "?has_image=TRUE&has_description=0", "?search=%25", "?search=%ff"] {
        assert_eq!(stage.get(&format!("{LIST}{fine}")).status, 200, "{fine}");
    }
}
