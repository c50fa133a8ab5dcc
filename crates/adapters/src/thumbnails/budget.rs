//! A budget of memory, shared by the threads that decode.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many bytes may be in use at once. Who comes first is served first, however much it wants.
pub(super) struct Budget {
    total: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    left: u64,
    /// How many have come, and how many of them have their share.
    arrived: u64,
    served: u64,
}

/// A part of the budget, given back when dropped.
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Self {
        let state = State { left: total, arrived: 0, served: 0 };
        Self { total, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until all who came before have their share and `bytes` are left, and takes them. Who wants more than
    /// there is gets all of it.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.total);
        let mut state = self.state();
        let place = state.arrived;
        state.arrived += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| state.served < place || state.left < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        state.left -= bytes;
        state.served += 1;
        self.changed.notify_all();
        Share { budget: self, bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.state().left += self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_the_budget_is_in_use_at_once_and_who_wants_more_gets_all() {
        let budget = Budget::new(10);
        let (in_use, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for bytes in [3, 4, 5, 99, 10, 1] {
                let (budget, in_use, most) = (&budget, &in_use, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let share = budget.take(bytes);
                        let now = in_use.fetch_add(share.bytes, Ordering::SeqCst) + share.bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        in_use.fetch_sub(share.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 10);
        assert_eq!(budget.state().left, 10);
    }

    #[test]
    fn a_thread_that_panics_gives_its_share_back() {
        let budget = Arc::new(Budget::new(10));
        let taken = budget.clone();
        let panicked = thread::spawn(move || {
            let _share = taken.take(10);
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        drop(budget.take(10));
    }

    #[test]
    fn who_wants_much_is_not_passed_by_who_wants_little() {
        let budget = Budget::new(10);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let held = budget.take(6);
            for (place, bytes) in [10, 1, 10, 4].into_iter().enumerate() {
                let (budget, order) = (&budget, &order);
                scope.spawn(move || {
                    let _share = budget.take(bytes);
                    order.lock().unwrap().push(place);
                });
                while budget.state().arrived < place as u64 + 2 {
                    thread::yield_now();
                }
            }
            drop(held);
        });
        // Each wants what the one before has, so that no two hold theirs at once.
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
    }
}
