//! Failed authentications, counted per client address: whoever guesses keys is told to wait (contract,
//! section 3). Only failures count, and only failures are refused: a good key always passes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long failures of an address are counted together, from the first of them on.
const WINDOW: Duration = Duration::from_secs(60);

/// How many addresses are remembered, in some 10 MB: of more than that, the longest known is forgotten.
const MAX_ADDRESSES: usize = 100_000;

/// The failures of each address within its current minute.
///
/// The window is fixed. A rate that refills all the time, as `governor` has it, would let the next guess
/// through after a second, where the contract says 60.
#[derive(Debug)]
pub struct Throttle {
    allowance: u32,
    capacity: usize,
    table: Mutex<Table>,
}

/// An address has failed more often than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// In how many seconds its failures are counted anew, rounded up.
    pub seconds: u64,
}

#[derive(Debug, Default)]
struct Table {
    windows: HashMap<IpAddr, Window>,
    /// Every address of `windows` once, those whose window began first in front.
    by_age: VecDeque<IpAddr>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    failures: u32,
}

impl Throttle {
    /// So many failures a minute are answered as what they are.
    #[must_use]
    pub fn new(allowance: u32) -> Self {
        Self::remembering(allowance, MAX_ADDRESSES)
    }

    fn remembering(allowance: u32, capacity: usize) -> Self {
        Self { allowance, capacity, table: Mutex::default() }
    }

    /// Reads `AUTH_FAILURES_PER_MINUTE`: `None` for what is no number from 1 to 1,000,000.
    #[must_use]
    pub fn allowance(text: &str) -> Option<u32> {
        text.parse().ok().filter(|number| (1..=1_000_000).contains(number))
    }

    /// Counts a failure of `address` at `now`.
    ///
    /// # Errors
    ///
    /// [`Throttled`] when it is one too many.
    pub fn count_failure(&self, address: IpAddr, now: Instant) -> Result<(), Throttled> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_ended(now);
        let address = counted_as(address);
        if table.windows.len() >= self.capacity && !table.windows.contains_key(&address) {
            table.forget_oldest();
        }
        let Table { windows, by_age } = &mut *table;
        let window = match windows.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                by_age.push_back(address);
                new.insert(Window { began: now, failures: 0 })
            }
        };
        if window.failures < self.allowance {
            window.failures += 1;
            return Ok(());
        }
        let left = (window.began + WINDOW).saturating_duration_since(now);
        Err(Throttled { seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0) })
    }
}

impl Table {
    fn forget_ended(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.front() {
            let began = self.windows.get(oldest).map(|window| window.began);
            if began.is_some_and(|began| now.saturating_duration_since(began) < WINDOW) {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.by_age.pop_front() {
            self.windows.remove(&oldest);
        }
    }
}

/// Whoever has one IPv6 address has the 2⁶⁴ beside it, too. An IPv4 address in IPv6's clothes is itself.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits((address.to_bits() >> 64) << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn beyond_the_allowance_an_address_waits_until_its_minute_is_over() {
        let (throttle, start) = (Throttle::new(2), Instant::now());
        let fail =
            |after: u64| throttle.count_failure(address("192.0.2.1"), start + Duration::from_millis(after));
        assert_eq!((fail(0), fail(20_000)), (Ok(()), Ok(())));
        assert_eq!(fail(20_000), Err(Throttled { seconds: 40 }));
        assert_eq!(fail(20_001), Err(Throttled { seconds: 40 }), "rounded up");
        assert_eq!(fail(59_999), Err(Throttled { seconds: 1 }), "what is refused prolongs nothing");
        assert_eq!((fail(60_000), fail(119_999)), (Ok(()), Ok(())), "a minute from the first failure on");
        assert_eq!(fail(119_999), Err(Throttled { seconds: 1 }));
    }

    #[test]
    fn a_first_failure_that_is_refused_waits_for_the_whole_minute() {
        let (throttle, now) = (Throttle::new(1), Instant::now());
        assert_eq!(throttle.count_failure(address("192.0.2.1"), now), Ok(()));
        assert_eq!(throttle.count_failure(address("192.0.2.1"), now), Err(Throttled { seconds: 60 }));
    }

    #[test]
    fn addresses_of_one_client_are_counted_together_and_others_apart() {
        let now = Instant::now();
        for (one, other, together) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let throttle = Throttle::new(1);
            assert_eq!(throttle.count_failure(address(one), now), Ok(()));
            let second = throttle.count_failure(address(other), now);
            assert_eq!(second.is_err(), together, "{one} {other}");
        }
    }

    #[test]
    fn of_too_many_addresses_the_longest_known_is_forgotten() {
        let (throttle, now) = (Throttle::remembering(1, 3), Instant::now());
        let fail = |number: u8, seconds: u64| {
            let address = IpAddr::from([192, 0, 2, number]);
            throttle.count_failure(address, now + Duration::from_secs(seconds)).is_ok()
        };
        assert!((1..=4).all(|number| fail(number, 0)));
        assert!(!fail(4, 1) && !fail(2, 1), "known ones are refused, and drive no other out");
        assert!(fail(1, 1), "the first was forgotten for the fourth");
        assert!(fail(2, 60), "and with the end of their minute all are");
        let table = throttle.table.lock().unwrap();
        assert_eq!((table.windows.len(), table.by_age.len()), (2, 2));
    }

    #[test]
    fn an_allowance_is_a_number_from_one_on() {
        assert_eq!(Throttle::allowance("60"), Some(60));
        for wrong in ["", "0", "-1", "1000001", "many", "1.5"] {
            assert_eq!(Throttle::allowance(wrong), None, "{wrong}");
        }
    }
}
