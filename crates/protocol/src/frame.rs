//! An outgoing Engine.IO message, encoded once and shared by every receiver: the WebSocket head and the text
//! lie in one `Bytes`, so that a broadcast costs one reference count a member.
//! Promises: `wire()` is one whole, unmasked, final WebSocket frame, or several of them ([`Frame::joined`]). Never holds
//! anything per receiver.

use bytes::Bytes;
use serde::Serialize;
use std::fmt;

/// Room for the longest head of an unmasked frame: two bytes and a 64-bit length.
const HEAD_MAX: usize = 10;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const FINAL: u8 = 0x80;

/// One outgoing Engine.IO message. Cloning is a reference count.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    wire: Bytes,
}

impl Frame {
    /// The Socket.IO event `name` with one argument, in the main namespace: `42["name",payload]`.
    ///
    /// # Panics
    /// When `payload` has no JSON form (a map whose keys are no strings): a mistake in the type, not in the data.
    pub fn event(name: &str, payload: &impl Serialize) -> Frame {
        Frame::event_in("/", None, name, payload)
    }

    /// The answer to the event that carried the ack id `id`, in the main namespace: `43id[payload]`.
    ///
    /// # Panics
    /// As [`Frame::event`].
    pub fn ack(id: u64, payload: &impl Serialize) -> Frame {
        Frame::ack_in("/", id, payload)
    }

    /// As [`Frame::event`] in any namespace; with an ack id the receiver is asked for an answer.
    ///
    /// # Panics
    /// As [`Frame::event`].
    pub fn event_in(
        namespace: &str,
        ack: Option<u64>,
        name: &str,
        payload: &impl Serialize,
    ) -> Frame {
        let mut draft = Draft::text("42");
        draft.namespace(namespace);
        if let Some(id) = ack {
            draft.push(&id.to_string());
        }
        draft.push("[");
        draft.json(name);
        draft.push(",");
        draft.json(payload);
        draft.push("]");
        draft.seal(OPCODE_TEXT)
    }

    /// As [`Frame::ack`] in any namespace.
    ///
    /// # Panics
    /// As [`Frame::event`].
    pub fn ack_in(namespace: &str, id: u64, payload: &impl Serialize) -> Frame {
        let mut draft = Draft::text("43");
        draft.namespace(namespace);
        draft.push(&id.to_string());
        draft.push("[");
        draft.json(payload);
        draft.push("]");
        draft.seal(OPCODE_TEXT)
    }

    /// Bytes that are a whole WebSocket frame already: a control frame, which long-polling never sees.
    pub fn control(wire: Vec<u8>) -> Frame {
        Frame {
            wire: Bytes::from(wire),
        }
    }

    /// An Engine.IO packet that is written already, its type digit included (`"2"`, `"40{…}"`).
    pub fn packet(text: &str) -> Frame {
        Draft::text(text).seal(OPCODE_TEXT)
    }

    /// An Engine.IO message that holds this text: `4text`.
    pub fn message(text: &str) -> Frame {
        let mut draft = Draft::text("4");
        draft.push(text);
        draft.seal(OPCODE_TEXT)
    }

    /// An Engine.IO message that holds these bytes: an attachment of a Socket.IO packet.
    pub fn binary(bytes: &[u8]) -> Frame {
        let mut draft = Draft::text("");
        draft.buffer.extend_from_slice(bytes);
        draft.seal(OPCODE_BINARY)
    }

    /// Several frames as one: whoever gets them all keeps one thing instead of many, and writes one stretch of bytes.
    /// [`Frame::text`] and its like speak of the first; [`Frame::parts`] gives each.
    ///
    /// # Panics
    /// When there are none.
    pub fn joined<'a>(frames: impl Iterator<Item = &'a Frame> + Clone) -> Frame {
        let bytes = frames.clone().map(|frame| frame.wire.len()).sum();
        assert!(bytes > 0, "nothing was joined");
        let mut wire = Vec::with_capacity(bytes);
        for frame in frames {
            wire.extend_from_slice(&frame.wire);
        }
        Frame {
            wire: Bytes::from(wire),
        }
    }

    /// What was joined, one by one; a frame that was not is its own only part.
    pub fn parts(&self) -> impl Iterator<Item = Frame> + use<> {
        let mut rest = self.wire.clone();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (head, payload) = lengths(&rest);
            let wire = rest.split_to(head + payload);
            Some(Frame { wire })
        })
    }

    /// The whole WebSocket frame, head included, as it goes onto the socket.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// Whether this is a control frame of the WebSocket.
    pub fn is_control(&self) -> bool {
        self.wire[0] & 0x08 != 0
    }

    /// Whether this is a binary message: long-polling writes those in base64.
    pub fn is_binary(&self) -> bool {
        self.wire[0] & 0x0f == OPCODE_BINARY
    }

    /// The payload without the WebSocket head.
    pub fn payload(&self) -> &[u8] {
        let (head, payload) = lengths(&self.wire);
        &self.wire[head..head + payload]
    }

    /// The Engine.IO packet as text, for long-polling; empty for a binary message.
    pub fn text(&self) -> &str {
        if self.is_binary() {
            return "";
        }
        std::str::from_utf8(self.payload()).unwrap_or_default()
    }
}

/// How long the head and the payload of the first frame are.
fn lengths(wire: &[u8]) -> (usize, usize) {
    match wire[1] {
        126 => (4, usize::from(u16::from_be_bytes([wire[2], wire[3]]))),
        127 => {
            let mut length = [0; 8];
            length.copy_from_slice(&wire[2..10]);
            (10, u64::from_be_bytes(length) as usize)
        }
        short => (2, usize::from(short)),
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_binary() {
            return write!(f, "Frame(binary, {} bytes)", self.payload().len());
        }
        write!(f, "Frame({:?})", self.text())
    }
}

/// A frame being written: the head's room first, then the payload.
struct Draft {
    buffer: Vec<u8>,
}

impl Draft {
    fn text(start: &str) -> Draft {
        let mut buffer = Vec::with_capacity(HEAD_MAX + start.len() + 118);
        buffer.extend_from_slice(&[0; HEAD_MAX]);
        buffer.extend_from_slice(start.as_bytes());
        Draft { buffer }
    }

    /// The main namespace is not written at all.
    fn namespace(&mut self, namespace: &str) {
        if namespace != "/" {
            self.push(namespace);
            self.push(",");
        }
    }

    fn push(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.buffer, value)
            .expect("a payload of ours has a JSON form, and a Vec takes every byte");
    }

    /// Writes the head backwards against the payload, so that nothing is moved.
    fn seal(mut self, opcode: u8) -> Frame {
        let length = self.buffer.len() - HEAD_MAX;
        let mut head = [0; HEAD_MAX];
        let head_length = match length {
            0..=125 => {
                head[1] = length as u8;
                2
            }
            126..=0xffff => {
                head[1] = 126;
                head[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            _ => {
                head[1] = 127;
                head[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        head[0] = FINAL | opcode;
        let start = HEAD_MAX - head_length;
        self.buffer[start..HEAD_MAX].copy_from_slice(&head[..head_length]);
        Frame {
            wire: Bytes::from(self.buffer).slice(start..),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_final_text_frame() {
        let frame = Frame::event("message:new", &json!({"seq": 1}));
        assert_eq!(frame.text(), r#"42["message:new",{"seq":1}]"#);
        assert_eq!(frame.wire()[0], 0x81);
        assert_eq!(frame.wire()[1] as usize, frame.text().len());
        assert_eq!(&frame.wire()[2..], frame.text().as_bytes());
    }

    #[test]
    fn an_ack_carries_its_id() {
        assert_eq!(
            Frame::ack(17, &json!({"ok": true})).text(),
            r#"4317[{"ok":true}]"#
        );
    }

    #[test]
    fn another_namespace_stands_before_the_ack_id() {
        assert_eq!(
            Frame::event_in("/custom", Some(3), "a", &1).text(),
            r#"42/custom,3["a",1]"#
        );
        assert_eq!(Frame::ack_in("/custom", 3, &1).text(), "43/custom,3[1]");
    }

    #[test]
    fn an_event_name_is_escaped() {
        assert_eq!(Frame::event("a\"b", &1).text(), r#"42["a\"b",1]"#);
    }

    #[test]
    fn each_length_has_the_shortest_head() {
        for (length, head) in [
            (0, 2),
            (125, 2),
            (126, 4),
            (65_535, 4),
            (65_536, 10),
            (70_000, 10),
        ] {
            let frame = Frame::packet(&"x".repeat(length));
            assert_eq!(frame.wire().len(), length + head);
            assert_eq!(frame.text().len(), length);
        }
    }

    #[test]
    fn a_binary_message_keeps_its_bytes_and_has_no_text() {
        let frame = Frame::binary(&[1, 2, 255]);
        assert!(frame.is_binary());
        assert_eq!(frame.wire()[0], 0x82);
        assert_eq!(frame.payload(), [1, 2, 255]);
        assert_eq!(frame.text(), "");
    }

    #[test]
    fn what_was_joined_comes_apart_again() {
        let frames = [
            Frame::packet(&"x".repeat(125)),
            Frame::binary(&[1, 2, 255]),
            Frame::packet(&"y".repeat(126)),
            Frame::packet(&"z".repeat(70_000)),
            Frame::packet("2"),
        ];
        let joined = Frame::joined(frames.iter());
        assert_eq!(joined.parts().collect::<Vec<_>>(), frames);
        assert_eq!(joined.text(), frames[0].text());
        assert_eq!(frames[3].parts().collect::<Vec<_>>(), [frames[3].clone()]);
    }

    #[test]
    fn a_clone_shares_the_bytes() {
        let frame = Frame::event("x", &1);
        assert_eq!(
            frame.clone().wire().as_ptr() as usize,
            frame.wire().as_ptr() as usize
        );
    }
}
