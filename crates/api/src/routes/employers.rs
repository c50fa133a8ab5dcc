//! `/api/portfolios/employers` (contract, sections 1, 4 and 5).

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use portfolio_domain::access::{ChangeEmployer, CreateEmployer, DeleteEmployer, ViewEmployers};
use portfolio_domain::employer::{EmployerId, Precondition};
use portfolio_domain::employer_patch::EmployerDraft;

use crate::audit::Change;
use crate::body;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, member};
use crate::guard::{Guarded, Reader};
use crate::headers::field;
use crate::openapi::employers as docs;
use crate::parameters::Parameters;
use crate::service::Service;

/// What the audit log calls what is changed here.
const RESOURCE: &str = "employer";

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
    reader: Reader<ViewEmployers>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::parse(request.query_string());
    let (shared, query) = (service.clone(), parameters.employer_query());
    let read = |permitted| async move {
        let query = query?;
        Ok((shared.list_employers.execute(&permitted, &query).await?, query.page))
    };
    let (found, page) = reader.read(read).await?;
    Ok(service.representation.employers(request.path(), &parameters, page, &found))
}

/// `GET /api/portfolios/employers/:id`.
async fn get(
    reader: Reader<ViewEmployers>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (shared, id) = (service.clone(), id(&request));
    let read = |permitted| async move { Ok(shared.get_employer.execute(&permitted, id?).await?) };
    let employer = reader.read(read).await?;
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
    let change = Change::by(&request, &permitted, "created", RESOURCE).naming(&named(&draft));
    let shared = service.clone();
    let work = async move {
        let created = budget.spend(shared.create_employer.execute(&permitted, draft)).await;
        change.noted(created, |employer| employer.id.0)
    };
    Ok(service.representation.created(&service.writes.to_its_end(work).await?))
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
    let change = Change::by(&request, &permitted, "deleted", RESOURCE).of(id.0);
    let shared = service.clone();
    let work = async move {
        let deleted = budget.spend(shared.delete_employer.execute(&permitted, id, &precondition)).await;
        change.noted(deleted, |()| id.0)
    };
    service.writes.to_its_end(work).await?;
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
    let change = Change::by(&request, &permitted, "patched", RESOURCE).of(id.0).naming(&named(&draft));
    let shared = service.clone();
    let work = async move {
        let work = shared.patch_employer.execute(&permitted, id, draft, &precondition);
        change.noted(budget.spend(work).await, |employer| employer.id.0)
    };
    Ok(service.representation.employer(&service.writes.to_its_end(work).await?))
}

/// The members that a draft names, as the audit log calls them.
fn named(draft: &EmployerDraft) -> Vec<&'static str> {
    draft.named().into_iter().map(member).collect()
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
