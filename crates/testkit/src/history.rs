//! What many clients were answered, and whether the database still knows it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Answer, Client};

/// What became of a request that was to set a description.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// 200, with this version of the employer.
    Changed(i64),
    /// 503.
    Unavailable {
        /// Whether with `Retry-After: 1`.
        retry_after: bool,
    },
    /// Any other answer.
    Other(Box<Answer>),
    /// No answer.
    Nothing(String),
}

/// One request: client `client` set the description of the employer of the same number to `text`.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Who sent it, and the employer's id.
    pub client: i64,
    /// The description that was asked for, unlike that of any other request.
    pub text: String,
    /// When it was sent.
    pub started: Instant,
    /// When it was answered, or was known to get no answer.
    pub ended: Instant,
    /// What became of it.
    pub outcome: Outcome,
}

impl Sample {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended - self.started
    }

    /// Whether it was answered with 200.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self.outcome, Outcome::Changed(_))
    }

    /// Whether it was answered with a proper 503.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.outcome, Outcome::Unavailable { retry_after: true })
    }
}

/// An employer as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version.
    pub version: i64,
    /// Its description.
    pub text: Option<String>,
}

/// All requests so far, those of one client in the order it sent them. Every text is unique.
#[derive(Debug, Default)]
pub struct History(
    /// The requests.
    pub Vec<Sample>,
);

impl History {
    /// How many changes were answered with 200.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.0.iter().filter(|sample| sample.is_change()).count()
    }

    /// How many of them the database does not know any more.
    ///
    /// One is lost when the employer's version lies below that of the answer, now or in a later answer: a
    /// version counts changes, so it never stands still or goes back. One is lost, too, when the
    /// employer has its version but another text. An employer may be at a version that was never
    /// answered; then its text must be that of a request without a 200.
    #[must_use]
    pub fn lost(&self, stored: &BTreeMap<i64, Stored>) -> usize {
        stored.iter().map(|(client, employer)| self.lost_of(*client, employer)).sum()
    }

    fn lost_of(&self, client: i64, stored: &Stored) -> usize {
        let own = || self.0.iter().filter(|sample| sample.client == client);
        let mut lost = 0;
        let mut known = false;
        let mut lowest_later = i64::MAX;
        for sample in own().rev() {
            let Outcome::Changed(version) = sample.outcome else { continue };
            let there = version != stored.version || stored.text.as_ref() == Some(&sample.text);
            known |= version == stored.version;
            if version > stored.version || version >= lowest_later || !there {
                lost += 1;
            }
            lowest_later = lowest_later.min(version);
        }
        let unanswered =
            || own().any(|sample| !sample.is_change() && stored.text.as_ref() == Some(&sample.text));
        assert!(
            known || lost > 0 || stored.version == 1 || unanswered(),
            "nobody asked for {stored:?} of employer {client}"
        );
        lost
    }
}

/// What the database has of the employers 1 to `count`: an empty change reads it.
#[must_use]
pub fn stored(client: &Client, key: &str, count: i64) -> BTreeMap<i64, Stored> {
    let employers = (1..=count).map(|id| {
        let answer = client.patch(id, key, "{}", &[]).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.json()["description"].as_str().map(str::to_owned);
        (id, Stored { version: version(&answer), text })
    });
    employers.collect()
}

/// The version that an answer's tag tells.
#[must_use]
pub fn version(answer: &Answer) -> i64 {
    let tag = answer.header("etag").unwrap_or_else(|| panic!("no ETag: {answer:?}"));
    tag.trim_matches('"').split_once('.').unwrap().0.parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(outcomes: &[(&str, Outcome)]) -> History {
        let sample = |(text, outcome): &(&str, Outcome)| Sample {
            client: 1,
            text: (*text).to_owned(),
            started: Instant::now(),
            ended: Instant::now(),
            outcome: outcome.clone(),
        };
        History(outcomes.iter().map(sample).collect())
    }

    fn lost(outcomes: &[(&str, Outcome)], version: i64, text: &str) -> usize {
        history(outcomes).lost(&[(1, Stored { version, text: Some(text.to_owned()) })].into())
    }

    #[test]
    fn the_check_finds_what_is_lost() {
        use Outcome::{Changed, Unavailable};
        let away = Unavailable { retry_after: true };
        assert_eq!(lost(&[("a", Changed(2)), ("b", Changed(3))], 3, "b"), 0);
        assert_eq!(lost(&[("a", Changed(2)), ("b", away.clone())], 3, "b"), 0, "applied, not answered");
        assert_eq!(
            lost(&[("a", Changed(2)), ("b", away.clone())], 2, "a"),
            0,
            "neither applied nor answered"
        );
        assert_eq!(lost(&[("a", Changed(2)), ("b", Changed(3))], 2, "a"), 1, "gone at the end");
        assert_eq!(lost(&[("a", Changed(2)), ("b", Changed(2))], 2, "b"), 1, "gone in between");
        assert_eq!(lost(&[("a", Changed(2)), ("b", away)], 2, "b"), 1, "overwritten without a version");
    }

    #[test]
    #[should_panic(expected = "nobody asked for")]
    fn the_check_finds_what_nobody_sent() {
        let _ = lost(&[("a", Outcome::Changed(2))], 3, "b");
    }
}
