//! The documented example, byte for byte (contract, section 1).

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::PROGRAM;

/// The same that the OpenAPI document shows.
const EXAMPLE: &str = include_str!("../../src/openapi/employer.json");

#[rstest]
fn an_empty_change_answers_the_documented_example_byte_for_byte(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let server = site.serve();
    for _ in 0..2 {
        let answer = server.patch(4, &key, "{}");
        assert_eq!((answer.status, answer.body.as_str()), (200, EXAMPLE.trim_end()));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}
