//! Every error a client can get: its status, its headers and its text, all of them here (contract,
//! section 3).

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use portfolio_domain::access::AccessError;
use portfolio_domain::employer::EmployerId;
use portfolio_domain::field_error::{Field, FieldError, FieldErrors, ValueKind};
use portfolio_domain::ports::PortError;
use portfolio_domain::use_cases::{EmployerError, ImageError};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::throttle::Throttled;

/// How long a client is asked to wait before it tries again, in seconds.
const RETRY_AFTER: (header::HeaderName, &str) = (header::RETRY_AFTER, "1");

/// What is wrong with the `Authorization` header itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsError {
    /// There is none, or it is of another scheme.
    NotProvided,
    /// The scheme stands alone.
    NoKey,
    /// More than one word follows the scheme.
    Spaces,
    /// The key is no UTF-8.
    NotText,
}

/// A body that is JSON, but no object, in the words of the documented site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAnObject {
    /// `null`.
    Null,
    /// An array.
    List,
    /// A string.
    Str,
    /// A number without fraction and exponent.
    Int,
    /// Any other number.
    Float,
    /// `true` or `false`.
    Bool,
}

/// What is wrong with a parameter of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterError {
    /// It is no integer in decimal digits.
    NotAnInteger,
    /// It is an integer less than this.
    TooSmall(i64),
    /// It is an integer greater than this.
    TooGreat(i64),
    /// It is none of `true`, `false`, `1` and `0`.
    NotABoolean,
    /// It is no day.
    NotADate,
    /// It is neither a day nor a moment.
    NotATime,
    /// Nothing can be ordered by this.
    NoOrder {
        /// What was sent.
        sent: String,
        /// What can be sent.
        choices: Vec<&'static str>,
    },
    /// A NUL is inside.
    NullCharacter,
    /// It has more than this many different words.
    TooManyWords(usize),
}

/// Everything that a request can fail with.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The credentials can't be read.
    #[error("credentials: {0:?}")]
    Credentials(CredentialsError),
    /// The credentials were judged, and do not suffice.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The credentials failed, as did too many others from the same address.
    #[error("throttled for {} s", .0.seconds)]
    Throttled(Throttled),
    /// The body is of a media type, or a charset, that is not taken here.
    #[error("media type {sent:?}")]
    UnsupportedMediaType {
        /// The header's value as it was sent; empty for none.
        sent: String,
        /// What is taken of a PATCH; nothing for other methods.
        accept_patch: &'static [&'static str],
    },
    /// The body is encoded in a way that is not taken.
    #[error("content encoding {0:?}")]
    UnsupportedContentEncoding(String),
    /// The body is longer than what is taken.
    #[error("body too large")]
    BodyTooLarge,
    /// The body did not come in time.
    #[error("body too slow")]
    BodyTimeout,
    /// The body broke off, or its framing is wrong.
    #[error("body broken: {0}")]
    BodyBroken(String),
    /// The body is no JSON.
    #[error("JSON: {0}")]
    Json(serde_json::Error),
    /// The body is JSON, but no object.
    #[error("body is {0:?}")]
    NotAnObject(NotAnObject),
    /// There is nothing here.
    #[error("not found")]
    NotFound,
    /// Parameters of a list that can't be understood, each with what is wrong with it.
    #[error("parameters: {0:?}")]
    Parameters(Vec<(&'static str, ParameterError)>),
    /// What a client wrote of an employer or an image is wrong: everything that is.
    #[error("{} fields are wrong", .0.by_field().count())]
    Invalid(FieldErrors),
    /// What was to be removed is shown by these employers, by id.
    #[error("{} employers show the image", .0.len())]
    InUse(Vec<EmployerId>),
    /// Something behind a port is away, full or broken.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The form can't be read.
    #[error("form: {0}")]
    Form(String),
    /// What is there is none of the versions that the client named.
    #[error("precondition failed")]
    PreconditionFailed,
    /// Nothing of the file is in the range that was asked for.
    #[error("no such range in {size} bytes")]
    NoSuchRange {
        /// How long the file is.
        size: u64,
    },
    /// The method is none of those that the path knows.
    #[error("method {method} not allowed")]
    MethodNotAllowed {
        /// The method as it was sent.
        method: String,
        /// The methods that the path knows.
        allow: String,
    },
    /// The service can't do its work now.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl From<EmployerError> for ApiError {
    fn from(error: EmployerError) -> Self {
        match error {
            EmployerError::NotFound => Self::NotFound,
            EmployerError::PreconditionFailed => Self::PreconditionFailed,
            EmployerError::Invalid(errors) => Self::Invalid(errors),
            EmployerError::Port(error) => Self::Port(error),
        }
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::NotFound => Self::NotFound,
            ImageError::InUse(employers) => Self::InUse(employers),
            ImageError::Invalid(errors) => Self::Invalid(errors),
            ImageError::Port(error) => Self::Port(error),
        }
    }
}

impl ApiError {
    /// The status of the answer.
    fn status(&self) -> StatusCode {
        match self {
            Self::Credentials(_) => StatusCode::UNAUTHORIZED,
            Self::Access(error) => match error {
                AccessError::InvalidToken | AccessError::TokenExpired | AccessError::UserInactive => {
                    StatusCode::UNAUTHORIZED
                }
                AccessError::Forbidden { .. } => StatusCode::FORBIDDEN,
                AccessError::Port(error) => port_status(error),
            },
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::UnsupportedMediaType { .. } | Self::UnsupportedContentEncoding(_) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken(_)
            | Self::Json(_)
            | Self::NotAnObject(_)
            | Self::Parameters(_)
            | Self::Invalid(_)
            | Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::InUse(_) => StatusCode::CONFLICT,
            Self::Port(error) => port_status(error),
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::NoSuchRange { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> String {
        match self {
            Self::Credentials(error) => detail(match error {
                CredentialsError::NotProvided => "Authentication credentials were not provided.",
                CredentialsError::NoKey => "Invalid token header. No credentials provided.",
                CredentialsError::Spaces => "Invalid token header. Token string should not contain spaces.",
                CredentialsError::NotText => {
                    "Invalid token header. Token string should not contain invalid characters."
                }
            }),
            Self::Access(error) => match error {
                AccessError::InvalidToken => detail("Invalid token."),
                AccessError::TokenExpired => detail("Token has expired."),
                AccessError::UserInactive => detail("User inactive or deleted."),
                AccessError::Forbidden { .. } => detail("You do not have permission to perform this action."),
                AccessError::Port(error) => port_body(error),
            },
            Self::Throttled(Throttled { seconds: 1 }) => {
                detail("Request was throttled. Expected available in 1 second.")
            }
            Self::Throttled(Throttled { seconds }) => {
                detail(format!("Request was throttled. Expected available in {seconds} seconds."))
            }
            Self::UnsupportedMediaType { sent, .. } => {
                detail(format!("Unsupported media type \"{sent}\" in request."))
            }
            Self::UnsupportedContentEncoding(sent) => {
                detail(format!("Unsupported content encoding \"{sent}\" in request."))
            }
            Self::BodyTooLarge => detail("Request body is too large."),
            Self::BodyTimeout => detail("Request timed out."),
            Self::BodyBroken(_) => detail("The request body is incomplete or malformed."),
            Self::Json(error) => detail(format!("JSON parse error - {error}")),
            Self::NotAnObject(NotAnObject::Null) => non_field("No data provided"),
            Self::NotAnObject(kind) => {
                let kind = match kind {
                    NotAnObject::Null => "NoneType",
                    NotAnObject::List => "list",
                    NotAnObject::Str => "str",
                    NotAnObject::Int => "int",
                    NotAnObject::Float => "float",
                    NotAnObject::Bool => "bool",
                };
                non_field(&format!("Invalid data. Expected a dictionary, but got {kind}."))
            }
            Self::NotFound => detail("Not found."),
            Self::Parameters(errors) => serde_json::to_string(&Parameters(errors)).unwrap_or_default(),
            Self::Invalid(errors) => serde_json::to_string(&Fields(errors)).unwrap_or_default(),
            Self::InUse(employers) => {
                let ids: Vec<i64> = employers.iter().map(|id| id.0).collect();
                json!({ "detail": "The image is in use.", "employers": ids }).to_string()
            }
            Self::Port(error) => port_body(error),
            Self::Form(why) => detail(format!("Multipart form parse error - {why}")),
            Self::PreconditionFailed => detail("Precondition failed."),
            Self::NoSuchRange { .. } => detail("Requested range not satisfiable."),
            Self::MethodNotAllowed { method, .. } => detail(format!("Method \"{method}\" not allowed.")),
            Self::Unavailable(_) => detail(UNAVAILABLE),
        }
    }

    /// What the body says in words, for whoever reads no JSON: the operator who runs a command.
    pub(crate) fn words(&self) -> String {
        fn collect(value: Value, words: &mut Vec<String>) {
            match value {
                Value::String(text) => words.push(text),
                Value::Array(values) => values.into_iter().for_each(|value| collect(value, words)),
                Value::Object(members) => members.into_iter().for_each(|(_, value)| collect(value, words)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        let mut words = Vec::new();
        collect(serde_json::from_str(&self.body()).unwrap_or_default(), &mut words);
        words.join(" ")
    }

    /// The whole answer.
    pub(crate) fn answer(&self) -> HttpResponse {
        let status = self.status();
        let mut answer = HttpResponse::build(status);
        self.headers(status, &mut answer);
        answer.content_type("application/json").body(self.body())
    }

    /// What belongs to the answer beside status and body.
    fn headers(&self, status: StatusCode, answer: &mut HttpResponseBuilder) {
        if status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Token"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.insert_header(RETRY_AFTER);
        }
        match self {
            Self::Throttled(Throttled { seconds }) => {
                answer.insert_header((header::RETRY_AFTER, *seconds));
            }
            Self::MethodNotAllowed { allow, .. } => {
                answer.insert_header((header::ALLOW, allow.as_str()));
            }
            Self::UnsupportedMediaType { accept_patch, .. } if !accept_patch.is_empty() => {
                answer.insert_header(("Accept-Patch", accept_patch.join(", ")));
            }
            // RFC 9110, section 12.5.3.
            Self::UnsupportedContentEncoding(_) => {
                answer.insert_header((header::ACCEPT_ENCODING, "identity"));
            }
            Self::NoSuchRange { size } => {
                answer.insert_header((header::CONTENT_RANGE, format!("bytes */{size}")));
            }
            Self::BodyTimeout => {
                answer.force_close();
            }
            _ => {}
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = %self, "answered {status}");
        }
        self.answer()
    }
}

/// The text of every 503.
const UNAVAILABLE: &str = "Service temporarily unavailable, try again later.";
/// The text of every 500.
pub(crate) const OUR_FAULT: &str = "A server error occurred.";

fn port_status(error: &PortError) -> StatusCode {
    match error {
        PortError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        PortError::StorageFull(_) => StatusCode::INSUFFICIENT_STORAGE,
        PortError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn port_body(error: &PortError) -> String {
    detail(match error {
        PortError::Unavailable(_) => UNAVAILABLE,
        PortError::StorageFull(_) => "Not enough storage.",
        PortError::Internal(_) => OUR_FAULT,
    })
}

fn detail(text: impl Into<String>) -> String {
    json!({ "detail": text.into() }).to_string()
}

fn non_field(text: &str) -> String {
    json!({ "non_field_errors": [text] }).to_string()
}

/// What a request calls a field.
pub(crate) fn member(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Image => "image",
        Field::Description => "description",
        Field::File => "f",
    }
}

/// The wrong fields in the order that the domain gives them, which no map of `serde_json` would keep.
struct Fields<'a>(&'a FieldErrors);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .by_field()
                .map(|(field, errors)| (member(field), errors.map(field_text).collect::<Vec<_>>())),
        )
    }
}

/// The wrong parameters in the order of the contract.
struct Parameters<'a>(&'a [(&'static str, ParameterError)]);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, error)| (name, [parameter_text(error)])))
    }
}

fn parameter_text(error: &ParameterError) -> String {
    match error {
        ParameterError::NotAnInteger => "A valid integer is required.".into(),
        ParameterError::TooSmall(min) => format!("Ensure this value is greater than or equal to {min}."),
        ParameterError::TooGreat(max) => format!("Ensure this value is less than or equal to {max}."),
        ParameterError::NotABoolean => "Must be a valid boolean: true, false, 1 or 0.".into(),
        ParameterError::NotADate => "Date has wrong format. Use YYYY-MM-DD instead.".into(),
        ParameterError::NotATime => "Datetime has wrong format. Use one of these instead: YYYY-MM-DD, \
             YYYY-MM-DDThh:mm:ss[.uuuuuu](+HH:MM|-HH:MM|Z)."
            .into(),
        ParameterError::NoOrder { sent, choices } => format!(
            "\"{sent}\" is not a valid choice. Choose from {}, each with an optional \"-\".",
            choices.join(", ")
        ),
        ParameterError::NullCharacter => "Null characters are not allowed.".into(),
        ParameterError::TooManyWords(max) => format!("Ensure this value has at most {max} words."),
    }
}

fn field_text(error: &FieldError) -> String {
    match error {
        FieldError::Required => "This field is required.".into(),
        FieldError::Null => "This field may not be null.".into(),
        FieldError::Blank => "This field may not be blank.".into(),
        FieldError::NotAString => "Not a valid string.".into(),
        FieldError::TooLong { max } => format!("Ensure this field has no more than {max} characters."),
        FieldError::NullCharacter => "Null characters are not allowed.".into(),
        FieldError::NameTaken => "employer with this name already exists.".into(),
        FieldError::NotAnId { received } => {
            let kind = match received {
                ValueKind::String => "str",
                ValueKind::Float => "float",
                ValueKind::Boolean => "bool",
                ValueKind::Array => "list",
                ValueKind::Object => "dict",
            };
            format!("Incorrect type. Expected pk value, received {kind}.")
        }
        FieldError::NoFile => "No file was submitted.".into(),
        FieldError::NotAFile => {
            "The submitted data was not a file. Check the encoding type on the form.".into()
        }
        FieldError::EmptyFile => "The submitted file is empty.".into(),
        FieldError::NotAnImage => "Upload a valid image. The file you uploaded was either not an image or a \
             corrupted image."
            .into(),
        FieldError::ImageTooLarge { max } => {
            format!("The image is too large: at most {max} pixels a side.")
        }
        FieldError::TooManyFrames { max } => format!("The image has too many frames: at most {max}."),
        FieldError::UnknownImage { id } => format!("Invalid pk \"{id}\" - object does not exist."),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn an_internal_message_never_reaches_the_client() {
        let secret = "relation \"employers\" does not exist";
        for error in [
            ApiError::Access(AccessError::Port(PortError::Internal(secret.into()))),
            ApiError::Access(AccessError::Port(PortError::Unavailable(secret.into()))),
            EmployerError::Port(PortError::StorageFull(secret.into())).into(),
            ApiError::Unavailable(secret.into()),
            ApiError::BodyBroken(secret.into()),
        ] {
            let body = to_bytes(error.error_response().into_body()).await.unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("employers"), "{error:?}");
        }
    }
}
