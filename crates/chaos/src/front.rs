//! A load balancer before several instances: each new connection goes to one that says it is ready.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portfolio_testkit::Client;

use crate::proxy::Proxy;

/// How often it asks each instance. One that stops goes on serving for longer than that.
const PAUSE: Duration = Duration::from_millis(100);
/// An instance that takes longer to say so is not ready.
const PATIENCE: Duration = Duration::from_secs(1);

/// A front, which ends when it is dropped.
pub(crate) struct Front {
    proxy: Proxy,
    places: Arc<[Mutex<Place>]>,
    ended: Arc<AtomicBool>,
    asking: Vec<JoinHandle<()>>,
}

/// Where an instance is, and whether it was ready when it was asked last.
#[derive(Clone)]
struct Place {
    address: String,
    ready: bool,
}

impl Front {
    /// A front before the instances at these addresses, `127.0.0.1:PORT`.
    pub(crate) fn start(addresses: &[&str]) -> Self {
        let places =
            addresses.iter().map(|&address| Mutex::new(Place { address: address.into(), ready: false }));
        let places: Arc<[Mutex<Place>]> = places.collect();
        let ended = Arc::<AtomicBool>::default();
        let asking = (0..places.len()).map(|at| {
            let (places, ended) = (places.clone(), ended.clone());
            std::thread::spawn(move || ask(&places[at], &ended))
        });
        let asking = asking.collect();
        let (of_proxy, turn) = (places.clone(), AtomicUsize::new(0));
        let proxy = Proxy::choosing(move || {
            let first = turn.fetch_add(1, Ordering::Relaxed);
            let in_turn =
                (0..of_proxy.len()).map(|at| lock(&of_proxy[(first + at) % of_proxy.len()]).clone());
            in_turn.into_iter().find(|place| place.ready).map(|place| place.address)
        });
        Self { proxy, places, ended, asking }
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        self.proxy.address()
    }

    /// Instance `at` is at another address from now on. Waits until it was found ready there; answers whether it was
    /// within this time.
    pub(crate) fn replace(&self, at: usize, address: &str, within: Duration) -> bool {
        *lock(&self.places[at]) = Place { address: address.to_owned(), ready: false };
        let start = Instant::now();
        while !lock(&self.places[at]).ready {
            if start.elapsed() > within {
                return false;
            }
            std::thread::sleep(PAUSE / 10);
        }
        true
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.asking.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(place: &Mutex<Place>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        let address = lock(place).address.clone();
        // On a connection of its own: a kept one would keep an instance that stops from ending.
        let answer = Client::with_patience(&address, PATIENCE).send("GET", "/readyz", &[], None);
        let ready = answer.is_ok_and(|answer| answer.status == 200);
        let mut place = lock(place);
        if place.address == address {
            place.ready = ready;
        }
        drop(place);
        std::thread::sleep(PAUSE);
    }
}
