//! What a delivery costs from the mailbox to the sockets: one mail is broadcast to all members of a room, and the
//! clients have read everything before the next. `frames` of one turn share a write.
#![allow(
    missing_docs,
    reason = "criterion's macros write public items without docs"
)]

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
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

const MEMBERS: usize = 200;

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

fn broadcast(c: &mut Criterion) {
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
    let mut members: Vec<_> = (0..MEMBERS).map(|_| join(server.local_addr())).collect();
    let shard = &server.shards()[0];
    while shard.counters().sockets.load(Relaxed) < MEMBERS as u64 {
        std::thread::yield_now();
    }
    let frame = Frame::event("message:new", &"x".repeat(128));
    let mut group = c.benchmark_group("broadcast to 200 sockets and read by all");
    for frames in [1usize, 8, 64] {
        group.throughput(Throughput::Elements((MEMBERS * frames) as u64));
        group.bench_function(BenchmarkId::from_parameter(frames), |b| {
            let mut buffer = vec![0; frame.wire().len() * frames];
            b.iter(|| {
                assert!(shard.post((frame.clone(), frames)).is_ok());
                for member in &mut members {
                    member.read_exact(&mut buffer).expect("all of it");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, broadcast);
criterion_main!(benches);
