//! `/metrics` (contract, section 5): here, or at an address of its own when `METRICS_BIND` is set.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use portfolio_domain::ports::PortError;

use crate::answer;
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::openapi::service as docs;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/metrics").get(metrics, Some(docs::metrics))]
}

async fn metrics(metrics: Data<Metrics>) -> Result<HttpResponse, ApiError> {
    let text = metrics.text().map_err(|error| PortError::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, Metrics::MEDIA_TYPE)).body(text))
}

/// Serves `/metrics` and nothing else, on a thread of its own, until it is told to stop: also while the
/// service itself is not ready, and while it stops.
///
/// # Errors
///
/// When it can't listen.
pub fn serve_apart(listener: TcpListener, metrics: Arc<Metrics>) -> std::io::Result<ServerHandle> {
    let metrics = Data::from(metrics);
    let server = HttpServer::new(move || {
        let register = |config: &mut ServiceConfig| super::register(endpoints(), config);
        App::new().app_data(metrics.clone()).wrap(from_fn(answer::finish)).configure(register)
    });
    let running = server.workers(1).max_connections(64).disable_signals().listen(listener)?.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    Ok(handle)
}
