//! The words in which a method of a path is described.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use portfolio_domain::access::{AccessError, Action};
use portfolio_domain::list::Page;
use portfolio_domain::ports::PortError;
use portfolio_domain::search::Search;
use portfolio_domain::staff::StaffName;
use serde_json::{Value, json};
use utoipa::openapi::example::Example;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, ContentBuilder, Header, RefOr, Required, Schema};

use super::schemas::{DETAIL, ERRORS, IN_USE, named};
use crate::answer;
use crate::error::{ApiError, CredentialsError, NotAnObject, ParameterError};
use crate::throttle::Throttled;

/// The name of the way to show who one is.
pub(super) const SECURITY_SCHEME: &str = "token";

pub(super) const JSON: &str = "application/json";

/// A method of a path, as far as it is described.
pub(super) struct Description {
    operation: OperationBuilder,
    answers: BTreeMap<u16, ResponseBuilder>,
    errors: BTreeMap<u16, Errors>,
}

/// What the errors of one status have.
#[derive(Default)]
struct Errors {
    /// Their values, one for each error that has them.
    headers: BTreeMap<String, Vec<String>>,
    examples: Vec<Value>,
}

impl Description {
    /// Nothing yet but what it does. `id` is unique in the document.
    pub(super) fn of(tag: &str, id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
        let described = Self { operation, answers: BTreeMap::new(), errors: BTreeMap::new() };
        described.parameter(request_id())
    }

    /// It needs the permission of `A`, and asks the database for it.
    pub(super) fn guarded<A: Action>(mut self, note: &str) -> Self {
        let permission = A::PERMISSION;
        let name = StaffName::from_stored("name".to_owned());
        self.operation = self
            .operation
            .security(SecurityRequirement::new(SECURITY_SCHEME, [""; 0]))
            .description(Some(format!("Needs permission {permission}, or an admin. {note}").trim_end()));
        self.fails([
            ApiError::Credentials(CredentialsError::NotProvided),
            ApiError::Credentials(CredentialsError::NoKey),
            ApiError::Credentials(CredentialsError::Spaces),
            ApiError::Credentials(CredentialsError::NotText),
            AccessError::InvalidToken.into(),
            AccessError::TokenExpired.into(),
            AccessError::UserInactive.into(),
            ApiError::Throttled(Throttled { seconds: 60 }),
            AccessError::Forbidden { name, permission }.into(),
            ApiError::Unavailable(String::new()),
            PortError::Internal(String::new()).into(),
        ])
    }

    /// It takes this parameter.
    pub(super) fn parameter(mut self, parameter: impl Into<Parameter>) -> Self {
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// It takes a body of these media types.
    pub(super) fn body(mut self, media_types: &[&str], schema: &str, examples: &[(&str, Value)]) -> Self {
        let examples: Vec<_> =
            examples.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let body = media_types
            .iter()
            .fold(RequestBodyBuilder::new(), |body, media_type| {
                body.content(*media_type, content(named(schema), examples.clone()))
            })
            .required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// It answers this when all is well.
    pub(super) fn answers(
        mut self,
        status: StatusCode,
        meaning: &str,
        body: Option<(&str, Content)>,
    ) -> Self {
        let answer = body
            .into_iter()
            .fold(response(meaning), |response, (media_type, content)| response.content(media_type, content));
        self.answers.insert(status.as_u16(), answer);
        self
    }

    /// That answer has this header.
    pub(super) fn with(mut self, status: StatusCode, name: &str, meaning: &str, example: &str) -> Self {
        let answer = self.answers.remove(&status.as_u16()).unwrap_or_default();
        self.answers.insert(status.as_u16(), answer.header(name, text_header(Some(meaning), example)));
        self
    }

    /// It can fail with these, which are shown as they are sent.
    pub(super) fn fails(mut self, errors: impl IntoIterator<Item = ApiError>) -> Self {
        for error in errors {
            let answer = error.answer();
            let status = answer.status();
            let of_status = self.errors.entry(status.as_u16()).or_default();
            for (name, value) in answer.headers() {
                if name != header::CONTENT_TYPE {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    of_status.headers.entry(header_name(name)).or_default().push(value);
                }
            }
            let body = if status == StatusCode::INTERNAL_SERVER_ERROR {
                answer::our_fault_body(REQUEST_ID_EXAMPLE)
            } else {
                serde_json::from_str(&error.body()).unwrap_or_default()
            };
            of_status.examples.push(body);
        }
        self
    }

    /// The whole of it.
    pub(super) fn build(self) -> Operation {
        let errors = self.errors.into_iter().map(|(status, errors)| (status, errors.response(status)));
        let answers = self.answers.into_iter().chain(errors);
        answers
            .fold(self.operation, |operation, (status, answer)| {
                operation.response(status.to_string(), answer)
            })
            .build()
    }
}

impl Errors {
    fn response(self, status: u16) -> ResponseBuilder {
        let about_all = self.examples.iter().all(|body| body.get("detail").is_some());
        let about_parts = self.examples.iter().all(|body| body.get("detail").is_none());
        let in_use = self.examples.iter().all(|body| body.get("employers").is_some());
        let schema = if in_use {
            named(IN_USE)
        } else if about_all {
            named(DETAIL)
        } else if about_parts {
            named(ERRORS)
        } else {
            AnyOfBuilder::new().item(named(DETAIL)).item(named(ERRORS)).into()
        };
        let errors = self.examples.len();
        let examples: Vec<_> = self.examples.into_iter().map(|body| (first_text(&body), body)).collect();
        let answer = response(meaning(status)).content(JSON, content(schema, examples));
        self.headers.into_iter().fold(answer, |answer, (name, values)| {
            let mut header = text_header(None, &values[0]);
            header.extensions = (values.len() == errors).then(required);
            answer.header(name, header)
        })
    }
}

/// What a body holds: this, as in these examples.
pub(super) fn content(schema: RefOr<Schema>, examples: Vec<(String, Value)>) -> Content {
    let examples =
        examples.into_iter().map(|(name, value)| (name, Example::builder().value(Some(value)).build()));
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build()
}

/// A header field of a request that need not be there.
pub(super) fn header_field(name: &str, meaning: &str) -> ParameterBuilder {
    parameter(ParameterIn::Header, name, meaning).schema(Some(Object::with_type(Type::String)))
}

/// A parameter that need not be there.
pub(super) fn parameter(place: ParameterIn, name: &str, meaning: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(meaning))
}

/// A parameter of the query string, which may be empty, too.
pub(super) fn query(name: &str, meaning: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    parameter(ParameterIn::Query, name, meaning)
        .schema(Some(schema))
        // utoipa has no field for it.
        .extensions(Some(Extensions::from_iter([("allowEmptyValue", true)])))
        .build()
}

/// What every list takes, which can be ordered by the `keys` and is ordered by `-created_at` otherwise.
pub(super) fn list_parameters(keys: &[&str]) -> Vec<Parameter> {
    let limits = Page::LIMITS;
    let names: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    let key = format!(" *-?({}) *", keys.join("|"));
    vec![
        query(
            "limit",
            "How many a page holds at most.",
            integer()
                .minimum(Some(*limits.start()))
                .maximum(Some(*limits.end()))
                .default(Some(json!(Page::default().limit))),
        ),
        query(
            "offset",
            "How many are left out before the page.",
            integer().minimum(Some(0)).default(Some(json!(0))),
        ),
        query(
            "search",
            "Words, separated by white space. Each must occur in the name, or equal the id; they are compared \
             case-folded, in every script.",
            text(),
        ),
        query(
            "ordering",
            &format!(
                "What to order by: {}, separated by commas, each with an optional `-` for descending. Names are \
                 ordered by code points; the id breaks ties.",
                names.join(", ")
            ),
            text().pattern(Some(format!("^{key}(,{key})*$"))).default(Some(json!("-created_at"))),
        ),
    ]
}

/// What can be wrong with these, several at once first.
pub(super) fn wrong_list_parameters(keys: &[&'static str]) -> [ApiError; 6] {
    let (min, max) = (i64::from(*Page::LIMITS.start()), i64::from(*Page::LIMITS.end()));
    let no_order = || ParameterError::NoOrder { sent: "bogus".into(), choices: keys.to_vec() };
    [
        vec![("limit", ParameterError::TooSmall(min)), ("ordering", no_order())],
        vec![("limit", ParameterError::TooGreat(max))],
        vec![("offset", ParameterError::NotAnInteger)],
        vec![("search", ParameterError::NullCharacter)],
        vec![("search", ParameterError::TooManyWords(Search::MAX_WORDS))],
        vec![("ordering", no_order())],
    ]
    .map(ApiError::Parameters)
}

/// Which of a resource is meant.
pub(super) fn id(meaning: &str, example: i64) -> ParameterBuilder {
    parameter(ParameterIn::Path, "id", meaning)
        .required(Required::True)
        .schema(Some(integer().minimum(Some(0))))
        .example(Some(json!(example)))
}

/// Every answer has these.
fn response(meaning: &str) -> ResponseBuilder {
    let id = text_header(
        Some("What logs call this request: the client's own `X-Request-Id`, or a new one."),
        REQUEST_ID_EXAMPLE,
    );
    let answer = ResponseBuilder::new().description(meaning).header(header_name(&answer::REQUEST_ID), id);
    answer::HEADERS
        .iter()
        .fold(answer, |answer, (name, value)| answer.header(header_name(name), text_header(None, value)))
}

const REQUEST_ID_EXAMPLE: &str = "5f0c9e1d7ab34c6f8e2d1b0a99887766";

fn request_id() -> ParameterBuilder {
    header_field(
        "X-Request-Id",
        "What logs shall call this request: 1 to 128 of `A-Z a-z 0-9 . _ -`. Another value is replaced.",
    )
}

fn text_header(meaning: Option<&str>, example: &str) -> Header {
    Header::builder()
        .extensions(Some(required()))
        .schema(Some(Object::with_type(Type::String)))
        .description(meaning)
        .example(Some(json!(example)))
        .build()
}

/// A header that every such answer has; utoipa has no field for it.
fn required() -> Extensions {
    Extensions::from_iter([("required", true)])
}

/// As it is usually written: `x-request-id` is `X-Request-Id`.
fn header_name(name: &HeaderName) -> String {
    match name.as_str() {
        "www-authenticate" => "WWW-Authenticate".to_owned(),
        name => name
            .split('-')
            .map(|word| [&word[..1].to_uppercase(), &word[1..]].concat())
            .collect::<Vec<_>>()
            .join("-"),
    }
}

/// What an example of an error is called: the first text in its body, after the name of what it is about.
fn first_text(body: &Value) -> String {
    match body {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(first_text).unwrap_or_default(),
        Value::Object(members) => match members.iter().next() {
            Some((name, value)) if name != "detail" => format!("{name}: {}", first_text(value)),
            first => first.map(|(_, value)| first_text(value)).unwrap_or_default(),
        },
        _ => String::new(),
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The body or the parameters are wrong: all that is, in one answer. Nothing was changed.",
        401 => "No, malformed, unknown, expired or revoked credentials, or an inactive user.",
        403 => "The caller lacks the permission.",
        404 => "There is nothing at this address.",
        408 => "The body did not come in time. The connection is closed.",
        409 => "It is in use, by the employers that are named. Nothing was changed.",
        412 => "`If-Match` or `If-None-Match` does not hold. Nothing was changed.",
        413 => "The body is too large.",
        415 => "The body is of another media type, charset or encoding.",
        416 => "The file has nothing of the range.",
        429 => "Too many failed authentications came from this address. A good key is never refused.",
        500 => "Our fault. It is logged under the request's id.",
        503 => {
            "The database is away, or there is too much to do. Of a write it is not known whether it was done."
        }
        507 => "No room is left on the disk. Nothing was changed.",
        _ => "The request failed.",
    }
}

/// What can be wrong with a JSON body, whatever is in it.
pub(super) fn body_errors(accept_patch: &'static [&'static str]) -> Vec<ApiError> {
    let broken = serde_json::from_str::<Value>("{\"name\": \"Apple\"");
    let json = broken.err().map(ApiError::Json);
    [
        ApiError::UnsupportedMediaType { sent: "text/plain".into(), accept_patch },
        ApiError::UnsupportedContentEncoding("gzip".into()),
        ApiError::BodyTooLarge,
        ApiError::BodyTimeout,
        ApiError::NotAnObject(NotAnObject::Null),
        ApiError::NotAnObject(NotAnObject::List),
        ApiError::NotAnObject(NotAnObject::Str),
        ApiError::NotAnObject(NotAnObject::Int),
        ApiError::NotAnObject(NotAnObject::Float),
        ApiError::NotAnObject(NotAnObject::Bool),
        ApiError::BodyBroken(String::new()),
    ]
    .into_iter()
    .chain(json)
    .collect()
}

/// No room is left to write.
pub(super) fn full() -> ApiError {
    PortError::StorageFull(String::new()).into()
}

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn integer() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}
