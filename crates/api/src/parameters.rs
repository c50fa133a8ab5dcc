//! The parameters of a list: from a query string to what is asked, and to the links of other pages
//! (contract, section 4).

use std::borrow::Cow;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike as _, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portfolio_domain::employer_list::{EmployerFilter, EmployerQuery, OrderKey, TimeRange};
use portfolio_domain::image_library::{ImageOrderKey, ImageQuery};
use portfolio_domain::list::{OrderBy, Ordering, Page, SortKey};
use portfolio_domain::search::{Search, SearchError};

use crate::error::{ApiError, ParameterError};

/// The parameters as they were sent.
#[derive(Debug, Clone)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes a query string apart, as HTML forms write it.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The query string of another page: the other parameters kept, ordered by name as the documented
    /// site does; an offset of 0 is left out.
    #[must_use]
    pub fn for_page(&self, limit: u32, offset: u64) -> String {
        let mut all: Vec<(&str, Cow<'_, str>)> = self
            .0
            .iter()
            .filter(|(name, _)| name != "limit" && name != "offset")
            .map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str())))
            .collect();
        all.push(("limit", limit.to_string().into()));
        if offset > 0 {
            all.push(("offset", offset.to_string().into()));
        }
        all.sort_by_key(|(name, _)| *name);
        all.iter()
            .map(|(name, value)| [&*encoded(name), "=", &encoded(value)].concat())
            .collect::<Vec<_>>()
            .join("&")
    }

    /// What they ask for.
    ///
    /// # Errors
    ///
    /// [`ApiError::Parameters`] with every one that can't be understood.
    pub fn employer_query(&self) -> Result<EmployerQuery, ApiError> {
        let mut reader = Reader { parameters: self, errors: Vec::new() };
        let page = reader.page();
        let search = reader.read("search", search);
        let ordering = reader.read("ordering", |text| ordering(text, &EMPLOYER_KEYS));
        let id_min = reader.read("id_min", |text| integer(text, (i64::MIN, i64::MAX)));
        let id_max = reader.read("id_max", |text| integer(text, (i64::MIN, i64::MAX)));
        let created_day = reader.read("created_date", day);
        let updated_day = reader.read("updated_date", day);
        let created_from = reader.read("created_from", from);
        let created_to = reader.read("created_to", to);
        let updated_from = reader.read("updated_from", from);
        let updated_to = reader.read("updated_to", to);
        let has_image = reader.read("has_image", boolean);
        let has_description = reader.read("has_description", boolean);
        if !reader.errors.is_empty() {
            return Err(ApiError::Parameters(reader.errors));
        }
        let range = |ranges: [Option<TimeRange>; 3]| {
            ranges.into_iter().flatten().fold(TimeRange::default(), TimeRange::and)
        };
        Ok(EmployerQuery {
            filter: EmployerFilter {
                search: search.unwrap_or_default(),
                id_min,
                id_max,
                created: range([created_day, created_from, created_to]),
                updated: range([updated_day, updated_from, updated_to]),
                has_image,
                has_description,
            },
            ordering: ordering.unwrap_or_default(),
            page,
        })
    }

    /// What they ask for of images.
    ///
    /// # Errors
    ///
    /// [`ApiError::Parameters`] with every one that can't be understood.
    pub fn image_query(&self) -> Result<ImageQuery, ApiError> {
        let mut reader = Reader { parameters: self, errors: Vec::new() };
        let page = reader.page();
        let search = reader.read("search", search);
        let ordering = reader.read("ordering", |text| ordering(text, &IMAGE_KEYS));
        if !reader.errors.is_empty() {
            return Err(ApiError::Parameters(reader.errors));
        }
        Ok(ImageQuery { search: search.unwrap_or_default(), ordering: ordering.unwrap_or_default(), page })
    }
}

/// What employers can be ordered by.
pub(crate) const EMPLOYER_KEYS: [(&str, OrderKey); 4] = [
    ("id", OrderKey::Id),
    ("name", OrderKey::Name),
    ("created_at", OrderKey::CreatedAt),
    ("updated_at", OrderKey::UpdatedAt),
];

/// What images can be ordered by.
pub(crate) const IMAGE_KEYS: [(&str, ImageOrderKey); 3] =
    [("id", ImageOrderKey::Id), ("name", ImageOrderKey::Name), ("created_at", ImageOrderKey::CreatedAt)];

/// Reads parameters one by one, and keeps what is wrong with them.
struct Reader<'a> {
    parameters: &'a Parameters,
    errors: Vec<(&'static str, ParameterError)>,
}

impl Reader<'_> {
    /// Which page is asked for.
    fn page(&mut self) -> Page {
        let limits = (i64::from(*Page::LIMITS.start()), i64::from(*Page::LIMITS.end()));
        let limit = self.read("limit", |text| integer(text, limits));
        let offset = self.read("offset", |text| integer(text, (0, i64::MAX)));
        let first = Page::default();
        Page {
            limit: limit.and_then(|limit| limit.try_into().ok()).unwrap_or(first.limit),
            offset: offset.and_then(|offset| offset.try_into().ok()).unwrap_or(first.offset),
        }
    }

    /// Of a repeated parameter the last counts; an empty value counts as absent.
    fn read<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, ParameterError>,
    ) -> Option<T> {
        let (_, text) = self.parameters.0.iter().rev().find(|(other, _)| other == name)?;
        if text.is_empty() {
            return None;
        }
        parse(text).map_err(|error| self.errors.push((name, error))).ok()
    }
}

fn integer(text: &str, (min, max): (i64, i64)) -> Result<i64, ParameterError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParameterError::NotAnInteger);
    }
    // Only an integer beyond 64 bits is left to fail.
    match text.parse::<i64>() {
        Ok(number) if number > max => Err(ParameterError::TooGreat(max)),
        Err(_) if !text.starts_with('-') => Err(ParameterError::TooGreat(max)),
        Ok(number) if number >= min => Ok(number),
        _ => Err(ParameterError::TooSmall(min)),
    }
}

fn search(text: &str) -> Result<Search, ParameterError> {
    Search::parse(text).map_err(|error| match error {
        SearchError::NullCharacter => ParameterError::NullCharacter,
        SearchError::TooManyWords => ParameterError::TooManyWords(Search::MAX_WORDS),
    })
}

/// Reads a comma list of the names of `keys`, each with an optional `-`.
fn ordering<K: SortKey>(text: &str, keys: &[(&'static str, K)]) -> Result<Ordering<K>, ParameterError> {
    let by = text.split(',').map(str::trim).map(|sent| {
        let (name, descending) = sent.strip_prefix('-').map_or((sent, false), |name| (name, true));
        match keys.iter().find(|(known, _)| *known == name) {
            Some((_, key)) => Ok(OrderBy { key: *key, descending }),
            None => Err(ParameterError::NoOrder {
                sent: sent.to_owned(),
                choices: keys.iter().map(|(name, _)| *name).collect(),
            }),
        }
    });
    by.collect::<Result<Vec<_>, _>>().map(Ordering::by)
}

fn boolean(text: &str) -> Result<bool, ParameterError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(ParameterError::NotABoolean),
    }
}

/// The whole of a UTC day.
fn day(text: &str) -> Result<TimeRange, ParameterError> {
    let (from, before) = bounds(text).ok_or(ParameterError::NotADate)?;
    Ok(TimeRange { from: Some(from), before: Some(before) })
}

/// From a moment on, or from the beginning of a day.
fn from(text: &str) -> Result<TimeRange, ParameterError> {
    let from = if let Some((start, _)) = bounds(text) {
        start
    } else {
        let instant = instant(text)?;
        // Times are kept to the microsecond: the next whole one is the first that is not before it.
        if instant.nanosecond() % 1_000 == 0 { instant } else { next_microsecond(instant)? }
    };
    Ok(TimeRange { from: Some(from), before: None })
}

/// Up to a moment, it included, or to the end of a day.
fn to(text: &str) -> Result<TimeRange, ParameterError> {
    let before = match bounds(text) {
        Some((_, end)) => end,
        None => next_microsecond(instant(text)?)?,
    };
    Ok(TimeRange { from: None, before: Some(before) })
}

fn instant(text: &str) -> Result<DateTime<Utc>, ParameterError> {
    DateTime::parse_from_rfc3339(text).map(Into::into).map_err(|_| ParameterError::NotATime)
}

/// The first whole microsecond after a time.
fn next_microsecond(time: DateTime<Utc>) -> Result<DateTime<Utc>, ParameterError> {
    DateTime::from_timestamp_micros(time.timestamp_micros())
        .and_then(|whole| whole.checked_add_signed(TimeDelta::microseconds(1)))
        .ok_or(ParameterError::NotATime)
}

/// The beginning of a UTC day, written as `YYYY-MM-DD`, and that of the next.
fn bounds(text: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let shape = text.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if text.len() != 10 || !shape {
        return None;
    }
    let day: NaiveDate = text.parse().ok()?;
    let midnight = |day: NaiveDate| day.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    Some((midnight(day)?, midnight(day.checked_add_days(Days::new(1))?)?))
}

/// Encoded as Python's `urlencode` does, which wrote the documented site's links.
fn encoded(text: &str) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b' ');
    utf8_percent_encode(text, &KEPT).to_string().replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn query(text: &str) -> EmployerQuery {
        Parameters::parse(text).employer_query().unwrap()
    }

    fn wrong(text: &str) -> Vec<(&'static str, ParameterError)> {
        match Parameters::parse(text).employer_query() {
            Err(ApiError::Parameters(errors)) => errors,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn nothing_and_what_is_empty_or_unknown_ask_for_the_ten_newest() {
        let plain = query("");
        assert_eq!((plain.page, &plain.ordering), (Page { limit: 10, offset: 0 }, &Ordering::default()));
        assert_eq!(plain.filter, EmployerFilter::default());
        assert_eq!(query("limit=&offset=&search=&ordering=&has_image=&created_to=&x=1&name=a"), plain);
    }

    #[test]
    fn of_a_repeated_parameter_the_last_counts() {
        assert_eq!(query("limit=x&limit=5").page.limit, 5);
        assert_eq!(wrong("limit=5&limit=x"), [("limit", ParameterError::NotAnInteger)]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let names: Vec<_> = wrong(
            "has_image=maybe&limit=0&offset=-1&search=%00&ordering=bogus&id_min=x&id_max=1.5&created_date=x\
             &updated_date=2026-02-30&created_from=x&created_to=2026-01-01T00:00:00&updated_from=1\
             &updated_to=+2026-01-01&has_description=2",
        )
        .into_iter()
        .map(|(name, _)| name)
        .collect();
        let all = [
            "limit",
            "offset",
            "search",
            "ordering",
            "id_min",
            "id_max",
            "created_date",
            "updated_date",
            "created_from",
            "created_to",
            "updated_from",
            "updated_to",
            "has_image",
            "has_description",
        ];
        assert_eq!(names, all);
    }

    fn no_order(sent: &str) -> ParameterError {
        ParameterError::NoOrder {
            sent: sent.to_owned(),
            choices: vec!["id", "name", "created_at", "updated_at"],
        }
    }

    #[rstest]
    #[case("limit=0", ParameterError::TooSmall(1))]
    #[case("limit=1001", ParameterError::TooGreat(1000))]
    #[case("limit=99999999999999999999", ParameterError::TooGreat(1000))]
    #[case("offset=-99999999999999999999", ParameterError::TooSmall(0))]
    #[case("limit=%2B5", ParameterError::NotAnInteger)]
    #[case("limit=-", ParameterError::NotAnInteger)]
    #[case("limit=%D9%A1", ParameterError::NotAnInteger)]
    #[case("ordering=--name", no_order("--name"))]
    #[case("ordering=name,,id", no_order(""))]
    fn a_bad_value_is_named(#[case] text: &str, #[case] error: ParameterError) {
        let name = text.split_once('=').unwrap().0;
        assert_eq!(wrong(text), [(name, error)], "{text}");
    }

    #[rstest]
    #[case("created_date=2026-01-13", "2026-01-13T00:00:00Z", "2026-01-14T00:00:00Z")]
    #[case("created_from=2026-01-13&created_to=2026-01-13", "2026-01-13T00:00:00Z", "2026-01-14T00:00:00Z")]
    #[case(
        "created_from=2026-01-13T03:30:00%2B03:30&created_to=2026-01-13T00:00:00.5Z",
        "2026-01-13T00:00:00Z",
        "2026-01-13T00:00:00.500001Z"
    )]
    #[case(
        "created_from=2026-01-13T00:00:00.0000001Z&created_to=2026-01-13T00:00:00.0000029Z",
        "2026-01-13T00:00:00.000001Z",
        "2026-01-13T00:00:00.000003Z"
    )]
    #[case(
        "created_date=2026-01-13&created_from=2026-01-13T12:00:00Z",
        "2026-01-13T12:00:00Z",
        "2026-01-14T00:00:00Z"
    )]
    fn days_are_whole_and_moments_are_included(#[case] text: &str, #[case] from: &str, #[case] before: &str) {
        let range = query(text).filter.created;
        let time = |text: &str| Some(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        assert_eq!((range.from, range.before), (time(from), time(before)), "{text}");
    }

    #[test]
    fn a_link_keeps_the_other_parameters_and_orders_them() {
        let parameters = Parameters::parse("x=a%20b%26c&limit=3&offset=9&ordering=-id&x=%DB%8C~");
        assert_eq!(parameters.for_page(3, 12), "limit=3&offset=12&ordering=-id&x=a+b%26c&x=%DB%8C~");
        assert_eq!(Parameters::parse("").for_page(10, 0), "limit=10");
    }
}
