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
    SearchedMembers,
    NewestFirst,
    BadParameters,
    OtherFilters,
    MoreMethods,
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
            Self::SearchedMembers => "9: search in the description too",
            Self::NewestFirst => "9: names of at most 50 characters, ordered by id",
            Self::BadParameters => "9: `limit=abc`, `limit=0`, `ordering=bogus` silently ignored",
            Self::OtherFilters => "9: the recorded site's own filters",
            Self::MoreMethods => {
                "4: `GET /api/portfolios/employers/:id`, which the view of PATCH alone lacks"
            }
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
    pub(super) ours: Ours,
}

#[derive(Debug)]
pub(super) enum Ours {
    /// A status, and a body that is compared like an answer: an employer's times and its image but for
    /// the id don't count.
    Answer(u16, &'static str),
    /// The recorded answer itself, but for the order of its results.
    NewestFirst,
}

const fn differs(row: Row, id: &'static str, status: u16, body: &'static str) -> Difference {
    Difference { row, id, ours: Ours::Answer(status, body) }
}

const fn newest_first(id: &'static str) -> Difference {
    Difference { row: Row::NewestFirst, id, ours: Ours::NewestFirst }
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
const NO_INTEGER: &str = r#"{"limit":["A valid integer is required."]}"#;
const TOO_SMALL: &str = r#"{"limit":["Ensure this value is greater than or equal to 1."]}"#;
/// Every employer of the lists, newest first.
const EVERYONE: &str = r#"{"count":4,"next":null,"previous":null,"results":[{"id":5,"name":"Hooli","image_data":{"id":1},"description":"d"},{"id":3,"name":"Initech","image_data":null,"description":""},{"id":2,"name":"Globex","image_data":null,"description":"mp\r\n--XXBOUND--"},{"id":1,"name":"Acme","image_data":{"id":1},"description":"first"}]}"#;
const WITH_IMAGE: &str = r#"{"count":2,"next":null,"previous":null,"results":[{"id":5,"name":"Hooli","image_data":{"id":1},"description":"d"},{"id":1,"name":"Acme","image_data":{"id":1},"description":"first"}]}"#;
const WITHOUT_IMAGE: &str = r#"{"count":2,"next":null,"previous":null,"results":[{"id":3,"name":"Initech","image_data":null,"description":""},{"id":2,"name":"Globex","image_data":null,"description":"mp\r\n--XXBOUND--"}]}"#;

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
    differs(
        Row::MoreMethods,
        "drf-026",
        200,
        r#"{"id":1,"name":"Acme","image_data":{"id":1},"description":"first"}"#,
    ),
    differs(Row::NotFoundText, "drf-161", 404, NOT_FOUND),
    newest_first("drf-162"),
    differs(
        Row::NewestFirst,
        "drf-163",
        200,
        r#"{"count":4,"next":"http://localhost:8000/api/portfolios/employers?limit=1&offset=2","previous":"http://localhost:8000/api/portfolios/employers?limit=1","results":[{"id":3,"name":"Initech","image_data":null,"description":""}]}"#,
    ),
    differs(Row::BadParameters, "drf-165", 400, TOO_SMALL),
    differs(Row::BadParameters, "drf-166", 400, TOO_SMALL),
    differs(Row::BadParameters, "drf-167", 400, NO_INTEGER),
    newest_first("drf-168"),
    differs(Row::BadParameters, "drf-169", 400, NO_INTEGER),
    differs(
        Row::BadParameters,
        "drf-170",
        400,
        r#"{"offset":["Ensure this value is greater than or equal to 0."]}"#,
    ),
    differs(
        Row::BadParameters,
        "drf-171",
        400,
        r#"{"limit":["Ensure this value is less than or equal to 1000."]}"#,
    ),
    differs(Row::SearchedMembers, "drf-173", 200, r#"{"count":0,"next":null,"previous":null,"results":[]}"#),
    differs(
        Row::BadParameters,
        "drf-176",
        400,
        r#"{"ordering":["\"bogus\" is not a valid choice. Choose from id, name, created_at, updated_at, each with an optional \"-\"."]}"#,
    ),
    differs(
        Row::BadParameters,
        "drf-177",
        400,
        r#"{"ordering":["\"--name\" is not a valid choice. Choose from id, name, created_at, updated_at, each with an optional \"-\"."]}"#,
    ),
    newest_first("drf-179"),
    differs(Row::BadParameters, "drf-180", 200, WITH_IMAGE),
    differs(Row::BadParameters, "drf-181", 200, WITH_IMAGE),
    differs(Row::BadParameters, "drf-182", 200, WITHOUT_IMAGE),
    differs(Row::OtherFilters, "drf-183", 200, EVERYONE),
    differs(Row::OtherFilters, "drf-184", 200, EVERYONE),
    differs(Row::OtherFilters, "drf-185", 200, EVERYONE),
    newest_first("drf-186"),
    differs(Row::OtherFilters, "drf-187", 200, EVERYONE),
    differs(Row::OtherFilters, "drf-188", 200, EVERYONE),
    newest_first("drf-189"),
    differs(Row::OtherFilters, "drf-190", 200, EVERYONE),
    differs(Row::OtherFilters, "drf-191", 200, EVERYONE),
    differs(Row::OtherFilters, "drf-192", 200, EVERYONE),
    newest_first("drf-193"),
    differs(
        Row::NewestFirst,
        "drf-195",
        200,
        r#"{"count":4,"next":"http://localhost:8000/api/portfolios/employers?limit=1&offset=1&x=a+b%26c","previous":null,"results":[{"id":5,"name":"Hooli","image_data":{"id":1},"description":"d"}]}"#,
    ),
];
