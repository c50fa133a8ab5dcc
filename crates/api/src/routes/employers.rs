//! `/api/portfolios/employers` (contract, sections 1, 4 and 5).

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use portfolio_domain::access::{ChangeEmployer, CreateEmployer, DeleteEmployer, ViewEmployers};
use portfolio_domain::employer::{EmployerId, Precondition};

use crate::body;
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::guard::Guarded;
use crate::headers::field;
use crate::openapi::employers as docs;
use crate::parameters::Parameters;
use crate::service::Service;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/portfolios/employers")
            .get(list, Some(docs::list))
            .post(create, Some(docs::create)),
        Endpoint::at("/api/portfolios/employers/{id}")
            .get(get, Some(docs::get))
            .patch(patch, Some(docs::patch))
            .delete(delete, Some(docs::delete)),
    ]
}

/// `GET /api/portfolios/employers`.
async fn list(
    guarded: Guarded<ViewEmployers>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let parameters = Parameters::parse(request.query_string());
    let query = parameters.employer_query()?;
    let found = budget.spend(service.list_employers.execute(&permitted, &query)).await??;
    Ok(service.representation.employers(request.path(), &parameters, query.page, &found))
}

/// `GET /api/portfolios/employers/:id`.
async fn get(
    guarded: Guarded<ViewEmployers>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let employer = budget.spend(service.get_employer.execute(&permitted, id(&request)?)).await??;
    let etags = &service.representation.etags;
    if field(&request, &header::IF_MATCH).is_some_and(|value| !etags.matches(&value, &employer)) {
        return Err(ApiError::PreconditionFailed);
    }
    if field(&request, &header::IF_NONE_MATCH).is_some_and(|value| !etags.matches_none(&value, &employer)) {
        return Ok(service.representation.not_modified(&employer));
    }
    Ok(service.representation.employer(&employer))
}

/// `POST /api/portfolios/employers`.
async fn create(
    guarded: Guarded<CreateEmployer>,
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let body = body::read_new(&request, payload).await?;
    let draft = body::employer_draft(&body)?;
    let employer = budget.spend(service.create_employer.execute(&permitted, draft)).await??;
    tracing::debug!(caller = %permitted.caller().name, employer = %employer.id, "created");
    Ok(service.representation.created(&employer))
}

/// `DELETE /api/portfolios/employers/:id`.
async fn delete(
    guarded: Guarded<DeleteEmployer>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let id = id(&request)?;
    let precondition = precondition(&service, &request);
    budget.spend(service.delete_employer.execute(&permitted, id, &precondition)).await??;
    tracing::debug!(caller = %permitted.caller().name, employer = %id, "deleted");
    Ok(HttpResponse::NoContent().finish())
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
    let id = id(&request)?;
    let precondition = precondition(&service, &request);
    let work = service.patch_employer.execute(&permitted, id, draft, &precondition);
    let employer = budget.spend(work).await??;
    tracing::debug!(caller = %permitted.caller().name, employer = %id, "patched");
    Ok(service.representation.employer(&employer))
}

fn id(request: &HttpRequest) -> Result<EmployerId, ApiError> {
    request.match_info().get("id").and_then(EmployerId::from_decimal).ok_or(ApiError::NotFound)
}

/// What a change demands of the version it is applied to.
fn precondition(service: &Service, request: &HttpRequest) -> Precondition {
    let etags = &service.representation.etags;
    let if_match = etags.if_match(field(request, &header::IF_MATCH).as_deref());
    if_match.and(etags.if_none_match(field(request, &header::IF_NONE_MATCH).as_deref()))
}
