//! What an entry did, in bytes: the body of an entry or of a message's latest version, the same in every backend.
//!
//! A message stands in nearly every row, so it is written without what its entry says already (room, place, sender,
//! key, time): 18 bytes and the text. Reading never panics and never reserves more than the bytes that are there.
//! A tag or a flag is never given a second meaning: rows of old binaries are read for ever.

use protocol::entry::{Change, Entry};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Meta, Reaction, Seq};
use protocol::room::{LeaveReason, Member, Role, Room, RoomType};
use protocol::time::Timestamp;
use serde_json::value::RawValue;
use uuid::Uuid;

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

/// What of a message is written because it is there, or because the entry says otherwise.
mod flag {
    pub(crate) const REPLY: u64 = 1;
    pub(crate) const MENTIONS: u64 = 1 << 1;
    pub(crate) const REACTIONS: u64 = 1 << 2;
    pub(crate) const META: u64 = 1 << 3;
    pub(crate) const VERSION: u64 = 1 << 4;
    pub(crate) const EDITED_AT: u64 = 1 << 5;
    pub(crate) const DELETED_AT: u64 = 1 << 6;
    pub(crate) const PLACE: u64 = 1 << 7;
    pub(crate) const CLIENT_ID: u64 = 1 << 8;
    pub(crate) const SENDER: u64 = 1 << 9;
    pub(crate) const CREATED_AT: u64 = 1 << 10;
    pub(crate) const ROOM: u64 = 1 << 11;
    pub(crate) const ALL: u64 = (1 << 12) - 1;
}

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

/// Writes a message without what its origin says.
pub(crate) fn encode_message(message: &Message, origin: &Origin, out: &mut Vec<u8>) {
    let mut flags = 0;
    let mut mark = |set: bool, flag: u64| flags |= if set { flag } else { 0 };
    mark(message.reply_to.is_some(), flag::REPLY);
    mark(!message.mentions.is_empty(), flag::MENTIONS);
    mark(!message.reactions.is_empty(), flag::REACTIONS);
    mark(message.meta.is_some(), flag::META);
    mark(message.version != 1, flag::VERSION);
    mark(message.edited_at.is_some(), flag::EDITED_AT);
    mark(message.deleted_at.is_some(), flag::DELETED_AT);
    mark(
        (message.seq, message.n) != (origin.seq, origin.n),
        flag::PLACE,
    );
    mark(message.client_id != origin.key, flag::CLIENT_ID);
    mark(message.sender_id != origin.actor, flag::SENDER);
    mark(message.created_at != origin.at, flag::CREATED_AT);
    mark(message.room_id != origin.room, flag::ROOM);

    put_number(out, flags);
    put_uuid(out, message.id.0);
    put_text(out, &message.text);
    if let Some(reply_to) = message.reply_to {
        put_uuid(out, reply_to.0);
    }
    if flags & flag::MENTIONS != 0 {
        put_users(out, &message.mentions);
    }
    if flags & flag::REACTIONS != 0 {
        put_number(out, message.reactions.len() as u64);
        for reaction in &message.reactions {
            put_text(out, &reaction.emoji);
            put_number(out, u64::from(reaction.count));
            put_users(out, &reaction.user_ids);
        }
    }
    if let Some(meta) = &message.meta {
        put_text(out, meta.0.get());
    }
    if flags & flag::VERSION != 0 {
        put_number(out, u64::from(message.version));
    }
    for time in [message.edited_at, message.deleted_at]
        .into_iter()
        .flatten()
    {
        put_time(out, time);
    }
    if flags & flag::PLACE != 0 {
        put_number(out, message.seq);
        put_number(out, message.n);
    }
    if flags & flag::CLIENT_ID != 0 {
        put_uuid(out, message.client_id.0);
    }
    if flags & flag::SENDER != 0 {
        put_uuid(out, message.sender_id.0);
    }
    if flags & flag::CREATED_AT != 0 {
        put_time(out, message.created_at);
    }
    if flags & flag::ROOM != 0 {
        put_uuid(out, message.room_id.0);
    }
}

/// Reads a message back.
pub(crate) fn decode_message(bytes: &[u8], origin: &Origin) -> Result<Message, Broken> {
    let from = &mut Cursor(bytes);
    let message = from.message(origin)?;
    from.end()?;
    Ok(message)
}

pub(crate) fn room_type(kind: RoomType) -> u8 {
    match kind {
        RoomType::Public => 0,
        RoomType::Private => 1,
        RoomType::Group => 2,
        RoomType::Dm => 3,
    }
}

pub(crate) fn room_type_of(byte: u8) -> Result<RoomType, Broken> {
    [
        RoomType::Public,
        RoomType::Private,
        RoomType::Group,
        RoomType::Dm,
    ]
    .get(usize::from(byte))
    .copied()
    .ok_or(Broken("unknown kind of room"))
}

pub(crate) fn role(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Moderator => 1,
        Role::Admin => 2,
        Role::Owner => 3,
    }
}

pub(crate) fn role_of(byte: u8) -> Result<Role, Broken> {
    [Role::Member, Role::Moderator, Role::Admin, Role::Owner]
        .get(usize::from(byte))
        .copied()
        .ok_or(Broken("unknown role"))
}

fn leave_reason(reason: LeaveReason) -> u8 {
    match reason {
        LeaveReason::Left => 0,
        LeaveReason::Removed => 1,
        LeaveReason::Banned => 2,
        LeaveReason::Deleted => 3,
    }
}

fn leave_reason_of(byte: u8) -> Result<LeaveReason, Broken> {
    [
        LeaveReason::Left,
        LeaveReason::Removed,
        LeaveReason::Banned,
        LeaveReason::Deleted,
    ]
    .get(usize::from(byte))
    .copied()
    .ok_or(Broken("unknown reason of leaving"))
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_uuid(out: &mut Vec<u8>, id: Uuid) {
    out.extend_from_slice(id.as_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.0.to_le_bytes());
}

fn put_maybe_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        put_time(out, time);
    }
}

fn put_maybe_text(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

fn put_users(out: &mut Vec<u8>, users: &[UserId]) {
    put_number(out, users.len() as u64);
    for user in users {
        put_uuid(out, user.0);
    }
}

fn put_member(out: &mut Vec<u8>, member: &Member) {
    put_uuid(out, member.user_id.0);
    out.push(role(member.role));
    put_time(out, member.joined_at);
    put_maybe_time(out, member.muted_until);
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Broken("a body ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.array::<1>()?[0])
    }

    fn yes(&mut self) -> Result<bool, Broken> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Broken("neither yes nor no")),
        }
    }

    fn number(&mut self) -> Result<u64, Broken> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Broken("a number is too long"))
    }

    fn small(&mut self) -> Result<u32, Broken> {
        u32::try_from(self.number()?).map_err(|_| Broken("a count is too large"))
    }

    fn length(&mut self) -> Result<usize, Broken> {
        usize::try_from(self.number()?).map_err(|_| Broken("a length is too large"))
    }

    fn uuid(&mut self) -> Result<Uuid, Broken> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String, Broken> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| Broken("a text is not UTF-8"))
    }

    fn time(&mut self) -> Result<Timestamp, Broken> {
        Ok(Timestamp(i64::from_le_bytes(self.array()?)))
    }

    fn maybe_time(&mut self) -> Result<Option<Timestamp>, Broken> {
        self.yes()?.then(|| self.time()).transpose()
    }

    fn maybe_text(&mut self) -> Result<Option<String>, Broken> {
        self.yes()?.then(|| self.text()).transpose()
    }

    fn users(&mut self) -> Result<Vec<UserId>, Broken> {
        let count = self.length()?;
        let bytes = self.take(
            count
                .checked_mul(16)
                .ok_or(Broken("a length is too large"))?,
        )?;
        let mut from = Cursor(bytes);
        (0..count).map(|_| Ok(UserId(from.uuid()?))).collect()
    }

    fn member(&mut self) -> Result<Member, Broken> {
        Ok(Member {
            user_id: UserId(self.uuid()?),
            role: role_of(self.byte()?)?,
            joined_at: self.time()?,
            muted_until: self.maybe_time()?,
        })
    }

    fn reactions(&mut self) -> Result<Vec<Reaction>, Broken> {
        let count = self.length()?;
        let mut reactions = Vec::new();
        for _ in 0..count {
            reactions.push(Reaction {
                emoji: self.text()?,
                count: self.small()?,
                user_ids: self.users()?,
            });
        }
        Ok(reactions)
    }

    fn meta(&mut self) -> Result<Meta, Broken> {
        RawValue::from_string(self.text()?)
            .map(Meta)
            .map_err(|_| Broken("meta is not JSON"))
    }

    fn message(&mut self, origin: &Origin) -> Result<Message, Broken> {
        let flags = self.number()?;
        if flags & !flag::ALL != 0 {
            return Err(Broken("a message with unknown flags"));
        }
        let has = |flag: u64| flags & flag != 0;
        let mut message = Message {
            id: MessageId(self.uuid()?),
            room_id: origin.room,
            seq: origin.seq,
            n: origin.n,
            client_id: origin.key,
            sender_id: origin.actor,
            text: self.text()?,
            reply_to: has(flag::REPLY)
                .then(|| self.uuid().map(MessageId))
                .transpose()?,
            mentions: if has(flag::MENTIONS) {
                self.users()?
            } else {
                Vec::new()
            },
            reactions: if has(flag::REACTIONS) {
                self.reactions()?
            } else {
                Vec::new()
            },
            meta: has(flag::META).then(|| self.meta()).transpose()?,
            version: if has(flag::VERSION) { self.small()? } else { 1 },
            edited_at: has(flag::EDITED_AT).then(|| self.time()).transpose()?,
            deleted_at: has(flag::DELETED_AT).then(|| self.time()).transpose()?,
            created_at: origin.at,
        };
        if has(flag::PLACE) {
            (message.seq, message.n) = (self.number()?, self.number()?);
        }
        if has(flag::CLIENT_ID) {
            message.client_id = ClientId(self.uuid()?);
        }
        if has(flag::SENDER) {
            message.sender_id = UserId(self.uuid()?);
        }
        if has(flag::CREATED_AT) {
            message.created_at = self.time()?;
        }
        if has(flag::ROOM) {
            message.room_id = RoomId(self.uuid()?);
        }
        Ok(message)
    }

    fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Broken("bytes after a body's end"))
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
