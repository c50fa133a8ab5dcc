//! What every answer has, whatever gave it: a request id, headers that make it safe, and, for a 500,
//! a body that tells nothing but that id. A panic becomes such a 500.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::access_log::Observation;
use crate::error::OUR_FAULT;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Our answers are data for one caller: not to be kept by others, guessed at, framed or run.
pub(crate) const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "private, no-cache"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The outermost middleware.
///
/// # Errors
///
/// An answer of its own, as an error, when what is inside gave none.
pub async fn finish(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = request_id(&request);
    let shown = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", request_id = shown);
    let observation = Observation::begin(&request, shown);
    let inner = AssertUnwindSafe(next.call(request).instrument(span.clone())).catch_unwind().await;
    let error = match inner {
        Ok(Ok(response)) => {
            let mut response = response.map_into_boxed_body();
            if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                response = response.into_response(our_fault(&id));
            }
            add_headers(response.headers_mut(), id);
            observation.answered(&response);
            return Ok(response);
        }
        // No more than the answer is left: what was asked went with the call.
        Ok(Err(error)) => {
            span.in_scope(|| tracing::error!(%error, "no answer"));
            instead(error.error_response(), id)
        }
        Err(_) => {
            span.in_scope(|| tracing::error!("a handler panicked"));
            instead(our_fault(&id), id)
        }
    };
    observation.failed(error.as_response_error().status_code().as_u16());
    Err(error)
}

fn instead(mut answer: HttpResponse, id: HeaderValue) -> Error {
    if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
        answer = our_fault(&id);
    }
    add_headers(answer.headers_mut(), id);
    InternalError::from_response("no answer", answer).into()
}

fn our_fault(id: &HeaderValue) -> HttpResponse {
    let body = our_fault_body(id.to_str().unwrap_or_default());
    HttpResponse::InternalServerError().content_type("application/json").body(body.to_string())
}

/// The body of the 500 of the request with this id.
pub(crate) fn our_fault_body(id: &str) -> Value {
    json!({ "detail": OUR_FAULT, "request_id": id })
}

fn add_headers(headers: &mut header::HeaderMap, id: HeaderValue) {
    headers.insert(REQUEST_ID, id);
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The client's own id when it is fit for logs: `[A-Za-z0-9._-]{1,128}`; else a new one.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    let fit = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    let mut sent = request.headers().get_all(&REQUEST_ID);
    match (sent.next().filter(fit), sent.next()) {
        (Some(one), None) => one.clone(),
        _ => new_id(),
    }
}

/// 128 random bits in hexadecimal digits. They need be no secret, only unlike any other.
fn new_id() -> HeaderValue {
    let bits: u128 = rand::random();
    HeaderValue::from_str(&format!("{bits:032x}")).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
    use actix_web::{App, web};

    use super::*;

    #[actix_web::test]
    async fn a_500_tells_the_request_id_and_nothing_else() {
        let fails = || async { HttpResponse::InternalServerError().body("SELECT secret") };
        let app = init_service(App::new().wrap(from_fn(finish)).route("/", web::get().to(fails))).await;
        let request = TestRequest::get().uri("/").insert_header(("X-Request-Id", "abc.1")).to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.headers().get("x-request-id").unwrap(), "abc.1");
        let body: Value = read_body_json(response).await;
        assert_eq!(body, json!({ "detail": "A server error occurred.", "request_id": "abc.1" }));
    }

    /// Over a real connection: that a panic closes the socket without an answer shows only there.
    #[actix_web::test]
    async fn a_panic_is_a_500_and_the_next_request_is_served() {
        async fn panics() -> HttpResponse {
            std::panic::panic_any("SELECT secret")
        }
        let server =
            actix_web::HttpServer::new(|| App::new().wrap(from_fn(finish)).route("/", web::get().to(panics)));
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        let ask = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc\r\n\r\n").unwrap();
            let mut answer = [0; 2048];
            let length = stream.read(&mut answer).unwrap();
            String::from_utf8_lossy(&answer[..length]).into_owned()
        };
        for _ in 0..20 {
            let answer = tokio::task::spawn_blocking(ask).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
            assert!(answer.contains("x-request-id: abc"), "{answer}");
            let body = r#"{"detail":"A server error occurred.","request_id":"abc"}"#;
            assert!(answer.ends_with(body), "{answer}");
        }
        handle.stop(false).await;
    }

    #[actix_web::test]
    async fn an_unfit_request_id_is_replaced() {
        let app = init_service(App::new().wrap(from_fn(finish))).await;
        for unfit in ["", "a b", "a\"b", &"x".repeat(129)] {
            let request = TestRequest::get().uri("/").insert_header(("X-Request-Id", unfit)).to_request();
            let response = call_service(&app, request).await;
            let id = response.headers().get("x-request-id").unwrap().to_str().unwrap();
            assert!(id.len() == 32 && id != unfit, "{unfit}");
        }
    }
}
