//! One line a request, and its place in the metrics: what was asked, by whom, and how it was answered.
//! Never a token, a body or a query: a path is told by its pattern.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};
use portfolio_domain::staff::StaffName;

use crate::metrics::Metrics;
use crate::service::Service;

/// What a client that went away before its answer is told to have got, in the logs and metrics only.
/// nginx calls it so, too.
const CLIENT_GONE: u16 = 499;

/// A path that is none of the service's.
const UNMATCHED: &str = "unmatched";

/// Of these, asked again and again by machines, the line is of level debug.
const QUIET: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What logs say of a request, known to whoever handles it.
#[derive(Debug)]
pub struct Notes {
    /// What logs call the request.
    pub request_id: String,
    /// Its method, or `other` for one that HTTP does not define.
    pub method: &'static str,
    /// Where it comes from, proxies that are trusted left out.
    pub client: Option<IpAddr>,
    /// The pattern of its path, once it was found.
    route: OnceCell<Rc<str>>,
    /// Whose it is, once that was found out.
    caller: OnceCell<StaffName>,
}

impl Notes {
    /// Those of a request that came in through [`answer`](crate::answer), as every one does.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().cloned()
    }

    /// The pattern of its path, as the OpenAPI document writes it, or `unmatched`.
    #[must_use]
    pub fn route(&self) -> &str {
        self.route.get().map_or(UNMATCHED, |route| route)
    }

    /// Notes the pattern of its path.
    pub fn set_route(&self, pattern: &Rc<str>) {
        // It is found once.
        let _ = self.route.set(pattern.clone());
    }

    /// Whose the request is, once that was found out.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        self.caller.get().map(StaffName::as_str)
    }

    /// Notes whose the request is.
    pub fn set_caller(&self, name: &StaffName) {
        // It is found out once.
        let _ = self.caller.set(name.clone());
    }
}

/// A request that is being answered. Dropped before that, it tells that the client went away.
pub(crate) struct Observation {
    began: Instant,
    notes: Rc<Notes>,
    metrics: Option<Arc<Metrics>>,
    ended: bool,
}

impl Observation {
    /// Begins with a request that logs call `request_id`.
    pub(crate) fn begin(request: &ServiceRequest, request_id: &str) -> Self {
        let service = request.app_data::<Data<Service>>();
        let notes = Rc::new(Notes {
            request_id: request_id.to_owned(),
            method: method(request.method()),
            route: OnceCell::new(),
            client: service.and_then(|service| service.trusted_proxies.client(request.head())),
            caller: OnceCell::new(),
        });
        request.extensions_mut().insert(notes.clone());
        Self {
            began: Instant::now(),
            notes,
            metrics: service.map(|service| service.metrics.clone()),
            ended: false,
        }
    }

    /// Ends with this answer.
    pub(crate) fn answered(mut self, response: &ServiceResponse<impl MessageBody>) {
        let bytes = match response.response().body().size() {
            BodySize::Sized(bytes) => Some(bytes),
            BodySize::None => Some(0),
            BodySize::Stream => None,
        };
        self.end(response.status().as_u16(), bytes);
    }

    /// Ends with an answer of this status, of which no more is known.
    pub(crate) fn failed(mut self, status: u16) {
        self.end(status, None);
    }

    fn end(&mut self, status: u16, bytes: Option<u64>) {
        self.ended = true;
        let elapsed = self.began.elapsed();
        if let Some(metrics) = &self.metrics {
            metrics.count_request(self.notes.method, self.notes.route(), status, elapsed);
        }
        self.line(status, bytes, elapsed);
    }

    fn line(&self, status: u16, bytes: Option<u64>, elapsed: Duration) {
        let Notes { request_id, method, client, .. } = &*self.notes;
        let route = self.notes.route();
        let micros = u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX);
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "portfolio_api::access",
                    parent: None,
                    $level,
                    method,
                    route,
                    status,
                    duration_ms = f64::from(micros) / 1000.0,
                    bytes,
                    request_id,
                    caller = self.notes.caller(),
                    client = client.map(tracing::field::display),
                    "{}",
                    if status == CLIENT_GONE { "client gone" } else { "answered" }
                )
            };
        }
        if QUIET.contains(&route) {
            line!(tracing::Level::DEBUG);
        } else {
            line!(tracing::Level::INFO);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if !self.ended {
            self.end(CLIENT_GONE, None);
        }
    }
}

/// A method as logs and metrics call it: those that nobody knows are many.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use actix_web::{App, HttpResponse};

    use crate::endpoint::Endpoint;
    use crate::logging::tests::Kept;
    use crate::{answer, routes};

    /// Also one whose handler panics, where nothing of the request is left but what was noted.
    #[actix_web::test]
    async fn a_panic_has_its_line_with_route_and_status() {
        async fn panics() -> HttpResponse {
            std::panic::panic_any("on purpose")
        }
        let kept = Kept::default();
        let writer = kept.clone();
        let logs = tracing_subscriber::fmt().json().flatten_event(true);
        let logs = logs.with_writer(move || writer.clone()).finish();
        let _kept = tracing::subscriber::set_default(logs);
        // With one subscriber only, tracing asks a thread that has none whether a line is wanted, and keeps
        // the answer for all: that of another test, at the same moment.
        let _another = tracing::Dispatch::new(tracing_subscriber::registry());
        let app = App::new()
            .wrap(from_fn(answer::finish))
            .configure(|config| routes::register(vec![Endpoint::at("/a/{b}").get(panics, None)], config));
        let request = TestRequest::get().uri("/a/private").insert_header(("X-Request-Id", "mine"));
        assert!(try_call_service(&init_service(app).await, request.to_request()).await.is_err());

        let lines = kept.text();
        let line = lines.lines().find(|line| line.contains("portfolio_api::access")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["route"], &line["status"]), (&"/a/{b}".into(), &500.into()), "{line}");
        assert_eq!(line["request_id"], "mine");
        assert!(!lines.contains("private"), "{lines}");
    }
}
