//! The paths of the service, one file a resource.

mod docs;
mod employers;
mod health;
mod images;
mod media;
mod metrics;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

use crate::endpoint::Endpoint;
use crate::error::ApiError;

pub use metrics::serve_apart as serve_metrics_apart;

/// Every path of the service.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    [endpoints_without_metrics(), metrics::endpoints()].into_iter().flatten().collect()
}

/// Every path of the service but `/metrics`, which has an address of its own then.
#[must_use]
pub fn endpoints_without_metrics() -> Vec<Endpoint> {
    [employers::endpoints(), images::endpoints(), media::endpoints(), health::endpoints(), docs::endpoints()]
        .into_iter()
        .flatten()
        .collect()
}

/// Puts these paths among those of the service; what is none of them is a 404 in JSON.
///
/// Their bases are compared as text, and only what follows is matched by a pattern. Whole paths were, at first: a
/// third of the instructions of a PATCH.
pub fn register(endpoints: Vec<Endpoint>, config: &mut ServiceConfig) {
    let mut by_base = BTreeMap::<_, Vec<_>>::new();
    for endpoint in endpoints {
        let base = endpoint.base().to_owned();
        // The longest goes first: a base takes every path that begins with it.
        by_base.entry((Reverse(base.len()), base)).or_default().push(endpoint);
    }
    for ((_, base), endpoints) in by_base {
        config.service(web::scope(&base).configure(|config| {
            for endpoint in endpoints {
                endpoint.register(config);
            }
        }));
    }
    config.default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::NotFound) }));
}
