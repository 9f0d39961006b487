//! The server that the public protocol suites expect: `/engine.io/` echoes every message, `/socket.io/` has the
//! namespaces `/` and `/custom` and the events of the reference, `/` echoes plain WebSocket messages (RFC 6455
//! suites). Short heartbeats, any origin.

use bytes::Bytes;
use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
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
}

struct Fixture;

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
        match request.auth {
            Some(auth) => sockets.emit(socket, "auth", &auth),
            None => sockets.emit(socket, "auth", &serde_json::json!({})),
        };
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
    config.connect_timeout = Duration::from_secs(1);
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
    let server = Server::start(config(&arguments), |_, _| Fixture, Arc::new(NotFound), None)?;
    tracing::info!(address = %server.local_addr(), "listening");
    loop {
        std::thread::park();
    }
}
