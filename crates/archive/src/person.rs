//! Everything that a store has about one person and nothing about others, for the person: they have a right to it.
//!
//! One JSON object a line: profile, devices, rooms, and from the logs what they did themselves, each version of a text,
//! also in rooms that they left or that were deleted. The last line says how many there were, so that a file that was
//! cut off is known for one. Left out: secrets of their devices, who reacted to them, what they did to other members
//! (it names those).
//!
//! It is read piece by piece, one page of the store each, so that nothing grows with what there is. No index leads from
//! a person to their messages: the logs of all rooms that they ever were in are read, by whoever asks at their own pace.

use std::collections::VecDeque;

use protocol::entry::{Change, Entry};
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::message::{Message, Seq};
use serde_json::{Value, json};
use store::{SessionRow, Store, StoreError};

/// Rows in one question.
const PAGE: usize = 1_000;

/// Which of a person's devices are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// Those that are signed in; one indexed read.
    SignedIn,
    /// Those that were signed out and not forgotten yet too. Reads the devices of everybody.
    Known,
}

/// What there is about one person, piece by piece.
#[derive(Debug)]
pub struct Person {
    who: UserId,
    lines: u64,
    next: Next,
}

/// What the next piece is.
#[derive(Debug)]
enum Next {
    Profile(Devices),
    /// Everybody's devices above this one.
    Devices(Option<SessionId>),
    Rooms,
    Logs(Logs),
    Nothing,
}

#[derive(Debug, Default)]
struct Logs {
    /// The last room that was asked for.
    after: Option<RoomId>,
    /// Rooms that are to be read yet, and how far the first has been.
    rooms: VecDeque<RoomId>,
    at: Seq,
}

impl Person {
    /// About this person.
    pub fn new(who: UserId, devices: Devices) -> Self {
        Self {
            who,
            lines: 0,
            next: Next::Profile(devices),
        }
    }

    /// How many lines there were so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The next whole lines, perhaps none of them; `None` when there are no more. A piece is at most one page of the
    /// store. A piece that failed may be asked for again.
    ///
    /// # Errors
    /// `NotFound` at the first piece for somebody who is not there or is erased; whatever the store fails with.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<String>, StoreError> {
        let mut out = Lines::default();
        let (who, lines) = (self.who, self.lines);
        match &mut self.next {
            Next::Profile(devices) => {
                out.put(&json!({ "profile": store.me(who).await? }));
                self.next = match devices {
                    Devices::Known => Next::Devices(None),
                    Devices::SignedIn => {
                        for row in store.sessions_of(who).await? {
                            out.put(&device(&row));
                        }
                        Next::Rooms
                    }
                };
            }
            Next::Devices(after) => {
                let rows = store.session_rows(*after, PAGE).await?;
                for row in rows.iter().filter(|row| row.user == who) {
                    out.put(&device(row));
                }
                match rows.last() {
                    Some(last) => *after = Some(last.id),
                    None => self.next = Next::Rooms,
                }
            }
            Next::Rooms => {
                for room in store.rooms_of(who).await? {
                    out.put(&json!({ "room": {
                        "id": room.room.id, "type": room.room.kind, "name": room.room.name,
                        "role": room.role, "readSeq": room.read_seq,
                    } }));
                }
                self.next = Next::Logs(Logs::default());
            }
            Next::Logs(logs) => {
                if !logs.page(store, who, &mut out).await? {
                    out.put(&json!({ "end": { "lines": lines + 1 } }));
                    self.next = Next::Nothing;
                }
            }
            Next::Nothing => return Ok(None),
        }
        self.lines += out.count;
        Ok(Some(out.text))
    }
}

impl Logs {
    /// One page of one log, or of the list of rooms; false when all was read.
    async fn page(
        &mut self,
        store: &dyn Store,
        who: UserId,
        out: &mut Lines,
    ) -> Result<bool, StoreError> {
        let Some(room) = self.rooms.front().copied() else {
            self.rooms = store.rooms_ever(who, self.after, PAGE).await?.into();
            self.after = self.rooms.back().copied();
            return Ok(self.after.is_some() && !self.rooms.is_empty());
        };
        let page = match store.entries(room, self.at, PAGE).await {
            Err(StoreError::NotFound) => Vec::new(),
            page => page?.entries,
        };
        match page.last() {
            Some(last) => self.at = last.seq,
            None => {
                self.at = 0;
                self.rooms.pop_front();
            }
        }
        for entry in &page {
            if let Some(did) = did(who, entry) {
                out.put(&json!({ "did": did, "roomId": room, "seq": entry.seq, "at": entry.at }));
            }
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Lines {
    text: String,
    count: u64,
}

impl Lines {
    fn put(&mut self, line: &Value) {
        self.text.push_str(&line.to_string());
        self.text.push('\n');
        self.count += 1;
    }
}

fn device(row: &SessionRow) -> Value {
    json!({ "device": {
        "id": row.id, "device": row.device, "createdAt": row.created_at,
        "lastUsedAt": row.last_used_at, "revokedAt": row.revoked_at,
    } })
}

fn did(who: UserId, entry: &Entry) -> Option<Value> {
    let own = entry.actor == who;
    let wrote = |message: &Message| {
        json!({
            "messageId": message.id, "text": message.text, "replyTo": message.reply_to,
            "mentions": message.mentions, "meta": message.meta,
        })
    };
    match &entry.change {
        Change::Said { message } if own => Some(json!({ "said": wrote(message) })),
        Change::Edited { message } if own => Some(json!({ "edited": wrote(message) })),
        Change::Deleted { message } if own => Some(json!({ "deleted": message.id })),
        Change::Reacted {
            message,
            emoji,
            added,
            ..
        } if own => {
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
