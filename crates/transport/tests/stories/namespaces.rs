//! Socket.IO's namespaces: joining, refusing, leaving, and events in each.

use crate::support::{Heard, Mail, Setup, Told, Ws};
use transport::CloseReason;

#[test]
fn the_main_namespace_is_joined_with_and_without_auth() {
    let server = Setup::new().start();
    let mut ws = Ws::engine(server.address(), "/socket.io/");
    ws.send(r#"40{"token":"123"}"#);
    let connected: serde_json::Value = serde_json::from_str(&ws.text()[2..]).unwrap();
    assert_eq!(connected.as_object().unwrap().len(), 1);
    assert!(connected["sid"].is_string());
    assert_eq!(ws.text(), r#"42["auth",{"token":"123"}]"#);
    Ws::socketio(server.address());
}

#[test]
fn another_namespace_is_joined_beside_or_instead_of_it() {
    let server = Setup::new().start();
    let mut ws = Ws::engine(server.address(), "/socket.io/");
    ws.send(r#"40/custom,{"token":"abc"}"#);
    assert!(ws.text().starts_with("40/custom,{\"sid\":"));
    assert_eq!(ws.text(), r#"42/custom,["auth",{"token":"abc"}]"#);
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    ws.text();
    ws.send(r#"42/custom,["message",1]"#);
    assert_eq!(ws.text(), r#"42/custom,["message-back",1]"#);
    ws.send(r#"42["message",2]"#);
    assert_eq!(ws.text(), r#"42["message-back",2]"#);
    ws.send(r#"42/custom,7["message-with-ack",1,"2"]"#);
    assert_eq!(ws.text(), r#"43/custom,7[1,"2"]"#);
}

#[test]
fn a_refusal_has_a_message_and_data_and_the_session_lives_on() {
    let server = Setup::new().start();
    let mut ws = Ws::engine(server.address(), "/socket.io/");
    ws.send("40/random");
    assert_eq!(ws.text(), r#"44/random,{"message":"Invalid namespace"}"#);
    ws.send(r#"40{"refuse":true}"#);
    assert_eq!(
        ws.text(),
        r#"44{"message":"no","data":{"code":"token_invalid"}}"#
    );
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
}

#[test]
fn an_answer_may_come_later() {
    let server = Setup::new().start();
    let mut ws = Ws::engine(server.address(), "/socket.io/");
    ws.send(r#"40{"later":true}"#);
    // Mail and the socket are two ways into the shard: repeat until the connect was there first.
    let mut other = Ws::engine(server.address(), "/socket.io/");
    other.send("40/nobody");
    other.text();
    server.post(0, Mail::AcceptAll);
    assert!(ws.text().starts_with("40{"));
}

#[test]
fn leaving_one_namespace_keeps_the_others() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    ws.send("40/custom");
    ws.text();
    ws.text();
    ws.send("41/custom");
    ws.send(r#"42["message","message to main namespace"]"#);
    assert_eq!(
        ws.text(),
        r#"42["message-back","message to main namespace"]"#
    );
    assert_eq!(server.ended(), CloseReason::ClientLeft);
    ws.send("41");
    ws.send("40/custom");
    assert!(ws.text().starts_with("40/custom,{"));
}

#[test]
fn the_server_ends_a_namespace_a_session_or_a_transport() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    ws.send(r#"42["leave"]"#);
    assert_eq!(ws.text(), "41");
    assert_eq!(server.ended(), CloseReason::ServerLeft);
    // What was under way when the server ended the namespace is late and not wrong.
    ws.send(r#"42["message",1]"#);
    ws.send("40");
    assert!(ws.text().starts_with("40{"));
    ws.text();
    ws.send(r#"42["kick"]"#);
    assert_eq!(ws.text(), "41");
    assert_eq!(ws.told(), Told::Close(Some(1000)));
    let mut ws = Ws::socketio(server.address());
    ws.send(r#"42["close"]"#);
    assert_eq!(ws.told(), Told::Close(Some(1000)));
}

#[test]
fn nothing_is_heard_before_the_application_has_accepted() {
    let server = Setup::new().start();
    for first in [
        r#"42["message",1]"#,
        r#"42/custom,["message",1]"#,
        r#"40{"later":true}"#,
        "abc",
        "4abc",
        "47",
    ] {
        let mut ws = Ws::engine(server.address(), "/socket.io/");
        ws.send(first);
        ws.send(r#"42["message",1]"#);
        assert_eq!(
            ws.close_code(),
            CloseReason::BadPacket.close_code(),
            "{first}"
        );
    }
}

#[test]
fn a_second_connect_to_the_same_namespace_is_an_error() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    ws.send("40");
    assert_eq!(ws.close_code(), CloseReason::BadPacket.close_code());
}

#[test]
fn namespaces_of_one_session_are_bounded() {
    let server = Setup::new()
        .with(|config| config.limits.namespaces = 3)
        .start();
    let mut ws = Ws::socketio(server.address());
    for number in 0..3 {
        ws.send(&format!("40/n{number},"));
        assert!(ws.text().contains("Invalid namespace"));
    }
    ws.send("40/n3,");
    assert_eq!(ws.text(), r#"44/n3,{"message":"Too many namespaces"}"#);
}

#[test]
fn a_panic_in_the_application_ends_one_socket_and_no_other() {
    let server = Setup::new().start();
    let mut neighbour = Ws::socketio(server.address());
    let mut ws = Ws::socketio(server.address());
    ws.send(r#"42["panic"]"#);
    assert_eq!(ws.close_code(), 1011);
    assert_eq!(server.ended(), CloseReason::Failed);
    neighbour.send(r#"42["message","alive"]"#);
    assert_eq!(neighbour.text(), r#"42["message-back","alive"]"#);
}

#[test]
fn a_broadcast_reaches_every_member() {
    let server = Setup::new().start();
    let mut members: Vec<Ws> = (0..5).map(|_| Ws::socketio(server.address())).collect();
    for _ in 0..5 {
        server.hear(|heard| matches!(heard, Heard::Connected(..)).then_some(()));
    }
    server.post(0, Mail::Shout("hear".into(), 3));
    for member in &mut members {
        for _ in 0..3 {
            assert_eq!(member.text(), r#"42["shout","hear"]"#);
        }
    }
}
