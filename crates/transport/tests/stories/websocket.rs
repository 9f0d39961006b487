//! RFC 6455 through a raw socket: each thing that a lenient reader would let pass.

use crate::support::{Setup, TestServer, Told, Ws, frame};

fn server() -> TestServer {
    Setup::new()
        .with(|config| config.limits.fragments = 128)
        .start()
}

#[test]
fn messages_of_every_length_class_are_echoed() {
    let server = Setup::new()
        .with(|config| config.limits.max_payload = 200_000)
        .start();
    let mut ws = Ws::open(server.address(), "/websocket/");
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        let text = "x".repeat(length);
        ws.send(&text);
        assert_eq!(ws.text(), text);
        ws.send_binary(&vec![7; length]);
        assert_eq!(ws.told(), Told::Binary(vec![7; length]));
    }
}

#[test]
fn a_message_that_comes_byte_by_byte_is_heard() {
    let server = server();
    let mut ws = Ws::open(server.address(), "/websocket/");
    for byte in frame(0x81, "häppchen".as_bytes()) {
        ws.send_raw(&[byte]);
    }
    assert_eq!(ws.text(), "häppchen");
}

#[test]
fn fragments_with_a_ping_between_them() {
    let server = server();
    let mut ws = Ws::open(server.address(), "/websocket/");
    ws.send_raw(&frame(0x01, b"one "));
    ws.send_raw(&frame(0x89, b"alive?"));
    ws.send_raw(&frame(0x80, b"two"));
    assert_eq!(ws.told(), Told::Pong(b"alive?".to_vec()));
    assert_eq!(ws.text(), "one two");
}

#[test]
fn forbidden_frames_close_with_the_code_of_the_rule() {
    let server = server();
    let mut long_length = vec![0x81, 0x80 | 127];
    long_length.extend(2u64.to_be_bytes());
    long_length.extend(b"\0\0\0\0hi");
    let mut top_bit = vec![0x81, 0x80 | 127];
    top_bit.extend((1u64 << 63).to_be_bytes());
    top_bit.extend([0; 4]);
    let mut reason = vec![3, 0xe8];
    reason.extend(vec![b'a'; 60_000]);
    for (name, bytes, code) in [
        ("unmasked", vec![0x81, 2, b'h', b'i'], 1002),
        (
            "close with a long reason",
            frame(0x88, &reason[..202]),
            1002,
        ),
        ("close with a huge reason", frame(0x88, &reason), 1002),
        ("close of one byte", frame(0x88, &[3]), 1002),
        ("close 1006", frame(0x88, &1006u16.to_be_bytes()), 1002),
        ("pong of 5000 bytes", frame(0x8a, &[0; 5000]), 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("length not the shortest", long_length, 1002),
        ("length with the top bit", top_bit, 1002),
        ("compressed without agreement", frame(0xc1, b"hi"), 1002),
        ("reserved opcode", frame(0x83, b"hi"), 1002),
        ("continuation of nothing", frame(0x80, b"hi"), 1002),
        (
            "message within a message",
            [frame(1, b"a"), frame(0x81, b"b")].concat(),
            1002,
        ),
        ("text no utf-8", frame(0x81, &[0xff]), 1007),
        ("surrogate", frame(0x81, &[0xed, 0xa0, 0x80]), 1007),
        (
            "message too big",
            frame(0x82, &vec![0; 64 * 1024 + 1]),
            1009,
        ),
        (
            "fragments too big together",
            [frame(2, &[0; 60_000]), frame(0, &[0; 60_000])].concat(),
            1009,
        ),
        (
            "fragments without end",
            [frame(1, b"x"), frame(0, b"x").repeat(131_000)].concat(),
            1009,
        ),
    ] {
        let mut ws = Ws::open(server.address(), "/websocket/");
        ws.send_raw(&bytes);
        assert_eq!(ws.close_code(), code, "{name}");
    }
}

#[test]
fn a_close_is_answered_and_the_connection_ends() {
    let server = server();
    let mut ws = Ws::open(server.address(), "/websocket/");
    ws.send_raw(&frame(0x88, &1000u16.to_be_bytes()));
    assert_eq!(ws.told(), Told::Close(Some(1000)));
    assert_eq!(ws.told(), Told::End);
    assert_eq!(server.ended(), transport::CloseReason::ClientClosed);
}

#[test]
fn a_head_that_announces_much_costs_nothing() {
    let server = server();
    let mut head = vec![0x82, 0x80 | 126];
    head.extend(65_000u16.to_be_bytes());
    head.extend([0; 4]);
    let mut held: Vec<Ws> = (0..200)
        .map(|_| Ws::open(server.address(), "/websocket/"))
        .collect();
    for ws in &mut held {
        ws.send_raw(&head);
    }
    let mut ws = Ws::open(server.address(), "/websocket/");
    ws.send("others are served");
    assert_eq!(ws.text(), "others are served");
}
