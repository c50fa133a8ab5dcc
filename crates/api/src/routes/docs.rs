//! `/api/openapi.json`, and `/api/docs`: a page that asks no other host (contract, section 5).

use std::io::Read as _;
use std::sync::OnceLock;

use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::read::GzDecoder;
use portfolio_domain::ports::PortError;

use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::openapi::service as docs;
use crate::service::Service;

/// The page loads its own files only, and talks to this service only. Swagger UI draws some icons from
/// `data:` addresses.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/openapi.json").get(document, Some(docs::document)),
        Endpoint::at("/api/docs").get(page, Some(|| docs::page(PAGE_POLICY))),
        Endpoint::at("/api/docs/start.js").get(start, None),
        Endpoint::at("/api/docs/swagger-ui-bundle.js").get(script, None),
        Endpoint::at("/api/docs/swagger-ui.css").get(style, None),
    ]
}

async fn document(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().content_type(mime::APPLICATION_JSON).body(service.documents.openapi.clone())
}

async fn page(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .content_type(mime::TEXT_HTML_UTF_8)
        .body(service.documents.page.clone())
}

async fn start() -> HttpResponse {
    asset("text/javascript; charset=utf-8").body(include_str!("../docs_page/start.js"))
}

async fn script(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    static SCRIPT: Packed = Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz")));
    packed_asset(&request, "text/javascript; charset=utf-8", &SCRIPT)
}

async fn style(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    static STYLE: Packed = Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz")));
    packed_asset(&request, "text/css; charset=utf-8", &STYLE)
}

/// A file as gzip packs it, and, once someone has asked for it, as it is.
struct Packed {
    packed: &'static [u8],
    unpacked: OnceLock<Bytes>,
}

impl Packed {
    const fn new(packed: &'static [u8]) -> Self {
        Self { packed, unpacked: OnceLock::new() }
    }

    fn unpacked(&self) -> std::io::Result<Bytes> {
        if let Some(unpacked) = self.unpacked.get() {
            return Ok(unpacked.clone());
        }
        let mut content = Vec::new();
        GzDecoder::new(self.packed).read_to_end(&mut content)?;
        Ok(self.unpacked.get_or_init(|| content.into()).clone())
    }
}

/// It is the same for everyone, and as long as the service is the same.
fn asset(content_type: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "public, max-age=3600")).content_type(content_type);
    answer
}

/// The asset as it is packed, for whoever can unpack it.
fn packed_asset(request: &HttpRequest, content_type: &str, file: &Packed) -> Result<HttpResponse, ApiError> {
    let mut answer = asset(content_type);
    answer.insert_header((header::VARY, "Accept-Encoding"));
    let accepted = request.get_header::<AcceptEncoding>();
    let known = [Encoding::gzip(), Encoding::identity()];
    if accepted.and_then(|accepted| accepted.negotiate(known.iter())) == Some(Encoding::gzip()) {
        return Ok(answer.insert_header(ContentEncoding::Gzip).body(file.packed));
    }
    let content = file.unpacked();
    Ok(answer.body(content.map_err(|error| PortError::Internal(error.to_string()))?))
}
