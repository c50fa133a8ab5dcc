//! A TCP proxy that misbehaves as it is told: between the service and its database, or a client and the service.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use socket2::SockRef;

/// What is done to every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// New connections are reset at once, and those that are open, too.
    Refuse,
    /// Connections are taken, and nothing goes through any more, as when a cable is cut. When it ends, what
    /// was held up goes through; a connection that was made meanwhile leads nowhere for ever.
    BlackHole,
    /// Whatever comes goes on later by this much, in each direction.
    Delay(Duration),
    /// No more than this many bytes a second go through each connection, in each direction.
    Throttle(usize),
}

/// Where bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

/// A proxy, which ends its connections when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Where a new connection leads, if anywhere.
type Upstream = Box<dyn Fn() -> Option<String> + Send + Sync>;

struct Shared {
    upstream: Upstream,
    fault: Mutex<Fault>,
    /// Told of when `fault` changes.
    changed: Condvar,
    /// Once the server says this, it is kept back, and the connection is reset.
    cut_before: Mutex<Option<Vec<u8>>>,
    /// What clients say is changed from the first to the second, of the same length.
    rewrite: Vec<(Vec<u8>, Vec<u8>)>,
    rewritten: AtomicUsize,
    cuts: AtomicUsize,
    /// Weak, since a connection is reset only when nobody has it any more.
    open: Mutex<Vec<Weak<TcpStream>>>,
    ended: AtomicBool,
}

impl Proxy {
    /// A proxy in front of `upstream`, `127.0.0.1:PORT`.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::rewriting(upstream, &[])
    }

    /// The same; each first text that a client sends is turned into the second, which is as long. One that
    /// is cut in two by packets is missed.
    pub(crate) fn rewriting(upstream: &str, rewrite: &[(&str, &str)]) -> Self {
        let upstream = upstream.to_owned();
        Self::leading(Box::new(move || Some(upstream.clone())), rewrite)
    }

    /// A proxy that asks `upstream` where each new connection is to lead; one that leads nowhere is reset.
    pub(crate) fn choosing(upstream: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self::leading(Box::new(upstream), &[])
    }

    fn leading(upstream: Upstream, rewrite: &[(&str, &str)]) -> Self {
        let rewrite = rewrite.iter().map(|(from, to)| {
            assert_eq!(from.len(), to.len(), "a message says how long it is");
            (from.as_bytes().to_vec(), to.as_bytes().to_vec())
        });
        let listener =
            TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("a free port: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("its address: {error}"));
        let shared = Arc::new(Shared {
            upstream,
            fault: Mutex::new(Fault::None),
            changed: Condvar::new(),
            cut_before: Mutex::default(),
            rewrite: rewrite.collect(),
            rewritten: AtomicUsize::new(0),
            cuts: AtomicUsize::new(0),
            open: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let taking = shared.clone();
        std::thread::spawn(move || take(&listener, &taking));
        Self { address, shared }
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on this is done.
    pub(crate) fn set(&self, fault: Fault) {
        let refuse = fault == Fault::Refuse;
        *lock(&self.shared.fault) = fault;
        self.shared.changed.notify_all();
        if refuse {
            self.cut();
        }
    }

    /// Resets every connection that is open.
    pub(crate) fn cut(&self) {
        for stream in lock(&self.shared.open).drain(..).filter_map(|stream| stream.upgrade()) {
            reset(&stream);
        }
    }

    /// Keeps back the first answer that holds `text`, and resets its connection.
    pub(crate) fn cut_before(&self, text: &str) {
        *lock(&self.shared.cut_before) = Some(text.as_bytes().to_vec());
    }

    /// How often something was rewritten: a sabotage that meets nothing is none.
    pub(crate) fn rewritten(&self) -> usize {
        self.shared.rewritten.load(Ordering::Relaxed)
    }

    /// How many answers were kept back.
    pub(crate) fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.set(Fault::Refuse);
        // Wakes the thread that takes connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes whoever reads from `stream`; once both who carry its bytes have let go of it, it is reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}

fn is_reset(stream: &TcpStream) -> bool {
    SockRef::from(stream).linger().is_ok_and(|time| time == Some(Duration::ZERO))
}

fn take(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        if *lock(&shared.fault) == Fault::Refuse {
            // Dropped with no time to linger, it is reset.
            let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
            continue;
        }
        let shared = shared.clone();
        std::thread::spawn(move || connect(client, &shared));
    }
}

/// Carries what two say to each other, until one ends.
fn connect(client: TcpStream, shared: &Arc<Shared>) {
    if *lock(&shared.fault) == Fault::BlackHole {
        let _ = std::io::copy(&mut &client, &mut std::io::sink());
        return;
    }
    let Some(Ok(server)) = (shared.upstream)().map(TcpStream::connect) else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client, server) = (Arc::new(client), Arc::new(server));
    {
        let mut open = lock(&shared.open);
        open.retain(|stream| stream.strong_count() > 0);
        open.extend([&client, &server].map(Arc::downgrade));
    }
    let (to, from, back) = (client.clone(), server.clone(), shared.clone());
    std::thread::spawn(move || pump(&from, &to, From::Server, &back));
    pump(&client, &server, From::Client, shared);
}

fn wait_while_black(shared: &Shared) {
    let fault = lock(&shared.fault);
    drop(shared.changed.wait_while(fault, |fault| *fault == Fault::BlackHole));
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, who: From, shared: &Shared) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) if !is_reset(from) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(0) | Err(_) => return reset(to),
            // What came between the cut and this thread's waking is still read.
            Ok(_) if is_reset(from) || is_reset(to) => {
                reset(from);
                return reset(to);
            }
            Ok(length) => length,
        };
        let bytes = &mut buffer[..length];
        wait_while_black(shared);
        if who == From::Client {
            for (old, new) in &shared.rewrite {
                shared.rewritten.fetch_add(replace(bytes, old, new), Ordering::Relaxed);
            }
        } else if is_to_be_cut(bytes, shared) {
            reset(from);
            return reset(to);
        }
        if deliver(&mut to, bytes, shared).is_err() {
            return reset(from);
        }
    }
}

fn is_to_be_cut(bytes: &[u8], shared: &Shared) -> bool {
    let mut wanted = lock(&shared.cut_before);
    let found = wanted.as_ref().is_some_and(|text| find(bytes, text).is_some());
    if found {
        *wanted = None;
        shared.cuts.fetch_add(1, Ordering::Relaxed);
    }
    found
}

fn deliver(to: &mut &TcpStream, bytes: &[u8], shared: &Shared) -> std::io::Result<()> {
    let fault = lock(&shared.fault).clone();
    match fault {
        Fault::Delay(time) => std::thread::sleep(time),
        Fault::Throttle(rate) => {
            // Ten times a second, so that it flows.
            for piece in bytes.chunks((rate / 10).max(1)) {
                to.write_all(piece)?;
                std::thread::sleep(Duration::from_secs(1).mul_f64(as_f64(piece.len()) / as_f64(rate)));
            }
            return Ok(());
        }
        Fault::None | Fault::Refuse | Fault::BlackHole => {}
    }
    to.write_all(bytes)
}

fn as_f64(bytes: usize) -> f64 {
    u32::try_from(bytes).map_or(f64::MAX, f64::from)
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// Answers how often it was there.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let mut times = 0;
    while let Some(place) = find(bytes, old) {
        bytes[place..place + new.len()].copy_from_slice(new);
        times += 1;
    }
    times
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
