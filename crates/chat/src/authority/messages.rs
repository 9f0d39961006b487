//! Who may say, edit, delete and react.

use protocol::entry::{Change, Draft, Intent};
use protocol::ids::MessageId;
use protocol::limits;
use protocol::message::{Message, Reaction};
use protocol::problem::{Code, Problem};
use protocol::room::{Member, Role};
use protocol::time::Timestamp;

use super::{Granted, Loaded, RoomState};
use crate::Made;

impl RoomState {
    pub(super) fn say(&self, draft: &Draft, loaded: &Loaded) -> Result<Granted, Problem> {
        let Intent::Say {
            id,
            text,
            reply_to,
            mentions,
            meta,
        } = &draft.intent
        else {
            return Err(Code::Internal.into());
        };
        if let Some(target) = reply_to
            && loaded.get(target).is_none_or(Option::is_none)
        {
            let detail = "the message that is answered is not in this room";
            return Err(Problem::field(
                Code::MessageNotFound,
                "/replyTo",
                "unknown",
                detail,
            ));
        }
        let mut named = Vec::with_capacity(mentions.len());
        for user in mentions {
            if self.members.contains_key(user) && !named.contains(user) {
                named.push(*user);
            }
        }
        let message = Message {
            id: *id,
            room_id: self.room.id,
            seq: self.head.seq + 1,
            n: self.head.n + 1,
            client_id: draft.key,
            sender_id: draft.actor,
            text: text.clone(),
            reply_to: *reply_to,
            mentions: named,
            reactions: Vec::new(),
            version: 1,
            created_at: draft.at,
            edited_at: None,
            deleted_at: None,
            meta: meta.clone(),
        };
        Ok(Granted::change(
            Change::Said {
                message: message.clone(),
            },
            Made::Message(message),
        ))
    }
}

/// Changes a text, if the message is still at the version that its sender saw.
pub(super) fn edit(
    message: &Message,
    actor: &Member,
    at: Timestamp,
    (text, version): (&str, Option<u32>),
) -> Result<Granted, Problem> {
    if message.sender_id != actor.user_id {
        return Err(Code::Forbidden.into());
    }
    if version.is_some_and(|held| held != message.version) {
        let detail = format!("the message is at version {}", message.version);
        return Err(Problem::because(Code::VersionConflict, detail));
    }
    if message.text == text {
        return Ok(Granted::Already(Made::Message(message.clone())));
    }
    let mut edited = message.clone();
    text.clone_into(&mut edited.text);
    edited.version += 1;
    edited.edited_at = Some(at);
    Ok(Granted::change(
        Change::Edited {
            message: edited.clone(),
        },
        Made::Message(edited),
    ))
}

/// Leaves a tombstone: its sender may, and a moderator.
pub(super) fn delete(message: &Message, actor: &Member, at: Timestamp) -> Result<Granted, Problem> {
    if message.deleted_at.is_some() {
        return Ok(Granted::Already(Made::Message(message.clone())));
    }
    if message.sender_id != actor.user_id && actor.role < Role::Moderator {
        return Err(Code::Forbidden.into());
    }
    let tombstone = message.clone().deleted(at);
    Ok(Granted::change(
        Change::Deleted {
            message: tombstone.clone(),
        },
        Made::Message(tombstone),
    ))
}

/// Adds an emoji, or takes it back.
pub(super) fn react(
    message: &Message,
    actor: &Member,
    emoji: &str,
    add: bool,
) -> Result<Granted, Problem> {
    let here = message
        .reactions
        .iter()
        .find(|reaction| reaction.emoji == emoji);
    let count = here.map_or(0, |reaction| reaction.count);
    let chosen = here.is_some_and(|reaction: &Reaction| reaction.user_ids.contains(&actor.user_id));
    if chosen == add {
        return Ok(Granted::Already(Made::Reaction {
            emoji: emoji.to_owned(),
            count,
        }));
    }
    if add && here.is_none() && message.reactions.len() >= limits::REACTIONS_MAX {
        let detail = format!(
            "a message carries at most {} different emojis",
            limits::REACTIONS_MAX
        );
        return Err(Problem::field(
            Code::InvalidRequest,
            "/emoji",
            "range",
            detail,
        ));
    }
    let count = if add {
        count + 1
    } else {
        count.saturating_sub(1)
    };
    let change = Change::Reacted {
        message: message.id,
        emoji: emoji.to_owned(),
        added: add,
        count,
    };
    Ok(Granted::change(
        change,
        Made::Reaction {
            emoji: emoji.to_owned(),
            count,
        },
    ))
}

/// A message of this room, deleted or not.
pub(super) fn known(loaded: &Loaded, id: MessageId) -> Result<&Message, Problem> {
    let message = loaded.get(&id).and_then(Option::as_ref);
    Ok(message.ok_or(Code::MessageNotFound)?)
}

/// A message of this room that is not deleted.
pub(super) fn living(loaded: &Loaded, id: MessageId) -> Result<&Message, Problem> {
    match known(loaded, id)? {
        message if message.deleted_at.is_none() => Ok(message),
        _ => Err(Code::MessageNotFound.into()),
    }
}

/// Whoever is muted may read.
pub(super) fn may_write(actor: &Member, at: Timestamp) -> Result<(), Problem> {
    match actor.muted_until {
        Some(until) if until > at => Err(Problem::because(
            Code::Muted,
            format!("you are muted in this room until {until}"),
        )),
        _ => Ok(()),
    }
}
