//! What a server is told at its start. Every bound has a default and its reason.

use crate::{application::Admission, budget::Rate, http::origin::Origins, http::peer::Subnet};
use http::HeaderName;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// What is spoken on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Socket.IO v5 over Engine.IO v4.
    SocketIo,
    /// Engine.IO v4 alone: messages go to `Application::on_message`.
    EngineIo,
    /// Plain RFC 6455 messages, for conformance suites; no long-polling.
    WebSocket,
}

/// A path and what is spoken there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Starts and ends with a slash; requests without the last one are taken too.
    pub path: String,
    /// What is spoken.
    pub mode: Mode,
}

/// Bounds on what clients may do. Times are those of the reference server where it has them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one message or one polling payload; told to clients in the handshake.
    pub max_payload: usize,
    /// Fragments of one WebSocket message; browsers send one, large uploads some dozens.
    pub fragments: u32,
    /// Packets of one polling payload; what a client gathers while its network is away.
    pub payload_packets: usize,
    /// Bytes of all attachments of one packet together.
    pub attachment_bytes: usize,
    /// Namespaces beside the main one that a session may join.
    pub namespaces: usize,
    /// Answers of the client that a socket may still owe.
    pub acks: usize,
    /// Bytes that may wait for one client. 256 KiB: a phone on a bad line catches up from this in a second;
    /// beyond it a resume is cheaper than our memory.
    pub outbox_bytes: usize,
    /// Frames that may wait for one client.
    pub outbox_frames: usize,
    /// What one connection may say; `None` lifts it.
    pub rate: Option<Rate>,
    /// Sessions of the whole server; beyond it handshakes get 503.
    pub connections: usize,
    /// HTTP connections of a shard that are not upgraded: polls, REST and handshakes.
    pub http_connections: usize,
    /// Headers of a request: more gets 431.
    pub headers: usize,
    /// Bytes of a request's head: more gets 431. At least 8192.
    pub header_bytes: usize,
    /// Bytes of a path and query on our paths: more gets 414.
    pub uri_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_payload: 64 * 1024,
            fragments: 128,
            payload_packets: 1024,
            attachment_bytes: 1024 * 1024,
            namespaces: 8,
            acks: 64,
            outbox_bytes: 256 * 1024,
            outbox_frames: 4096,
            rate: Some(Rate {
                frames: 100.0,
                bytes: 262_144.0,
                seconds_of_burst: 10.0,
            }),
            connections: 1_000_000,
            http_connections: 20_000,
            headers: 64,
            header_bytes: 16 * 1024,
            uri_bytes: 4096,
        }
    }
}

/// Everything a server is told.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which node of a cluster this is, so that sids say where a session lives; 0 for a server by itself.
    pub node: u32,
    /// Threads that own connections; 1 to 255.
    pub shards: u8,
    /// The paths that are ours; every other goes to the fallback.
    pub endpoints: Vec<Endpoint>,
    /// From a pong to the next ping.
    pub ping_interval: Duration,
    /// How long a pong may take.
    pub ping_timeout: Duration,
    /// How long a session may be without a namespace that the application accepted.
    pub connect_timeout: Duration,
    /// From the probe to the upgrade packet.
    pub upgrade_timeout: Duration,
    /// For the head, and again for the body, of a request.
    pub request_timeout: Duration,
    /// How long a closing connection is read on, so that its close frame is not overtaken by a reset.
    pub linger: Duration,
    /// A peer that takes no bytes for this long is gone (TCP_USER_TIMEOUT).
    pub tcp_user_timeout: Duration,
    /// The least time between two calls of `Application::on_tick`; `None` for never.
    pub tick: Option<Duration>,
    /// Mails that may wait for one shard.
    pub mailbox: usize,
    /// Bounds.
    pub limits: Limits,
    /// Which pages may connect.
    pub origins: Origins,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub proxies: Vec<Subnet>,
    /// Headers of the handshake that the application wants to see at a connect; each kept costs memory.
    pub kept_headers: Vec<HeaderName>,
    /// Asked before each handshake; `None` admits all.
    pub admission: Option<Arc<dyn Admission>>,
}

impl ServerConfig {
    /// Socket.IO on `/socket.io/`, one shard a core, defaults for the rest.
    pub fn new(listen: SocketAddr) -> ServerConfig {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        ServerConfig {
            listen,
            node: 0,
            shards: u8::try_from(cores).unwrap_or(u8::MAX),
            endpoints: vec![Endpoint {
                path: "/socket.io/".into(),
                mode: Mode::SocketIo,
            }],
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(10),
            upgrade_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            tcp_user_timeout: Duration::from_secs(30),
            tick: None,
            mailbox: 65_536,
            limits: Limits::default(),
            origins: Origins::default(),
            proxies: Vec::new(),
            kept_headers: Vec::new(),
            admission: None,
        }
    }

    /// The endpoint that a path belongs to, with its number.
    pub(crate) fn endpoint(&self, path: &str) -> Option<(u8, &Endpoint)> {
        let index = self.endpoints.iter().position(|endpoint| {
            path == endpoint.path || Some(path) == endpoint.path.strip_suffix('/')
        })?;
        Some((u8::try_from(index).ok()?, &self.endpoints[index]))
    }
}
