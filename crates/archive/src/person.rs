//! Everything that a store has about one person and nothing about others, for the person: they have a right to it.
//!
//! One JSON object a line: profile, devices, rooms, and from every log what they did themselves, each version of a text.
//! Left out: secrets of their devices, who reacted to them, what they did to other members (it names those).
//! No index leads from a person to their messages, so every log is read; that is an operator's work and no request's.

use std::io::Write;

use protocol::entry::Change;
use protocol::ids::UserId;
use protocol::message::Message;
use serde_json::{Value, json};
use store::{Store, StoreError};

use crate::{ArchiveError, Progress};

const PAGE: usize = 1_000;

/// Writes it to `out`. Returns how many lines.
///
/// # Errors
/// `Store` with `NotFound` for somebody who is not there or is erased; `File` when `out` fails.
pub async fn person(
    store: &dyn Store,
    who: UserId,
    out: &mut (dyn Write + Send),
    progress: Progress<'_>,
) -> Result<u64, ArchiveError> {
    let me = store.me(who).await?;
    let mut lines = 0;
    let mut put = |value: &Value| {
        lines += 1;
        writeln!(out, "{value}")
            .map_err(|error| ArchiveError::File(format!("cannot write: {error}")))
    };
    put(&json!({ "profile": me }))?;
    let mut after = None;
    loop {
        let rows = store.session_rows(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        for device in rows.iter().filter(|device| device.user == who) {
            put(&json!({ "device": {
                "id": device.id, "device": device.device, "createdAt": device.created_at,
                "lastUsedAt": device.last_used_at, "revokedAt": device.revoked_at,
            } }))?;
        }
    }
    for room in store.rooms_of(who).await? {
        put(&json!({ "room": {
            "id": room.room.id, "type": room.room.kind, "name": room.room.name,
            "role": room.role, "readSeq": room.read_seq,
        } }))?;
    }
    let (mut after, mut rooms) = (None, 0);
    loop {
        let keys = store.room_keys(after, PAGE).await?;
        let Some(last) = keys.last() else {
            return Ok(lines);
        };
        after = Some(last.id);
        for key in keys {
            let mut at = 0;
            loop {
                let page = match store.entries(key.id, at, PAGE).await {
                    Err(StoreError::NotFound) => break,
                    page => page?,
                };
                let Some(last) = page.entries.last() else {
                    break;
                };
                at = last.seq;
                for entry in &page.entries {
                    if let Some(did) = did(who, entry.actor, &entry.change) {
                        put(
                            &json!({ "did": did, "roomId": key.id, "seq": entry.seq, "at": entry.at }),
                        )?;
                    }
                }
            }
            rooms += 1;
            progress("rooms", rooms);
        }
    }
}

fn did(who: UserId, actor: UserId, change: &Change) -> Option<Value> {
    let wrote = |message: &Message| {
        json!({
            "messageId": message.id, "text": message.text, "replyTo": message.reply_to,
            "mentions": message.mentions, "meta": message.meta,
        })
    };
    match change {
        Change::Said { message } if actor == who => Some(json!({ "said": wrote(message) })),
        Change::Edited { message } if actor == who => Some(json!({ "edited": wrote(message) })),
        Change::Deleted { message } if actor == who => Some(json!({ "deleted": message.id })),
        Change::Reacted {
            message,
            emoji,
            added,
            ..
        } if actor == who => {
            Some(json!({ "reacted": { "messageId": message, "emoji": emoji, "added": added } }))
        }
        Change::Joined { member } if member.user_id == who => Some(json!("joined")),
        Change::Left { user, reason, .. } if *user == who => Some(json!({ "left": reason })),
        Change::MemberChanged { member } if member.user_id == who => {
            Some(json!({ "role": member.role, "mutedUntil": member.muted_until }))
        }
        Change::Unbanned { user } if *user == who => Some(json!("unbanned")),
        _ => None,
    }
}
