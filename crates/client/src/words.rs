//! The words that a client reads and writes, as far as its own work needs them. Pure.

use history::{Content, Passage, digest};
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::Epoch;
use protocol::socketio::{self, Packet};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The events that stand in a room's log, each with the next `seq`.
pub const DURABLE: [&str; 9] = [
    "message:new",
    "message:updated",
    "message:deleted",
    "reaction:updated",
    "room:updated",
    "room:deleted",
    "member:joined",
    "member:left",
    "member:updated",
];

/// The first event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The device that the token speaks for.
    pub session_id: SessionId,
    /// Every room, and where its log ends.
    pub rooms: Vec<ReadyRoom>,
}

/// A room in [`Ready`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyRoom {
    /// Which.
    pub id: RoomId,
    /// Its incarnation.
    pub epoch: Epoch,
    /// The last entry of its log.
    pub head_seq: Seq,
}

/// `room:added`.
#[derive(Deserialize)]
pub struct Added {
    /// The room that one is in now.
    pub room: ReadyRoom,
}

/// `room:removed`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The room that one is in no more.
    pub room_id: RoomId,
}

/// `stream:gap`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Where.
    pub room_id: RoomId,
    /// Live events follow from here.
    pub head_seq: Seq,
}

/// The answer to a send.
#[derive(Deserialize)]
pub struct Answer<'a> {
    /// Whether it was accepted.
    pub ok: bool,
    /// What was accepted.
    pub data: Option<AnswerData>,
    /// Why it was not.
    #[serde(borrow)]
    pub error: Option<Refusal<'a>>,
}

/// The message that was accepted.
#[derive(Deserialize)]
pub struct AnswerData {
    /// The message.
    pub message: Accepted,
    /// It was there already.
    #[serde(default)]
    pub duplicate: bool,
}

/// Its place.
#[derive(Deserialize)]
pub struct Accepted {
    /// The place in the room's log.
    pub seq: Seq,
}

/// Why not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal<'a> {
    /// One word of the closed list of `docs/errors`.
    pub code: &'a str,
    /// Milliseconds after which the same may be tried again.
    pub retry_after: Option<u64>,
}

/// A problem document as REST and connect errors carry it.
#[derive(Deserialize)]
pub struct Problem {
    /// One word of the closed list of `docs/errors`.
    pub code: String,
    /// What is wrong, for people.
    #[serde(default)]
    pub detail: Option<String>,
}

/// A durable event, as far as the checker compares it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where.
    pub room_id: RoomId,
    /// Its place in the room's log.
    pub seq: Seq,
    message: Option<Message>,
    member: Option<Person>,
    user_id: Option<UserId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    user_id: UserId,
}

impl Entry {
    /// The message of a `message:new`.
    pub fn said(&self, name: &str) -> Option<&Message> {
        self.message.as_ref().filter(|_| name == "message:new")
    }

    /// What can be compared however the event came: live, replayed or read.
    pub fn content(&self, name: &str, payload: &RawValue) -> Content {
        // Only the first version of a message is told apart: a replay shows a later edit in the message itself.
        if let Some(message) = self.said(name).filter(|message| message.version == 1) {
            return Content {
                whole: None,
                actor: Some(message.sender_id),
                key: Some(message.client_id),
                body: Some(digest(message.text.as_bytes())),
            };
        }
        Content {
            whole: (!name.starts_with("message:")).then(|| digest(payload.get().as_bytes())),
            ..Content::default()
        }
    }

    /// Who came or went by it.
    pub fn passage(&self, name: &str) -> Option<Passage> {
        match name {
            "member:joined" => Some(Passage::Came(self.member.as_ref()?.user_id)),
            "member:left" => Some(Passage::Went(self.user_id?)),
            "room:deleted" => Some(Passage::Closed),
            _ => None,
        }
    }
}

/// The name and first argument of an event, by the protocol's codec. `body` is an Engine.IO message, its `4` included.
pub fn event(body: &[u8]) -> Option<(String, &RawValue)> {
    let text = std::str::from_utf8(body).ok()?.strip_prefix('4')?;
    match socketio::decode(text).ok()? {
        Packet::Event { name, args, .. } => Some((name.into_owned(), args.first()?)),
        _ => None,
    }
}

/// The packet that signs in, with the cursors of whatever was heard before.
pub fn sign_in(
    token: &str,
    cursors: impl IntoIterator<Item = (RoomId, Seq, Option<Epoch>)>,
) -> String {
    let mut auth = format!(r#"40{{"token":"{token}""#);
    let mut some = false;
    for (room, seq, epoch) in cursors {
        auth.push_str(if some {
            ","
        } else {
            r#","resume":{"cursors":{"#
        });
        some = true;
        match epoch {
            None => auth.push_str(&format!(r#""{room}":{seq}"#)),
            Some(Epoch(epoch)) => {
                auth.push_str(&format!(r#""{room}":{{"seq":{seq},"epoch":{epoch}}}"#));
            }
        }
    }
    auth.push_str(if some { "}}}" } else { "}" });
    auth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_json_with_any_number_of_cursors() {
        let room = RoomId(uuid::Uuid::nil());
        for count in 0..3 {
            let cursors = (0..count).map(|n| (room, n, (n > 0).then_some(Epoch(7))));
            let packet = sign_in("t", cursors);
            let body = packet.strip_prefix("40").expect("a CONNECT packet");
            let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(json["token"], "t");
            assert_eq!(json["resume"].is_object(), count > 0);
        }
    }

    #[test]
    fn an_event_is_named_and_its_payload_kept_as_it_came() {
        let (name, payload) = event(br#"42["typing",{"a": 1}]"#).expect("an event");
        assert_eq!((name.as_str(), payload.get()), ("typing", r#"{"a": 1}"#));
        assert!(event(b"40").is_none());
    }
}
