//! What a room's home asks of the store, and what it may be told.

use std::sync::Arc;

use protocol::entry::{Ban, Entry};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, Member, Room};

/// What a home's lane asks of the store: at most one question at a time.
#[derive(Clone, Debug)]
pub enum StoreQuestion {
    /// Everything that is needed to accept changes.
    Open,
    /// Store a batch at its place.
    Append {
        /// The incarnation it was made for.
        epoch: Epoch,
        /// Dense.
        entries: Arc<[Entry]>,
    },
    /// What became of these keys, and where does the log end?
    Lookup {
        /// Actor and key.
        keys: Vec<(UserId, ClientId)>,
    },
    /// Messages in their latest version.
    Messages {
        /// Which.
        ids: Vec<MessageId>,
    },
}

/// A page that a home wants of its room's log. Those of many rooms are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// The room.
    pub room: RoomId,
    /// Comes back with the answer.
    pub ticket: u64,
    /// Entries after this place, at most [`PAGE_ENTRIES`].
    pub after: Seq,
}

/// Entries of one log in one read, for a gap or for sockets that lag.
pub const PAGE_ENTRIES: usize = 256;

/// What is read for many in one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Rooms of people who connect.
    Rooms,
    /// Pages of logs.
    Logs,
    /// Where logs end.
    Heads,
}

/// What the store answered.
#[derive(Clone, Debug)]
pub enum StoreAnswer {
    /// To `Open`; `Ok(None)` when there is no such room.
    Opened(Result<Option<Box<Opened>>, String>),
    /// To `Append`.
    Appended(Result<(), AppendFailed>),
    /// To `Lookup`.
    LookedUp(Result<(Head, Vec<Option<Entry>>), String>),
    /// To `Messages`.
    Messages(Result<Vec<Option<Message>>, String>),
    /// To a [`LogRead`].
    Entries(Result<(Head, Vec<Entry>), String>),
}

/// One consistent picture of a room at `head`.
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
    /// Everybody kept out of it, and until when.
    pub bans: Vec<Ban>,
}

/// Why a batch was not acknowledged; the store's promise stands at its `AppendError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFailed {
    /// A place or key is taken; alone it says nothing of the batch.
    Conflict,
    /// Certainly nothing was stored.
    Unavailable,
    /// Anything may have been stored, or may still be.
    Unknown,
}
