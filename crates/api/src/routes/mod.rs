//! The paths of the service, one file a resource.

mod employers;
mod health;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

use crate::error::ApiError;

/// Puts every path among those of the service; what is none of them is a 404 in JSON.
pub fn register(config: &mut ServiceConfig) {
    employers::register(config);
    health::register(config);
    config.default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::NotFound) }));
}
