//! Where we differ from the recorded answers, on purpose: a row of the contract for each.

use std::fmt::{self, Debug};

/// What explains a difference: a row of section 9 of the contract, by the start of what "DRF does", or
/// a sentence of section 3.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    StrictTypes,
    EmptyBody,
    BodyBeforeEmployer,
    MethodBeforeCredentials,
    Options,
    OtherCharsets,
    OneAddress,
    OversizedBody,
    LoneSurrogate,
    Forms,
    LongerNames,
    NotFoundText,
    NeverOurFault,
    Put,
    JsonAlways,
    NoMediaType,
    ContentEncoding,
    NumberOutOfRange,
    Descriptions,
}

impl Row {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::StrictTypes => "9: turns numbers into names, `1.5` or `\"01\"` into an image id",
            Self::EmptyBody => "9: takes an empty body as `{}`",
            Self::BodyBeforeEmployer => "9: checks 404 before it reads the body",
            Self::MethodBeforeCredentials => "9: 405 only after authentication",
            Self::Options => "9: `OPTIONS` needs credentials and answers a description",
            Self::OtherCharsets => "9: takes `application/*`, UTF-16 and Latin-1, ignores an unknown charset",
            Self::OneAddress => "9: ids `/01`, `/+1`, `/1%20` find employer 1",
            Self::OversizedBody => "9: an HTML 400 for a body over its limit",
            Self::LoneSurrogate => "9: a lone surrogate is a field error",
            Self::Forms => "9: accepts forms and multipart on employers",
            Self::LongerNames => "9: names of at most 50 characters",
            Self::NotFoundText => "9: \"No Employer matches the given query.\"",
            Self::NeverOurFault => "9: 500 on a race, on 100,000 nested arrays, on `1e400`",
            Self::Put => "9: PUT",
            Self::JsonAlways => "9: HTML bodies for some 400s and 404s",
            Self::NoMediaType => "3: other media type (the header's value as sent; `\"\"` for none)",
            Self::ContentEncoding => "3: `Content-Encoding` other than `identity`",
            Self::Descriptions => "9: `\"\"` for a description never given",
            Self::NumberOutOfRange => "3: a number out of double range is a syntax error",
        }
    }
}

impl Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What we answer to one recorded case.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) row: Row,
    pub(super) id: &'static str,
    pub(super) status: u16,
    /// Compared like an answer: an employer's times and its image but for the id don't count.
    pub(super) body: &'static str,
}

const fn differs(row: Row, id: &'static str, status: u16, body: &'static str) -> Difference {
    Difference { row, id, status, body }
}

const NOT_A_STRING: &str = r#"{"name":["Not a valid string."]}"#;
const NOT_FOUND: &str = r#"{"detail":"Not found."}"#;
const JSON_ERROR: &str = r#"{"detail":"JSON parse error - "}"#;
const NO_PUT: &str = r#"{"detail":"Method \"PUT\" not allowed."}"#;
const FORM: &str = r#"{"detail":"Unsupported media type \"application/x-www-form-urlencoded\" in request."}"#;
const MULTIPART: &str =
    r#"{"detail":"Unsupported media type \"multipart/form-data; boundary=XXBOUND\" in request."}"#;
const FLOAT_ID: &str = r#"{"image":["Incorrect type. Expected pk value, received float."]}"#;
const STRING_ID: &str = r#"{"image":["Incorrect type. Expected pk value, received str."]}"#;
const NO_TYPE: &str = r#"{"detail":"Unsupported media type \"\" in request."}"#;
const PLAIN_TEXT: &str = r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#;
const NAME_OF_51: &str = r#"{"id":1,"name":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","image_data":{"id":1},"description":"first"}"#;
const EMOJI_OF_51: &str = r#"{"id":1,"name":"😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀","image_data":{"id":1},"description":"first"}"#;

pub(super) const DIFFERENCES: &[Difference] = &[
    differs(Row::Forms, "drf-070", 415, FORM),
    differs(Row::NotFoundText, "drf-090", 404, NOT_FOUND),
    differs(Row::NotFoundText, "drf-091", 404, NOT_FOUND),
    differs(
        Row::Descriptions,
        "drf-154",
        200,
        r#"{"id":3,"name":"Initech","image_data":null,"description":null}"#,
    ),
    differs(Row::EmptyBody, "drf-155", 400, JSON_ERROR),
    differs(Row::Descriptions, "drf-156", 201, r#"{"name":"Umbrella","image_data":null,"description":null}"#),
    differs(Row::MethodBeforeCredentials, "drf-003", 405, NO_PUT),
    differs(Row::Options, "drf-024", 204, ""),
    differs(Row::Options, "drf-032", 204, ""),
    differs(
        Row::OtherCharsets,
        "drf-044",
        415,
        r#"{"detail":"Unsupported media type \"application/json; charset=utf-16\" in request."}"#,
    ),
    differs(
        Row::OtherCharsets,
        "drf-045",
        415,
        r#"{"detail":"Unsupported media type \"application/json; charset=latin-1\" in request."}"#,
    ),
    differs(
        Row::OtherCharsets,
        "drf-046",
        415,
        r#"{"detail":"Unsupported media type \"application/json; charset=nope\" in request."}"#,
    ),
    differs(Row::Put, "drf-054", 405, NO_PUT),
    differs(Row::EmptyBody, "drf-055", 400, JSON_ERROR),
    differs(Row::EmptyBody, "drf-056", 415, NO_TYPE),
    differs(Row::BodyBeforeEmployer, "drf-057", 415, PLAIN_TEXT),
    differs(
        Row::BodyBeforeEmployer,
        "drf-058",
        400,
        r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#,
    ),
    differs(Row::NoMediaType, "drf-062", 415, NO_TYPE),
    differs(Row::EmptyBody, "drf-065", 415, PLAIN_TEXT),
    differs(
        Row::OtherCharsets,
        "drf-066",
        415,
        r#"{"detail":"Unsupported media type \"application/*\" in request."}"#,
    ),
    differs(Row::Forms, "drf-067", 415, FORM),
    differs(Row::Forms, "drf-068", 415, FORM),
    differs(Row::Forms, "drf-069", 415, FORM),
    differs(Row::Forms, "drf-071", 415, MULTIPART),
    differs(
        Row::Forms,
        "drf-072",
        415,
        r#"{"detail":"Unsupported media type \"multipart/form-data\" in request."}"#,
    ),
    differs(
        Row::Forms,
        "drf-073",
        415,
        r#"{"detail":"Unsupported media type \"multipart/form-data; boundary=nope\" in request."}"#,
    ),
    differs(Row::Forms, "drf-074", 415, MULTIPART),
    differs(
        Row::ContentEncoding,
        "drf-075",
        415,
        r#"{"detail":"Unsupported content encoding \"gzip\" in request."}"#,
    ),
    differs(Row::OversizedBody, "drf-076", 413, r#"{"detail":"Request body is too large."}"#),
    differs(Row::Forms, "drf-077", 415, FORM),
    differs(Row::Forms, "drf-078", 415, FORM),
    differs(Row::NotFoundText, "drf-079", 404, NOT_FOUND),
    differs(Row::NotFoundText, "drf-080", 404, NOT_FOUND),
    differs(Row::JsonAlways, "drf-081", 404, NOT_FOUND),
    differs(Row::NotFoundText, "drf-082", 404, NOT_FOUND),
    differs(Row::OneAddress, "drf-084", 404, NOT_FOUND),
    differs(Row::OneAddress, "drf-085", 404, NOT_FOUND),
    differs(Row::OneAddress, "drf-087", 404, NOT_FOUND),
    differs(Row::NotFoundText, "drf-088", 404, NOT_FOUND),
    differs(Row::JsonAlways, "drf-092", 404, NOT_FOUND),
    differs(Row::NotFoundText, "drf-093", 404, NOT_FOUND),
    differs(Row::LongerNames, "drf-097", 200, NAME_OF_51),
    differs(Row::LongerNames, "drf-100", 200, EMOJI_OF_51),
    differs(Row::StrictTypes, "drf-101", 400, NOT_A_STRING),
    differs(Row::StrictTypes, "drf-102", 400, NOT_A_STRING),
    differs(Row::LongerNames, "drf-108", 200, NAME_OF_51),
    differs(Row::StrictTypes, "drf-111", 400, NOT_A_STRING),
    differs(Row::NumberOutOfRange, "drf-112", 400, JSON_ERROR),
    differs(Row::LoneSurrogate, "drf-113", 400, JSON_ERROR),
    differs(Row::StrictTypes, "drf-115", 400, NOT_A_STRING),
    differs(Row::StrictTypes, "drf-116", 400, NOT_A_STRING),
    differs(Row::StrictTypes, "drf-126", 400, FLOAT_ID),
    differs(Row::StrictTypes, "drf-127", 400, FLOAT_ID),
    differs(Row::StrictTypes, "drf-131", 400, STRING_ID),
    differs(Row::StrictTypes, "drf-133", 400, STRING_ID),
    differs(Row::NeverOurFault, "drf-135", 400, JSON_ERROR),
    differs(Row::StrictTypes, "drf-139", 400, r#"{"description":["Not a valid string."]}"#),
    differs(Row::Put, "drf-159", 405, NO_PUT),
];
