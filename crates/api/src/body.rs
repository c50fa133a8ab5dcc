//! Reading a JSON body: its media type, its size, its syntax, in this order (contract, section 2).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use portfolio_domain::decimal::decimal;
use portfolio_domain::employer_patch::{Draft, EmployerDraft, Patch};
use portfolio_domain::field_error::{FieldError, ValueKind};
use portfolio_domain::image::ImageId;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::error::{ApiError, NotAnObject};
use crate::headers::field;

/// The media types that a PATCH takes; JSON Merge Patch (RFC 7396) means the same here.
pub const PATCH_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// The longest JSON body, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// How long a JSON body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// Reads the body of a POST: JSON that is known to be an object.
///
/// # Errors
///
/// The first that applies of 415, 413, 408 and 400.
pub async fn read_new(request: &HttpRequest, payload: Payload) -> Result<Bytes, ApiError> {
    read_object(request, payload, &PATCH_TYPES[..1], &[]).await
}

/// Reads the body of a PATCH: JSON that is known to be an object.
///
/// # Errors
///
/// The first that applies of 415, 413, 408 and 400.
pub async fn read_patch(request: &HttpRequest, payload: Payload) -> Result<Bytes, ApiError> {
    read_object(request, payload, &PATCH_TYPES, &PATCH_TYPES).await
}

/// `accept_patch` is what a 415 says that a PATCH takes here, if it says so.
async fn read_object(
    request: &HttpRequest,
    payload: Payload,
    accepted: &[&str],
    accept_patch: &'static [&'static str],
) -> Result<Bytes, ApiError> {
    check_media_type(request, accepted, accept_patch)?;
    let bytes = read(request, payload).await?;
    check_object(&bytes)?;
    Ok(bytes)
}

fn check_media_type(
    request: &HttpRequest,
    accepted: &[&str],
    accept_patch: &'static [&'static str],
) -> Result<(), ApiError> {
    let sent = header_text(request, &header::CONTENT_TYPE).unwrap_or_default();
    let taken = is_json(&sent, accepted);
    if !taken {
        return Err(ApiError::UnsupportedMediaType { sent, accept_patch });
    }
    check_encoding(request)
}

/// Refuses a body that is encoded.
///
/// # Errors
///
/// [`ApiError::UnsupportedContentEncoding`].
pub(crate) fn check_encoding(request: &HttpRequest) -> Result<(), ApiError> {
    match header_text(request, &header::CONTENT_ENCODING) {
        Some(codings) if !codings.split(',').map(str::trim).all(is_identity) => {
            Err(ApiError::UnsupportedContentEncoding(codings))
        }
        _ => Ok(()),
    }
}

/// How long the body is to be, in bytes, as far as its head tells.
pub(crate) fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Whether `media_type` is one of `accepted`, in UTF-8 (which Python's own `requests` calls `utf8` at times).
fn is_json(media_type: &str, accepted: &[&str]) -> bool {
    // White space may stand on both sides of a semicolon (RFC 9110, section 5.6.6); mime takes it after only.
    let compact = media_type.split(';').map(str::trim).collect::<Vec<_>>().join(";");
    compact.parse::<mime::Mime>().is_ok_and(|media_type| {
        let mut charsets = media_type.params().filter(|(name, _)| *name == mime::CHARSET);
        accepted.contains(&media_type.essence_str())
            && charsets.all(|(_, charset)| charset == mime::UTF_8 || charset == "utf8")
    })
}

fn is_identity(coding: &str) -> bool {
    coding.is_empty() || coding.eq_ignore_ascii_case("identity")
}

/// A header as it was sent. A byte that is no ASCII counts as ISO 8859-1, so that every value can be
/// shown.
pub(crate) fn header_text(request: &HttpRequest, name: &HeaderName) -> Option<String> {
    field(request, name).map(|value| value.into_iter().map(char::from).collect())
}

async fn read(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, ApiError> {
    if content_length(request).is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(ApiError::BodyTooLarge);
    }
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| ApiError::BodyBroken(error.to_string()))?;
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(ApiError::BodyTooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    timeout(DEADLINE, whole).await.unwrap_or(Err(ApiError::BodyTimeout))
}

/// Checks that `bytes` are one JSON object, and that nothing in it, unknown members included, breaks
/// the syntax: nesting beyond 127 levels, a number out of double range, a lone surrogate and invalid
/// UTF-8 among it.
fn check_object(bytes: &[u8]) -> Result<(), ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let kind = Checked.deserialize(&mut json).map_err(ApiError::Json)?;
    json.end().map_err(ApiError::Json)?;
    match kind {
        Kind::Object => Ok(()),
        // serde_json makes a float of an integer beyond 64 bits, and of -0.
        Kind::Other(NotAnObject::Float) if !bytes.iter().any(|byte| b".eE".contains(byte)) => {
            Err(ApiError::NotAnObject(NotAnObject::Int))
        }
        Kind::Other(kind) => Err(ApiError::NotAnObject(kind)),
    }
}

/// What a whole body is.
enum Kind {
    Object,
    Other(NotAnObject),
}

/// Visits every value, so that each is checked; serde's `IgnoredAny` passes over most of them.
struct Checked;

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Other(NotAnObject::Null))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other(NotAnObject::Bool))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Other(NotAnObject::Int))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Other(NotAnObject::Int))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other(NotAnObject::Float))
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Other(NotAnObject::Str))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        while items.next_element_seed(Checked)?.is_some() {}
        Ok(Kind::Other(NotAnObject::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind, A::Error> {
        while members.next_key_seed(Checked)?.is_some() {
            members.next_value_seed(Checked)?;
        }
        Ok(Kind::Object)
    }
}

/// Reads the members of an employer from a body that [`read_patch`] or [`read_new`] let through. A member of a wrong
/// shape is kept as the error that it is.
///
/// # Errors
///
/// None that such a body can cause.
pub fn employer_draft(body: &[u8]) -> Result<EmployerDraft, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let members = json.deserialize_map(MembersVisitor).map_err(ApiError::Json)?;
    Ok(EmployerDraft {
        name: members.name.map_or(Ok(Patch::Keep), text),
        image: members.image.map_or(Ok(Patch::Keep), image),
        description: members.description.map_or(Ok(Patch::Keep), text),
    })
}

/// Reads the name of an image from a body that [`read_patch`] let through.
///
/// # Errors
///
/// None that such a body can cause.
pub fn image_name(body: &[u8]) -> Result<Draft<String>, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let members = json.deserialize_map(MembersVisitor).map_err(ApiError::Json)?;
    Ok(members.name.map_or(Ok(Patch::Keep), text))
}

/// The members of an employer, or an image, as they were written. Unknown and read-only members are ignored; of a
/// repeated member the last counts.
#[derive(Default)]
struct Members<'a> {
    name: Option<&'a RawValue>,
    image: Option<&'a RawValue>,
    description: Option<&'a RawValue>,
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "name" => members.name = Some(map.next_value()?),
                "image" => members.image = Some(map.next_value()?),
                "description" => members.description = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

/// A member's name, borrowed unless it holds an escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn text(value: &RawValue) -> Draft<String> {
    match value.get() {
        "null" => Ok(Patch::Clear),
        json => serde_json::from_str(json).map(Patch::Set).map_err(|_| FieldError::NotAString),
    }
}

/// An id is a JSON integer, or its plain digits in a string, as clients born of HTML forms send it.
fn image(value: &RawValue) -> Draft<ImageId> {
    let json = value.get();
    let not_an_id = |received| Err(FieldError::NotAnId { received });
    match json.as_bytes().first() {
        Some(b'n') => Ok(Patch::Clear),
        Some(b't' | b'f') => not_an_id(ValueKind::Boolean),
        Some(b'[') => not_an_id(ValueKind::Array),
        Some(b'{') => not_an_id(ValueKind::Object),
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) if decimal(&text).is_some() => id(&text),
            _ => not_an_id(ValueKind::String),
        },
        _ if json.contains(['.', 'e', 'E']) => not_an_id(ValueKind::Float),
        _ => id(if json == "-0" { "0" } else { json }),
    }
}

/// An integer that no database holds is the id of no image.
fn id(integer: &str) -> Draft<ImageId> {
    integer
        .parse()
        .map(|id| Patch::Set(ImageId(id)))
        .map_err(|_| FieldError::UnknownImage { id: integer.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf8_is_taken_however_it_is_written() {
        for taken in [
            "application/json",
            "APPLICATION/JSON",
            "application/merge-patch+json",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; charset=utf8",
            "application/json; version=2",
            "application/json ; charset=utf-8",
            "application/json;",
        ] {
            assert!(is_json(taken, &PATCH_TYPES), "{taken}");
        }
        for refused in [
            "",
            "garbage",
            "text/plain",
            "application/*",
            "application/json-patch+json",
            "application/json; charset=latin-1",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=latin-1",
            "application/json, text/plain",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(refused, &PATCH_TYPES), "{refused}");
        }
    }
}
