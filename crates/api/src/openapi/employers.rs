//! What [`routes::employers`](crate::routes) answer.

use actix_web::http::StatusCode;
use portfolio_domain::access::{ChangeEmployer, CreateEmployer, DeleteEmployer, ViewEmployers};
use portfolio_domain::employer::{self, EmployerName};
use portfolio_domain::field_error::{Field, FieldError, ValueKind};
use serde_json::{Value, json};
use utoipa::openapi::Content;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::operation::{
    self, Description, JSON, body_errors, content, full, header_field, integer, list_parameters, query, text,
    wrong_list_parameters,
};
use super::schemas::{EMPLOYER_PATCH, NEW_EMPLOYER, employer_example, named};
use crate::body::PATCH_TYPES;
use crate::error::{ApiError, ParameterError};
use crate::parameters::EMPLOYER_KEYS;

const TAG: &str = "employers";
const TAG_EXAMPLE: &str = "\"7.1-d2f1a9c0\"";

pub(crate) fn list() -> Operation {
    let described = Description::of(TAG, "listEmployers", "List employers").guarded::<ViewEmployers>(
        "`next` and `previous` are the addresses of the pages beside this one. All that is wrong with the \
         parameters is told in one answer.",
    );
    list_parameters(&EMPLOYER_KEYS.map(|(name, _)| name))
        .into_iter()
        .chain(filters())
        .fold(described, Description::parameter)
        .answers(
            StatusCode::OK,
            "A page of the employers that match, and how many match in all.",
            Some((
                JSON,
                content(named("Employers"), vec![("The documented employer".to_owned(), page_example())]),
            )),
        )
        .fails(wrong_list_parameters(&EMPLOYER_KEYS.map(|(name, _)| name)))
        .fails(wrong_filters())
        .build()
}

pub(crate) fn get() -> Operation {
    Description::of(TAG, "getEmployer", "See an employer")
        .guarded::<ViewEmployers>("")
        .parameter(id())
        .parameter(if_match())
        .parameter(if_none_match())
        .answers(StatusCode::OK, "The employer.", Some((JSON, employer())))
        .with(StatusCode::OK, "ETag", ETAG, TAG_EXAMPLE)
        .answers(StatusCode::NOT_MODIFIED, "`If-None-Match` holds the employer's tag.", None)
        .with(StatusCode::NOT_MODIFIED, "ETag", ETAG, TAG_EXAMPLE)
        .fails([ApiError::NotFound, ApiError::PreconditionFailed])
        .build()
}

pub(crate) fn create() -> Operation {
    Description::of(TAG, "createEmployer", "Add an employer")
        .guarded::<CreateEmployer>("All that is wrong with the members is told in one answer.")
        .body(
            &PATCH_TYPES[..1],
            NEW_EMPLOYER,
            &[("All members", json!({"name": "Apple", "image": 123, "description": "Maker of computers"}))],
        )
        .answers(StatusCode::CREATED, "The employer that was added.", Some((JSON, employer())))
        .with(StatusCode::CREATED, "ETag", ETAG, TAG_EXAMPLE)
        .with(
            StatusCode::CREATED,
            "Location",
            "Its address.",
            "http://localhost:8000/api/portfolios/employers/4",
        )
        .fails(body_errors(&[]))
        .fails(wrong_members(Some(FieldError::Required)))
        .fails([full()])
        .build()
}

pub(crate) fn patch() -> Operation {
    Description::of(TAG, "patchEmployer", "Change an employer")
        .guarded::<ChangeEmployer>(
            "Only the members that are present are changed; `\"image\": null` removes the image. JSON Merge \
             Patch (RFC 7396) means the same here. All that is wrong with the members is told in one answer.",
        )
        .parameter(id())
        .parameter(if_match())
        .parameter(if_none_match())
        .body(
            &PATCH_TYPES,
            EMPLOYER_PATCH,
            &[
                ("A name and an image", json!({"name": "Apple", "image": 123})),
                ("Another image", json!({"image": 456})),
                ("No image", json!({"image": null})),
            ],
        )
        .answers(StatusCode::OK, "The employer as it is now.", Some((JSON, employer())))
        .with(StatusCode::OK, "ETag", ETAG, TAG_EXAMPLE)
        .fails(body_errors(&PATCH_TYPES))
        .fails([ApiError::NotFound, ApiError::PreconditionFailed, full()])
        .fails(wrong_members(None))
        .build()
}

pub(crate) fn delete() -> Operation {
    Description::of(TAG, "deleteEmployer", "Remove an employer")
        .guarded::<DeleteEmployer>("Its image stays in the library.")
        .parameter(id())
        .parameter(if_match())
        .parameter(if_none_match())
        .answers(StatusCode::NO_CONTENT, "It is gone.", None)
        .fails([ApiError::NotFound, ApiError::PreconditionFailed, full()])
        .build()
}

const ETAG: &str = "The employer's version: a strong entity tag (RFC 9110, section 8.8.3).";

fn employer() -> Content {
    content(named("Employer"), vec![("The documented employer".to_owned(), employer_example())])
}

fn page_example() -> Value {
    json!({
        "count": 31,
        "next": "http://localhost:8000/api/portfolios/employers/?limit=1&offset=21",
        "previous": "http://localhost:8000/api/portfolios/employers/?limit=1&offset=19",
        "results": [employer_example()],
    })
}

fn id() -> ParameterBuilder {
    operation::id("The employer's id, without leading zeros.", 4)
}

fn if_match() -> ParameterBuilder {
    header_field(
        "If-Match",
        "Only if the employer has one of these entity tags; they are compared strongly, and a malformed list \
         holds none (RFC 9110, section 13.1.1).",
    )
}

fn if_none_match() -> ParameterBuilder {
    header_field(
        "If-None-Match",
        "Only if the employer has none of these entity tags; they are compared weakly (RFC 9110, section \
         13.1.2).",
    )
}

/// What can be wrong with the filters.
fn wrong_filters() -> [ApiError; 3] {
    [
        vec![("has_image", ParameterError::NotABoolean)],
        vec![("created_date", ParameterError::NotADate)],
        vec![("created_from", ParameterError::NotATime)],
    ]
    .map(ApiError::Parameters)
}

/// Everything that can be wrong with members.
fn wrong_members(more: Option<FieldError>) -> impl Iterator<Item = ApiError> {
    let name = [
        FieldError::NameTaken,
        FieldError::Null,
        FieldError::Blank,
        FieldError::NotAString,
        FieldError::TooLong { max: EmployerName::MAX_CHARS },
        FieldError::NullCharacter,
    ];
    let image = [
        FieldError::UnknownImage { id: "999".into() },
        FieldError::NotAnId { received: ValueKind::String },
        FieldError::NotAnId { received: ValueKind::Float },
        FieldError::NotAnId { received: ValueKind::Boolean },
        FieldError::NotAnId { received: ValueKind::Array },
        FieldError::NotAnId { received: ValueKind::Object },
    ];
    let description = [
        FieldError::NotAString,
        FieldError::TooLong { max: employer::Description::MAX_CHARS },
        FieldError::NullCharacter,
    ];
    let of = |field: Field| move |error| (field, error);
    let names = more.into_iter().chain(name).map(of(Field::Name));
    names
        .chain(image.map(of(Field::Image)))
        .chain(description.map(of(Field::Description)))
        .map(|wrong| ApiError::Invalid([wrong].into_iter().collect()))
}

fn filters() -> [Parameter; 10] {
    [
        query("id_min", "The least id.", integer()),
        query("id_max", "The greatest id.", integer()),
        query("created_date", "Created on this UTC day.", date()),
        query("updated_date", "Last changed on this UTC day.", date()),
        query(
            "created_from",
            "Created at this moment or day, or later: RFC 3339; a `+` in it must be encoded as `%2B`.",
            moment(),
        ),
        query("created_to", "Created at this moment, or before; a day counts to its end.", moment()),
        query(
            "updated_from",
            "Last changed at this moment or day, or later: RFC 3339; a `+` in it must be encoded as `%2B`.",
            moment(),
        ),
        query("updated_to", "Last changed at this moment, or before; a day counts to its end.", moment()),
        query("has_image", "Whether there is an image: `true` or `false`, `1` or `0`.", boolean()),
        query("has_description", "Whether there is a description that is not empty.", boolean()),
    ]
}

fn date() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
}

fn moment() -> AnyOfBuilder {
    AnyOfBuilder::new()
        .item(date())
        .item(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
}

fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}
