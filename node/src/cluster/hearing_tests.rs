//! A shard that does not keep up: nobody waits for it, and it is told that it has lost something.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::hints::Bus;
use bus::hints_local::LocalBus;
use bus::roster::NodeCard;
use bus::roster_local::LocalRoster;
use chat::Input;
use http::{Request, Response};
use hyper::body::Incoming;
use protocol::envelope::{Envelope, Topic};
use protocol::ids::{NodeId, RoomId, UserId};
use transport::{
    Application, Body, CloseReason, ConnectRequest, DrainPlan, Event, HttpFallback, ResponseFuture,
    Server, ServerConfig, SocketId, Sockets,
};
use uuid::Uuid;

use super::{Cluster, Line, hearing, revocations};
use crate::metrics::NodeMetrics;
use crate::shard::Mail;

const PATIENCE: Duration = Duration::from_secs(30);
const MAILBOX: usize = 4;
const ROOM: RoomId = RoomId(Uuid::from_u128(1));

/// A shard that handles no mail before it may.
struct Stuck {
    gate: Option<Receiver<()>>,
    seen: SyncSender<Input>,
}

impl Application for Stuck {
    type Mail = Mail;

    fn on_connect(&mut self, _: &mut Sockets, _: SocketId, _: ConnectRequest<'_>) {}

    fn on_event(&mut self, _: &mut Sockets, _: SocketId, _: Event<'_>) {}

    fn on_disconnect(&mut self, _: &mut Sockets, _: SocketId, _: CloseReason) {}

    fn on_mail(&mut self, _: &mut Sockets, mail: Mail) {
        if let Some(gate) = self.gate.take() {
            gate.recv().unwrap();
        }
        if let Mail::Input(input) = mail {
            self.seen.send(*input).unwrap();
        }
    }
}

struct Nothing;

impl HttpFallback for Nothing {
    fn answer(&self, _: Request<Incoming>, _: std::net::SocketAddr) -> ResponseFuture {
        Box::pin(std::future::ready(Response::new(Body::default())))
    }
}

fn typing(active: bool) -> Envelope {
    Envelope::Typing {
        room: ROOM,
        user: UserId(Uuid::from_u128(2)),
        active,
    }
}

#[tokio::test]
async fn a_shard_that_lost_something_is_told_so_as_soon_as_it_can_be() {
    let (open, gate) = sync_channel(1);
    let (seen, sees) = sync_channel(100);
    let stuck = Mutex::new(Some(Stuck {
        gate: Some(gate),
        seen,
    }));
    let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    (config.shards, config.mailbox) = (1, MAILBOX);
    let factory = move |_, _: &[_]| stuck.lock().unwrap().take().unwrap();
    let server = Server::start(config, factory, Arc::new(Nothing), None).unwrap();

    let bus = Arc::new(LocalBus::new());
    let card = NodeCard {
        id: NodeId(1),
        name: "node".to_owned(),
        url: "http://node.test".to_owned(),
        hears: true,
    };
    let cluster = Cluster::new(bus.clone(), Arc::new(LocalRoster::new()), card);
    let line = Arc::new(Line::new(cluster, NodeMetrics::register()));
    let (said, mut heard) = revocations::channel();
    bus.watch(Topic::Room(ROOM));
    bus.watch(Topic::Everyone);
    let store = store::open("sqlite::memory:").await.unwrap();
    let hearing = hearing::hear(line, store, server.shards().to_vec(), said);
    let test = async {
        let sent = 10 * MAILBOX;
        for n in 0..sent {
            bus.publish(typing(n % 2 == 0));
        }
        // Comes behind all of it: when it is heard, they were posted or dropped.
        bus.publish(Envelope::Revoked {
            sessions: Vec::new(),
            reason: "logout".to_owned(),
        });
        heard.words.recv().await.unwrap();
        open.send(()).unwrap();
        let mut passed = 0;
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        loop {
            match sees.try_recv() {
                Ok(Input::Passing { .. }) => passed += 1,
                Ok(Input::BusLost) => break,
                _ => drop(looks.tick().await),
            }
        }
        // What it had room for, and the one that it was at.
        assert!((1..=MAILBOX + 1).contains(&passed), "{passed} of {sent}");
        // From then on it hears everything again.
        bus.publish(typing(true));
        loop {
            match sees.try_recv() {
                Ok(Input::Passing { .. }) => break,
                _ => drop(looks.tick().await),
            }
        }
    };
    tokio::select! {
        done = tokio::time::timeout(PATIENCE, test) => done.expect("it is never told"),
        () = hearing => panic!("the bus was not closed"),
    }
    let plan = DrainPlan {
        closes_per_step: 1,
        deadline: PATIENCE,
    };
    assert_eq!(server.drain(plan).await.shards_failed, 0);
}
