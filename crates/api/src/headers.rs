//! A header field as one value: what `guard`, `body` and the routes read of a request's head.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

/// The value of a field, several lines of it joined (RFC 9110, section 5.3); `None` without one.
#[must_use]
pub fn field(request: &HttpRequest, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = request.headers().get_all(name).map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}
