//! Judges a recorded history: whether any order of the requests, true to the clock, explains what they met.
//!
//! Versions make that easy. Each write moves an employer's version by one, so a version names one write, and
//! the order of versions is the order of writes. What remains is to hold each answer against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::traffic::{Met, Op, State};

/// How many answers break which promise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Answered writes that are not there: their version is another write's, or was never reached.
    pub(crate) lost: usize,
    /// Answers older than one that had been given before they were asked for.
    pub(crate) stale: usize,
    /// States of which the name is one write's and the description another's.
    pub(crate) half: usize,
    /// States that nobody wrote, or one write in two versions: it was made twice.
    pub(crate) strange: usize,
}

impl Findings {
    pub(crate) fn none(self) -> bool {
        self == Self::default()
    }
}

/// Holds `ops` against each other, and against what the employers are in the end.
pub(crate) fn check(ops: &[Op], last: &BTreeMap<i64, State>) -> Findings {
    let mut findings = Findings::default();
    for (employer, end) in last {
        let own: Vec<_> = ops.iter().filter(|op| op.employer == *employer).collect();
        check_one(&own, *end, &mut findings);
    }
    findings
}

fn check_one(ops: &[&Op], end: State, findings: &mut Findings) {
    let written: BTreeSet<u64> = ops.iter().filter_map(|op| op.wrote).collect();
    // Which write each version is, as answered writes say; then as all others see it.
    let mut marks = BTreeMap::<i64, u64>::new();
    for op in ops {
        let (Some(mark), Met::Ok(state)) = (op.wrote, op.met) else { continue };
        if state.version > end.version || marks.insert(state.version, mark).is_some() {
            findings.lost += 1;
        }
        if state.description != mark || state.name != mark {
            findings.half += 1;
        }
    }
    let reads = ops.iter().filter(|op| op.wrote.is_none()).filter_map(|op| state_of(op));
    let mut versions = BTreeMap::<u64, i64>::new();
    for (version, mark) in &marks {
        versions.insert(*mark, *version);
    }
    for state in reads.chain([end]) {
        if state.name != state.description {
            findings.half += 1;
            continue;
        }
        let mark = state.description;
        let known = *marks.entry(state.version).or_insert(mark);
        if known != mark && versions.contains_key(&known) {
            // The version is an answered write's, and holds something else.
            findings.lost += 1;
        } else if known != mark
            || (mark != 0 && !written.contains(&mark))
            || *versions.entry(mark).or_insert(state.version) != state.version
        {
            findings.strange += 1;
        }
    }
    findings.stale += stale(ops);
}

fn state_of(op: &Op) -> Option<State> {
    match op.met {
        Met::Ok(state) => Some(state),
        _ => None,
    }
}

/// How many answers show less than another that had ended before they were asked for; a write must show
/// more.
fn stale(ops: &[&Op]) -> usize {
    let mut answered: Vec<_> = ops.iter().filter_map(|op| Some((op, state_of(op)?.version))).collect();
    let mut by_end: Vec<_> = answered.iter().map(|(op, version)| (op.ended, *version)).collect();
    by_end.sort_unstable();
    answered.sort_unstable_by_key(|(op, _)| op.started);
    let (mut before, mut highest, mut stale) = (by_end.into_iter().peekable(), 0, 0);
    for (op, version) in answered {
        while let Some((_, seen)) = before.next_if(|(ended, _)| *ended < op.started) {
            highest = highest.max(seen);
        }
        let enough = if op.wrote.is_some() { version > highest } else { version >= highest };
        stale += usize::from(!enough);
    }
    stale
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Requests one after the other, each a second long.
    struct Story {
        start: Instant,
        ops: Vec<Op>,
    }

    impl Story {
        fn new() -> Self {
            Self { start: Instant::now(), ops: Vec::new() }
        }

        fn op(mut self, wrote: Option<u64>, met: Met) -> Self {
            let at = |half: usize| self.start + Duration::from_secs(half.try_into().unwrap());
            let (started, ended) = (at(2 * self.ops.len()), at(2 * self.ops.len() + 1));
            self.ops.push(Op { employer: 1, wrote, started, ended, met });
            self
        }

        fn write(self, mark: u64, version: i64) -> Self {
            self.op(Some(mark), Met::Ok(state(version, mark)))
        }

        fn unknown(self, mark: u64) -> Self {
            self.op(Some(mark), Met::Unavailable)
        }

        fn read(self, version: i64, mark: u64) -> Self {
            self.op(None, Met::Ok(state(version, mark)))
        }

        fn end(&self, version: i64, mark: u64) -> Findings {
            check(&self.ops, &[(1, state(version, mark))].into())
        }
    }

    fn state(version: i64, mark: u64) -> State {
        State { version, name: mark, description: mark }
    }

    #[test]
    fn a_good_history_is_one() {
        let story = Story::new().read(1, 0).write(7, 2).read(2, 7).unknown(8).write(9, 3).read(3, 9);
        assert!(story.end(3, 9).none(), "the one in between was not made");
        let story = Story::new().write(7, 2).unknown(8).read(2, 7).read(3, 8).write(9, 4).unknown(10);
        assert!(story.end(4, 9).none(), "an unknown one may be made late, or never");
        assert!(story.end(5, 10).none(), "or after all");
    }

    #[test]
    fn requests_at_the_same_time_may_be_in_any_order() {
        let mut story = Story::new().write(7, 3).write(8, 2).read(2, 8);
        let end = story.ops[2].ended;
        for op in &mut story.ops {
            op.started = story.start;
            op.ended = end;
        }
        assert!(story.end(3, 7).none());
    }

    #[test]
    fn a_lost_write_is_found() {
        assert_eq!(Story::new().write(7, 2).write(8, 3).end(2, 7).lost, 1, "gone at the end");
        assert_eq!(Story::new().write(7, 2).write(8, 2).end(2, 8).lost, 1, "gone in between");
        assert_eq!(Story::new().write(7, 2).unknown(8).end(2, 8).lost, 1, "overwritten without a version");
        assert_eq!(Story::new().write(7, 2).read(2, 0).end(2, 7).lost, 1, "not what is read");
    }

    #[test]
    fn a_stale_answer_is_found() {
        assert_eq!(Story::new().write(7, 2).read(1, 0).end(2, 7).stale, 1, "an old state read");
        assert_eq!(Story::new().read(2, 7).read(1, 0).unknown(7).end(2, 7).stale, 1, "and read again");
        assert_eq!(
            Story::new().write(7, 3).write(8, 2).end(3, 7).stale,
            1,
            "a write that went before an older one"
        );
    }

    #[test]
    fn half_a_write_is_found() {
        let half = State { version: 3, name: 7, description: 8 };
        let story = Story::new().write(7, 2).unknown(8).op(None, Met::Ok(half));
        assert_eq!(story.end(3, 8).half, 1, "read");
        let story = Story::new().write(7, 2).op(Some(8), Met::Ok(half));
        assert_eq!(story.end(3, 8).half, 1, "answered");
        let story = Story::new().write(7, 2).unknown(8);
        assert_eq!(check(&story.ops, &[(1, half)].into()).half, 1, "in the end");
    }

    #[test]
    fn a_write_made_twice_and_one_of_nobody_are_found() {
        assert_eq!(Story::new().unknown(7).read(2, 7).end(3, 7).strange, 1, "made twice");
        assert_eq!(Story::new().write(7, 2).end(3, 7).strange, 1, "made twice, and answered");
        assert_eq!(Story::new().write(7, 2).end(3, 99).strange, 1, "nobody's");
    }
}
