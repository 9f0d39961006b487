//! From long-polling to WebSocket, and everything that can go wrong on the way.

use crate::{
    polling::open,
    support::{Http, Setup, TestServer, Told, Ws, get, post},
};
use std::time::Duration;

pub(crate) fn probe(server: &TestServer, session: &str) -> Ws {
    let mut ws = Ws::open(server.address(), &session.replace("polling", "websocket"));
    ws.send("2probe");
    assert_eq!(ws.text(), "3probe");
    ws
}

#[test]
fn a_session_changes_over_and_keeps_what_waited() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    post(server.address(), &session, "4waits");
    let mut ws = probe(&server, &session);
    ws.send("5");
    assert_eq!(ws.text(), "4waits");
    ws.send("4hello");
    assert_eq!(ws.text(), "4hello");
    ws.send_binary(&[1, 2, 3, 4]);
    assert_eq!(ws.told(), Told::Binary(vec![1, 2, 3, 4]));
}

#[test]
fn a_poll_that_waits_is_ended_with_a_noop() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let text = format!("GET {session} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut waiting = Http::open(server.address()).send(&text);
    let mut ws = probe(&server, &session);
    assert_eq!(waiting.reply().body, "6");
    assert_eq!(get(server.address(), &session).body, "6");
    ws.send("5");
    ws.send("4a");
    assert_eq!(ws.text(), "4a");
}

#[test]
fn what_follows_the_upgrade_packet_in_one_segment_is_heard() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let mut ws = probe(&server, &session);
    let both = [
        crate::support::frame(0x81, b"5"),
        crate::support::frame(0x81, b"4x"),
    ]
    .concat();
    ws.send_raw(&both);
    assert_eq!(ws.text(), "4x");
}

#[test]
fn after_the_upgrade_polls_are_refused_and_the_session_lives_on() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let mut ws = probe(&server, &session);
    ws.send("5");
    ws.send("4a");
    assert_eq!(ws.text(), "4a");
    assert_eq!(get(server.address(), &session).status, 400);
    assert_eq!(post(server.address(), &session, "4b").status, 400);
    ws.send("4c");
    assert_eq!(ws.text(), "4c");
}

#[test]
fn a_second_websocket_is_turned_away_and_the_first_lives_on() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let mut ws = probe(&server, &session);
    let mut second = Ws::open(server.address(), &session.replace("polling", "websocket"));
    second.wait_for_end();
    ws.send("5");
    let mut third = Ws::open(server.address(), &session.replace("polling", "websocket"));
    third.wait_for_end();
    ws.send("4a");
    assert_eq!(ws.text(), "4a");
}

#[test]
fn a_probe_that_fails_leaves_the_session_on_polling() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    for word in ["5", "4hello", "2", "3probe", ""] {
        let mut ws = Ws::open(server.address(), &session.replace("polling", "websocket"));
        ws.send(word);
        ws.wait_for_end();
    }
    drop(probe(&server, &session));
    post(server.address(), &session, "4still here");
    let answer = loop {
        // While the lost probe has not been noticed polls are ended with a noop.
        let body = get(server.address(), &session).body;
        if body != "6" {
            break body;
        }
    };
    assert_eq!(answer, "4still here");
}

#[test]
fn a_probe_that_does_not_go_on_is_dropped() {
    let server = Setup::new()
        .with(|config| config.upgrade_timeout = Duration::from_millis(50))
        .start();
    let session = open(&server, "/engine.io/");
    probe(&server, &session).wait_for_end();
    post(server.address(), &session, "4a");
    assert_eq!(get(server.address(), &session).body, "4a");
}

/// A session in a room that has got as far as the client's last packet before it changes over.
fn changing_over(server: &TestServer) -> (String, Ws) {
    let session = open(server, "/socket.io/");
    post(server.address(), &session, "40");
    get(server.address(), &session);
    let ws = probe(server, &session);
    (session, ws)
}

#[test]
fn a_session_that_ends_while_its_client_changes_over_is_told_so_on_the_websocket() {
    let server = Setup::new().start();
    let (session, mut ws) = changing_over(&server);
    post(server.address(), &session, r#"42["close"]"#);
    // The official client polls no more: only here can it hear of it.
    ws.send("5");
    assert!(matches!(ws.told(), Told::Close(Some(_))));
}

#[test]
fn a_session_that_ends_while_its_client_changes_over_waits_no_longer_than_for_the_upgrade() {
    let server = Setup::new()
        .with(|config| config.upgrade_timeout = Duration::from_millis(50))
        .start();
    let (session, mut ws) = changing_over(&server);
    post(server.address(), &session, r#"42["close"]"#);
    ws.wait_for_end();
    let (session, ws) = changing_over(&server);
    post(server.address(), &session, r#"42["close"]"#);
    drop(ws);
    while get(server.address(), &session).status != 400 {}
}
