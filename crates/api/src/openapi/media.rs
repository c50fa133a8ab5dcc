//! What [`routes::media`](crate::routes) answer.

use actix_web::http::StatusCode;
use portfolio_domain::ports::PortError;
use serde_json::json;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{Content, ContentBuilder, Required};

use super::operation::{Description, header_field, parameter, text};
use super::schemas::binary;
use crate::error::ApiError;

const TAG_EXAMPLE: &str = "\"9f86d081884c7d65\"";

pub(crate) fn get(policy: &str, caching: &str) -> Operation {
    let path = parameter(ParameterIn::Path, "path", "Where the file lies, slashes included.")
        .required(Required::True)
        .schema(Some(text()))
        .example(Some(json!("core_media/2025/12/02/technology.png")));
    let mut described = Description::of("images", "getMedia", "Get the file of an image or a thumbnail")
        .parameter(path)
        .parameter(header_field(
            "Range",
            "One range of bytes (RFC 9110, section 14). Of several, none counts.",
        ))
        .parameter(header_field("If-Range", "The range counts only for this version of the file."))
        .parameter(header_field("If-None-Match", "Only if the file has none of these entity tags."))
        .parameter(header_field(
            "If-Modified-Since",
            "Only if the file was stored later; `If-None-Match` goes first.",
        ))
        .parameter(header_field("If-Match", "Only if the file has one of these entity tags."))
        .parameter(header_field(
            "If-Unmodified-Since",
            "Only if the file was not stored later; `If-Match` goes first.",
        ));
    for (status, meaning) in [
        (StatusCode::OK, "The file."),
        (StatusCode::PARTIAL_CONTENT, "The range of it that was asked for."),
        (
            StatusCode::NOT_MODIFIED,
            "`If-None-Match` holds the file's tag, or the file was not stored after `If-Modified-Since`.",
        ),
    ] {
        let file = (status != StatusCode::NOT_MODIFIED).then(|| ("image/*", file()));
        described = described
            .answers(status, meaning, file)
            .with(status, "Content-Security-Policy", "A browser runs nothing of it.", policy)
            .with(status, "Cache-Control", "What is stored at an address never changes.", caching)
            .with(status, "ETag", "The file's entity tag.", TAG_EXAMPLE)
            .with(status, "Last-Modified", "When it was stored.", "Tue, 24 Nov 2026 12:00:00 GMT")
            .with(status, "Accept-Ranges", "Ranges can be asked for.", "bytes");
    }
    described
        .with(StatusCode::PARTIAL_CONTENT, "Content-Range", "Which bytes these are.", "bytes 0-99/5123")
        .fails([
            ApiError::NotFound,
            ApiError::PreconditionFailed,
            ApiError::NoSuchRange { size: 5123 },
            ApiError::Unavailable(String::new()),
            PortError::Internal(String::new()).into(),
        ])
        .build()
}

fn file() -> Content {
    ContentBuilder::new().schema(Some(binary())).build()
}
