//! Long-polling: payloads both ways, requests that overlap or vanish, bodies that are no payload.

use crate::support::{Heard, Http, Setup, TestServer, Ws, get, post, request};
use transport::CloseReason;

pub(crate) fn open(server: &TestServer, path: &str) -> String {
    let reply = get(server.address(), &format!("{path}?EIO=4&transport=polling"));
    let packet: serde_json::Value = serde_json::from_str(&reply.body[1..]).unwrap();
    format!(
        "{path}?EIO=4&transport=polling&sid={}",
        packet["sid"].as_str().unwrap()
    )
}

/// A poll that is given up before the server has read it was never there: so again, and a little longer each time.
pub(crate) fn give_up_polls_until_closed(server: &TestServer, session: &str) {
    let mut hold = std::time::Duration::from_millis(10);
    loop {
        let http = Http::open(server.address()).send(poll_text(session));
        // Nothing is to come while the poll is held: this only gives the server the time to read it.
        assert!(server.heard.recv_timeout(hold).is_err());
        drop(http);
        hold *= 2;
        match server.heard.recv_timeout(hold) {
            Ok(Heard::Ended(reason)) => return assert_eq!(reason, CloseReason::TransportError),
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
    }
}

fn poll_text(session: &str) -> String {
    format!("GET {session} HTTP/1.1\r\nHost: chat.test\r\n\r\n")
}

#[test]
fn packets_of_one_payload_are_echoed() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let reply = post(server.address(), &session, "4hello");
    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
    assert_eq!(get(server.address(), &session).body, "4hello");
    post(
        server.address(),
        &session,
        "4test1\x1e4test2\x1ebAQIDBA==\x1e4test3",
    );
    assert_eq!(
        get(server.address(), &session).body,
        "4test1\x1e4test2\x1ebAQIDBA==\x1e4test3"
    );
}

#[test]
fn a_waiting_poll_is_answered_as_soon_as_there_is_something_to_say() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let mut waiting = Http::open(server.address()).send(poll_text(&session));
    post(server.address(), &session, "4now");
    assert_eq!(waiting.reply().body, "4now");
}

#[test]
fn one_connection_carries_many_polls_and_posts() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let mut http = Http::open(server.address());
    for number in 0..50 {
        let body = format!("4{number}");
        let text = format!(
            "POST {session} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http = http.send(text);
        assert_eq!(http.reply().body, "ok");
        http = http.send(poll_text(&session));
        assert_eq!(http.reply().body, body);
    }
}

#[test]
fn what_is_no_payload_closes_the_session() {
    let server = Setup::new().start();
    for body in ["abc", "", "4a\x1e", "0{}", "2", "5", "b!!!"] {
        let session = open(&server, "/engine.io/");
        assert_eq!(
            post(server.address(), &session, body).status,
            400,
            "{body:?}"
        );
        assert_eq!(get(server.address(), &session).status, 400, "{body:?}");
        assert_eq!(server.ended(), CloseReason::BadPacket, "{body:?}");
    }
}

#[test]
fn bytes_as_a_body_close_the_session() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let reply = request(
        server.address(),
        "POST",
        &session,
        "Content-Type: application/octet-stream\r\n",
        "4a",
    );
    assert_eq!(reply.status, 400);
    assert_eq!(get(server.address(), &session).status, 400);
}

#[test]
fn a_second_poll_closes_the_session_and_ends_the_first() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    // Two requests on one wire keep their order only as far as the server reads it: the first must be seen waiting.
    let mut first = Http::open(server.address()).send(poll_text(&session));
    let second = loop {
        let mut second = Http::open(server.address()).send(poll_text(&session));
        let reply = second.reply();
        if reply.status == 400 {
            break reply;
        }
    };
    assert_eq!(second.status, 400);
    assert_eq!(first.reply().body, "1");
    assert_eq!(server.ended(), CloseReason::Overlap);
    assert_eq!(get(server.address(), &session).status, 400);
}

#[test]
fn a_second_post_closes_the_session() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let half = format!("POST {session} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4half");
    let _first = Http::open(server.address()).send(half);
    while post(server.address(), &session, "4x").status == 200 {
        // The first request has not been read yet; ask again.
    }
    assert_eq!(server.ended(), CloseReason::Overlap);
}

#[test]
fn a_poll_that_is_given_up_closes_the_session() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    give_up_polls_until_closed(&server, &session);
    assert_eq!(get(server.address(), &session).status, 400);
}

#[test]
fn a_close_packet_ends_the_session() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let mut waiting = Http::open(server.address()).send(poll_text(&session));
    assert_eq!(post(server.address(), &session, "1").status, 200);
    // The poll may have come after the close, and is then told that the session is unknown.
    let reply = waiting.reply();
    assert!(reply.body == "6" || reply.status == 400, "{reply:?}");
    assert_eq!(server.ended(), CloseReason::ClientClosed);
}

#[test]
fn a_session_answers_to_its_transport_only() {
    let server = Setup::new().start();
    let session = open(&server, "/engine.io/");
    let reply = get(server.address(), &session.replace("polling", "websocket"));
    assert_eq!(reply.status, 400);
    assert_eq!(
        request(server.address(), "DELETE", &session, "", "").status,
        400
    );
    let stolen = session.replace("sid=", "sid=A");
    assert_eq!(get(server.address(), &stolen).status, 400);
}

#[test]
fn socketio_works_by_polling_alone() {
    let server = Setup::new().start();
    let session = open(&server, "/socket.io/");
    post(server.address(), &session, "40");
    let greetings = get(server.address(), &session).body;
    assert!(greetings.starts_with("40{\"sid\":"), "{greetings}");
    assert!(greetings.ends_with("\x1e42[\"auth\",{}]"), "{greetings}");
    post(
        server.address(),
        &session,
        "452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\x1ebAQID\x1ebBAU=",
    );
    assert_eq!(
        get(server.address(), &session).body,
        "452-[\"message-back\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\x1ebAQID\x1ebBAU="
    );
    post(server.address(), &session, r#"42["kick"]"#);
    // One after the other: the official client hears nothing that comes in one payload with the close.
    assert_eq!(get(server.address(), &session).body, "41");
    assert_eq!(get(server.address(), &session).body, "1");
    assert_eq!(get(server.address(), &session).status, 400);
}

#[test]
fn a_polling_session_does_not_answer_a_websocket_client_of_another_name() {
    let server = Setup::new().start();
    open(&server, "/engine.io/");
    let target = format!(
        "/engine.io/?EIO=4&transport=websocket&sid={}",
        "A".repeat(32)
    );
    assert_eq!(Ws::try_open(server.address(), &target, "").1.status, 400);
}
