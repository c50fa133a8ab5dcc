//! The paths of the service, one file a resource.

mod docs;
mod employers;
mod health;
mod images;
mod media;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

use crate::endpoint::Endpoint;
use crate::error::ApiError;

/// Every path of the service.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    [employers::endpoints(), images::endpoints(), media::endpoints(), health::endpoints(), docs::endpoints()]
        .into_iter()
        .flatten()
        .collect()
}

/// Puts every path among those of the service; what is none of them is a 404 in JSON.
pub fn register(config: &mut ServiceConfig) {
    for endpoint in endpoints() {
        endpoint.register(config);
    }
    config.default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::NotFound) }));
}
