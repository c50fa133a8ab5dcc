//! Entity tags (RFC 9110, sections 8.8.3 and 13.1).

use portfolio_domain::decimal::decimal;
use portfolio_domain::employer::{Employer, Precondition, Version};
use sha2::{Digest as _, Sha256};

/// Makes and reads the tags of employers: the employer's version, that of the image it shows, and a mark of
/// `PUBLIC_URL`, since another one makes every answer another.
///
/// A change of the image makes the employer another version, too, so that a change of the employer need only
/// look at that. The image's own tells apart what was read while the image changed.
#[derive(Debug, Clone)]
pub struct ETags {
    mark: String,
}

impl ETags {
    /// Tags for answers that show `public_url`.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(public_url.as_bytes()).into();
        let [a, b, c, d, ..] = digest;
        Self { mark: format!("{:08x}", u32::from_be_bytes([a, b, c, d])) }
    }

    /// The strong tag of an employer as it is, quotes included.
    #[must_use]
    pub fn tag(&self, employer: &Employer) -> String {
        let image = employer.image.as_ref().map_or(0, |image| image.version.0);
        format!("\"{}.{image}-{}\"", employer.version.0, self.mark)
    }

    /// Whether the value of `If-Match` holds for an employer that was read.
    #[must_use]
    pub fn matches(&self, value: &[u8], employer: &Employer) -> bool {
        matches(value, &self.tag(employer))
    }

    /// Whether the value of `If-None-Match` holds for an employer that was read.
    #[must_use]
    pub fn matches_none(&self, value: &[u8], employer: &Employer) -> bool {
        !matches_weakly(value, &self.tag(employer))
    }

    /// What the value of `If-Match` demands. It is compared strongly: a weak tag never matches. A
    /// malformed value matches nothing.
    #[must_use]
    pub fn if_match(&self, value: Option<&[u8]>) -> Precondition {
        let Some(value) = value else { return Precondition::None };
        // Of an employer that is there, any version will do.
        if value.trim_ascii() == b"*" {
            return Precondition::None;
        }
        let tags = tags(value).unwrap_or_default();
        let strong = tags.into_iter().filter(|tag| !tag.weak);
        Precondition::VersionIn(strong.filter_map(|tag| self.version(tag)).collect())
    }

    /// What the value of `If-None-Match` demands. It is compared weakly: a weak tag matches, too. A
    /// malformed value matches nothing.
    #[must_use]
    pub fn if_none_match(&self, value: Option<&[u8]>) -> Precondition {
        let Some(value) = value else { return Precondition::None };
        // Of an employer that is there, no version will do.
        if value.trim_ascii() == b"*" {
            return Precondition::VersionIn(Vec::new());
        }
        let tags = tags(value).unwrap_or_default();
        Precondition::VersionNotIn(tags.into_iter().filter_map(|tag| self.version(tag)).collect())
    }

    /// The employer's version in one of our tags. What we would not write ourselves, such as `+1.0`, is none.
    fn version(&self, tag: Tag<'_>) -> Option<Version> {
        let numbers = str::from_utf8(tag.opaque).ok()?.strip_suffix(&self.mark)?.strip_suffix('-')?;
        let (version, image) = numbers.split_once('.')?;
        decimal(image)?;
        decimal(version)?.parse().ok().map(Version)
    }
}

/// Whether the value of `If-Match` names `own`, a strong tag of something that is there, or anything at all. It is
/// compared strongly.
#[must_use]
pub fn matches(value: &[u8], own: &str) -> bool {
    names(value, own, |tag| !tag.weak)
}

/// Whether the value of `If-None-Match` names `own`, or anything at all. It is compared weakly.
#[must_use]
pub fn matches_weakly(value: &[u8], own: &str) -> bool {
    names(value, own, |_| true)
}

fn names(value: &[u8], own: &str, counts: impl Fn(&Tag<'_>) -> bool) -> bool {
    let own = own.trim_matches('"').as_bytes();
    value.trim_ascii() == b"*"
        || tags(value).unwrap_or_default().iter().any(|tag| tag.opaque == own && counts(tag))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// The members of a list of tags; `None` when it is malformed or empty. A list may have empty members
/// (RFC 9110, section 5.6.1).
fn tags(mut rest: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return (!tags.is_empty()).then_some(tags),
            [b',', after @ ..] => rest = after,
            _ => {
                let weak = rest.starts_with(b"W/");
                let quoted = rest.strip_prefix(b"W/").unwrap_or(rest).strip_prefix(b"\"")?;
                let end = quoted.iter().position(|byte| *byte == b'"')?;
                let (opaque, after) = quoted.split_at(end);
                let good = |byte: &u8| *byte == 0x21 || (0x23..=0x7e).contains(byte) || *byte >= 0x80;
                if !opaque.iter().all(good) {
                    return None;
                }
                tags.push(Tag { weak, opaque });
                rest = after[1..].trim_ascii_start();
                if !(rest.is_empty() || rest.starts_with(b",")) {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portfolio_domain::image::ImageVersion;
    use portfolio_domain::testing::fixtures;

    use super::*;

    /// An employer of this version, with an image of that.
    fn employer(version: i64, image: i64) -> Employer {
        let mut shown = fixtures::image(6);
        shown.version = ImageVersion(image);
        Employer { version: Version(version), image: Some(shown), ..fixtures::employer(4, "Apple") }
    }

    fn if_match(value: &str) -> Precondition {
        ETags::new("http://a").if_match(Some(value.as_bytes()))
    }

    fn versions(versions: &[i64]) -> Precondition {
        Precondition::VersionIn(versions.iter().copied().map(Version).collect())
    }

    #[test]
    fn a_tag_is_read_back_alone_and_in_a_list() {
        let tags = ETags::new("http://a");
        let (one, two) = (tags.tag(&employer(1, 1)), tags.tag(&employer(2, 9)));
        assert_eq!(if_match(&one), versions(&[1]));
        assert_eq!(if_match(&format!(" {one} ,, \"x,y\",\t{two},")), versions(&[1, 2]));
    }

    /// Also where the employer's version is the same: it was read while the image changed.
    #[test]
    fn another_version_of_the_image_is_another_answer() {
        let tags = ETags::new("http://a");
        let (before, after) = (employer(1, 1), employer(1, 2));
        let known = tags.tag(&before);
        let without = Employer { image: None, ..employer(1, 1) };
        for other in [after, employer(2, 1), without] {
            assert!(!tags.matches(known.as_bytes(), &other) && tags.matches_none(known.as_bytes(), &other));
        }
        assert!(tags.matches(known.as_bytes(), &before) && !tags.matches_none(known.as_bytes(), &before));
        let weak = format!("\"x\", W/{known}");
        assert!(!tags.matches(weak.as_bytes(), &before) && !tags.matches_none(weak.as_bytes(), &before));
        assert!(tags.matches(b" *", &before) && !tags.matches_none(b"* ", &before));
        for malformed in ["", "x", "W/x"] {
            let value = malformed.as_bytes();
            assert!(!tags.matches(value, &before) && tags.matches_none(value, &before), "{malformed}");
        }
    }

    #[test]
    fn any_and_no_if_match_demand_nothing() {
        assert_eq!(if_match(" * "), Precondition::None);
        assert_eq!(ETags::new("http://a").if_match(None), Precondition::None);
    }

    #[test]
    fn if_none_match_takes_weak_tags_and_any() {
        let tags = ETags::new("http://a");
        let value = format!("W/{}, \"x\", {}", tags.tag(&employer(1, 1)), tags.tag(&employer(2, 9)));
        let none_of =
            |versions: &[i64]| Precondition::VersionNotIn(versions.iter().copied().map(Version).collect());
        assert_eq!(tags.if_none_match(Some(value.as_bytes())), none_of(&[1, 2]));
        assert_eq!(tags.if_none_match(Some(b"garbage")), none_of(&[]));
        assert_eq!(tags.if_none_match(Some(b" * ")), versions(&[]));
        assert_eq!(tags.if_none_match(None), Precondition::None);
    }

    #[test]
    fn weak_foreign_and_malformed_tags_match_nothing() {
        let one = ETags::new("http://a").tag(&employer(1, 1));
        let elsewhere = ETags::new("http://b").tag(&employer(1, 1));
        let padded = one.replace("\"1", "\"+1");
        for value in [
            format!("W/{one}"),
            elsewhere,
            padded,
            one.trim_matches('"').to_owned(),
            one.trim_end_matches('"').to_owned(),
            format!("{one} {one}"),
            format!("{one}, *"),
            format!("w/{one}"),
            String::new(),
            ",".to_owned(),
        ] {
            assert_eq!(if_match(&value), versions(&[]), "{value}");
        }
    }
}
