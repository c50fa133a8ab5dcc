//! What the service says of itself.

use actix_web::http::StatusCode;
use serde_json::json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{Content, ContentBuilder};

use super::operation::{Description, JSON, content};
use super::schemas::{DETAIL, STATUS, named};
use crate::metrics::Metrics;
use crate::readiness::Waiting;

const TAG: &str = "service";

pub(crate) fn alive() -> Operation {
    Description::of(TAG, "isAlive", "Whether the process runs")
        .answers(StatusCode::OK, "It runs, whatever the database does.", Some((JSON, status("alive"))))
        .build()
}

pub(crate) fn ready() -> Operation {
    Description::of(TAG, "isReady", "Whether it can do its work")
        .answers(StatusCode::OK, "Database and media store answer.", Some((JSON, status("ready"))))
        .answers(
            StatusCode::SERVICE_UNAVAILABLE,
            "Not now.",
            Some((
                JSON,
                content(
                    named(DETAIL),
                    waiting().map(|text| (text.clone(), json!({ "detail": text }))).into(),
                ),
            )),
        )
        .with(StatusCode::SERVICE_UNAVAILABLE, "Retry-After", "After how many seconds to ask again.", "1")
        .build()
}

pub(crate) fn metrics() -> Operation {
    Description::of(TAG, "metrics", "What is measured, for Prometheus")
        .answers(
            StatusCode::OK,
            "Every metric, in Prometheus's text format.",
            Some((Metrics::MEDIA_TYPE, plain())),
        )
        .build()
}

pub(crate) fn document() -> Operation {
    let document = Object::builder().description(Some("An OpenAPI 3.1 document."));
    Description::of(TAG, "openApi", "This document")
        .answers(
            StatusCode::OK,
            "The OpenAPI document of this service.",
            Some((JSON, ContentBuilder::new().schema(Some(document)).build())),
        )
        .build()
}

pub(crate) fn page(policy: &str) -> Operation {
    Description::of(TAG, "docs", "A page on which to read this document, and to try it")
        .answers(
            StatusCode::OK,
            "The page. It asks no other host.",
            Some(("text/html; charset=utf-8", plain())),
        )
        .with(
            StatusCode::OK,
            "Content-Security-Policy",
            "What the page may load: its own files only.",
            policy,
        )
        .build()
}

/// All that it can wait for.
fn waiting() -> [String; 5] {
    let [database, media_store] = ["database", "media store"].map(Waiting::For);
    [Waiting::ForDatabase, Waiting::ForMigrations, Waiting::Stopping, database, media_store]
        .map(|waiting| waiting.to_string())
}

fn status(status: &str) -> Content {
    content(named(STATUS), vec![(status.to_owned(), json!({ "status": status }))])
}

fn plain() -> Content {
    ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build()
}
