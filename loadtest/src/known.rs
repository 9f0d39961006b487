//! What the frames say. A broadcast is the same bytes for every receiver, so a thread decodes it once and knows it
//! again by comparing: that keeps the generator lighter than the server.

use ::client::words;
use protocol::ids::{ClientId, RoomId};
use serde::Deserialize;

use crate::people::People;

/// Frames remembered by a thread, as a power of two.
const SLOTS: usize = 1 << 12;

/// What a text frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A durable event of a room.
    Entry {
        /// The room's number.
        room: u32,
        /// Its place.
        seq: u64,
        /// What we wrote into the text, when it is a message of ours.
        note: Option<Note>,
    },
    /// The server gave up on a stretch of a room.
    Gap,
    /// News without a place in a log.
    Other,
}

/// What the text of a message of ours carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// The send's number.
    pub(crate) number: u64,
    /// When it was to be sent: nanoseconds of the run's clock.
    pub(crate) intended: u64,
}

impl Note {
    /// The text of a message: the note, filled up to `bytes`.
    pub(crate) fn text(self, run: u32, bytes: usize) -> String {
        let mut text = format!("{run} {} {} ", self.number, self.intended);
        while text.len() < bytes {
            text.push('x');
        }
        text
    }

    fn read(text: &str, run: u32) -> Option<Note> {
        let mut words = text.split(' ');
        if words.next()?.parse() != Ok(run) {
            return None;
        }
        Some(Note {
            number: words.next()?.parse().ok()?,
            intended: words.next()?.parse().ok()?,
        })
    }
}

/// The client id of a send, made from the run's and the send's number.
pub(crate) fn client_id(run: u32, number: u64) -> ClientId {
    ClientId(
        uuid::Builder::from_random_bytes(
            (u128::from(run) << 64 | u128::from(number)).to_be_bytes(),
        )
        .into_uuid(),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    room_id: Option<RoomId>,
    seq: Option<u64>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
}

/// The frames that this thread has decoded lately.
pub(crate) struct Known {
    slots: Vec<(Vec<u8>, Heard)>,
}

impl Known {
    pub(crate) fn new() -> Known {
        Known {
            slots: vec![(Vec::new(), Heard::Other); SLOTS],
        }
    }

    /// What an event frame (`42[…`) says; the flag tells that this thread has not met it lately.
    pub(crate) fn read(&mut self, body: &[u8], people: &People, run: u32) -> Option<(Heard, bool)> {
        let slot = &mut self.slots[hash(body) as usize % SLOTS];
        if slot.0 == body {
            return Some((slot.1, false));
        }
        let heard = decode(body, people, run)?;
        slot.0.clear();
        slot.0.extend_from_slice(body);
        slot.1 = heard;
        Some((heard, true))
    }
}

fn decode(body: &[u8], people: &People, run: u32) -> Option<Heard> {
    let (name, payload) = words::event(body)?;
    if name == "stream:gap" {
        return Some(Heard::Gap);
    }
    let event: Event<'_> = match serde_json::from_str(payload.get()) {
        Ok(event) => event,
        // `room:added` and such: not of a room's log.
        Err(_) => return Some(Heard::Other),
    };
    let (Some(room), Some(seq)) = (
        event.room_id.and_then(|room| people.room_number(room)),
        event.seq,
    ) else {
        return Some(Heard::Other);
    };
    let note = event
        .message
        .filter(|_| name == "message:new")
        .and_then(|message| Note::read(&message.text, run));
    Some(Heard::Entry { room, seq, note })
}

/// Any mixing will do: a collision costs one decode.
fn hash(body: &[u8]) -> u64 {
    let mut words = body.chunks_exact(8);
    let mut hash = body.len() as u64;
    for word in &mut words {
        if let Ok(word) = <[u8; 8]>::try_from(word) {
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    for byte in words.remainder() {
        hash = (hash.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_from_the_text_it_stands_in() {
        let note = Note {
            number: 7,
            intended: 123_456_789,
        };
        let text = note.text(9, 128);
        assert_eq!(text.len(), 128);
        assert_eq!(Note::read(&text, 9), Some(note));
        assert_eq!(Note::read(&text, 8), None, "another run's");
        assert_eq!(Note::read("hello", 9), None);
    }

    #[test]
    fn a_frame_is_decoded_once_and_then_known() {
        let mut known = Known::new();
        let frame =
            br#"42["typing",{"roomId":"room_00000000-0000-4000-8000-000000000000","active":true}]"#;
        let people = People::default();
        assert_eq!(known.read(frame, &people, 0), Some((Heard::Other, true)));
        assert_eq!(known.read(frame, &people, 0), Some((Heard::Other, false)));
        assert_eq!(known.read(b"42[", &people, 0), None, "no packet");
    }
}
