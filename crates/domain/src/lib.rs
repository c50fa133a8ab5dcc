//! The rules of the portfolio employers service, free of HTTP, SQL and files.
//!
//! What is here can be read and unit-tested alone: entities ([`employer`], [`image`]), the access
//! rule ([`access`]), the traits by which the use cases reach the outside ([`ports`]) and the use
//! cases themselves ([`use_cases`]). Adapters implement the ports; the `api` crate calls the use
//! cases. Turn on the feature `testing` to get mocks of every port, fixtures and a fixed clock.

pub mod access;
pub mod decimal;
pub mod employer;
pub mod employer_list;
pub mod employer_patch;
pub mod field_error;
pub mod finding;
pub mod image;
pub mod image_library;
pub mod list;
pub mod local_file;
pub mod media_path;
pub mod permission;
pub mod ports;
pub mod search;
pub mod staff;
mod text;
pub mod token;
pub mod upload_name;
pub mod use_cases;

mod base62;

#[cfg(feature = "testing")]
pub mod testing;
