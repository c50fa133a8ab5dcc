//! `/media/…`: the files of images (contract, section 5). They are streamed from whichever store keeps them: a
//! redirect to a signed address of S3 would leave the headers that make a file safe to S3, and ask for a bucket
//! that clients can reach.

use std::ops::Range;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, ByteRangeSpec, HttpDate};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::TryStreamExt as _;
use percent_encoding::percent_decode_str;
use portfolio_domain::media_path::MediaPath;
use portfolio_domain::ports::{MediaEntry, PortError};
use portfolio_domain::use_cases::ImageError;
use sha2::{Digest as _, Sha256};

use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::etag;
use crate::headers::field;
use crate::openapi::media as docs;
use crate::service::{Budget, Service};

/// Whatever a file holds, a browser runs none of it.
const POLICY: &str = "default-src 'none'; sandbox";
/// What is stored at a path never changes.
const CACHING: &str = "public, max-age=31536000, immutable";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::below("/media/{path}").get(get, Some(|| docs::get(POLICY, CACHING)))]
}

async fn get(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = path(&request).ok_or(ApiError::NotFound)?;
    service.readiness.started().map_err(|waiting| ApiError::Unavailable(waiting.to_string()))?;
    let mut budget = Budget::default();
    let entry = budget.spend(service.media.find(&path)).await?.map_err(ImageError::from)?;
    let entry = entry.ok_or(ApiError::NotFound)?;
    let tag = tag(&entry);
    if changed(&request, &entry, &tag) {
        return Err(ApiError::PreconditionFailed);
    }
    if known(&request, &entry, &tag) {
        return Ok(answer(StatusCode::NOT_MODIFIED, &entry, &tag).finish());
    }
    let size = entry.size.0;
    if request.method() == Method::HEAD {
        // Ranges are GET's alone (RFC 9110, section 14.2).
        let nothing = futures_util::stream::empty::<Result<_, actix_web::Error>>();
        let mut answer = answer(StatusCode::OK, &entry, &tag);
        return Ok(answer.content_type(media_type(&path)).body(SizedStream::new(size, nothing)));
    }
    let range = range(&request, &entry, &tag)?;
    let mut answer = match &range {
        Some(range) => {
            let mut answer = answer(StatusCode::PARTIAL_CONTENT, &entry, &tag);
            let shown = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            answer.insert_header((header::CONTENT_RANGE, shown));
            answer
        }
        None => answer(StatusCode::OK, &entry, &tag),
    };
    answer.insert_header((header::CONTENT_TYPE, media_type(&path)));
    let file = budget.spend(service.media.read(&path, range)).await?.map_err(ImageError::from)?;
    // It was deleted since.
    let file = file.ok_or(ApiError::NotFound)?;
    let chunks = file.chunks.map_err(|error: PortError| {
        tracing::error!(%error, "a file broke off");
        actix_web::error::ErrorInternalServerError("broken off")
    });
    Ok(answer.body(SizedStream::new(file.range.end - file.range.start, chunks)))
}

/// The path below `/media/`, with or without a trailing slash, decoded once: there is no file at what it is not.
fn path(request: &HttpRequest) -> Option<MediaPath> {
    let encoded = request.uri().path().strip_prefix("/media/")?;
    let encoded = encoded.strip_suffix('/').unwrap_or(encoded);
    let path = percent_decode_str(encoded).decode_utf8().ok()?;
    MediaPath::parse(&path).ok()
}

/// Whether the file is no more what the client demands that it is. Tags go before times (RFC 9110, section 13.2.2).
fn changed(request: &HttpRequest, entry: &MediaEntry, tag: &str) -> bool {
    match field(request, &header::IF_MATCH) {
        Some(value) => !etag::matches(&value, tag),
        None => request
            .get_header::<header::IfUnmodifiedSince>()
            .is_some_and(|header::IfUnmodifiedSince(time)| is_after(entry, time)),
    }
}

/// Whether the client has the file already. Tags go before times here, too.
fn known(request: &HttpRequest, entry: &MediaEntry, tag: &str) -> bool {
    match field(request, &header::IF_NONE_MATCH) {
        Some(value) => etag::matches_weakly(&value, tag),
        None => request
            .get_header::<header::IfModifiedSince>()
            .is_some_and(|header::IfModifiedSince(time)| !is_after(entry, time)),
    }
}

fn is_after(entry: &MediaEntry, time: HttpDate) -> bool {
    std::time::SystemTime::from(entry.modified) > std::time::SystemTime::from(time)
}

/// What every answer about a file has.
fn answer(status: StatusCode, entry: &MediaEntry, tag: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, CACHING))
        .insert_header((header::ETAG, tag))
        .insert_header(header::LastModified(HttpDate::from(std::time::SystemTime::from(entry.modified))))
        .insert_header((header::ACCEPT_RANGES, "bytes"));
    answer
}

/// A path that is given to another file after the first was deleted has another time.
fn tag(entry: &MediaEntry) -> String {
    let mut digest = Sha256::new();
    digest.update(entry.path.as_str());
    digest.update(entry.size.0.to_be_bytes());
    digest.update(entry.modified.timestamp().to_be_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let (half, _) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    format!("\"{:032x}\"", u128::from_be_bytes(*half))
}

/// What the upload's content was found to be, which is what its stored name ends with. Anything else is of an older
/// site, and no browser shall guess what.
fn media_type(path: &MediaPath) -> &'static str {
    match path.as_str().rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}

/// Which bytes are asked for, `None` for all of them. Of several ranges none counts, as RFC 9110 (section 14.2) allows.
fn range(request: &HttpRequest, entry: &MediaEntry, tag: &str) -> Result<Option<Range<u64>>, ApiError> {
    let Some(header::Range::Bytes(ranges)) = request.get_header::<header::Range>() else { return Ok(None) };
    let [spec] = ranges.as_slice() else { return Ok(None) };
    if let Some(condition) = field(request, &header::IF_RANGE) {
        let modified = HttpDate::from(std::time::SystemTime::from(entry.modified)).to_string();
        if condition != tag.as_bytes() && condition != modified.as_bytes() {
            return Ok(None);
        }
    }
    let size = entry.size.0;
    let range = match *spec {
        ByteRangeSpec::FromTo(from, to) => from..to.saturating_add(1).min(size),
        ByteRangeSpec::From(from) => from..size,
        ByteRangeSpec::Last(length) => size.saturating_sub(length)..size,
    };
    if range.start < range.end { Ok(Some(range)) } else { Err(ApiError::NoSuchRange { size }) }
}
