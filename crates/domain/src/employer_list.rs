//! Which employers a list shows, and in which order (contract, section 4).

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use crate::employer::Employer;
use crate::search::Search;

/// What a list shows: those that pass the filter, in order, one page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmployerQuery {
    /// Which.
    pub filter: EmployerFilter,
    /// In which order.
    pub ordering: Ordering,
    /// How many, from where on.
    pub page: Page,
}

/// What an employer must be to be listed; all of it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmployerFilter {
    /// Every word is found.
    pub search: Search,
    /// The id is no less than this.
    pub id_min: Option<i64>,
    /// The id is no greater than this.
    pub id_max: Option<i64>,
    /// It was made in this time.
    pub created: TimeRange,
    /// It was last changed in this time.
    pub updated: TimeRange,
    /// Whether it has an image.
    pub has_image: Option<bool>,
    /// Whether it has a description, an empty one being none.
    pub has_description: Option<bool>,
}

/// From a moment on, up to another; each of the two may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// The first moment in it.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub before: Option<DateTime<Utc>>,
}

impl TimeRange {
    /// Whether every moment lies in it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// What lies in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let before = match (self.before, other.before) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        // `None` is less than every moment.
        Self { from: self.from.max(other.from), before }
    }
}

/// What employers can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderKey {
    /// The id.
    Id,
    /// The name, by code point.
    Name,
    /// When it was made.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderBy {
    /// By what.
    pub key: OrderKey,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// An order in which no two employers are alike: the id, ascending, breaks what ties are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordering(Vec<OrderBy>);

impl Ordering {
    /// By each of `keys` in turn; of a key that is named twice, the first counts.
    #[must_use]
    pub fn by(keys: impl IntoIterator<Item = OrderBy>) -> Self {
        let tie_breaker = OrderBy { key: OrderKey::Id, descending: false };
        let mut order: Vec<OrderBy> = Vec::new();
        for next in keys.into_iter().chain([tie_breaker]) {
            // Names and ids are unique: what comes after one decides nothing.
            let decided =
                order.iter().any(|by| by.key == next.key || matches!(by.key, OrderKey::Id | OrderKey::Name));
            if !decided {
                order.push(next);
            }
        }
        Self(order)
    }

    /// The keys, in turn; an id or a name is the last of them.
    #[must_use]
    pub fn keys(&self) -> &[OrderBy] {
        &self.0
    }
}

/// The newest first.
impl Default for Ordering {
    fn default() -> Self {
        Self::by([OrderBy { key: OrderKey::CreatedAt, descending: true }])
    }
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many it has at most.
    pub limit: u32,
    /// How many come before it.
    pub offset: u64,
}

impl Page {
    /// How many a page may have.
    pub const LIMITS: RangeInclusive<u32> = 1..=1000;
}

/// The first ten.
impl Default for Page {
    fn default() -> Self {
        Self { limit: 10, offset: 0 }
    }
}

/// One page of a list, and how long the whole list is, of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmployerPage {
    /// How many pass the filter in all.
    pub count: u64,
    /// Those of the page, in order.
    pub employers: Vec<Employer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(key: OrderKey, descending: bool) -> OrderBy {
        OrderBy { key, descending }
    }

    #[test]
    fn ties_are_broken_by_id_and_nothing_is_ordered_twice() {
        let (id, name) = (by(OrderKey::Id, false), by(OrderKey::Name, true));
        let created = by(OrderKey::CreatedAt, true);
        assert_eq!(Ordering::default().keys(), [created, id]);
        assert_eq!(Ordering::by([created, by(OrderKey::CreatedAt, false)]).keys(), [created, id]);
        assert_eq!(Ordering::by([name, created]).keys(), [name]);
        assert_eq!(Ordering::by([by(OrderKey::Id, true), name]).keys(), [by(OrderKey::Id, true)]);
    }

    #[test]
    fn two_ranges_leave_what_lies_in_both() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let range = |from: Option<i64>, before: Option<i64>| TimeRange {
            from: from.and_then(at),
            before: before.and_then(at),
        };
        let open = TimeRange::default();
        assert_eq!(range(Some(1), Some(9)).and(range(Some(3), Some(7))), range(Some(3), Some(7)));
        assert_eq!(range(Some(1), None).and(range(None, Some(7))), range(Some(1), Some(7)));
        assert_eq!(open.and(range(None, Some(7))), range(None, Some(7)));
        assert_eq!(open.and(open), open);
    }
}
