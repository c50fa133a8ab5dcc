//! What pages of other sites may do (CORS, Fetch standard): nothing, but for the origins that
//! `CORS_ALLOWED_ORIGINS` names (contract, section 6).

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;

/// The origins whose pages may call the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<String>);

/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// What a page may read of an answer, beside what the Fetch standard lets it read of any.
const EXPOSED: [HeaderName; 7] = [
    header::ETAG,
    header::LOCATION,
    header::ALLOW,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("accept-patch"),
    HeaderName::from_static("x-request-id"),
];

impl AllowedOrigins {
    /// Reads a comma list of origins, as `https://www.example.com`; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(origin)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The middleware that lets their pages read answers. They show keys, never cookies. Preflights are
    /// [`preflight`]'s: actix-cors answers those that it does not grant with a 400 in plain text.
    pub fn cors(&self) -> Cors {
        let cors = Cors::default().disable_preflight().expose_headers(EXPOSED);
        self.0.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
    }
}

/// The origin as browsers send it.
fn origin(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    (bare && anonymous && url.has_host()).then(|| url.origin().ascii_serialization())
}

/// Goes around [`AllowedOrigins::cors`], and tells a page that may read the answer to its `OPTIONS` which methods
/// and headers it may send: the methods that the path knows, and any header.
///
/// # Errors
///
/// What is inside gave none.
pub async fn preflight<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let asked = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let options = request.method() == Method::OPTIONS;
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let granted = options && asked && headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    if let Some(methods) = headers.get(header::ALLOW).filter(|_| granted).cloned() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(wanted) = wanted {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_as_browsers_write_it() {
        for (text, origins) in [
            ("", &[][..]),
            ("https://www.example.com", &["https://www.example.com"]),
            (
                " HTTPS://WWW.Example.com:443/ , http://localhost:3000,",
                &["https://www.example.com", "http://localhost:3000"],
            ),
            ("https://bücher.example", &["https://xn--bcher-kva.example"]),
        ] {
            let origins = AllowedOrigins(origins.iter().map(|&origin| origin.to_owned()).collect());
            assert_eq!(AllowedOrigins::parse(text), Some(origins), "{text}");
        }
        for text in [
            "*",
            "null",
            "example.com",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "ftp://a",
            "https://a https://b",
        ] {
            assert_eq!(AllowedOrigins::parse(text), None, "{text}");
        }
    }
}
