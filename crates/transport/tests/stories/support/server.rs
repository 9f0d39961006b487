//! A server for one test.

use super::{
    PATIENCE,
    app::{Echo, Heard, Mail},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};
use transport::{
    DrainPlan, Drained, Endpoint, HttpFallback, Mode, ResponseFuture, Server, ServerConfig,
};

pub(crate) struct Setup {
    pub(crate) config: ServerConfig,
}

pub(crate) struct TestServer {
    pub(crate) server: Server<Mail>,
    pub(crate) heard: Receiver<Heard>,
}

struct Hello;

impl HttpFallback for Hello {
    fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> ResponseFuture {
        Box::pin(async move {
            let text = format!("{} {} {}", request.method(), request.uri(), peer.ip());
            let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
            Response::new(body.boxed_unsync())
        })
    }
}

impl Setup {
    /// One shard, heartbeats that no test lives to see, no rate.
    pub(crate) fn new() -> Setup {
        let endpoint = |path: &str, mode| Endpoint {
            path: path.into(),
            mode,
        };
        let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
        config.shards = 1;
        config.endpoints = vec![
            endpoint("/socket.io/", Mode::SocketIo),
            endpoint("/engine.io/", Mode::EngineIo),
            endpoint("/websocket/", Mode::WebSocket),
        ];
        config.ping_interval = Duration::from_secs(600);
        config.connect_timeout = Duration::from_secs(600);
        config.limits.rate = None;
        config.tick = Some(Duration::from_millis(20));
        Setup { config }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut ServerConfig)) -> Setup {
        change(&mut self.config);
        self
    }

    pub(crate) fn start(self) -> TestServer {
        let (tell, heard) = sync_channel(100_000);
        let make = move |_, _: &[_]| Echo {
            heard: tell.clone(),
            members: Vec::new(),
            waiting: Vec::new(),
        };
        let server = Server::start(self.config, make, Arc::new(Hello), None).unwrap();
        TestServer { server, heard }
    }
}

impl TestServer {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub(crate) fn post(&self, shard: usize, mail: Mail) {
        assert!(self.server.shards()[shard].post(mail).is_ok());
    }

    /// The next thing the application tells that `pick` takes.
    pub(crate) fn hear<T>(&self, pick: impl Fn(&Heard) -> Option<T>) -> T {
        loop {
            let heard = self.heard.recv_timeout(PATIENCE).unwrap();
            if let Some(picked) = pick(&heard) {
                return picked;
            }
        }
    }

    pub(crate) fn ended(&self) -> transport::CloseReason {
        self.hear(|heard| match heard {
            Heard::Ended(reason) => Some(*reason),
            _ => None,
        })
    }

    /// Bytes that the kernel has not taken for the slowest member: read in a turn in which nothing was sent.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        let turns = || {
            let counters = self.server.shards()[0].counters();
            counters.turns.load(std::sync::atomic::Ordering::Relaxed)
        };
        let before = turns();
        self.outbox_bytes();
        while turns() == before {
            std::thread::yield_now();
        }
        self.outbox_bytes()
    }

    fn outbox_bytes(&self) -> usize {
        let (reply, answer) = sync_channel(1);
        self.post(0, Mail::Outbox(reply));
        answer.recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn drain(self, plan: DrainPlan) -> (Drained, Receiver<Heard>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        (runtime.block_on(self.server.drain(plan)), self.heard)
    }
}
