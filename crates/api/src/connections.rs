//! The connections that clients have open: how many there are, whether their next answer is their last, and the end
//! of those that waste them.
//!
//! Of a connection, actix bounds how long the first head may take, and how long it may be idle. It bounds neither a
//! second head, nor what it reads of a chunked body that was answered before it came to its end, nor how long a client
//! takes to read.

use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::sleep;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage as _};
use futures_util::stream::{Stream as _, poll_fn};
use socket2::{SockRef, Socket};

/// How long a client may take nothing of what was sent to it. Whoever reads, however slowly, is not cut off.
const UNREAD: Duration = Duration::from_secs(15);
/// How many descriptors a connection takes: actix's, and one to close it by.
pub const DESCRIPTORS: usize = 2;

/// The connections that are open.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    closing: AtomicBool,
    all: Mutex<Vec<Weak<Connection>>>,
}

/// One of them. It lies with what actix keeps of a connection, and goes with it.
#[derive(Debug)]
struct Connection {
    of: Arc<Connections>,
    socket: Socket,
    usage: Mutex<Usage>,
}

#[derive(Debug)]
struct Usage {
    /// How many requests are under way.
    requests: usize,
    /// Since when it is so many.
    since: Instant,
}

impl Connections {
    /// Takes note of a connection that was accepted: for actix, which hands over its stream and a place for
    /// what is to be kept as long as that.
    pub fn opened(self: &Arc<Self>, stream: &dyn Any, kept: &mut Extensions) {
        let Some(stream) = stream.downcast_ref::<TcpStream>() else { return };
        let socket = SockRef::from(stream);
        #[cfg(target_os = "linux")]
        if let Err(error) = socket.set_tcp_user_timeout(Some(UNREAD)) {
            tracing::debug!(%error, "a client that reads nothing will be kept");
        }
        let socket = match socket.try_clone() {
            Ok(socket) => socket,
            // Out of files: it is as if it had not been accepted.
            Err(error) => {
                tracing::warn!(%error, "a connection can't be kept");
                let _ = socket.shutdown(Shutdown::Both);
                return;
            }
        };
        let usage = Mutex::new(Usage { requests: 0, since: Instant::now() });
        let connection = Arc::new(Connection { of: self.clone(), socket, usage });
        self.open.fetch_add(1, Ordering::Relaxed);
        lock(&self.all).push(Arc::downgrade(&connection));
        kept.insert(connection);
    }

    /// From now on every answer tells its client that it is the last one of its connection.
    pub fn close_with_the_next_answer(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Waits until none is open.
    pub async fn all_closed(&self) {
        const PAUSE: Duration = Duration::from_millis(20);
        while self.open.load(Ordering::Relaxed) > 0 {
            sleep(PAUSE).await;
        }
    }

    /// Closes, for ever, those that hold no request for longer than an idle one is kept: their client takes its
    /// time with the next head.
    pub async fn close_wasted(&self, keep_alive: Duration) -> Infallible {
        const PAUSE: Duration = Duration::from_secs(1);
        /// What actix gives the first head, and a second for it to do so.
        const FIRST_HEAD: Duration = Duration::from_secs(6);
        let longest = FIRST_HEAD.max(keep_alive + PAUSE);
        loop {
            sleep(PAUSE).await;
            lock(&self.all).retain(|connection| {
                let connection = connection.upgrade();
                connection.inspect(|connection| connection.close_if_wasted(longest)).is_some()
            });
        }
    }
}

impl Connection {
    fn close_if_wasted(&self, longest: Duration) {
        let usage = lock(&self.usage);
        if usage.requests == 0 && usage.since.elapsed() > longest {
            // actix finds the end of what the client sends, and closes. What it has answered still goes out, however
            // slowly the client takes it. It fails for what is closed already.
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request under way, until this is dropped.
struct UnderWay(Arc<Connection>);

impl UnderWay {
    fn begin(connection: Arc<Connection>) -> Self {
        lock(&connection.usage).requests += 1;
        Self(connection)
    }

    fn is_the_last(&self) -> bool {
        self.0.of.closing.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut usage = lock(&self.0.usage);
        usage.requests -= 1;
        usage.since = Instant::now();
    }
}

/// The body of a request, read by its handler and held until the answer was given: actix reads a chunked body that
/// nobody holds to an end that may never come; one that is still held it gives up a second after the answer.
type Held = Rc<RefCell<Payload>>;

fn hold(request: &mut ServiceRequest) -> Option<Held> {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return None;
    }
    let held = Rc::new(RefCell::new(payload));
    let read = held.clone();
    let payload = poll_fn(move |context| Pin::new(&mut *read.borrow_mut()).poll_next(context));
    request.set_payload(Payload::Stream { payload: Box::pin(payload) });
    Some(held)
}

/// The body of an answer, with what is held until it was handed over.
pub struct Answer {
    body: BoxBody,
    _under_way: Option<UnderWay>,
    _held: Option<Held>,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// The middleware around all others.
///
/// # Errors
///
/// What is inside gave as one, an answer nevertheless.
pub async fn watch(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer>, Error> {
    let under_way = request.conn_data::<Arc<Connection>>().cloned().map(UnderWay::begin);
    let held = hold(&mut request);
    let given = next.call(request).await;
    // The request may have been under way for long: it counts what holds now.
    let last = under_way.as_ref().is_some_and(UnderWay::is_the_last);
    let around = |body| Answer { body, _under_way: under_way, _held: held };
    match given {
        Ok(response) => Ok(response.map_body(|head, body| {
            if last {
                head.set_connection_type(ConnectionType::Close);
            }
            around(body.boxed())
        })),
        Err(error) => {
            let answer = error.error_response().map_body(|head, body| {
                if last {
                    head.set_connection_type(ConnectionType::Close);
                }
                around(body).boxed()
            });
            Err(InternalError::from_response("no answer", answer).into())
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
