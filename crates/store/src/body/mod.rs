//! What an entry did, in bytes: the body of an entry or of a message's latest version, the same in every backend.
//!
//! A message stands in nearly every row, so it is written without what its entry says already (room, place, sender,
//! key, time): 18 bytes and the text. Reading never panics and never reserves more than the bytes that are there.
//! A tag or a flag is never given a second meaning: rows of old binaries are read for ever.

mod message;
mod numbers;
mod put;
mod take;

use protocol::entry::{Change, Entry};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::Seq;
use protocol::room::Room;
use protocol::time::Timestamp;

pub(crate) use message::{decode_message, encode_message};
use numbers::{leave_reason, leave_reason_of};
pub(crate) use numbers::{role, role_of, room_type, room_type_of};
use put::{put_maybe_text, put_maybe_time, put_member, put_number, put_text, put_time, put_uuid};
use take::Cursor;

pub(crate) const SAID: u8 = 0;
const EDITED: u8 = 1;
const DELETED: u8 = 2;
const REACTED: u8 = 3;
const JOINED: u8 = 4;
const LEFT: u8 = 5;
const MEMBER_CHANGED: u8 = 6;
const UNBANNED: u8 = 7;
const ROOM_CHANGED: u8 = 8;
const ROOM_DELETED: u8 = 9;

/// Bytes that are no body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

/// What a row says of its message in columns of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) n: u64,
    pub(crate) at: Timestamp,
    pub(crate) actor: UserId,
    pub(crate) key: ClientId,
}

impl Origin {
    pub(crate) fn of(room: RoomId, entry: &Entry) -> Self {
        Self {
            room,
            seq: entry.seq,
            n: entry.n,
            at: entry.at,
            actor: entry.actor,
            key: entry.key,
        }
    }
}

/// Writes a change and returns its kind, which stands in a column of its own.
pub(crate) fn encode(change: &Change, origin: &Origin, out: &mut Vec<u8>) -> u8 {
    match change {
        Change::Said { message } => {
            encode_message(message, origin, out);
            SAID
        }
        Change::Edited { message } => {
            encode_message(message, origin, out);
            EDITED
        }
        Change::Deleted { message } => {
            encode_message(message, origin, out);
            DELETED
        }
        Change::Reacted {
            message,
            emoji,
            added,
            count,
        } => {
            put_uuid(out, message.0);
            put_text(out, emoji);
            out.push(u8::from(*added));
            put_number(out, u64::from(*count));
            REACTED
        }
        Change::Joined { member } => {
            put_member(out, member);
            JOINED
        }
        Change::Left {
            user,
            reason,
            until,
        } => {
            put_uuid(out, user.0);
            out.push(leave_reason(*reason));
            put_maybe_time(out, *until);
            LEFT
        }
        Change::MemberChanged { member } => {
            put_member(out, member);
            MEMBER_CHANGED
        }
        Change::Unbanned { user } => {
            put_uuid(out, user.0);
            UNBANNED
        }
        Change::RoomChanged { room } => {
            put_uuid(out, room.id.0);
            out.push(room_type(room.kind));
            put_maybe_text(out, room.name.as_deref());
            put_maybe_text(out, room.topic.as_deref());
            put_uuid(out, room.created_by.0);
            put_time(out, room.created_at);
            put_number(out, u64::from(room.member_count));
            ROOM_CHANGED
        }
        Change::RoomDeleted => ROOM_DELETED,
    }
}

/// Reads a change back.
pub(crate) fn decode(kind: u8, bytes: &[u8], origin: &Origin) -> Result<Change, Broken> {
    let from = &mut Cursor(bytes);
    let change = match kind {
        SAID => Change::Said {
            message: from.message(origin)?,
        },
        EDITED => Change::Edited {
            message: from.message(origin)?,
        },
        DELETED => Change::Deleted {
            message: from.message(origin)?,
        },
        REACTED => Change::Reacted {
            message: MessageId(from.uuid()?),
            emoji: from.text()?,
            added: from.yes()?,
            count: from.small()?,
        },
        JOINED => Change::Joined {
            member: from.member()?,
        },
        LEFT => Change::Left {
            user: UserId(from.uuid()?),
            reason: leave_reason_of(from.byte()?)?,
            until: from.maybe_time()?,
        },
        MEMBER_CHANGED => Change::MemberChanged {
            member: from.member()?,
        },
        UNBANNED => Change::Unbanned {
            user: UserId(from.uuid()?),
        },
        ROOM_CHANGED => Change::RoomChanged {
            room: Room {
                id: RoomId(from.uuid()?),
                kind: room_type_of(from.byte()?)?,
                name: from.maybe_text()?,
                topic: from.maybe_text()?,
                created_by: UserId(from.uuid()?),
                created_at: from.time()?,
                member_count: from.small()?,
            },
        },
        ROOM_DELETED => Change::RoomDeleted,
        _ => return Err(Broken("unknown kind of entry")),
    };
    from.end()?;
    Ok(change)
}

#[cfg(test)]
mod tests;
