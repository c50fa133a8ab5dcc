//! The connections that clients have open: how many there are, and whether their next answer is their last.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::sleep;

/// The connections that are open.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    closing: AtomicBool,
}

/// One of them. It lies with what actix keeps of a connection, and goes with it.
struct Connection {
    of: Arc<Connections>,
}

impl Connections {
    /// Takes note of a connection that was accepted: for actix, which hands over its stream and a place for
    /// what is to be kept as long as that.
    pub fn opened(self: &Arc<Self>, stream: &dyn Any, kept: &mut Extensions) {
        if stream.is::<TcpStream>() {
            self.open.fetch_add(1, Ordering::Relaxed);
            kept.insert(Connection { of: self.clone() });
        }
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
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The middleware around all others.
///
/// # Errors
///
/// What is inside gave as one, an answer nevertheless.
pub async fn watch(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // The last request of a connection may be under way for long: it counts what holds when it is answered.
    let connections = request.conn_data::<Connection>().map(|connection| connection.of.clone());
    let last = move |head: &mut ResponseHead| {
        if connections.is_some_and(|connections| connections.closing.load(Ordering::Relaxed)) {
            head.set_connection_type(ConnectionType::Close);
        }
    };
    match next.call(request).await {
        Ok(response) => Ok(response.map_body(|head, body| {
            last(head);
            body.boxed()
        })),
        Err(error) => {
            let answer = error.error_response().map_body(|head, body| {
                last(head);
                body
            });
            Err(InternalError::from_response("no answer", answer).into())
        }
    }
}
