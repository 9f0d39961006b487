//! The reader against RFC 6455: every rule broken once, every way to cut a stream into pieces.

use super::*;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds {
    message_bytes: 100_000,
    fragments: 100,
};

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match body.len() {
        n @ 0..=125 => out.push(MASKED | n as u8),
        n @ 126..=0xffff => {
            out.push(MASKED | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(MASKED | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x9a, 0x00, 0xff];
    out.extend(mask);
    out.extend(body.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    out
}

/// Feeds the stream in pieces of the given sizes, over and over.
fn read(stream: &[u8], pieces: &[usize]) -> Result<Vec<Message<'static>>, Violation> {
    let mut reader = Reader::default();
    let mut messages = Vec::new();
    let mut rest = stream;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = (*pieces.next().unwrap()).clamp(1, rest.len());
        let mut piece = rest[..size].to_vec();
        rest = &rest[size..];
        let mut input = piece.as_mut_slice();
        while let Some(message) = reader.next(&mut input, &BOUNDS)? {
            messages.push(owned(message));
        }
        assert!(input.is_empty());
    }
    Ok(messages)
}

fn owned(message: Message<'_>) -> Message<'static> {
    match message {
        Message::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
        Message::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
        Message::Ping(body) => Message::Ping(body),
        Message::Pong => Message::Pong,
        Message::Close(code) => Message::Close(code),
    }
}

fn text(text: &str) -> Message<'static> {
    Message::Text(Cow::Owned(text.to_owned()))
}

#[test]
fn a_whole_message_is_lent_from_the_input_and_nothing_is_held() {
    let mut bytes = frame(0x81, "häuser".as_bytes());
    let mut reader = Reader::default();
    let mut input = bytes.as_mut_slice();
    let message = reader.next(&mut input, &BOUNDS).unwrap().unwrap();
    assert!(matches!(message, Message::Text(Cow::Borrowed("häuser"))));
    assert!(reader.is_idle());
}

#[test]
fn fragments_are_joined_and_control_frames_may_stand_between() {
    let stream = [
        frame(0x01, b"Hel"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"lo"),
        frame(0x82, &[0xff]),
    ]
    .concat();
    let expected = [
        Message::Ping(b"ping".to_vec()),
        Message::Pong,
        text("Hello"),
        Message::Binary(Cow::Owned(vec![0xff])),
    ];
    assert_eq!(read(&stream, &[stream.len()]).unwrap(), expected);
    assert_eq!(read(&stream, &[1]).unwrap(), expected);
    assert_eq!(read(&stream, &[3, 5]).unwrap(), expected);
}

#[test]
fn an_idle_reader_is_one_word_and_drops_its_buffer() {
    assert_eq!(size_of::<Reader>(), size_of::<usize>());
    let mut bytes = frame(0x81, &[b'x'; 5000]);
    let (front, back) = bytes.split_at_mut(100);
    let mut reader = Reader::default();
    assert_eq!(reader.next(&mut &mut *front, &BOUNDS), Ok(None));
    assert!(!reader.is_idle());
    assert!(reader.next(&mut &mut *back, &BOUNDS).unwrap().is_some());
    assert!(reader.is_idle());
}

#[test]
fn every_forbidden_frame_is_a_violation() {
    let unmasked = vec![0x81, 2, b'h', b'i'];
    let not_shortest_16 = [vec![0x81, 0x80 | 126, 0, 2, 0, 0, 0, 0], b"hi".to_vec()].concat();
    let not_shortest_64 = {
        let mut out = vec![0x81, 0x80 | 127];
        out.extend(2u64.to_be_bytes());
        out.extend([0; 4]);
        out.extend(b"hi");
        out
    };
    let top_bit = {
        let mut out = vec![0x81, 0x80 | 127];
        out.extend((1u64 << 63).to_be_bytes());
        out.extend([0; 4]);
        out
    };
    for (name, stream, code) in [
        ("unmasked", unmasked, 1002),
        ("rsv1", frame(0xc1, b"hi"), 1002),
        ("rsv2", frame(0xa1, b"hi"), 1002),
        ("rsv3", frame(0x91, b"hi"), 1002),
        ("opcode 3", frame(0x83, b"hi"), 1002),
        ("opcode 11", frame(0x8b, b"hi"), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("pong of 5000 bytes", frame(0x8a, &[0; 5000]), 1002),
        ("close of 60000 bytes", frame(0x88, &[0; 60_000]), 1002),
        ("16-bit length for 2", not_shortest_16, 1002),
        ("64-bit length for 2", not_shortest_64, 1002),
        ("64-bit length, top bit", top_bit, 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "text within text",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            1002,
        ),
        ("close of one byte", frame(0x88, &[3]), 1002),
        ("close 1005", frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("close 999", frame(0x88, &999u16.to_be_bytes()), 1002),
        ("close 2000", frame(0x88, &2000u16.to_be_bytes()), 1002),
        (
            "close, reason no utf-8",
            frame(0x88, &[3, 0xe8, 0xff]),
            1007,
        ),
        ("text no utf-8", frame(0x81, &[0xc3, 0x28]), 1007),
        ("text half a character", frame(0x81, &[0xc3]), 1007),
        (
            "fragments no utf-8",
            [frame(0x01, &[0xe2]), frame(0x00, &[0x28])].concat(),
            1007,
        ),
        ("too big", frame(0x82, &[0; 100_001]), 1009),
        (
            "too big in the sum",
            [frame(0x02, &[0; 60_000]), frame(0x00, &[0; 60_000])].concat(),
            1009,
        ),
        (
            "too many fragments",
            [frame(0x01, b"x"), frame(0x00, b"").repeat(131_000)].concat(),
            1009,
        ),
    ] {
        for pieces in [vec![stream.len()], vec![1], vec![7, 2]] {
            let violation = read(&stream, &pieces).expect_err(name);
            assert_eq!(violation.close_code(), code, "{name} in {pieces:?}");
        }
    }
}

#[test]
fn a_head_alone_reserves_nothing() {
    let mut bytes = vec![0x82, 0x80 | 127];
    bytes.extend(90_000u64.to_be_bytes());
    bytes.extend([0; 4]);
    let mut reader = Reader::default();
    assert_eq!(reader.next(&mut bytes.as_mut_slice(), &BOUNDS), Ok(None));
    assert!(reader.held_bytes() < 300, "{}", reader.held_bytes());
}

#[test]
fn a_fatal_byte_is_noticed_before_the_message_ends() {
    let mut reader = Reader::default();
    let mut bytes = frame(0x01, &[0xc3, 0x28]);
    assert_eq!(
        reader.next(&mut bytes.as_mut_slice(), &BOUNDS),
        Err(Violation::Utf8)
    );
}

#[test]
fn close_codes_of_applications_are_given_on() {
    for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999u16] {
        let stream = frame(0x88, &code.to_be_bytes());
        assert_eq!(read(&stream, &[1]).unwrap(), [Message::Close(Some(code))]);
    }
    assert_eq!(
        read(&frame(0x88, b""), &[1]).unwrap(),
        [Message::Close(None)]
    );
}

proptest! {
    #[test]
    fn messages_survive_any_cutting(
        bodies in prop::collection::vec((any::<bool>(), ".{0,300}", 1usize..5), 1..6),
        pieces in prop::collection::vec(1usize..400, 1..6),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (is_text, body, fragments) in &bodies {
            let opcode = if *is_text { 1 } else { 2 };
            let size = body.len().div_ceil(*fragments).max(1);
            let chunks: Vec<&[u8]> = if body.is_empty() { vec![&[]] } else { body.as_bytes().chunks(size).collect() };
            for (index, chunk) in chunks.iter().enumerate() {
                let last = if index + 1 == chunks.len() { FINAL } else { 0 };
                stream.extend(frame(last | if index == 0 { opcode } else { 0 }, chunk));
            }
            expected.push(if *is_text { text(body) } else { Message::Binary(Cow::Owned(body.clone().into_bytes())) });
        }
        prop_assert_eq!(read(&stream, &pieces), Ok(expected));
    }

    #[test]
    fn no_bytes_panic_and_cutting_changes_nothing(
        stream in prop::collection::vec(any::<u8>(), 0..200),
        pieces in prop::collection::vec(1usize..40, 1..4),
    ) {
        let whole = read(&stream, &[stream.len().max(1)]);
        let cut = read(&stream, &pieces);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if whole.is_ok() { prop_assert_eq!(whole, cut); }
    }
}
