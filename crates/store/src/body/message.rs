//! A message in bytes, without what its row says of it already.

use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Meta, Reaction};
use serde_json::value::RawValue;

use super::put::{put_number, put_text, put_time, put_users, put_uuid};
use super::{Broken, Cursor, Origin};

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

impl Cursor<'_> {
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

    pub(super) fn message(&mut self, origin: &Origin) -> Result<Message, Broken> {
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
}
