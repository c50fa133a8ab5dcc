//! `/api/images` (contract, section 5).

use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use portfolio_domain::access::{ChangeImage, CreateImage, DeleteImage, ViewImages};
use portfolio_domain::image::ImageId;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::guard::Guarded;
use crate::openapi::images as docs;
use crate::parameters::Parameters;
use crate::service::Service;
use crate::{body, upload};

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
    guarded: Guarded<ViewImages>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let parameters = Parameters::parse(request.query_string());
    let query = parameters.image_query()?;
    let found = budget.spend(service.list_images.execute(&permitted, &query)).await??;
    Ok(service.representation.images(request.path(), &parameters, query.page, &found))
}

/// `GET /api/images/:id`.
async fn get(
    guarded: Guarded<ViewImages>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let image = budget.spend(service.get_image.execute(&permitted, id(&request)?)).await??;
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
    let work = service.upload_image.execute(&guarded.permitted, draft);
    let image = timeout(DEADLINE, work)
        .await
        .map_err(|_| ApiError::Unavailable("the time for an upload is up".into()))??;
    tracing::debug!(caller = %guarded.permitted.caller().name, image = %image.id, "uploaded");
    Ok(service.representation.added(&image))
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
    let image = budget.spend(service.rename_image.execute(&permitted, id, draft)).await??;
    tracing::debug!(caller = %permitted.caller().name, image = %id, "renamed");
    Ok(service.representation.image(&image))
}

/// `DELETE /api/images/:id`.
async fn delete(
    guarded: Guarded<DeleteImage>,
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Guarded { permitted, mut budget } = guarded;
    let id = id(&request)?;
    for (path, error) in budget.spend(service.delete_image.execute(&permitted, id)).await?? {
        tracing::warn!(path = path.as_str(), %error, "a file of nobody is left; `portfolio images gc` deletes it");
    }
    tracing::debug!(caller = %permitted.caller().name, image = %id, "deleted");
    Ok(HttpResponse::NoContent().finish())
}

fn id(request: &HttpRequest) -> Result<ImageId, ApiError> {
    request.match_info().get("id").and_then(ImageId::from_decimal).ok_or(ApiError::NotFound)
}
