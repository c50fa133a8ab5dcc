//! `/api/portfolios/employers` (contract, section 1).

use actix_web::http::header;
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use portfolio_domain::access::ChangeEmployer;
use portfolio_domain::employer::EmployerId;

use crate::body;
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::guard::Guarded;
use crate::service::Service;

pub(super) fn register(config: &mut ServiceConfig) {
    Endpoint::at("/api/portfolios/employers/{id}").patch(patch).register(config);
}

/// `PATCH /api/portfolios/employers/:id`.
async fn patch(
    guarded: Guarded<ChangeEmployer>,
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let body = body::read_patch(&request, payload).await?;
    let draft = body::employer_draft(&body)?;
    let id = request.match_info().get("id").and_then(EmployerId::from_decimal).ok_or(ApiError::NotFound)?;
    let precondition = service.representation.etags.if_match(if_match(&request).as_deref());
    let work = service.patch_employer.execute(&permitted, id, draft, &precondition);
    let employer = budget.spend(work).await??;
    tracing::debug!(caller = %permitted.caller().name, employer = %id, "patched");
    Ok(service.representation.employer(&employer))
}

/// `If-Match`, several lines of it joined (RFC 9110, section 5.3).
fn if_match(request: &HttpRequest) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> =
        request.headers().get_all(header::IF_MATCH).map(header::HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}
