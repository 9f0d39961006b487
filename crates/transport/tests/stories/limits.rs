//! What a hostile client meets: bounds on requests, payloads, packets and rates, each with its own answer.

use crate::{
    polling::open,
    support::{Http, Setup, Ws, get, post, request},
};
use std::time::Duration;
use transport::{CloseReason, Rate};

#[test]
fn heads_that_are_too_large_are_refused() {
    let server = Setup::new().start();
    let many: String = (0..2000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let target = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(
        request(server.address(), "GET", target, &many, "").status,
        431
    );
    let some: String = (0..70).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(
        request(server.address(), "GET", target, &some, "").status,
        431
    );
    for name in [
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Cookie",
    ] {
        let long = format!("{name}: {}\r\n", "x,".repeat(500_000));
        assert_eq!(
            request(server.address(), "GET", target, &long, "").status,
            431,
            "{name}"
        );
    }
    let long = format!("{target}&x={}", "y".repeat(5000));
    assert_eq!(get(server.address(), &long).status, 414);
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let server = Setup::new()
        .with(|config| config.request_timeout = Duration::from_millis(50))
        .start();
    let mut slow = Http::open(server.address()).send("GET /socket.io/ HTTP/1.1\r\nHost: x\r\nX-");
    let mut silent = Http::open(server.address());
    while !slow.is_at_end() {}
    while !silent.is_at_end() {}
}

#[test]
fn a_body_that_never_ends_is_given_up() {
    let server = Setup::new()
        .with(|config| config.request_timeout = Duration::from_millis(50))
        .start();
    let session = open(&server, "/engine.io/");
    let half = format!("POST {session} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4half");
    assert_eq!(Http::open(server.address()).send(half).reply().status, 408);
    assert_eq!(server.ended(), CloseReason::TransportError);
}

#[test]
fn a_payload_over_the_bound_is_refused_and_closes_the_session() {
    let server = Setup::new()
        .with(|config| config.limits.max_payload = 1000)
        .start();
    let session = open(&server, "/engine.io/");
    assert_eq!(
        post(server.address(), &session, &"4".repeat(1001)).status,
        413
    );
    assert_eq!(server.ended(), CloseReason::TooBig);
    let session = open(&server, "/engine.io/");
    let chunked = format!(
        "POST {session} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n",
        "4".repeat(2000)
    );
    assert_eq!(
        Http::open(server.address()).send(chunked).reply().status,
        413
    );
    let session = open(&server, "/engine.io/");
    assert_eq!(
        post(server.address(), &session, &"4".repeat(1000)).status,
        200
    );
}

#[test]
fn packets_of_one_payload_are_bounded() {
    let server = Setup::new()
        .with(|config| config.limits.payload_packets = 4)
        .start();
    let session = open(&server, "/engine.io/");
    assert_eq!(
        post(server.address(), &session, &["4"; 4].join("\x1e")).status,
        200
    );
    assert_eq!(
        post(server.address(), &session, &["4"; 5].join("\x1e")).status,
        400
    );
    assert_eq!(server.ended(), CloseReason::BadPacket);
}

#[test]
fn two_lengths_in_one_request_are_refused() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    for headers in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -1\r\n",
    ] {
        let text = format!("POST {session} HTTP/1.1\r\nHost: x\r\n{headers}\r\n4a");
        assert_eq!(
            Http::open(server.address()).send(text).reply().status,
            400,
            "{headers}"
        );
    }
}

#[test]
fn json_depth_names_and_namespaces_are_bounded() {
    let server = Setup::new().start();
    let nested = format!("42[\"message\",{}1{}]", "[".repeat(40), "]".repeat(40));
    for text in [
        nested,
        format!("42[\"{}\"]", "n".repeat(200)),
        format!("40/{},", "n".repeat(200)),
    ] {
        let mut ws = Ws::socketio(server.address());
        ws.send(&text);
        assert_eq!(
            ws.close_code(),
            CloseReason::BadPacket.close_code(),
            "{:.40}",
            text
        );
    }
}

#[test]
fn attachments_are_bounded_in_number_and_bytes() {
    let server = Setup::new()
        .with(|config| config.limits.attachment_bytes = 1000)
        .start();
    let mut ws = Ws::socketio(server.address());
    ws.send("452-[\"message\"]");
    ws.send_binary(&[0; 600]);
    ws.send_binary(&[0; 600]);
    assert_eq!(ws.close_code(), 1009);
    let mut ws = Ws::socketio(server.address());
    ws.send("4511-[\"message\"]");
    assert_eq!(ws.close_code(), CloseReason::BadPacket.close_code());
}

#[test]
fn answers_that_are_owed_are_bounded() {
    let server = Setup::new().with(|config| config.limits.acks = 2).start();
    let mut ws = Ws::socketio(server.address());
    for _ in 0..3 {
        ws.send(r#"42["ask"]"#);
    }
    // The test's application takes the refusal of the third for a mistake of its own.
    assert_eq!(ws.close_code(), 1011);
}

#[test]
fn frames_and_bytes_a_second_are_bounded() {
    let rate = Rate {
        frames: 1.0,
        bytes: 1000.0,
        seconds_of_burst: 10.0,
    };
    let server = Setup::new()
        .with(|config| config.limits.rate = Some(rate))
        .start();
    let mut talker = Ws::engine(server.address(), "/engine.io/");
    for _ in 0..100 {
        talker.send("4a");
    }
    assert_eq!(talker.close_code(), CloseReason::RateLimited.close_code());
    assert_eq!(server.ended(), CloseReason::RateLimited);
    let mut heavy = Ws::engine(server.address(), "/engine.io/");
    heavy.send(&format!("4{}", "x".repeat(20_000)));
    assert_eq!(heavy.close_code(), CloseReason::RateLimited.close_code());
    let mut pinger = Ws::engine(server.address(), "/engine.io/");
    for _ in 0..100 {
        pinger.send_raw(&crate::support::frame(0x89, b""));
    }
    assert_eq!(pinger.close_code(), CloseReason::RateLimited.close_code());
}

#[test]
fn connections_that_are_no_sessions_are_bounded() {
    let server = Setup::new()
        .with(|config| config.limits.http_connections = 3)
        .start();
    let held: Vec<Http> = (0..3)
        .map(|_| {
            let mut http =
                Http::open(server.address()).send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(http.reply().status, 200);
            http
        })
        .collect();
    assert_eq!(Http::open(server.address()).reply().status, 503);
    drop(held);
}
