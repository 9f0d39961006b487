//! Requests of one session that reach different shards: the kernel deals connections by their ports, so with many
//! of them some are strays.

use crate::{
    polling::open,
    support::{Setup, TestServer, Ws, get, post},
    upgrade::probe,
};
use std::sync::atomic::Ordering::Relaxed;

fn server() -> TestServer {
    Setup::new().with(|config| config.shards = 4).start()
}

#[test]
fn polls_and_posts_find_their_session_from_any_shard() {
    let server = server();
    for _ in 0..4 {
        let session = open(&server, "/engine.io/");
        for number in 0..16 {
            let body = format!("4{number}");
            assert_eq!(post(server.address(), &session, &body).status, 200);
            assert_eq!(get(server.address(), &session).body, body);
        }
    }
}

#[test]
fn a_websocket_takes_its_session_over_from_any_shard() {
    let server = server();
    for _ in 0..24 {
        let session = open(&server, "/engine.io/");
        post(server.address(), &session, "4waits");
        let mut ws = probe(&server, &session);
        ws.send("5");
        assert_eq!(ws.text(), "4waits");
        ws.send("4hello");
        assert_eq!(ws.text(), "4hello");
    }
    let upgrades = |shard: usize| {
        server.server.shards()[shard]
            .counters()
            .upgrades
            .load(Relaxed)
    };
    assert_eq!((0..4).map(upgrades).sum::<u64>(), 24);
}

#[test]
fn a_poll_given_up_on_another_shard_closes_its_session() {
    let server = server();
    for _ in 0..8 {
        let session = open(&server, "/engine.io/");
        crate::polling::give_up_polls_until_closed(&server, &session);
    }
}

#[test]
fn a_sid_of_another_node_or_of_a_shard_that_is_not_there_is_unknown() {
    let server = server();
    let session = open(&server, "/engine.io/");
    // 24 bytes in base64: secret (16), node (4), shard (1), slot (3).
    let (front, sid) = session.split_at(session.len() - 32);
    for foreign in [
        format!("{}AAAAAQ{}", &sid[..21], &sid[27..]),
        format!("{}_{}", &sid[..27], &sid[28..]),
    ] {
        let reply = get(server.address(), &format!("{front}{foreign}"));
        assert_eq!(
            (reply.status, reply.body.contains("Session ID unknown")),
            (400, true)
        );
    }
    assert_eq!(post(server.address(), &session, "4a").status, 200);
}

#[test]
fn sockets_of_all_shards_are_served() {
    let server = server();
    let mut sockets: Vec<Ws> = (0..32).map(|_| Ws::socketio(server.address())).collect();
    for ws in &mut sockets {
        ws.send(r#"42["message","hi"]"#);
        assert_eq!(ws.text(), r#"42["message-back","hi"]"#);
    }
}
