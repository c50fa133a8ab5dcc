//! The schemas of bodies: those of answers are derived from what is written, those of requests are what
//! [`body`](crate::body) reads.

use portfolio_domain::employer::{Description, EmployerName};
use portfolio_domain::image::ImageName;
use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ComponentsBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};

use crate::representation::{EmployerJson, EmployersJson, ImageJson, ImagesJson, ThumbnailJson};

/// The documented example (contract, section 1).
const EMPLOYER: &str = include_str!("employer.json");

/// The names by which operations point at schemas.
pub(super) const EMPLOYER_PATCH: &str = "EmployerPatch";
pub(super) const NEW_EMPLOYER: &str = "NewEmployer";
pub(super) const IMAGE_PATCH: &str = "ImagePatch";
pub(super) const NEW_IMAGE: &str = "NewImage";
pub(super) const IN_USE: &str = "InUse";
pub(super) const DETAIL: &str = "Detail";
pub(super) const ERRORS: &str = "Errors";
pub(super) const STATUS: &str = "Status";

/// The documented example, as JSON.
pub(super) fn employer_example() -> Value {
    serde_json::from_str(EMPLOYER).unwrap_or_default()
}

/// Every schema that has a name.
pub(super) fn components() -> ComponentsBuilder {
    ComponentsBuilder::new()
        .schema_from::<EmployersJson<'_>>()
        .schema_from::<EmployerJson<'_>>()
        .schema_from::<ImagesJson<'_>>()
        .schema_from::<ImageJson<'_>>()
        .schema_from::<ThumbnailJson>()
        .schema(NEW_EMPLOYER, employer_members("An employer to be added.").required("name"))
        .schema(
            EMPLOYER_PATCH,
            employer_members(
                "What is to be changed of an employer. Only the members that are present are; an object that \
                 names none of them changes nothing.",
            ),
        )
        .schema(
            IMAGE_PATCH,
            ObjectBuilder::new()
                .description(Some("What is to be changed of an image."))
                .property("name", image_name()),
        )
        .schema(
            NEW_IMAGE,
            ObjectBuilder::new()
                .description(Some("An image to be added: a form."))
                .property("f", binary())
                // Empty, it is none.
                .property("name", image_name().min_length(Some(0)))
                .required("f"),
        )
        .schema(IN_USE, in_use())
        .schema(DETAIL, detail())
        .schema(ERRORS, errors())
        .schema(
            STATUS,
            ObjectBuilder::new()
                .description(Some("How the service is."))
                .property("status", text("`alive` or `ready`.").enum_values(Some(["alive", "ready"])))
                .required("status"),
        )
}

/// The reference to the schema of this name.
pub(super) fn named(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn employer_members(description: &str) -> ObjectBuilder {
    let name =
        text("Kept without white space at its ends, in NFC. It must hold something visible, and be unique.")
            .min_length(Some(1))
            .max_length(Some(EmployerName::MAX_CHARS))
            .examples([json!("Apple")]);
    let description_text = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("Free text, kept without white space at its ends; `null` clears it."))
        .max_length(Some(Description::MAX_CHARS))
        .examples([json!("Maker of computers")]);
    let image = AnyOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Integer).description(Some("The id of an image.")))
        .item(
            text("The same in plain decimal digits, as clients born of HTML forms send it.")
                .pattern(Some("^(0|[1-9][0-9]*)$")),
        )
        .item(ObjectBuilder::new().schema_type(Type::Null).description(Some("No image.")))
        .description(Some("The image that is the employer's logo; `null` removes it."))
        .examples([json!(123)]);
    ObjectBuilder::new()
        .description(Some(description))
        .property("name", name)
        .property("image", image)
        .property("description", description_text)
}

fn image_name() -> ObjectBuilder {
    text("Kept without white space at its ends, in NFC; its file's name without the extension unless given.")
        .min_length(Some(1))
        .max_length(Some(ImageName::MAX_CHARS))
        .examples([json!("technology")])
}

/// A file, in a form or as an answer.
pub(super) fn binary() -> ObjectBuilder {
    text("A JPEG, PNG, GIF or WebP file, whatever it is called: at most 10 MiB, 8192 pixels a side, 128 MiB decoded. It is kept byte for byte, metadata such as places included; thumbnails have none.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
}

fn in_use() -> ObjectBuilder {
    ObjectBuilder::new()
        .description(Some("Who uses what was to be removed."))
        .property("detail", text("What is wrong, for people."))
        .property("employers", ArrayBuilder::new().items(Object::with_type(Type::Integer)))
        .required("detail")
        .required("employers")
}

fn detail() -> ObjectBuilder {
    ObjectBuilder::new()
        .description(Some("What is wrong with the request as a whole."))
        .property("detail", text("What is wrong, for people."))
        .required("detail")
        .property(
            "request_id",
            text("Of a 500: what to quote to the operators; the header `X-Request-Id`, too."),
        )
}

fn errors() -> ObjectBuilder {
    let texts = ArrayBuilder::new().items(Object::with_type(Type::String)).min_items(Some(1));
    ObjectBuilder::new()
        .description(Some(
            "What is wrong with members of the body or parameters, by their names, all of it at once; \
             `non_field_errors` for a body that is no object.",
        ))
        .additional_properties(Some(AdditionalProperties::from(Schema::from(texts))))
        .min_properties(Some(1))
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}
