//! The server that the public protocol suites expect: `/engine.io/` echoes every message, `/socket.io/` has the
//! namespaces `/` and `/custom` and the events of the reference, `/` echoes plain WebSocket messages (RFC 6455
//! suites). Short heartbeats, any origin.

use bytes::Bytes;
use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::value::RawValue;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use transport::{
    Application, CloseReason, ConnectRequest, Endpoint, Event, HttpFallback, Mode, Origins,
    RawMessage, ResponseFuture, Server, ServerConfig, SocketId, Sockets,
};

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Threads that own connections.
    #[arg(long, default_value_t = 1)]
    shards: u8,
    /// Milliseconds between a pong and the next ping.
    #[arg(long, default_value_t = 300)]
    ping_interval: u64,
    /// Milliseconds that a pong may take.
    #[arg(long, default_value_t = 200)]
    ping_timeout: u64,
    /// Milliseconds that a session may be without a namespace.
    #[arg(long, default_value_t = 1000)]
    connect_timeout: u64,
}

/// Greetings that are to go out, and since when they wait.
#[derive(Default)]
struct Fixture {
    greetings: Vec<(SocketId, u64, Box<RawValue>)>,
}

/// The suites' client loses the second of two messages that come in one TCP segment, so the fixture greets a little
/// after it has accepted. A real application would not wait.
const GREETING_DELAY_MS: u64 = 10;

impl Application for Fixture {
    type Mail = ();

    fn on_connect(&mut self, sockets: &mut Sockets, socket: SocketId, request: ConnectRequest<'_>) {
        if !matches!(request.namespace, "/" | "/custom") {
            sockets.refuse(socket, "Invalid namespace", None::<&()>);
            return;
        }
        if !sockets.accept(socket) {
            return;
        }
        let auth = request.auth.map_or("{}", RawValue::get).to_owned();
        if let Ok(auth) = RawValue::from_string(auth) {
            self.greetings.push((socket, sockets.now_ms(), auth));
        }
    }

    fn on_event(&mut self, sockets: &mut Sockets, socket: SocketId, event: Event<'_>) {
        match (event.name, event.ack) {
            ("message", _) => {
                sockets.emit_raw(socket, "message-back", event.args, event.attachments);
            }
            ("message-with-ack", Some(id)) => {
                sockets.ack_raw(socket, id, event.args, event.attachments);
            }
            _ => {}
        }
    }

    fn on_disconnect(&mut self, _: &mut Sockets, socket: SocketId, reason: CloseReason) {
        tracing::debug!(?socket, reason = reason.name(), "gone");
    }

    fn on_mail(&mut self, _: &mut Sockets, (): ()) {}

    fn on_tick(&mut self, sockets: &mut Sockets, _: Duration) {
        let now = sockets.now_ms();
        self.greetings.retain(|(socket, since, auth)| {
            let is_early = now < since + GREETING_DELAY_MS;
            if !is_early {
                sockets.emit(*socket, "auth", auth);
            }
            is_early
        });
    }

    fn on_message(&mut self, sockets: &mut Sockets, socket: SocketId, message: RawMessage<'_>) {
        match message {
            RawMessage::Text(text) => sockets.send_text(socket, text),
            RawMessage::Binary(bytes) => sockets.send_binary(socket, bytes),
        };
    }
}

struct NotFound;

impl HttpFallback for NotFound {
    fn answer(&self, _: Request<Incoming>, _: SocketAddr) -> ResponseFuture {
        Box::pin(async {
            let body =
                Full::new(Bytes::from_static(b"not found\n")).map_err(|never| match never {});
            let mut response = Response::new(body.boxed_unsync());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        })
    }
}

fn config(arguments: &Arguments) -> ServerConfig {
    let endpoint = |path: &str, mode| Endpoint {
        path: path.into(),
        mode,
    };
    let mut config = ServerConfig::new(arguments.listen);
    config.shards = arguments.shards;
    config.endpoints = vec![
        endpoint("/engine.io/", Mode::EngineIo),
        endpoint("/socket.io/", Mode::SocketIo),
        endpoint("/", Mode::WebSocket),
    ];
    config.ping_interval = Duration::from_millis(arguments.ping_interval);
    config.ping_timeout = Duration::from_millis(arguments.ping_timeout);
    config.connect_timeout = Duration::from_millis(arguments.connect_timeout);
    config.tick = Some(Duration::from_millis(5));
    config.limits.max_payload = 1_000_000;
    config.limits.attachment_bytes = 4_000_000;
    config.limits.outbox_bytes = 4_000_000;
    config.limits.fragments = 1_000_000;
    config.limits.rate = None;
    config.origins = Origins {
        any: true,
        ..Origins::default()
    };
    config
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let arguments = Arguments::parse();
    let server = Server::start(
        config(&arguments),
        |_, _| Fixture::default(),
        Arc::new(NotFound),
        None,
    )?;
    tracing::info!(address = %server.local_addr(), "listening");
    loop {
        std::thread::park();
    }
}
