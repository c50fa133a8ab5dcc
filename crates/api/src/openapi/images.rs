//! What [`routes::images`](crate::routes) answer.

use actix_web::http::StatusCode;
use portfolio_domain::access::{ChangeImage, CreateImage, DeleteImage, ViewImages};
use portfolio_domain::employer::EmployerId;
use portfolio_domain::field_error::{Field, FieldError};
use portfolio_domain::image::{ImageName, MAX_FRAMES, MAX_SIDE};
use serde_json::{Value, json};
use utoipa::openapi::Content;
use utoipa::openapi::path::{Operation, ParameterBuilder};

use super::operation::{
    self, Description, JSON, body_errors, content, full, list_parameters, wrong_list_parameters,
};
use super::schemas::{IMAGE_PATCH, NEW_IMAGE, employer_example, named};
use crate::body::PATCH_TYPES;
use crate::error::ApiError;
use crate::parameters::IMAGE_KEYS;

const TAG: &str = "images";

pub(crate) fn list() -> Operation {
    let described = Description::of(TAG, "listImages", "List images").guarded::<ViewImages>("");
    let keys = IMAGE_KEYS.map(|(name, _)| name);
    let page = json!({ "count": 1, "next": null, "previous": null, "results": [image_example()] });
    list_parameters(&keys)
        .into_iter()
        .fold(described, Description::parameter)
        .answers(
            StatusCode::OK,
            "A page of the images that match, and how many match in all.",
            Some((JSON, content(named("Images"), vec![("The documented image".to_owned(), page)]))),
        )
        .fails(wrong_list_parameters(&keys))
        .build()
}

pub(crate) fn get() -> Operation {
    Description::of(TAG, "getImage", "See an image")
        .guarded::<ViewImages>("")
        .parameter(id())
        .answers(StatusCode::OK, "The image.", Some((JSON, image())))
        .fails([ApiError::NotFound])
        .build()
}

pub(crate) fn create() -> Operation {
    let errors = [FieldError::NoFile, FieldError::NotAFile, FieldError::EmptyFile, FieldError::NotAnImage]
        .into_iter()
        .chain([FieldError::ImageTooLarge { max: MAX_SIDE }, FieldError::TooManyFrames { max: MAX_FRAMES }])
        .map(|error| (Field::File, error));
    Description::of(TAG, "createImage", "Add an image")
        .guarded::<CreateImage>(
            "The file is the part `f`. What it is, its content alone decides. Thumbnails are made at once, for \
             boxes of 64, 128, 512 and 1080 pixels.",
        )
        .body(&["multipart/form-data"], NEW_IMAGE, &[])
        .answers(StatusCode::CREATED, "The image that was added.", Some((JSON, image())))
        .with(StatusCode::CREATED, "Location", "Its address.", "http://localhost:8000/api/images/6")
        .fails(body_errors(&[]).into_iter().filter(is_of_any_body))
        .fails([ApiError::Form("could not find boundary".into())])
        .fails(wrong(errors))
        .fails(wrong(name_errors()))
        .fails([full()])
        .build()
}

pub(crate) fn patch() -> Operation {
    Description::of(TAG, "patchImage", "Rename an image")
        .guarded::<ChangeImage>(
            "Every employer that shows it gets another `ETag`, and keeps its `updated_at`.",
        )
        .parameter(id())
        .body(&PATCH_TYPES, IMAGE_PATCH, &[("Another name", json!({"name": "technology"}))])
        .answers(StatusCode::OK, "The image as it is now.", Some((JSON, image())))
        .fails(body_errors(&PATCH_TYPES))
        .fails([ApiError::NotFound, full()])
        .fails(wrong([FieldError::Null, FieldError::NotAString].map(|error| (Field::Name, error))))
        .fails(wrong(name_errors()))
        .build()
}

pub(crate) fn delete() -> Operation {
    Description::of(TAG, "deleteImage", "Remove an image")
        .guarded::<DeleteImage>("Its files go, too. An image that employers show stays.")
        .parameter(id())
        .answers(StatusCode::NO_CONTENT, "It is gone.", None)
        .fails([ApiError::NotFound, ApiError::InUse(vec![EmployerId(4), EmployerId(123)]), full()])
        .build()
}

/// Not what is said of JSON alone.
fn is_of_any_body(error: &ApiError) -> bool {
    !matches!(error, ApiError::Json(_) | ApiError::NotAnObject(_))
}

fn name_errors() -> [(Field, FieldError); 3] {
    [FieldError::Blank, FieldError::TooLong { max: ImageName::MAX_CHARS }, FieldError::NullCharacter]
        .map(|error| (Field::Name, error))
}

fn wrong(errors: impl IntoIterator<Item = (Field, FieldError)>) -> impl Iterator<Item = ApiError> {
    errors.into_iter().map(|error| ApiError::Invalid([error].into_iter().collect()))
}

fn image() -> Content {
    content(named("Image"), vec![("The documented image".to_owned(), image_example())])
}

fn image_example() -> Value {
    employer_example()["image_data"].clone()
}

fn id() -> ParameterBuilder {
    operation::id("The image's id, without leading zeros.", 6)
}
