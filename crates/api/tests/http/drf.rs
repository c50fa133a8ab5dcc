//! What a real Django REST Framework answered, asked of our service: every recorded case is answered
//! the same, or by a difference that has a name in the contract (`drf/differences.rs`).
//!
//! `drf/observed.jsonl` holds every recorded case. They are replayed in their order, since some build on
//! the one before.

mod differences;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_api::composition::Storage;
use portfolio_domain::employer::Employer;
use portfolio_domain::ports::{Demo, Planted};
use portfolio_domain::staff::{NewStaff, StaffName, Standing};
use portfolio_domain::testing::fixtures;
use portfolio_testkit::{Kind, PUBLIC_URL, Server, Site};
use rstest::rstest;
use serde_json::{Value, json};

use self::differences::{DIFFERENCES, Ours};
use crate::{PROGRAM, wire};

const OBSERVED: &str = include_str!("drf/observed.jsonl");

/// Before this case the recorded site did what we don't: it was sent requests that were not recorded, and
/// forms, which we refuse. What came of it shows in the answers of the cases after it.
const MEANWHILE: (&str, &str) = (
    "drf-160",
    "DELETE FROM employers WHERE name = 'Umbrella';
     -- PostgreSQL spent an id on the name that was taken. A missing key the service fills in.
     UPDATE employers SET id = 5, search_key = NULL WHERE name = 'Hooli';
     UPDATE employers SET description = 'mp\r\n--XXBOUND--' WHERE name = 'Globex';
     UPDATE employers SET description = '' WHERE name = 'Initech';
     INSERT INTO employers (id, name, created_at, updated_at)
         SELECT 6, 'Sixth', created_at, updated_at FROM employers WHERE id = 3;",
);

/// One recorded request and its recorded answer.
#[derive(Debug, serde::Deserialize)]
struct Case {
    id: String,
    #[serde(rename = "case")]
    title: String,
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    status: u16,
    response_body: Option<String>,
}

fn observed() -> Vec<Case> {
    OBSERVED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Case {
    /// The recorded site had a view of its own that knows PATCH alone.
    fn path(&self) -> String {
        self.path.replace("/api/patchonly/", "/api/portfolios/employers/")
    }

    /// The bytes that were sent. Those that are no UTF-8 were recorded as `\xNN`, and a large body only
    /// by its length.
    fn body(&self) -> Option<Vec<u8>> {
        let recorded = self.body.as_deref()?;
        let Some(length) = recorded.strip_prefix('<').and_then(|rest| rest.strip_suffix(" bytes>")) else {
            return Some(unescape(recorded));
        };
        let body = match self.title.as_str() {
            "JSON int 5000 digits" => format!(r#"{{"image":{}}}"#, "1".repeat(5000)),
            "3 MB JSON body" => format!(r#"{{"description": "{}"}}"#, "x".repeat(3_000_000)),
            "3 MB form body" => format!("description={}", "x".repeat(3_000_000)),
            "1001 form fields" => (0..1001).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join("&"),
            "name 51 emoji" => format!(r#"{{"name": "{}"}}"#, r"\ud83d\ude00".repeat(51)),
            other => panic!("{}: nobody knows the body of {other:?}", self.id),
        };
        assert_eq!(body.len().to_string(), length, "{}: the body was rebuilt wrongly", self.id);
        Some(body.into_bytes())
    }

    fn send(&self, server: &Server) -> (u16, String) {
        // A header's value was recorded as ISO 8859-1 text: a character is a byte.
        let headers: Vec<(&str, Vec<u8>)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.chars().map(|c| u8::try_from(c).unwrap()).collect()))
            .collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        // No client of a library sends an `Authorization` that is no text.
        let request = wire::request(&self.method, &self.path(), &headers, self.body().as_deref());
        let reply = wire::exchange(server, &request);
        (reply.status, reply.body)
    }

    fn recorded(&self) -> (u16, Value) {
        (self.status, comparable(self.response_body.as_deref().unwrap_or_default()))
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(r"\x") {
        bytes.extend(&rest.as_bytes()[..at]);
        let byte = rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // A byte of ASCII was recorded as itself, so that a smaller number is no escape of the record.
        if let Some(byte) = byte.filter(|byte| *byte >= 0x80) {
            bytes.push(byte);
            rest = &rest[at + 4..];
        } else {
            bytes.extend(br"\x");
            rest = &rest[at + 2..];
        }
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// An answer as JSON, without what two sites can't share: times, what an image is but for its id, and
/// where the site stands. Of a JSON error both say what and where, each parser in its own words.
fn comparable(body: &str) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    // The recorded site sometimes answers a page.
    let mut answer: Value = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    set_apart(&mut answer);
    answer
}

fn set_apart(answer: &mut Value) {
    /// How every JSON error starts.
    const JSON_ERROR: &str = "JSON parse error - ";
    /// Where the recorded site stood.
    const RECORDED_URL: &str = "http://testserver/";
    let Some(members) = answer.as_object_mut() else { return };
    members.remove("created_at");
    members.remove("updated_at");
    if let Some(image) = members.get_mut("image_data") {
        *image = image.get("id").cloned().unwrap_or_default();
    }
    if let Some(detail) = members.get_mut("detail")
        && detail.as_str().is_some_and(|text| text.starts_with(JSON_ERROR))
    {
        *detail = JSON_ERROR.into();
    }
    for link in ["next", "previous"] {
        if let Some(Value::String(link)) = members.get_mut(link)
            && let Some(path) = link.strip_prefix(RECORDED_URL)
        {
            *link = format!("{PUBLIC_URL}/{path}");
        }
    }
    if let Some(employers) = members.get_mut("results").and_then(Value::as_array_mut) {
        employers.iter_mut().for_each(set_apart);
    }
}

/// A recorded list, which is ordered by id, as our default order has it: of the employers that are listed
/// each was made after those of lesser ids.
fn newest_first((status, mut answer): (u16, Value)) -> (u16, Value) {
    answer["results"].as_array_mut().unwrap().reverse();
    (status, answer)
}

/// Whether two answers are the same. Which id a new employer gets is a site's own affair.
fn same(ours: &(u16, Value), other: &(u16, Value)) -> bool {
    let without_new_id = |(status, answer): &(u16, Value)| {
        let mut answer = answer.clone();
        if let (201, Some(employer)) = (*status, answer.as_object_mut()) {
            employer.remove("id");
        }
        (*status, answer)
    };
    without_new_id(ours) == without_new_id(other)
}

/// The recorded site asked for its one code on changes alone.
const STAFF: [&str; 8] =
    ["--permission", "4221", "--permission", "4222", "--permission", "4223", "--permission", "4224"];

/// The recorded site: its employers, one made after the other, its image, its users with their keys.
fn recorded_site(kind: Kind) -> Site {
    let site = Site::new(PROGRAM, kind);
    site.ok(&["migrate"]);
    let employer = |id, name| {
        let made = fixtures::now() + TimeDelta::microseconds(id);
        Employer { created_at: made, updated_at: made, ..fixtures::employer(id, name) }
    };
    let acme = Employer { image: Some(fixtures::image(1)), ..employer(1, "Acme") };
    let demo = Demo {
        staff: NewStaff {
            name: StaffName::parse("demo").unwrap(),
            standing: Standing { active: true, staff: true, admin: true },
            permissions: BTreeSet::new(),
        },
        images: vec![fixtures::image(1)],
        employers: vec![acme, employer(2, "Globex"), employer(3, "Initech")],
        now: fixtures::now(),
    };
    let url = DatabaseUrl::parse(site.database_url()).unwrap();
    let planted = actix_web::rt::System::new()
        .block_on(async { Storage::open(&url, Some(1)).demo.plant(&demo).await.unwrap() });
    assert_eq!(planted, Planted::Done);
    for (name, flags, key) in [
        ("plain", &["--not-staff"][..], "1"),
        ("staff without the code", &[], "2"),
        ("staff with the code", &STAFF, "3"),
        ("admin", &["--admin", "--not-staff"], "4"),
        ("the code but not staff", &["--not-staff", "--permission", "4223"], "5"),
        ("inactive", &["--permission", "4223"], "6"),
    ] {
        site.adopt(name, flags, &key.repeat(40));
    }
    site.ok(&["staff", "disable", "inactive"]);
    site
}

#[rstest]
fn every_recorded_case_is_answered_the_same_or_by_a_named_difference(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = recorded_site(kind);
    let server = site.serve();
    let mut wrong = Vec::new();
    for case in observed() {
        if case.id == MEANWHILE.0 {
            site.execute(MEANWHILE.1);
        }
        let (status, body) = case.send(&server);
        let ours = (status, comparable(&body));
        let recorded = case.recorded();
        let difference = DIFFERENCES.iter().find(|difference| difference.id == case.id);
        let complaint = match difference {
            None if same(&ours, &recorded) => continue,
            None => format!("differs without a name; recorded: {recorded:?}"),
            Some(_) if same(&ours, &recorded) => "has a name, and does not differ".to_owned(),
            Some(difference) => {
                let expected = match difference.ours {
                    Ours::Answer(status, body) => (status, comparable(body)),
                    Ours::NewestFirst => newest_first(recorded),
                };
                if same(&ours, &expected) {
                    continue;
                }
                format!("is not the named difference {:?}: {expected:?}", difference.row.text())
            }
        };
        wrong.push(format!("{} ({}): {complaint}; ours: {status} {body}", case.id, case.title));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_named_difference_is_of_a_recorded_case() {
    let recorded: BTreeSet<_> = observed().into_iter().map(|case| case.id).collect();
    let named: BTreeSet<_> = DIFFERENCES.iter().map(|difference| difference.id.to_owned()).collect();
    assert_eq!(named.len(), DIFFERENCES.len(), "a case has two names");
    assert!(named.is_subset(&recorded), "{:?}", named.difference(&recorded));
    assert_eq!((recorded.len() - named.len(), named.len()), (107, 88), "same, and named differences");
}

#[test]
fn a_recorded_body_is_sent_as_the_bytes_it_was() {
    assert_eq!(unescape(r#"{"name":"\x"} caf\xe9 \x1f"#), b"{\"name\":\"\\x\"} caf\xe9 \\x1f");
}

#[test]
fn answers_are_compared_without_times_and_words_of_a_parser() {
    let employer = r#"{"id":1,"image_data":{"id":7,"size":1},"created_at":"a","updated_at":"b"}"#;
    assert_eq!(comparable(employer), json!({ "id": 1, "image_data": 7 }));
    assert_eq!(comparable(r#"{"id":1,"image_data":null}"#), json!({ "id": 1, "image_data": null }));
    let list = r#"{"next":"http://testserver/a?b","previous":null,"results":[{"id":1,"created_at":"a"}]}"#;
    let next = format!("{PUBLIC_URL}/a?b");
    assert_eq!(comparable(list), json!({ "next": next, "previous": null, "results": [{ "id": 1 }] }));
    let error = r#"{"detail":"JSON parse error - at line 1"}"#;
    assert_eq!(comparable(error), json!({ "detail": "JSON parse error - " }));
    assert_eq!(comparable("<html>"), json!("<html>"));
}
