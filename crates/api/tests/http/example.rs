//! The documented example, byte for byte (contract, section 1), and the files that it names.

use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::image::ImageFormat;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{Rendering, Thumbnailer as _};
use portfolio_testkit::{Kind, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::Stage;

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

impl Stage {
    fn results(&self, path: &str) -> Vec<Value> {
        let token = format!("Token {}", self.key);
        let reply = self.send("GET", path, &[("Authorization", token.as_bytes())], None);
        reply.json()["results"].as_array().unwrap().clone()
    }

    /// Gets what an answer names as `f`, and looks at what it is.
    fn file(&self, f: &Value) -> (usize, Rendering) {
        let path = f.as_str().unwrap().strip_prefix("http://localhost:8000").unwrap();
        let reply = self.send("GET", path, &[], None);
        assert_eq!(reply.status, 200, "{path}");
        let place = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(place.path(), &reply.bytes).unwrap();
        let seen = actix_web::rt::System::new()
            .block_on(PooledThumbnailer::with_threads(1).render(&LocalFile::lasting(place.path())))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(reply.header("content-type"), Some(seen.format.media_type()), "{path}");
        (reply.bytes.len(), seen)
    }
}

#[rstest]
fn every_file_of_the_example_is_there_and_what_its_row_says(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let stage = Stage::new(kind);
    let mut images = stage.results("/api/images");
    let shown = stage.results("/api/portfolios/employers");
    images
        .extend(shown.iter().map(|employer| employer["image_data"].clone()).filter(|image| !image.is_null()));
    assert_eq!(images.len(), 4);
    for image in images {
        let (length, seen) = stage.file(&image["f"]);
        assert_eq!(
            json!([image["size"], image["width"], image["height"], image["mode"]]),
            json!([length, seen.width, seen.height, seen.mode]),
            "{image}"
        );
        let thumbnails = image["thumbnails"].as_array().unwrap();
        assert_eq!(thumbnails.len(), 4);
        for thumbnail in thumbnails {
            let (_, small) = stage.file(&thumbnail["f"]);
            let side = u32::try_from(thumbnail["size"].as_u64().unwrap()).unwrap();
            // As large as its box, or as the image where that is smaller.
            let longest = side.min(seen.width.max(seen.height));
            assert_eq!((small.width.max(small.height), small.format), (longest, ImageFormat::Jpeg));
            let skew = f64::from(small.width) * f64::from(seen.height)
                - f64::from(small.height) * f64::from(seen.width);
            assert!(skew.abs() <= f64::from(seen.width.max(seen.height)), "{thumbnail}: {small:?}");
        }
    }
}
