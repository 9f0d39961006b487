//! A room of raw WebSocket clients on one shard, and its clients in this thread: what is posted to it is broadcast to all.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use protocol::frame::Frame;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use transport::{
    Application, CloseReason, ConnectRequest, Endpoint, Event, HttpFallback, Mode, ResponseFuture,
    Server, ServerConfig, SocketId, Sockets,
};

pub(crate) const MEMBERS: usize = 200;

struct Room {
    members: Vec<SocketId>,
}

impl Application for Room {
    type Mail = (Frame, usize);

    fn on_connect(&mut self, _: &mut Sockets, _: SocketId, _: ConnectRequest<'_>) {}
    fn on_event(&mut self, _: &mut Sockets, _: SocketId, _: Event<'_>) {}
    fn on_disconnect(&mut self, _: &mut Sockets, _: SocketId, _: CloseReason) {}
    fn on_open(&mut self, _: &mut Sockets, socket: SocketId) {
        self.members.push(socket);
    }
    fn on_mail(&mut self, sockets: &mut Sockets, (frame, times): (Frame, usize)) {
        for _ in 0..times {
            sockets.broadcast(&self.members, &frame);
        }
    }
}

struct Nothing;

impl HttpFallback for Nothing {
    fn answer(&self, _: Request<Incoming>, _: SocketAddr) -> ResponseFuture {
        Box::pin(async {
            Response::new(
                Full::new(Bytes::new())
                    .map_err(|never| match never {})
                    .boxed_unsync(),
            )
        })
    }
}

fn join(address: SocketAddr) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream
        .write_all(b"GET /w/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .expect("the server reads");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("the server answers");
    }
    reader
}

/// The server and its clients.
pub(crate) struct Crowd {
    server: Server<(Frame, usize)>,
    members: Vec<BufReader<TcpStream>>,
    pub(crate) frame: Frame,
}

impl Crowd {
    pub(crate) fn new() -> Crowd {
        let mut config = ServerConfig::new("127.0.0.1:0".parse().expect("an address"));
        config.shards = 1;
        config.ping_interval = Duration::from_secs(3600);
        config.endpoints = vec![Endpoint {
            path: "/w/".into(),
            mode: Mode::WebSocket,
        }];
        let make = |_, _: &[_]| Room {
            members: Vec::new(),
        };
        let server = Server::start(config, make, Arc::new(Nothing), None).expect("a server");
        let members = (0..MEMBERS).map(|_| join(server.local_addr())).collect();
        while server.shards()[0].counters().sockets.load(Relaxed) < MEMBERS as u64 {
            std::thread::yield_now();
        }
        Crowd {
            server,
            members,
            frame: Frame::event("message:new", &"x".repeat(128)),
        }
    }

    /// One mail of so many frames, until everybody has read them.
    pub(crate) fn hear(&mut self, frames: usize, buffer: &mut Vec<u8>) {
        buffer.resize(self.frame.wire().len() * frames, 0);
        let shard = &self.server.shards()[0];
        assert!(shard.post((self.frame.clone(), frames)).is_ok());
        for member in &mut self.members {
            member.read_exact(buffer).expect("all of it");
        }
    }
}
