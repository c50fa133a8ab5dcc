//! What every list has: an order, and pages (contract, section 4).

use std::ops::RangeInclusive;

/// What the things of one kind can be ordered by.
pub trait SortKey: Copy + PartialEq + 'static {
    /// The id: it breaks ties.
    const ID: Self;
    /// When it was made: the newest come first unless something else is asked for.
    const CREATED_AT: Self;

    /// Whether no two things are alike in it, so that what comes after it decides nothing.
    fn is_unique(self) -> bool;
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderBy<K> {
    /// By what.
    pub key: K,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// An order in which no two things are alike: the id, ascending, breaks what ties are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordering<K>(Vec<OrderBy<K>>);

impl<K: SortKey> Ordering<K> {
    /// By each of `keys` in turn; of a key that is named twice, the first counts.
    #[must_use]
    pub fn by(keys: impl IntoIterator<Item = OrderBy<K>>) -> Self {
        let tie_breaker = OrderBy { key: K::ID, descending: false };
        let mut order: Vec<OrderBy<K>> = Vec::new();
        for next in keys.into_iter().chain([tie_breaker]) {
            let decided = order.iter().any(|by| by.key == next.key || by.key.is_unique());
            if !decided {
                order.push(next);
            }
        }
        Self(order)
    }

    /// The keys, in turn; one that is unique is the last of them.
    #[must_use]
    pub fn keys(&self) -> &[OrderBy<K>] {
        &self.0
    }
}

/// The newest first.
impl<K: SortKey> Default for Ordering<K> {
    fn default() -> Self {
        Self::by([OrderBy { key: K::CREATED_AT, descending: true }])
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
