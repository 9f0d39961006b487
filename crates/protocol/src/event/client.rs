//! What a client may say, and how it is read: a typed event, or a problem that points at the field.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use utoipa::ToSchema;

use crate::ids::{ClientId, MessageId, RoomId, UserId};
use crate::limits;
use crate::message::{Meta, Seq};
use crate::problem::{Code, Problem};
use crate::room::Epoch;
use crate::user::PresenceStatus;

/// `message:send`, and the body of `POST /v1/rooms/{id}/messages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    /// Where.
    pub room_id: RoomId,
    /// The client's own name for it: a UUID, the same at every repeat.
    pub client_id: ClientId,
    /// The text, up to 4,000 characters.
    pub text: String,
    /// The message it answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// Members it names, up to 50.
    #[serde(default)]
    pub mentions: Vec<UserId>,
    /// An object of the client's own, up to 2 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub meta: Option<Meta>,
}

/// `message:edit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditMessage {
    /// Where.
    pub room_id: RoomId,
    /// Which message.
    pub id: MessageId,
    /// The new text.
    pub text: String,
    /// Refuse unless this is still its version.
    #[serde(default)]
    pub version: Option<u32>,
}

/// `message:delete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteMessage {
    /// Where.
    pub room_id: RoomId,
    /// Which message.
    pub id: MessageId,
}

/// `reaction:add` and `reaction:remove`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct React {
    /// Where.
    pub room_id: RoomId,
    /// Under which message.
    pub id: MessageId,
    /// One emoji.
    pub emoji: String,
}

/// Where a client stands in a room: a bare `seq`, or with the room's incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Cursor {
    /// The last entry it has, of whatever incarnation the room has now.
    Seq(Seq),
    /// The last entry it has, and of which incarnation.
    Exact {
        /// The last entry it has.
        seq: Seq,
        /// The incarnation.
        epoch: Epoch,
    },
}

impl Cursor {
    /// The last entry that the client has.
    pub fn seq(self) -> Seq {
        match self {
            Cursor::Seq(seq) | Cursor::Exact { seq, .. } => seq,
        }
    }

    /// Whether it speaks of this incarnation (or of none in particular).
    pub fn fits(self, epoch: Epoch) -> bool {
        match self {
            Cursor::Seq(_) => true,
            Cursor::Exact { epoch: held, .. } => held == epoch,
        }
    }
}

/// `sync`, and the body of `POST /v1/sync`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// The last entry held of each room.
    #[schema(value_type = BTreeMap<String, Cursor>)]
    pub rooms: BTreeMap<RoomId, Cursor>,
}

/// `history`: one of `before`, `after`, `around`, or none for the newest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Where.
    pub room_id: RoomId,
    /// Messages with a lower `seq`.
    #[serde(default)]
    pub before: Option<Seq>,
    /// Messages with a higher `seq`.
    #[serde(default)]
    pub after: Option<Seq>,
    /// Messages on both sides of a `seq`.
    #[serde(default)]
    pub around: Option<Seq>,
    /// How many, 1 to 100.
    #[serde(default = "default_limit")]
    pub limit: u32,
}

fn default_limit() -> u32 {
    50
}

/// `room:subscribe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscribe {
    /// Which room.
    pub room_id: RoomId,
    /// Replay what came after this.
    #[serde(default)]
    pub after: Option<Cursor>,
}

/// `room:unsubscribe`, `typing:start`, `typing:stop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InRoom {
    /// Which room.
    pub room_id: RoomId,
}

/// `receipt:read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkRead {
    /// Where.
    pub room_id: RoomId,
    /// Everything up to this was read.
    pub seq: Seq,
}

/// `presence:set`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetPresence {
    /// `online`, `away` or `dnd`.
    pub status: PresenceStatus,
    /// A line of their own.
    #[serde(default)]
    pub text: Option<String>,
}

/// `presence:watch`: replaces what this socket watched before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", untagged)]
pub enum WatchPresence {
    /// These people; those who share no room with the watcher look offline.
    Users {
        /// Up to 200.
        #[serde(rename = "userIds")]
        user_ids: Vec<UserId>,
    },
    /// A room's members.
    Room {
        /// Which room.
        #[serde(rename = "roomId")]
        room_id: RoomId,
    },
}

/// `auth:refresh`.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshAuth {
    /// A new access token of the same session.
    pub token: String,
}

impl std::fmt::Debug for RefreshAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshAuth")
    }
}

/// What a client sends along when it connects.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectAuth {
    /// The access token.
    pub token: Option<String>,
    /// Where it stands.
    pub resume: Option<Resume>,
}

/// Where a client stands in each of its rooms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resume {
    /// The last entry held of each room.
    #[schema(value_type = BTreeMap<String, Cursor>)]
    pub cursors: BTreeMap<RoomId, Cursor>,
}

/// Everything that a client may say.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// `message:send`
    Send(SendMessage),
    /// `message:edit`
    Edit(EditMessage),
    /// `message:delete`
    Delete(DeleteMessage),
    /// `reaction:add`
    ReactionAdd(React),
    /// `reaction:remove`
    ReactionRemove(React),
    /// `sync`
    Sync(Sync),
    /// `history`
    History(History),
    /// `room:subscribe`
    Subscribe(Subscribe),
    /// `room:unsubscribe`
    Unsubscribe(InRoom),
    /// `receipt:read`
    Read(MarkRead),
    /// `typing:start`
    TypingStart(InRoom),
    /// `typing:stop`
    TypingStop(InRoom),
    /// `presence:set`
    PresenceSet(SetPresence),
    /// `presence:watch`
    PresenceWatch(WatchPresence),
    /// `auth:refresh`
    AuthRefresh(RefreshAuth),
}

impl ClientEvent {
    /// The names of all of them.
    pub const NAMES: &'static [&'static str] = &[
        "message:send",
        "message:edit",
        "message:delete",
        "reaction:add",
        "reaction:remove",
        "sync",
        "history",
        "room:subscribe",
        "room:unsubscribe",
        "receipt:read",
        "typing:start",
        "typing:stop",
        "presence:set",
        "presence:watch",
        "auth:refresh",
    ];

    /// Reads an event; texts come out in NFC and within their limits.
    ///
    /// `payload` is the raw JSON of the event's first argument. Fails with a problem that points at the field; never panics.
    pub fn parse(name: &str, payload: &str) -> Result<Self, Problem> {
        Ok(match name {
            "message:send" => Self::Send(SendMessage::checked(json(payload)?)?),
            "message:edit" => {
                let mut edit: EditMessage = json(payload)?;
                edit.text = message_text(edit.text)?;
                Self::Edit(edit)
            }
            "message:delete" => Self::Delete(json(payload)?),
            "reaction:add" => Self::ReactionAdd(reaction(payload)?),
            "reaction:remove" => Self::ReactionRemove(reaction(payload)?),
            "sync" => {
                let sync: Sync = json(payload)?;
                if sync.rooms.len() > limits::SYNC_ROOMS_MAX {
                    return Err(too_many("/rooms", sync.rooms.len(), limits::SYNC_ROOMS_MAX));
                }
                Self::Sync(sync)
            }
            "history" => Self::History(History::checked(json(payload)?)?),
            "room:subscribe" => Self::Subscribe(json(payload)?),
            "room:unsubscribe" => Self::Unsubscribe(json(payload)?),
            "receipt:read" => Self::Read(json(payload)?),
            "typing:start" => Self::TypingStart(json(payload)?),
            "typing:stop" => Self::TypingStop(json(payload)?),
            "presence:set" => Self::PresenceSet(SetPresence::checked(json(payload)?)?),
            "presence:watch" => {
                let watch: WatchPresence = json(payload)?;
                if let WatchPresence::Users { user_ids } = &watch
                    && user_ids.len() > limits::PRESENCE_WATCH_MAX
                {
                    return Err(too_many(
                        "/userIds",
                        user_ids.len(),
                        limits::PRESENCE_WATCH_MAX,
                    ));
                }
                Self::PresenceWatch(watch)
            }
            "auth:refresh" => Self::AuthRefresh(json(payload)?),
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(Problem::because(
                    Code::UnknownEvent,
                    format!("there is no event {shown:?}"),
                ));
            }
        })
    }
}

impl SendMessage {
    /// The same with its text in NFC, or what is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        self.text = message_text(self.text)?;
        if self.mentions.len() > limits::MENTIONS_MAX {
            return Err(too_many(
                "/mentions",
                self.mentions.len(),
                limits::MENTIONS_MAX,
            ));
        }
        if let Some(meta) = &self.meta {
            let raw = meta.0.get();
            if !raw.starts_with('{') {
                return Err(Problem::field(
                    Code::InvalidRequest,
                    "/meta",
                    "type",
                    "meta must be an object",
                ));
            }
            if raw.len() > limits::META_BYTES_MAX {
                let detail = format!("{} of at most {} bytes", raw.len(), limits::META_BYTES_MAX);
                return Err(Problem::field(
                    Code::InvalidRequest,
                    "/meta",
                    "too_long",
                    detail,
                ));
            }
        }
        Ok(self)
    }
}

impl History {
    /// The same, or what is wrong with it.
    pub fn checked(self) -> Result<Self, Problem> {
        let given = [self.before, self.after, self.around]
            .iter()
            .filter(|side| side.is_some())
            .count();
        if given > 1 {
            let detail = "give one of before, after and around";
            return Err(Problem::field(
                Code::InvalidRequest,
                "/before",
                "range",
                detail,
            ));
        }
        if !(1..=limits::PAGE_MAX as u32).contains(&self.limit) {
            let detail = format!("limit must be 1 to {}", limits::PAGE_MAX);
            return Err(Problem::field(
                Code::InvalidRequest,
                "/limit",
                "range",
                detail,
            ));
        }
        Ok(self)
    }
}

impl SetPresence {
    fn checked(self) -> Result<Self, Problem> {
        if matches!(
            self.status,
            PresenceStatus::Offline | PresenceStatus::Unknown
        ) {
            let detail = "status must be online, away or dnd";
            return Err(Problem::field(
                Code::InvalidRequest,
                "/status",
                "range",
                detail,
            ));
        }
        if let Some(text) = &self.text
            && text.chars().count() > limits::PRESENCE_TEXT_CHARS_MAX
        {
            let detail = format!("at most {} characters", limits::PRESENCE_TEXT_CHARS_MAX);
            return Err(Problem::field(
                Code::InvalidRequest,
                "/text",
                "too_long",
                detail,
            ));
        }
        Ok(self)
    }
}

fn reaction(payload: &str) -> Result<React, Problem> {
    let mut react: React = json(payload)?;
    react.emoji = emoji(&react.emoji, "/emoji")?;
    Ok(react)
}

/// An emoji in NFC, or what is wrong with it. It must have a sign beyond plain text and no spaces or control characters.
pub fn emoji(text: &str, pointer: &str) -> Result<String, Problem> {
    let text: String = text.nfc().collect();
    let plain = text
        .chars()
        .all(|c| c.is_alphanumeric() && c.is_ascii() || c.is_ascii_punctuation());
    let broken = text.chars().any(|c| c.is_control() || c.is_whitespace());
    if text.is_empty() || plain || broken || text.len() > limits::EMOJI_BYTES_MAX {
        return Err(Problem::field(
            Code::InvalidRequest,
            pointer,
            "format",
            "expected one emoji",
        ));
    }
    Ok(text)
}

/// A message's text in NFC and within its limit.
pub fn message_text(text: String) -> Result<String, Problem> {
    let text = if is_nfc(&text) {
        text
    } else {
        text.nfc().collect()
    };
    if text.trim().is_empty() {
        return Err(Problem::field(
            Code::TextEmpty,
            "/text",
            "too_short",
            "the text is empty",
        ));
    }
    // Bytes bound characters, so the common short text is never counted.
    if text.len() > limits::TEXT_CHARS_MAX {
        let chars = text.chars().count();
        if chars > limits::TEXT_CHARS_MAX {
            let detail = format!("{chars} of at most {} characters", limits::TEXT_CHARS_MAX);
            return Err(Problem::field(
                Code::TextTooLong,
                "/text",
                "too_long",
                detail,
            ));
        }
    }
    Ok(text)
}

fn too_many(pointer: &str, have: usize, most: usize) -> Problem {
    Problem::field(
        Code::InvalidRequest,
        pointer,
        "too_long",
        format!("{have} of at most {most}"),
    )
}

/// Reads JSON into a type; what does not fit is named by its JSON pointer.
pub fn json<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if error.is_data() => Err(locate::<T>(text)),
        Err(error) => Err(Problem::because(Code::InvalidJson, error.to_string())),
    }
}

/// Reads once more, slowly, to learn where it went wrong: only refusals pay for the path.
fn locate<T: DeserializeOwned>(text: &str) -> Problem {
    let reader = &mut serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(reader) else {
        return Problem::new(Code::InvalidRequest);
    };
    let mut pointer = String::new();
    for segment in error.path() {
        use serde_path_to_error::Segment;
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let said = error.into_inner().to_string();
    let detail = said.split(" at line ").next().unwrap_or(&said).to_owned();
    if let Some(field) = detail
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        pointer.push_str(&format!("/{field}"));
        return Problem::field(
            Code::InvalidRequest,
            &pointer,
            "required",
            format!("{field} is required"),
        );
    }
    let kind = if detail.starts_with("invalid type") {
        "type"
    } else {
        "format"
    };
    Problem::field(Code::InvalidRequest, &pointer, kind, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "room_9b2f7b0e-3a63-4c8e-8f5e-0c7f6a2f4d11";
    const CLIENT: &str = "0190a5c4-7b1e-7c3a-9a51-3f0c2f6c1a2b";

    fn pointer(name: &str, payload: &str) -> String {
        ClientEvent::parse(name, payload).unwrap_err().errors[0]
            .pointer
            .clone()
    }

    #[test]
    fn a_message_is_read_and_its_text_comes_out_in_nfc() {
        let payload = format!(r#"{{"roomId":"{ROOM}","clientId":"{CLIENT}","text":"cafe\u0301"}}"#);
        let ClientEvent::Send(send) = ClientEvent::parse("message:send", &payload).unwrap() else {
            panic!()
        };
        assert_eq!(send.text, "caf\u{e9}");
    }

    #[test]
    fn a_refusal_points_at_the_field() {
        assert_eq!(
            pointer(
                "message:send",
                &format!(r#"{{"roomId":"{ROOM}","clientId":"{CLIENT}"}}"#)
            ),
            "/text"
        );
        assert_eq!(
            pointer(
                "message:send",
                &format!(r#"{{"roomId":"{ROOM}","clientId":"1","text":"x"}}"#)
            ),
            "/clientId"
        );
        assert_eq!(
            pointer(
                "message:send",
                &format!(r#"{{"roomId":7,"clientId":"{CLIENT}","text":"x"}}"#)
            ),
            "/roomId"
        );
        assert_eq!(
            pointer(
                "message:send",
                &format!(
                    r#"{{"roomId":"{ROOM}","clientId":"{CLIENT}","text":"x","mentions":["a"]}}"#
                )
            ),
            "/mentions/0"
        );
        assert_eq!(
            pointer("sync", &format!(r#"{{"rooms":{{"{ROOM}":"x"}}}}"#)),
            format!("/rooms/{ROOM}")
        );
    }

    #[test]
    fn an_oversize_text_is_named() {
        let text = "ä".repeat(limits::TEXT_CHARS_MAX + 1);
        let payload = format!(r#"{{"roomId":"{ROOM}","clientId":"{CLIENT}","text":"{text}"}}"#);
        assert_eq!(
            ClientEvent::parse("message:send", &payload)
                .unwrap_err()
                .code,
            Code::TextTooLong
        );
        let fits = "ä".repeat(limits::TEXT_CHARS_MAX);
        let payload = format!(r#"{{"roomId":"{ROOM}","clientId":"{CLIENT}","text":"{fits}"}}"#);
        assert!(ClientEvent::parse("message:send", &payload).is_ok());
    }

    #[test]
    fn what_is_no_json_and_what_is_no_event_have_their_own_codes() {
        assert_eq!(
            ClientEvent::parse("message:send", "{").unwrap_err().code,
            Code::InvalidJson
        );
        assert_eq!(
            ClientEvent::parse("message:sned", "{}").unwrap_err().code,
            Code::UnknownEvent
        );
    }

    #[test]
    fn every_named_event_is_known_to_the_parser() {
        for name in ClientEvent::NAMES {
            let refused = ClientEvent::parse(name, "[]").unwrap_err().code;
            assert_ne!(refused, Code::UnknownEvent, "{name}");
        }
    }

    #[test]
    fn an_emoji_is_an_emoji() {
        assert!(emoji("👩‍👩‍👧‍👦", "/emoji").is_ok());
        assert!(emoji("❤️", "/emoji").is_ok());
        for text in ["", "ok", "<b>", "a b", "\u{0}👍", &"👍".repeat(40)] {
            assert!(emoji(text, "/emoji").is_err(), "{text:?}");
        }
    }
}
