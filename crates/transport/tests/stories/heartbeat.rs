//! Pings, pongs, and what happens to whoever stays silent.

use crate::{
    polling::open,
    support::{Setup, TestServer, Told, Ws, get, post},
};
use std::time::Duration;
use transport::CloseReason;

fn server(interval: u64, timeout: u64) -> TestServer {
    Setup::new()
        .with(|config| {
            config.ping_interval = Duration::from_millis(interval);
            config.ping_timeout = Duration::from_millis(timeout);
        })
        .start()
}

#[test]
fn pings_come_as_long_as_pongs_do() {
    let server = server(30, 20_000);
    let mut ws = Ws::engine(server.address(), "/engine.io/");
    for _ in 0..5 {
        assert_eq!(ws.text(), "2");
        ws.send("3");
    }
    let session = open(&server, "/engine.io/");
    for _ in 0..3 {
        assert_eq!(get(server.address(), &session).body, "2");
        post(server.address(), &session, "3");
    }
}

#[test]
fn a_plain_websocket_is_pinged_by_its_own_frames() {
    let server = server(30, 20_000);
    let mut ws = Ws::open(server.address(), "/websocket/");
    for _ in 0..3 {
        assert_eq!(ws.told(), Told::Ping);
        ws.send_raw(&crate::support::frame(0x8a, b""));
    }
}

#[test]
fn who_does_not_answer_is_closed() {
    let server = server(30, 30);
    let mut ws = Ws::open(server.address(), "/engine.io/?EIO=4&transport=websocket");
    ws.wait_for_end();
    assert_eq!(server.ended(), CloseReason::PingTimeout);
    let session = open(&server, "/engine.io/");
    assert_eq!(server.ended(), CloseReason::PingTimeout);
    assert_eq!(get(server.address(), &session).status, 400);
}

#[test]
fn a_client_must_not_ping() {
    let server = server(600_000, 1);
    let mut ws = Ws::engine(server.address(), "/engine.io/");
    ws.send("2");
    ws.wait_for_end();
    assert_eq!(server.ended(), CloseReason::BadPacket);
}

#[test]
fn who_joins_no_namespace_is_closed() {
    let server = Setup::new()
        .with(|config| config.connect_timeout = Duration::from_millis(40))
        .start();
    let mut silent = Ws::engine(server.address(), "/socket.io/");
    assert_eq!(
        silent.close_code(),
        CloseReason::ConnectTimeout.close_code()
    );
    let mut refused = Ws::engine(server.address(), "/socket.io/");
    refused.send("40/random");
    refused.close_code();
    let mut unanswered = Ws::engine(server.address(), "/socket.io/");
    unanswered.send(r#"40{"later":true}"#);
    unanswered.close_code();
    assert_eq!(server.ended(), CloseReason::ConnectTimeout);
    let mut left = Ws::socketio(server.address());
    left.send("41");
    left.close_code();
}
