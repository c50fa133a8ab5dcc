//! `/healthz` and `/readyz` (contract, section 5).

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::openapi::service as docs;
use crate::service::Service;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/healthz").get(alive, Some(docs::alive)),
        Endpoint::at("/readyz").get(ready, Some(docs::ready)),
    ]
}

/// It never asks the database: a process that waits for one is alive.
async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

async fn ready(service: Data<Service>) -> HttpResponse {
    match service.readiness.check().await {
        Ok(()) => HttpResponse::Ok().json(json!({ "status": "ready" })),
        Err(waiting) => HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "1"))
            .json(json!({ "detail": waiting.to_string() })),
    }
}
