//! What the service says of itself: the OpenAPI 3.1 document (contract, section 5). It is made of the
//! same [`Endpoint`]s that answer, of the structures that are written, and of
//! the errors that are sent, so that it can't tell of what is not there.

pub mod employers;
pub mod images;
pub mod media;
pub mod operation;
mod schemas;
pub mod service;

use actix_web::web::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{
    Components, Info, License, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Server, Tag,
};

use crate::endpoint::Endpoint;

/// The tags, and what they gather.
const TAGS: [(&str, &str); 3] = [
    ("employers", "The client companies that the site shows in its portfolio."),
    ("images", "The library of images from which employers take their logos."),
    ("service", "How the service is, and what it says of itself. These need no credentials."),
];

const DESCRIPTION: &str = "\
Staff of a company site keep the list of employers (client companies) that its portfolio shows.

Every path works with and without a slash at its end. `HEAD` works wherever `GET` does. `OPTIONS` \
answers 204 with `Allow`, without credentials. Any other method is a 405 with `Allow`.

Times are UTC, with six fractional digits. Unknown and read-only members of a body are ignored, and so are unknown \
parameters. Of a repeated member or parameter the last counts; a parameter that is empty counts as absent.

A 4xx changed nothing. A 503 changed nothing or all of the request, never a part: read it again, then send it again.";

/// The document of these endpoints, as the service at `public_url` serves it.
#[must_use]
pub fn document(public_url: &str, endpoints: &[Endpoint]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for endpoint in endpoints {
        for (method, operation) in endpoint.documented() {
            paths = paths.path(endpoint.path(), PathItem::new(method, operation));
        }
    }
    OpenApiBuilder::new()
        .info(
            Info::builder()
                .title("Portfolio employers")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(License::builder().name("MIT").identifier(Some("MIT")).build()))
                .build(),
        )
        .servers(Some([Server::new(
            Some(base_path(public_url)).filter(|path| !path.is_empty()).unwrap_or("/".into()),
        )]))
        .paths(paths)
        .components(Some(components()))
        .tags(Some(TAGS.map(|(name, description)| {
            let mut tag = Tag::new(name);
            tag.description = Some(description.to_owned());
            tag
        })))
        .build()
}

/// The documents that are the same for everyone, written once.
#[derive(Debug, Clone)]
pub struct Documents {
    /// The OpenAPI document, as JSON.
    pub openapi: Bytes,
    /// The page that shows it, as HTML.
    pub page: Bytes,
}

impl Documents {
    /// Those of the service at `public_url`, which answers at these endpoints.
    ///
    /// # Errors
    ///
    /// None that is known: a document is text and numbers.
    pub fn new(public_url: &str, endpoints: &[Endpoint]) -> serde_json::Result<Self> {
        let page = include_str!("../docs_page/page.html")
            .replace("{base}", &base_path(public_url).replace('&', "&amp;"))
            // Those that browsers have kept of another release are not taken for those of this.
            .replace("{version}", env!("CARGO_PKG_VERSION"));
        Ok(Self { openapi: document(public_url, endpoints).to_pretty_json()?.into(), page: page.into() })
    }
}

/// The path that every address starts with: empty, but for a service below a path of its site. A page
/// that is reached under another name of the host still finds the service by it.
fn base_path(public_url: &str) -> String {
    let url = url::Url::parse(public_url);
    url.map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

fn components() -> Components {
    schemas::components()
        .security_scheme(
            operation::SECURITY_SCHEME,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "Authorization",
                "`Token`, a space, and a key that `portfolio token issue` printed. An active admin may do \
             everything; active staff may do what they hold the permission code for.",
            ))),
        )
        .build()
}

#[cfg(test)]
mod tests;
