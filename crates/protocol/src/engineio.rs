//! Engine.IO v4: packets, the long-polling payload and the open handshake, as pure codecs.
//! Promises: decoding never panics and allocates for a binary packet only, at most what it was given.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use std::fmt;

/// Between two packets of a long-polling payload.
pub const SEPARATOR: char = '\x1e';

/// An Engine.IO packet as it stands on the wire, borrowed from the input where that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the handshake; only a server sends it.
    Open(&'a str),
    /// `1`: the session ends.
    Close,
    /// `2`: a heartbeat, or `probe` on a transport that is to take over.
    Ping(&'a str),
    /// `3`: the answer to a ping.
    Pong(&'a str),
    /// `4`: a message.
    Message(&'a str),
    /// `5`: the probed transport takes over.
    Upgrade,
    /// `6`: nothing; ends a pending poll during an upgrade.
    Noop,
    /// A binary message: bare on a WebSocket, `b` and base64 in a payload.
    Binary(Vec<u8>),
}

/// Why a packet or payload cannot be read. The session that sent it is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineError {
    /// No packet at all.
    Empty,
    /// The first character is no packet type.
    UnknownType,
    /// The base64 of a binary packet does not decode.
    Base64,
    /// More packets in one payload than the bound.
    TooManyPackets,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineError::Empty => "empty packet",
            EngineError::UnknownType => "unknown packet type",
            EngineError::Base64 => "malformed base64",
            EngineError::TooManyPackets => "too many packets in one payload",
        })
    }
}

impl std::error::Error for EngineError {}

/// Reads one packet of a text WebSocket message, or one text packet of a payload.
pub fn decode(text: &str) -> Result<Packet<'_>, EngineError> {
    let kind = text.as_bytes().first().ok_or(EngineError::Empty)?;
    // The slice is sound only behind an ASCII character, which each type is.
    let rest = || &text[1..];
    Ok(match kind {
        b'0' => Packet::Open(rest()),
        b'1' => Packet::Close,
        b'2' => Packet::Ping(rest()),
        b'3' => Packet::Pong(rest()),
        b'4' => Packet::Message(rest()),
        b'5' => Packet::Upgrade,
        b'6' => Packet::Noop,
        _ => return Err(EngineError::UnknownType),
    })
}

/// Reads the packets of a long-polling payload one after the other; at most `packets_max`, then an error.
pub fn decode_payload(
    payload: &str,
    packets_max: usize,
) -> impl Iterator<Item = Result<Packet<'_>, EngineError>> {
    payload
        .split(SEPARATOR)
        .enumerate()
        .map(move |(index, text)| {
            if index >= packets_max {
                return Err(EngineError::TooManyPackets);
            }
            match text.strip_prefix('b') {
                Some(base64) => STANDARD
                    .decode(base64)
                    .map(Packet::Binary)
                    .map_err(|_| EngineError::Base64),
                None => decode(text),
            }
        })
}

/// Writes one packet as it stands in a text WebSocket message or a payload; a binary one as `b` and base64.
pub fn encode(packet: &Packet<'_>, out: &mut String) {
    let (kind, body) = match packet {
        Packet::Open(body) => ('0', *body),
        Packet::Close => ('1', ""),
        Packet::Ping(body) => ('2', *body),
        Packet::Pong(body) => ('3', *body),
        Packet::Message(body) => ('4', *body),
        Packet::Upgrade => ('5', ""),
        Packet::Noop => ('6', ""),
        Packet::Binary(bytes) => return encode_binary(bytes, out),
    };
    out.push(kind);
    out.push_str(body);
}

/// Writes a binary message as a payload holds it.
pub fn encode_binary(bytes: &[u8], out: &mut String) {
    out.push('b');
    STANDARD.encode_string(bytes, out);
}

/// What the server tells of itself in the open packet. Times are milliseconds, `max_payload` bytes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake<'a> {
    /// The session's secret name.
    pub sid: &'a str,
    /// Transports that this one may be changed for.
    pub upgrades: &'a [&'a str],
    /// Time between a pong and the next ping.
    pub ping_interval: u64,
    /// How long the server waits for a pong.
    pub ping_timeout: u64,
    /// The longest payload or message a client may send.
    pub max_payload: usize,
}

impl Handshake<'_> {
    /// The open packet: `0{…}`.
    pub fn packet(&self) -> String {
        let json = serde_json::to_string(self).expect("strings and numbers have a JSON form");
        format!("0{json}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_type_is_read() {
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("2probe"), Ok(Packet::Ping("probe")));
        assert_eq!(decode("3"), Ok(Packet::Pong("")));
        assert_eq!(decode("4€"), Ok(Packet::Message("€")));
        assert_eq!(decode("5"), Ok(Packet::Upgrade));
        assert_eq!(decode("6"), Ok(Packet::Noop));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        assert_eq!(decode(""), Err(EngineError::Empty));
        assert_eq!(decode("abc"), Err(EngineError::UnknownType));
        assert_eq!(decode("7"), Err(EngineError::UnknownType));
        assert_eq!(decode("€"), Err(EngineError::UnknownType));
    }

    #[test]
    fn a_payload_mixes_text_and_binary() {
        let packets: Vec<_> = decode_payload("4test1\x1ebAQIDBA==\x1e4test2", 10).collect();
        assert_eq!(
            packets,
            [
                Ok(Packet::Message("test1")),
                Ok(Packet::Binary(vec![1, 2, 3, 4])),
                Ok(Packet::Message("test2"))
            ]
        );
    }

    #[test]
    fn a_payload_beyond_its_bound_is_an_error() {
        let payload = ["4"; 5].join("\x1e");
        let packets: Vec<_> = decode_payload(&payload, 4).collect();
        assert_eq!(packets[4], Err(EngineError::TooManyPackets));
    }

    #[test]
    fn malformed_base64_is_refused() {
        assert_eq!(
            decode_payload("b===", 1).next(),
            Some(Err(EngineError::Base64))
        );
    }

    #[test]
    fn the_open_packet_is_the_reference_servers() {
        let handshake = Handshake {
            sid: "abc",
            upgrades: &["websocket"],
            ping_interval: 300,
            ping_timeout: 200,
            max_payload: 1_000_000,
        };
        assert_eq!(
            handshake.packet(),
            r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
        );
    }

    proptest! {
        #[test]
        fn payloads_come_back_as_they_went(parts in prop::collection::vec(
            prop_oneof![
                "[^\u{1e}]{0,40}".prop_map(|text| (Some(text), vec![])),
                prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (None, bytes)),
            ], 1..8)) {
            let mut payload = String::new();
            let packets: Vec<Packet<'_>> = parts.iter().map(|(text, bytes)| match text {
                Some(text) => Packet::Message(text),
                None => Packet::Binary(bytes.clone()),
            }).collect();
            for (index, packet) in packets.iter().enumerate() {
                if index > 0 { payload.push(SEPARATOR); }
                encode(packet, &mut payload);
            }
            let read: Result<Vec<_>, _> = decode_payload(&payload, 8).collect();
            prop_assert_eq!(read, Ok(packets));
        }

        #[test]
        fn no_input_panics(text in ".{0,60}") {
            let read: Vec<_> = decode_payload(&text, 3).collect();
            prop_assert!(!read.is_empty());
        }
    }
}
