//! The room log: append at a place, and read back. The guarantee of the product rests on these few promises.

use std::sync::Arc;

use protocol::entry::{Ban, Entry};
use protocol::event::client::History;
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, Member, Room};

use crate::{Answer, Future};

/// A batch for one room: dense, starting right after the place that the caller believes to be the head.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where.
    pub room: RoomId,
    /// The room's incarnation that the batch was made for.
    pub epoch: Epoch,
    /// At least one; `seq` dense, `(actor, key)` unique within the batch.
    pub entries: Arc<[Entry]>,
}

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// A place or a key of the batch is taken, the epoch is another, the room is deleted or unknown, or `n` does not
    /// count its messages one by one. A prefix of the batch may be stored (on SQLite nothing is).
    /// The caller looks up its keys and the head ([`Log::lookup`]) and decides; this alone never acknowledges.
    Conflict,
    /// Certainly nothing of the batch is stored (disk full, shut down).
    Unavailable(String),
    /// All, a part or nothing may be stored, now or later. The caller sends the same batch again.
    Unknown(String),
}

/// A key that was found in a room's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The entry that carries it.
    pub entry: Entry,
}

/// What a room's home needs to know before it may accept anything: one consistent picture at `head`.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Settings.
    pub room: Room,
    /// Where the log ends; all else is as of this entry.
    pub head: Head,
    /// No entry is taken any more.
    pub deleted: bool,
    /// Everybody in it.
    pub members: Vec<Member>,
    /// Everybody kept out of it.
    pub bans: Vec<Ban>,
}

/// A stretch of a room's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Where the log ended when this was read, with the room's incarnation.
    pub head: Head,
    /// Dense from the asked place; may be shorter than asked, never with a hole.
    pub entries: Vec<Entry>,
}

/// Messages of a room in order, and whether there are more beyond them.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Ascending by `seq`, in their latest version.
    pub messages: Vec<Message>,
    /// Older ones exist below the first.
    pub more_before: bool,
    /// Newer ones exist above the last.
    pub more_after: bool,
}

/// Appends and reads of room logs.
///
/// **Promises.** `append` answers `Ok` only when every entry survives a crash (SQLite: after the fsync of the commit
/// that holds it). Two appends that claim one place never both succeed. Reads see every acknowledged entry.
/// Messages, members, settings, bans and read markers of senders are kept in step with the log: they show the state
/// at some head that is never older than the last acknowledged one.
pub trait Log {
    /// Stores a batch at its place, all or nothing; durable when this returns `Ok`.
    fn append(&self, batch: Append) -> Future<'_, Result<(), AppendError>>;

    /// Another process has said, after it was acknowledged, that a batch of a room's log ends here, and that the room is not
    /// deleted by it. It must be the end of a batch as it was appended: a store may put the next one behind it unseen. A store
    /// that many share may spare itself a question by that; nothing is promised.
    fn heard(&self, _room: RoomId, _head: Head) {}

    /// What became of some keys, in the order asked, and where the log ends; one consistent picture.
    fn lookup(
        &self,
        room: RoomId,
        keys: Vec<(UserId, ClientId)>,
    ) -> Answer<'_, (Head, Vec<Option<Found>>)>;

    /// Everything that a room's home needs. `NotFound` when there never was such a room.
    fn open_room(&self, room: RoomId) -> Answer<'_, Opened>;

    /// Entries with `seq > after`, at most `limit` (and at most 1 MiB of text; at least one if there is any).
    fn entries(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Page>;

    /// [`Log::entries`] of many rooms in one operation, in the order asked. `None` where a page was not read with the
    /// others, and is asked for alone: there is no such room, others are at work on it, or together they would be more
    /// than 4 MiB of text. Each room at most once; the caller bounds how many it asks for.
    fn pages(&self, of: Vec<(RoomId, Seq)>, limit: usize) -> Answer<'_, Vec<Option<Page>>>;

    /// Where some rooms' logs end; rooms that do not exist are left out.
    fn heads(&self, rooms: Vec<RoomId>) -> Answer<'_, Vec<(RoomId, Head)>>;

    /// Messages in their latest version, in the order asked; `None` where there is none in this room.
    fn messages(&self, room: RoomId, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Message>>>;

    /// A window of a room's messages (tombstones included). The caller has checked who asks.
    ///
    /// `around` gives half of `limit` above the place and the rest at or below it; what one side does not have the
    /// other fills. In an empty window `more_before` and `more_after` speak of the asked place. At most 1,000 messages.
    fn history(&self, query: History) -> Answer<'_, Side>;
}
