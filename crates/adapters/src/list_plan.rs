//! How a page of the list is found, for both databases: from which end of its order, and whether by walking that order
//! past what does not match, or by sorting what does.
//!
//! Planners take what matches to be spread evenly over every order, and SQLite takes any filter to leave few. Here it
//! is known how many match, and how many there are in all.

use portfolio_domain::employer_list::{EmployerFilter, OrderKey, TimeRange};
use portfolio_domain::list::{OrderBy, Ordering, Page};

/// The part of a list that a page shows, seen from the end that is nearer to it. It is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    /// How many come before it.
    pub(crate) offset: u64,
    /// How many it has.
    pub(crate) limit: u64,
    /// Whether the order is turned round.
    pub(crate) from_end: bool,
}

impl Slice {
    /// Of a list of `count`; `None` when the page lies behind it.
    pub(crate) fn of(page: Page, count: u64) -> Option<Self> {
        let limit = count.saturating_sub(page.offset).min(page.limit.into());
        if limit == 0 {
            return None;
        }
        let after = count - page.offset - limit;
        Some(Self { offset: page.offset.min(after), limit, from_end: after < page.offset })
    }

    /// `ordering`, or the reverse of it.
    pub(crate) fn order(self, ordering: &Ordering<OrderKey>) -> Vec<OrderBy<OrderKey>> {
        let turned =
            |by: &OrderBy<OrderKey>| OrderBy { key: by.key, descending: by.descending != self.from_end };
        ordering.keys().iter().map(turned).collect()
    }
}

/// How the ids of a slice are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// By walking an index of the order: all that it comes past matches.
    Walk,
    /// By walking an index of the order past what does not match, but no further than this: what matches may all be
    /// at the other end, and then it is sorted after all.
    WalkUpTo(u64),
    /// By sorting all that matches.
    Sort,
}

impl Plan {
    /// For `slice` of the `count` that match of `total` there are, in an order that begins with `first`.
    pub(crate) fn of(filter: &EmployerFilter, first: OrderKey, slice: Slice, count: u64, total: u64) -> Self {
        if is_decided_by_index(filter, first) {
            return Self::Walk;
        }
        let expected = u128::from(slice.offset + slice.limit) * u128::from(total) / u128::from(count.max(1));
        match u64::try_from(expected) {
            // A step past one that does not match costs as much as one that matches costs to fetch and sort.
            Ok(expected) if expected <= count => {
                Self::WalkUpTo(expected.saturating_mul(4).saturating_add(100))
            }
            _ => Self::Sort,
        }
    }
}

/// Whether an index of the order by `first` leads from one that matches to the next. Beside the orders, both databases
/// have the newest with and without an image, and with and without a description.
pub(crate) fn is_decided_by_index(filter: &EmployerFilter, first: OrderKey) -> bool {
    let mut rest = filter.clone();
    match first {
        OrderKey::Id => (rest.id_min, rest.id_max) = (None, None),
        OrderKey::Name => {}
        OrderKey::CreatedAt => {
            rest.created = TimeRange::default();
            if rest.has_image.is_none() || rest.has_description.is_none() {
                (rest.has_image, rest.has_description) = (None, None);
            }
        }
        OrderKey::UpdatedAt => rest.updated = TimeRange::default(),
    }
    rest == EmployerFilter::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_list_or_of_its_reverse_is_the_page() {
        let part = |list: &[u64], offset: u64, limit: u64| -> Vec<u64> {
            list.iter().copied().skip(offset.try_into().unwrap()).take(limit.try_into().unwrap()).collect()
        };
        for (count, limit, offset) in
            (0..12).flat_map(|c| (1..8).flat_map(move |l| (0..14).map(move |o| (c, l, o))))
        {
            let list: Vec<u64> = (0..count).collect();
            let mut found = Vec::new();
            if let Some(slice) = Slice::of(Page { limit, offset }, count) {
                assert!(slice.offset <= count / 2);
                let reverse: Vec<u64> = list.iter().copied().rev().collect();
                found = part(if slice.from_end { &reverse } else { &list }, slice.offset, slice.limit);
                if slice.from_end {
                    found.reverse();
                }
            }
            assert_eq!(found, part(&list, offset, limit.into()), "{limit} from {offset} of {count}");
        }
    }

    #[test]
    fn what_lies_at_the_other_end_of_the_world_is_nowhere() {
        assert_eq!(Slice::of(Page { limit: 1000, offset: u64::MAX }, 5), None);
        assert_eq!(Slice::of(Page { limit: 10, offset: 0 }, 0), None);
    }

    #[test]
    fn many_are_walked_to_and_few_are_sorted() {
        let filter = EmployerFilter { has_image: Some(true), ..EmployerFilter::default() };
        let first = Slice { offset: 0, limit: 10, from_end: false };
        let plan = |first_key, slice, count| Plan::of(&filter, first_key, slice, count, 1_000_000);
        assert_eq!(plan(OrderKey::Name, first, 500_000), Plan::WalkUpTo(180));
        assert_eq!(plan(OrderKey::Name, first, 3_000), Plan::Sort);
        assert_eq!(plan(OrderKey::Name, Slice { offset: 400_000, ..first }, 500_000), Plan::Sort);
        assert_eq!(plan(OrderKey::CreatedAt, first, 3_000), Plan::Walk);
    }

    #[test]
    fn an_index_decides_what_the_filter_says_of_its_columns_alone() {
        let all = EmployerFilter::default;
        let range = TimeRange { from: None, before: Some(chrono::DateTime::UNIX_EPOCH) };
        for (filter, keys) in [
            (all(), &[OrderKey::Id, OrderKey::Name, OrderKey::CreatedAt, OrderKey::UpdatedAt][..]),
            (EmployerFilter { id_min: Some(1), ..all() }, &[OrderKey::Id]),
            (EmployerFilter { created: range, has_image: Some(true), ..all() }, &[OrderKey::CreatedAt]),
            (EmployerFilter { has_description: Some(false), ..all() }, &[OrderKey::CreatedAt]),
            (EmployerFilter { has_image: Some(true), has_description: Some(true), ..all() }, &[]),
            (EmployerFilter { updated: range, ..all() }, &[OrderKey::UpdatedAt]),
            (EmployerFilter { updated: range, id_max: Some(1), ..all() }, &[]),
        ] {
            for key in [OrderKey::Id, OrderKey::Name, OrderKey::CreatedAt, OrderKey::UpdatedAt] {
                assert_eq!(is_decided_by_index(&filter, key), keys.contains(&key), "{filter:?} by {key:?}");
            }
        }
    }
}
