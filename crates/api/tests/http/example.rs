//! The documented example, byte for byte (contract, section 1).

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::PROGRAM;

const EXAMPLE: &str = r#"{"id":4,"name":"همکاران سیستم","image_data":{"id":6,"type":"image","name":"technology","size":5123,"human_readable_size":"5.00 KB","f":"http://localhost:8000/media/core_media/2025/12/02/technology.png","width":225,"height":225,"mode":"P","thumbnails":[{"id":213,"f":"http://localhost:8000/media/core_media/2026/02/02/thumbnails/test2_ecH0zVV_thumbnail_64x64.jpg","size":64},{"id":214,"f":"http://localhost:8000/media/core_media/2026/02/02/thumbnails/test2_ecH0zVV_thumbnail_128x128.jpg","size":128},{"id":215,"f":"http://localhost:8000/media/core_media/2026/02/02/thumbnails/test2_ecH0zVV_thumbnail_512x512.jpg","size":512},{"id":216,"f":"http://localhost:8000/media/core_media/2026/02/02/thumbnails/test2_ecH0zVV_thumbnail_1080x1080.jpg","size":1080}]},"description":"همکاران سیستم شرکتی در زمینه ... است","created_at":"2026-01-13T09:55:00.750306Z","updated_at":"2026-01-13T09:55:00.750315Z"}"#;

#[rstest]
fn an_empty_change_answers_the_documented_example_byte_for_byte(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let server = site.serve();
    for _ in 0..2 {
        let answer = server.patch(4, &key, "{}");
        assert_eq!((answer.status, answer.body.as_str()), (200, EXAMPLE));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}
