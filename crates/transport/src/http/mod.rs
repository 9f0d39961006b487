//! HTTP on a shard: hyper reads the requests, ours go to the sessions, every other to the fallback. After an
//! upgrade nothing of this is left of a connection but its socket.

pub(crate) mod elsewhere;
pub(crate) mod engine;
pub(crate) mod origin;
pub(crate) mod peer;
mod query;
pub(crate) mod refusal;
mod relay;

use crate::{
    application::{Body, HttpFallback},
    config::ServerConfig,
    counters::Counters,
    shard::command::{Command, Travelling, Visitor},
    sid::Sid,
};
use bytes::Bytes;
use elsewhere::{Elsewhere, Line};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, ready},
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};

/// The shard's sessions, without the application's type.
pub(crate) trait Desk {
    /// Performs the command now and lets the shard take a turn.
    fn perform(&self, command: Command);
    /// One HTTP connection more or less.
    fn count_connection(&self, by: isize);
    fn http_connections(&self) -> usize;
    /// Sessions that a drain under way closes on this shard in each 100 ms.
    fn closes_per_step(&self) -> usize;
}

/// What every request of a shard may use.
pub(crate) struct Front {
    pub(crate) desk: Rc<dyn Desk>,
    pub(crate) shard: u8,
    /// The command queues of all shards, this one's too.
    pub(crate) shards: Arc<[mpsc::Sender<Command>]>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) fallback: Arc<dyn HttpFallback>,
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) open_everywhere: Arc<AtomicUsize>,
    pub(crate) leaving: watch::Receiver<bool>,
    /// Relays that were told to end by the drain so far: each takes a number and waits for its turn.
    pub(crate) relays_leaving: Cell<usize>,
}

impl Front {
    pub(crate) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    pub(crate) fn open_everywhere(&self) -> usize {
        self.open_everywhere.load(Ordering::Relaxed)
    }
}

/// What is to become of a socket whose upgrade has been answered.
pub(crate) enum Handoff {
    Open(Visitor),
    Probe(Sid),
    /// Bytes are carried to and from the node that owns the session.
    Relay(Line),
}

type Pending = Rc<RefCell<Option<Handoff>>>;
type ServiceFuture =
    Pin<Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>>>>;

/// Serves one TCP connection until it ends or becomes a WebSocket.
pub(crate) async fn serve_connection(front: Rc<Front>, stream: TcpStream, peer: SocketAddr) {
    let pending: Pending = Rc::default();
    let service = service_fn({
        let (front, pending) = (front.clone(), pending.clone());
        move |request: Request<Incoming>| -> ServiceFuture {
            let (front, pending) = (front.clone(), pending.clone());
            Box::pin(async move { Ok(route(&front, &pending, request, peer).await) })
        }
    });
    let limits = &front.config.limits;
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(front.config.request_timeout)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192))
        .serve_connection(TokioIo::new(stream), service);
    let mut leaving = front.leaving.clone();
    let mut is_told = false;
    let mut told = Box::pin(async move {
        // An error means that the shard is gone, which is as good a reason to leave.
        drop(leaving.wait_for(|leaving| *leaving).await);
    });
    let result = std::future::poll_fn(|context| {
        if !is_told && told.as_mut().poll(context).is_ready() {
            is_told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let result = ready!(connection.poll_without_shutdown(context));
        Poll::Ready(result)
    })
    .await;
    let Some(handoff) = pending.borrow_mut().take() else {
        return;
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended before its upgrade");
        return;
    }
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    hand_off(&front, handoff, stream, parts.read_buf).await;
}

async fn hand_off(front: &Front, handoff: Handoff, stream: TcpStream, leftover: Bytes) {
    match handoff {
        Handoff::Open(visitor) => front.desk.perform(Command::OpenSocket {
            visitor,
            stream,
            leftover,
        }),
        // Within the connection's count, so that what is carried has the same bound as what is asked. On the heap, so
        // that the others, which are most, need not be as large.
        Handoff::Relay(line) => Box::pin(relay::carry(front, (stream, leftover), line)).await,
        Handoff::Probe(sid) if sid.shard == front.shard => front.desk.perform(Command::Probe {
            sid,
            stream: Travelling::Here(stream),
            leftover,
        }),
        Handoff::Probe(sid) => {
            let sent = stream.into_std().map(|stream| Command::Probe {
                sid,
                stream: Travelling::Elsewhere(stream),
                leftover,
            });
            let sent = sent.is_ok_and(|command| {
                front
                    .shards
                    .get(sid.shard as usize)
                    .is_some_and(|shard| shard.try_send(command).is_ok())
            });
            if !sent {
                tracing::warn!("an upgrade could not be passed to its shard");
            }
        }
    }
}

async fn route(
    front: &Rc<Front>,
    pending: &Pending,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Body> {
    match front.config.endpoint(request.uri().path()) {
        Some((number, endpoint)) => {
            let mode = endpoint.mode;
            engine::answer(
                front,
                pending,
                request,
                engine::Place {
                    number,
                    mode,
                    peer,
                    is_passed_on: false,
                },
            )
            .await
        }
        None => front.fallback.answer(request, peer).await,
    }
}
