//! The client's side of RFC 6455, as much as a client of ours needs: frames out, whole frames in. Pure.
//! The mask is zero, which the protocol allows and the server cannot tell from any other: it costs us no XOR.

use protocol::frame::Frame;

/// What the server sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// A text message.
    Text(&'a [u8]),
    /// A ping of the WebSocket itself.
    Ping(&'a [u8]),
    /// The server ends the connection, with its code if it said one.
    Close(Option<u16>),
    /// A pong or a binary message: nothing that we asked for.
    Other,
}

/// The server broke the framing, or sends what no frame of it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

/// Takes one whole frame off the front; `None` when more bytes are needed.
pub fn take<'a>(input: &mut &'a [u8]) -> Result<Option<Told<'a>>, Broken> {
    let bytes = *input;
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    let (head, length): (usize, usize) = match second {
        126 => match bytes.get(2..4) {
            Some(raw) => (4, usize::from(u16::from_be_bytes([raw[0], raw[1]]))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|raw| raw.try_into().ok()) {
            Some(raw) => (10, u64::from_be_bytes(raw) as usize),
            None => return Ok(None),
        },
        short if short < 126 => (2, usize::from(short)),
        _ => return Err(Broken),
    };
    let Some(body) = bytes.get(head..head.saturating_add(length)) else {
        return Ok(None);
    };
    *input = &bytes[head + length..];
    Ok(Some(match first {
        0x81 => Told::Text(body),
        0x89 => Told::Ping(body),
        0x88 => Told::Close(body.first_chunk().map(|code| u16::from_be_bytes(*code))),
        0x82 | 0x8a => Told::Other,
        _ => return Err(Broken),
    }))
}

/// Writes a frame that the protocol's encoder made the way a client sends it.
pub fn push(frame: &Frame, out: &mut Vec<u8>) {
    push_raw(frame.wire()[0], frame.payload(), out);
}

/// Writes a frame with this first byte.
pub fn push_raw(first: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match body.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::websocket::{Bounds, Message, Reader};

    #[test]
    fn what_the_protocol_encodes_is_read_whole_from_any_cut() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            let frame = Frame::packet(&text);
            let wire = frame.wire();
            for cut in [1, 3, 9, wire.len() - 1] {
                let mut part = &wire[..cut.min(wire.len() - 1)];
                assert_eq!(take(&mut part), Ok(None));
            }
            let mut whole = &wire[..];
            assert_eq!(take(&mut whole), Ok(Some(Told::Text(text.as_bytes()))));
            assert!(whole.is_empty());
        }
    }

    #[test]
    fn the_server_reads_what_is_written_here() {
        let mut out = Vec::new();
        push(&Frame::packet("2probe"), &mut out);
        push(&Frame::packet(&"y".repeat(70_000)), &mut out);
        let mut reader = Reader::default();
        let bounds = Bounds {
            message_bytes: 100_000,
            fragments: 1,
        };
        let mut input = &mut out[..];
        assert_eq!(
            reader.next(&mut input, &bounds),
            Ok(Some(Message::Text("2probe".into())))
        );
        assert_eq!(
            reader.next(&mut input, &bounds),
            Ok(Some(Message::Text("y".repeat(70_000).into())))
        );
    }

    #[test]
    fn a_masked_or_unknown_frame_is_broken() {
        assert_eq!(take(&mut &[0x81, 0x80, 0, 0, 0, 0][..]), Err(Broken));
        assert_eq!(take(&mut &[0xc1, 0x00][..]), Err(Broken));
    }
}
