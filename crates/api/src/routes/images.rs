//! `/api/images` (contract, section 5).

use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use portfolio_domain::access::{ChangeImage, CreateImage, DeleteImage, ViewImages};
use portfolio_domain::employer_patch::Patch;
use portfolio_domain::image::ImageId;
use tokio::time::timeout;

use crate::audit::Change;
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::guard::{Guarded, Reader};
use crate::openapi::images as docs;
use crate::parameters::Parameters;
use crate::service::Service;
use crate::{body, upload};

/// What the audit log calls what is changed here.
const RESOURCE: &str = "image";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/images").get(list, Some(docs::list)).post(create, Some(docs::create)),
        Endpoint::at("/api/images/{id}")
            .get(get, Some(docs::get))
            .patch(patch, Some(docs::patch))
            .delete(delete, Some(docs::delete)),
    ]
}

/// `GET /api/images`.
async fn list(
    reader: Reader<ViewImages>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::parse(request.query_string());
    let (shared, query) = (service.clone(), parameters.image_query());
    let read = |permitted| async move {
        let query = query?;
        Ok((shared.list_images.execute(&permitted, &query).await?, query.page))
    };
    let (found, page) = reader.read(read).await?;
    Ok(service.representation.images(request.path(), &parameters, page, &found))
}

/// `GET /api/images/:id`.
async fn get(
    reader: Reader<ViewImages>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (shared, id) = (service.clone(), id(&request));
    let read = |permitted| async move { Ok(shared.get_image.execute(&permitted, id?).await?) };
    let image = reader.read(read).await?;
    Ok(service.representation.image(&image))
}

/// How long thumbnails, store and database may take together. What is cut short leaves files of nobody at most.
const DEADLINE: Duration = Duration::from_secs(30);

/// `POST /api/images`.
async fn create(
    guarded: Guarded<CreateImage>,
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let draft = upload::read(&request, payload).await?;
    let Guarded { permitted, .. } = guarded;
    let named: &[_] = if draft.name.is_some() { &["f", "name"] } else { &["f"] };
    let change = Change::by(&request, &permitted, "uploaded", RESOURCE).naming(named);
    let shared = service.clone();
    let work = async move {
        let uploaded = timeout(DEADLINE, shared.upload_image.execute(&permitted, draft)).await;
        let uploaded = uploaded.map_err(|_| ApiError::Unavailable("the time for an upload is up".into()));
        let image = change.noted(uploaded, |image| image.id.0)?;
        shared.metrics.count_upload();
        Ok::<_, ApiError>(image)
    };
    Ok(service.representation.added(&service.writes.to_its_end(work).await?))
}

/// `PATCH /api/images/:id`.
async fn patch(
    guarded: Guarded<ChangeImage>,
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let body = body::read_patch(&request, payload).await?;
    let draft = body::image_name(&body)?;
    let id = id(&request)?;
    let named: &[_] = if draft == Ok(Patch::Keep) { &[] } else { &["name"] };
    let change = Change::by(&request, &permitted, "renamed", RESOURCE).of(id.0).naming(named);
    let shared = service.clone();
    let work = async move {
        let renamed = budget.spend(shared.rename_image.execute(&permitted, id, draft)).await;
        change.noted(renamed, |image| image.id.0)
    };
    Ok(service.representation.image(&service.writes.to_its_end(work).await?))
}

/// `DELETE /api/images/:id`.
async fn delete(
    guarded: Guarded<DeleteImage>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let id = id(&request)?;
    let change = Change::by(&request, &permitted, "deleted", RESOURCE).of(id.0);
    let shared = service.clone();
    let work = async move {
        let deleted = budget.spend(shared.delete_image.execute(&permitted, id)).await;
        for (path, error) in change.noted(deleted, |_| id.0)? {
            tracing::warn!(path = path.as_str(), %error, "a file of nobody is left; `portfolio images gc` deletes it");
        }
        Ok::<_, ApiError>(())
    };
    service.writes.to_its_end(work).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn id(request: &HttpRequest) -> Result<ImageId, ApiError> {
    request.match_info().get("id").and_then(ImageId::from_decimal).ok_or(ApiError::NotFound)
}
