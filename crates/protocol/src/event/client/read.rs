//! How an event is read: a typed event, or a problem that points at the field. Never panics.

use serde::de::DeserializeOwned;

use super::check::{message_text, reaction, too_many};
use super::*;
use crate::limits;
use crate::problem::{Code, Problem};

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
