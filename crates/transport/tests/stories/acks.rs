//! Events with arguments of every kind, attachments, and acknowledgements both ways.

use crate::support::{Heard, Setup, Told, Ws};
use transport::CloseReason;

#[test]
fn arguments_come_back_as_they_went() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    ws.send(r#"42["message",1,"2",{"3":[true]}]"#);
    assert_eq!(ws.text(), r#"42["message-back",1,"2",{"3":[true]}]"#);
    ws.send(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#);
    assert_eq!(ws.text(), r#"43456[1,"2",{"3":[false]}]"#);
    ws.send("42[\"message\",\"ü€😀\\n\"]");
    assert_eq!(ws.text(), "42[\"message-back\",\"ü€😀\\n\"]");
}

#[test]
fn attachments_follow_their_packet() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    let args = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    ws.send(&format!(r#"452-["message",{args}]"#));
    ws.send_binary(&[1, 2, 3]);
    ws.send_binary(&[4, 5, 6]);
    assert_eq!(ws.text(), format!(r#"452-["message-back",{args}]"#));
    assert_eq!(ws.told(), Told::Binary(vec![1, 2, 3]));
    assert_eq!(ws.told(), Told::Binary(vec![4, 5, 6]));
    ws.send(&format!(r#"452-789["message-with-ack",{args}]"#));
    ws.send_binary(&[1, 2, 3]);
    ws.send_binary(&[4, 5, 6]);
    assert_eq!(ws.text(), format!("462-789[{args}]"));
    assert_eq!(ws.told(), Told::Binary(vec![1, 2, 3]));
    assert_eq!(ws.told(), Told::Binary(vec![4, 5, 6]));
}

#[test]
fn the_server_asks_and_takes_only_answers_that_it_asked_for() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    ws.send("4399[\"unasked\"]");
    ws.send(r#"42["ask"]"#);
    assert_eq!(ws.text(), r#"421["question",1]"#);
    ws.send(r#"431["yes",2]"#);
    ws.send(r#"431["twice"]"#);
    ws.send(r#"42["ask"]"#);
    assert_eq!(ws.text(), r#"422["question",1]"#);
    ws.send(r#"432[]"#);
    let answered = || {
        server.hear(|heard| match heard {
            Heard::Answered(answer) => Some(answer.clone()),
            _ => None,
        })
    };
    assert_eq!(answered(), r#"1 ["\"yes\"", "2"]"#);
    assert_eq!(answered(), "2 []");
}

#[test]
fn what_breaks_the_framing_of_packets_closes_the_connection() {
    let server = Setup::new().start();
    for text in [
        "4abc",
        "42{}",
        "42abc[\"message-with-ack\",1]",
        "42[]",
        "42[{\"a\":1}]",
        "42[\"connect\"]",
        "42NaN[\"message\"]",
        "450-[\"message\"]",
        "45999999-[\"message\"]",
        "4511-[\"message\"]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":5}]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":\"0\"}]",
        "43[]",
        "44{}",
        "0",
        "5",
        "x",
        "",
    ] {
        let mut ws = Ws::socketio(server.address());
        ws.send(text);
        assert_eq!(
            ws.close_code(),
            CloseReason::BadPacket.close_code(),
            "{text}"
        );
    }
}

#[test]
fn nothing_may_stand_between_a_packet_and_its_attachments() {
    let server = Setup::new().start();
    let mut ws = Ws::socketio(server.address());
    ws.send(r#"451-["message",{"_placeholder":true,"num":0}]"#);
    ws.send(r#"42["message",1]"#);
    assert_eq!(ws.close_code(), CloseReason::BadPacket.close_code());
    let mut ws = Ws::socketio(server.address());
    ws.send_binary(&[1]);
    assert_eq!(ws.close_code(), CloseReason::BadPacket.close_code());
}
