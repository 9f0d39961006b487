//! The server goes away: clients are told to come back elsewhere, and nothing of what waits is lost.

use crate::support::{Heard, Http, Mail, Setup, Told, Ws};
use std::{net::TcpStream, time::Duration};
use transport::{CloseReason, DrainPlan, Drained};

const PLAN: DrainPlan = DrainPlan {
    closes_per_step: 4,
    deadline: Duration::from_secs(20),
};

#[test]
fn a_drain_closes_every_socket_in_order_and_ends() {
    let server = Setup::new().with(|config| config.shards = 2).start();
    let address = server.address();
    let mut sockets: Vec<Ws> = (0..10).map(|_| Ws::socketio(address)).collect();
    let session = crate::polling::open(&server, "/engine.io/");
    let poll = format!("GET {session} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut waiting = Http::open(address).send(poll);
    for shard in 0..2 {
        server.post(shard, Mail::Shout("last words".into(), 1));
    }
    let draining = std::thread::spawn(move || server.drain(PLAN));
    for ws in &mut sockets {
        assert_eq!(ws.text(), r#"42["shout","last words"]"#);
        // No DISCONNECT packet: the official client would not come back after it.
        assert_eq!(ws.told(), Told::Close(Some(1001)));
        assert_eq!(ws.told(), Told::End);
    }
    drop(sockets);
    // The poll may have been on its way when the doors closed; if it was heard, it is told to close.
    let reply = waiting.reply_if_any();
    assert!(reply.is_none_or(|r| r.body == "1" || r.status >= 400));
    drop(waiting);
    let (drained, heard) = draining.join().unwrap();
    assert_eq!(
        drained,
        Drained {
            sessions_cut: 0,
            shards_failed: 0
        }
    );
    let heard: Vec<Heard> = heard.try_iter().collect();
    assert_eq!(heard.iter().filter(|h| **h == Heard::Draining).count(), 2);
    let ended = Heard::Ended(CloseReason::Draining);
    assert!(heard.iter().filter(|h| **h == ended).count() >= 10);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_drain_ends_at_its_deadline_even_when_a_request_does_not() {
    let server = Setup::new().start();
    let session = crate::polling::open(&server, "/engine.io/");
    let half = format!("POST {session} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4half");
    let _stuck = Http::open(server.address()).send(half);
    let plan = DrainPlan {
        closes_per_step: 1,
        deadline: Duration::from_millis(100),
    };
    assert_eq!(server.drain(plan).0.shards_failed, 0);
}

#[test]
fn an_idle_server_drains_at_once() {
    let server = Setup::new().with(|config| config.shards = 3).start();
    assert_eq!(server.drain(PLAN).0.sessions_cut, 0);
}
