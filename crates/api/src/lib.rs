//! The HTTP service and the command line of the portfolio employers service.
//!
//! A request comes in through [`answer`], is let through by [`guard`], read by [`body`], handed to a
//! use case of the domain by a [route](routes), and answered by [`representation`] or [`error`].
//! [`composition`] is the only place that names concrete adapters.

pub mod access_log;
pub mod answer;
pub mod audit;
pub mod body;
pub mod cli;
pub mod client_address;
pub mod commands;
pub mod composition;
pub mod config;
pub mod connections;
pub mod cors;
pub mod doctor;
pub mod endpoint;
pub mod error;
pub mod etag;
pub mod guard;
pub mod headers;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod parameters;
pub mod readiness;
pub mod representation;
pub mod routes;
pub mod server;
pub mod service;
pub mod stop;
pub mod throttle;
pub mod upload;
pub mod writes;
