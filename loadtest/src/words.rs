//! The three kinds of servers, and what is said to each and heard from each. Pure.

use std::borrow::Cow;
use std::collections::HashMap;

use ::client::words;
use protocol::frame::Frame;
use serde::{Deserialize, Serialize};

use crate::cast::Person;
use crate::chance::mix;
use crate::check::{Place, number};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Socket.IO with chatify's events, tokens and cursors; people from `chatify seed`.
    Chatify,
    /// Socket.IO with `message:send` and `message:new`, rooms named at the sign-in.
    Socketio,
    /// One WebSocket a room; every text goes to all of it, the sender included.
    Raw,
}

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Action {
    Send,
    Typing,
    Read,
    Presence,
    History,
}

/// All of them, in the order of their weights.
pub(crate) const ACTIONS: [(Action, &str); 5] = [
    (Action::Send, "send"),
    (Action::Typing, "typing"),
    (Action::Read, "read"),
    (Action::Presence, "presence"),
    (Action::History, "history"),
];

impl Kind {
    /// Whether rooms have one log with dense numbers, which a client resumes from.
    pub(crate) fn has_log(self) -> bool {
        self == Kind::Chatify
    }

    /// Whether the frames are Engine.IO packets.
    pub(crate) fn is_socketio(self) -> bool {
        self != Kind::Raw
    }

    /// Whether servers of the kind know the action.
    pub(crate) fn knows(self, action: Action) -> bool {
        self == Kind::Chatify || action == Action::Send
    }

    /// Where a person's WebSocket is, behind the target's own path.
    pub(crate) fn path(self, room: Option<&str>) -> String {
        match (self, room) {
            (Kind::Raw, Some(room)) => format!("/room/{room}"),
            _ => "/socket.io/?EIO=4&transport=websocket".to_owned(),
        }
    }

    /// The packet that signs in; nothing for a raw WebSocket.
    pub(crate) fn sign_in(self, person: &Person, rooms: &[Box<str>], places: &[Place]) -> String {
        let token = &person.token;
        let list = |parts: Vec<String>| parts.join(",");
        match self {
            Kind::Raw => String::new(),
            Kind::Socketio => {
                let mine = person
                    .rooms
                    .iter()
                    .map(|room| format!("\"{}\"", rooms[*room as usize]));
                let (id, mine) = (&person.id, list(mine.collect()));
                format!(r#"40{{"token":"{token}","userId":"{id}","rooms":[{mine}]}}"#)
            }
            Kind::Chatify if places.is_empty() => format!(r#"40{{"token":"{token}"}}"#),
            Kind::Chatify => {
                let cursors = places
                    .iter()
                    .map(|place| format!("\"{}\":{}", rooms[place.room as usize], place.last));
                let cursors = list(cursors.collect());
                format!(r#"40{{"token":"{token}","resume":{{"cursors":{{{cursors}}}}}}}"#)
            }
        }
    }

    /// A message, with the id of its ack where there are acks.
    pub(crate) fn send(self, ack: u64, room: &str, client_id: &str, text: &str) -> Frame {
        match self {
            Kind::Raw => Frame::packet(text),
            _ => Frame::packet(&format!(
                r#"42{ack}["message:send",{{"roomId":"{room}","clientId":"{client_id}","text":"{text}"}}]"#
            )),
        }
    }
}

impl Action {
    /// What is said to chatify; `last` is where the person's reading stands.
    pub(crate) fn frame(self, ack: u64, room: &str, last: u64) -> Frame {
        let (name, body) = match self {
            Action::Send | Action::Typing => ("typing:start", format!(r#"{{"roomId":"{room}"}}"#)),
            Action::Read => (
                "receipt:read",
                format!(r#"{{"roomId":"{room}","seq":{last}}}"#),
            ),
            Action::Presence => {
                let status = if ack.is_multiple_of(2) {
                    "online"
                } else {
                    "away"
                };
                ("presence:set", format!(r#"{{"status":"{status}"}}"#))
            }
            Action::History => ("history", format!(r#"{{"roomId":"{room}","limit":50}}"#)),
        };
        Frame::packet(&format!(r#"42{ack}["{name}",{body}]"#))
    }
}

/// What the text of a message of ours carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// The room's number.
    pub(crate) room: u32,
    /// The sender and their count in the room ([`number`]).
    pub(crate) said: u64,
    /// When it was to be sent: nanoseconds of the run's clock.
    pub(crate) intended: u64,
}

impl Note {
    /// The text of a message: the note, filled up to `bytes`.
    pub(crate) fn text(self, run: u32, bytes: usize) -> String {
        let (sender, count) = (self.said >> 32, self.said as u32);
        let mut text = format!("{run} {} {sender} {count} {} ", self.room, self.intended);
        text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
        text
    }

    /// Only of this run.
    pub(crate) fn read(text: &str, run: u32) -> Option<Note> {
        let mut words = text.splitn(6, ' ');
        if words.next()?.parse() != Ok(run) {
            return None;
        }
        Some(Note {
            room: words.next()?.parse().ok()?,
            said: number(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            intended: words.next()?.parse().ok()?,
        })
    }

    /// A UUID that no other send of any run has.
    pub(crate) fn client_id(self, run: u32) -> String {
        let high = mix(u64::from(run) << 32 | u64::from(self.room));
        let bits = u128::from(high) << 64 | u128::from(mix(high ^ mix(self.said)));
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }
}

/// The first event: where each room's log ends, if it has one.
#[derive(Deserialize)]
pub(crate) struct Ready<'a> {
    #[serde(borrow)]
    pub(crate) rooms: Vec<ReadyRoom<'a>>,
}

/// A room in [`Ready`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadyRoom<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(default)]
    pub(crate) head_seq: u64,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Something of a room.
    Entry {
        /// The room's number.
        room: u32,
        /// Its place, where the server says one.
        seq: Option<u64>,
        /// What we wrote into the text, when it is a message of ours.
        note: Option<Note>,
    },
    /// The server gave up on a stretch of a room.
    Gap,
    /// Nothing that is checked.
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    room_id: Option<Cow<'a, str>>,
    seq: Option<u64>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Reads a text frame; `None` when it is no packet at all.
pub(crate) fn hear(
    kind: Kind,
    body: &[u8],
    rooms: &HashMap<Box<str>, u32>,
    run: u32,
) -> Option<Heard> {
    if kind == Kind::Raw {
        let note = std::str::from_utf8(body)
            .ok()
            .and_then(|text| Note::read(text, run));
        return Some(note.map_or(Heard::Other, |note| Heard::Entry {
            room: note.room,
            seq: None,
            note: Some(note),
        }));
    }
    let (name, payload) = words::event(body)?;
    if name == "stream:gap" {
        return Some(Heard::Gap);
    }
    // `room:added` and such are not of a room's log.
    let Ok(event) = serde_json::from_str::<Event<'_>>(payload.get()) else {
        return Some(Heard::Other);
    };
    let Some(room) = event.room_id.and_then(|room| rooms.get(&*room).copied()) else {
        return Some(Heard::Other);
    };
    let text = event.message.map(|message| message.text).or(event.text);
    let note = text
        .filter(|_| name == "message:new")
        .and_then(|text| Note::read(&text, run));
    if event.seq.is_none() && note.is_none() {
        return Some(Heard::Other);
    }
    Some(Heard::Entry {
        room,
        seq: event.seq,
        note,
    })
}

/// The answer to an event of ours.
#[derive(Deserialize)]
pub(crate) struct Answer<'a> {
    pub(crate) ok: bool,
    data: Option<AnswerData>,
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize, Default)]
struct AnswerData {
    message: Option<Accepted>,
}

#[derive(Deserialize)]
struct Accepted {
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

impl Answer<'_> {
    /// The message's place, where the server has one; or the refusal's code.
    pub(crate) fn accepted(&self) -> Result<Option<u64>, &str> {
        if self.ok {
            return Ok(self
                .data
                .as_ref()
                .and_then(|data| data.message.as_ref())
                .and_then(|message| message.seq));
        }
        Err(self.error.as_ref().map_or("", |error| &error.code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Note = Note {
        room: 2,
        said: 7 << 32 | 5,
        intended: 123_456_789,
    };

    #[test]
    fn a_note_comes_back_from_the_text_it_stands_in() {
        let text = NOTE.text(9, 128);
        assert_eq!(text.len(), 128);
        assert_eq!(Note::read(&text, 9), Some(NOTE));
        assert_eq!(Note::read(&text, 8), None, "another run's");
        assert_eq!(Note::read("hello", 9), None);
    }

    #[test]
    fn the_same_message_is_heard_in_the_words_of_each_kind() {
        let rooms: HashMap<Box<str>, u32> = [("r2".into(), 2)].into();
        let text = NOTE.text(9, 64);
        let chatify =
            format!(r#"42["message:new",{{"roomId":"r2","seq":4,"message":{{"text":"{text}"}}}}]"#);
        let socketio = format!(
            r#"42["message:new",{{"roomId":"r2","clientId":"c","senderId":"u7","text":"{text}"}}]"#
        );
        let heard = |seq| {
            Some(Heard::Entry {
                room: 2,
                seq,
                note: Some(NOTE),
            })
        };
        assert_eq!(
            hear(Kind::Chatify, chatify.as_bytes(), &rooms, 9),
            heard(Some(4))
        );
        assert_eq!(
            hear(Kind::Socketio, socketio.as_bytes(), &rooms, 9),
            heard(None)
        );
        assert_eq!(hear(Kind::Raw, text.as_bytes(), &rooms, 9), heard(None));
        assert_eq!(hear(Kind::Chatify, b"42[", &rooms, 9), None, "no packet");
    }

    #[test]
    fn a_sign_in_is_json_in_each_kind() {
        let person = Person {
            number: 7,
            id: "u7".into(),
            token: "t7".into(),
            rooms: [0, 1].into(),
            writes: Box::default(),
            slow: false,
        };
        let rooms = ["a".into(), "b".into()];
        for (kind, places) in [(Kind::Socketio, 0), (Kind::Chatify, 0), (Kind::Chatify, 2)] {
            let places: Vec<_> = (0..places).map(|room| Place::at(room, 3)).collect();
            let packet = kind.sign_in(&person, &rooms, &places);
            let json: serde_json::Value =
                serde_json::from_str(packet.strip_prefix("40").unwrap()).unwrap();
            assert_eq!(json["token"], "t7");
            assert_eq!(json["rooms"][1] == "b", kind == Kind::Socketio);
            assert_eq!(json["resume"]["cursors"]["b"] == 3, !places.is_empty());
        }
    }

    #[test]
    fn an_answer_has_a_place_a_refusal_or_neither() {
        let read = |text| serde_json::from_str::<Answer<'_>>(text).unwrap();
        assert_eq!(
            read(r#"{"ok":true,"data":{"message":{"seq":4,"x":1}}}"#).accepted(),
            Ok(Some(4))
        );
        assert_eq!(read(r#"{"ok":true,"data":{"id":1}}"#).accepted(), Ok(None));
        assert_eq!(
            read(r#"{"ok":false,"error":{"code":"overloaded"}}"#).accepted(),
            Err("overloaded")
        );
    }
}
