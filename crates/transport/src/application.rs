//! What a server is built around: the application on each shard, and the answers to requests that are not ours.
//! The callbacks run on the shard's thread, one at a time, and must not block.

use crate::{close::CloseReason, shard::sockets::Sockets};
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use hyper::body::Incoming;
use serde_json::value::RawValue;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    time::Duration,
};

/// One client in one namespace. Never names another one again within 16 million lives of its slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) index: u32,
    /// 24 bits of generation, 8 of namespace (0 is the main one).
    pub(crate) life: u32,
}

impl SocketId {
    pub(crate) fn new(index: u32, generation: u32, namespace: u8) -> SocketId {
        SocketId {
            index,
            life: generation << 8 | u32::from(namespace),
        }
    }

    /// The connection's slot on its shard: small, dense, reused after `on_disconnect`. Good as an index.
    pub fn slot(self) -> u32 {
        self.index
    }

    /// Whether this is the main namespace.
    pub fn is_main(self) -> bool {
        self.namespace() == 0
    }

    /// Both parts, for an application that keeps its own names: the slot and what tells this life of it from others.
    pub fn parts(self) -> (u32, u32) {
        (self.index, self.life)
    }

    /// The socket that [`SocketId::parts`] were taken from.
    pub fn from_parts(slot: u32, life: u32) -> SocketId {
        SocketId { index: slot, life }
    }

    pub(crate) fn generation(self) -> u32 {
        self.life >> 8
    }

    pub(crate) fn namespace(self) -> u8 {
        self.life as u8
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "socket {}.{}/{}",
            self.index,
            self.generation(),
            self.namespace()
        )
    }
}

/// A client asks for a namespace.
#[derive(Debug)]
pub struct ConnectRequest<'a> {
    /// Which one; `/` is the main one.
    pub namespace: &'a str,
    /// What it brought to show who it is: a JSON object.
    pub auth: Option<&'a RawValue>,
    /// The client's address, behind trusted proxies the one they name.
    pub peer: IpAddr,
    /// Those of the handshake that the configuration keeps.
    pub headers: &'a [(HeaderName, String)],
}

/// A client says something.
#[derive(Debug)]
pub struct Event<'a> {
    /// What it is about. Never a reserved name.
    pub name: &'a str,
    /// Raw JSON, each.
    pub args: &'a [&'a RawValue],
    /// Set when the client waits for `Sockets::ack`.
    pub ack: Option<u64>,
    /// The binary parts that placeholders in `args` name.
    pub attachments: &'a [Bytes],
}

/// A client answers `Sockets::request`.
#[derive(Debug)]
pub struct Answer<'a> {
    /// What `Sockets::request` gave.
    pub id: u32,
    /// Raw JSON, each.
    pub args: &'a [&'a RawValue],
    /// The binary parts.
    pub attachments: &'a [Bytes],
}

/// A message on a path without Socket.IO.
#[derive(Debug, Clone, Copy)]
pub enum RawMessage<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// One application on one shard. Every callback may use `sockets`; what it sends goes out at the end of the turn.
/// A panic in a callback ends the socket it was about, and nothing else.
pub trait Application: Sized + 'static {
    /// What other threads post to this shard.
    type Mail: Send + 'static;

    /// A client asks for a namespace. Answer with `Sockets::accept` or `Sockets::refuse`, now or later; nothing
    /// else comes from this socket before. A session that is never accepted ends by `connect_timeout`.
    fn on_connect(&mut self, sockets: &mut Sockets, socket: SocketId, request: ConnectRequest<'_>);

    /// An event of an accepted socket.
    fn on_event(&mut self, sockets: &mut Sockets, socket: SocketId, event: Event<'_>);

    /// The answer to a request. Answers that nobody asked for do not come here.
    fn on_ack(&mut self, _sockets: &mut Sockets, _socket: SocketId, _answer: Answer<'_>) {}

    /// The socket has ended: called once for each `on_connect` (or `on_open`) that was not refused.
    fn on_disconnect(&mut self, sockets: &mut Sockets, socket: SocketId, reason: CloseReason);

    /// A mail of another thread.
    fn on_mail(&mut self, sockets: &mut Sockets, mail: Self::Mail);

    /// A session on a path without Socket.IO has begun.
    fn on_open(&mut self, _sockets: &mut Sockets, _socket: SocketId) {}

    /// A message on a path without Socket.IO.
    fn on_message(&mut self, _sockets: &mut Sockets, _socket: SocketId, _message: RawMessage<'_>) {}

    /// Everything that was there is handled; the outboxes are flushed next.
    fn on_turn_end(&mut self, _sockets: &mut Sockets) {}

    /// What this turn put into outboxes is written, as far as the kernel took it and as clients poll.
    fn on_written(&mut self, _sockets: &mut Sockets) {}

    /// Comes when [`Application::tick_after`] has passed, every `ServerConfig::tick` at most. `now` is the time since
    /// the shard's start.
    fn on_tick(&mut self, _sockets: &mut Sockets, _now: Duration) {}

    /// How long the next tick may be put off; asked at the end of each turn. An idle shard sleeps that long.
    fn tick_after(&self) -> Duration {
        Duration::ZERO
    }

    /// The server goes away: sockets will be closed in paced batches from now on.
    fn on_drain(&mut self, _sockets: &mut Sockets) {}
}

/// What a response's body may fail with.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every response.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;
/// What the fallback gives: awaited on the shard's thread.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response<Body>>>>;

/// Answers the requests that are on none of our paths.
pub trait HttpFallback: Send + Sync + 'static {
    /// Must not block; long work belongs on another runtime, awaited here.
    fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> ResponseFuture;
}

/// Decides whether the server takes one more session.
pub trait Admission: Send + Sync + 'static {
    /// `open` sessions exist on all shards. `Err` refuses with 503 and this `Retry-After`.
    fn admit(&self, open: usize) -> Result<(), Duration>;
}
