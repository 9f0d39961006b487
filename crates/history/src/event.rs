//! The history file: one JSON object a line. Adding an optional field is fine; changing the meaning of one is not.

use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::Epoch;
use serde::{Deserialize, Serialize};

/// One line: when, and what.
///
/// Lines stand in the order in which one observer saw them. `at` is milliseconds of one clock for the whole file; it
/// serves the bound on late deliveries and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was seen.
    pub at: u64,
    /// What was seen.
    #[serde(flatten)]
    pub event: Event,
}

/// What was seen. As in Jepsen's histories an operation is invoked once and ends as `ok`, `fail` or `info`; one that
/// never ends counts as `info`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Event {
    /// A client sent a message; every repeat is an attempt of its own.
    Invoke {
        /// This attempt.
        id: u64,
        /// On which connection.
        conn: u64,
        /// Who.
        user: UserId,
        /// Where.
        room: RoomId,
        /// The client's own name for the message: the same at every repeat.
        key: ClientId,
        /// Digest of what was said.
        body: u64,
    },
    /// An attempt was acknowledged.
    Ok {
        /// Which.
        id: u64,
        /// The place that the message has.
        seq: Seq,
        /// It was there already.
        duplicate: bool,
    },
    /// An attempt was refused, and certainly not stored by it.
    Fail {
        /// Which.
        id: u64,
        /// The client was told to try again; without it the refusal speaks of the message, not of this attempt.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retry: bool,
    },
    /// It is not known what became of an attempt.
    Info {
        /// Which.
        id: u64,
    },
    /// A client was let in.
    Connect {
        /// This connection; never used twice in one file.
        conn: u64,
        /// Who.
        user: UserId,
        /// On which device.
        session: SessionId,
    },
    /// From here on a connection hears a room: the next delivery must be `after + 1`.
    ///
    /// `after` is the cursor that the client sent, or where the server said that its stream begins; a later start
    /// is the server's own word that something was left out (`stream:gap`).
    Start {
        /// Which connection.
        conn: u64,
        /// Which room.
        room: RoomId,
        /// The room's incarnation.
        epoch: Epoch,
        /// The last entry that the client has, or does without.
        after: Seq,
    },
    /// A connection was given an entry of a room.
    Deliver {
        /// Which connection.
        conn: u64,
        /// Which room.
        room: RoomId,
        /// The entry's place.
        seq: Seq,
        /// What was seen of it.
        #[serde(flatten)]
        content: Content,
    },
    /// A connection hears a room no more.
    Stop {
        /// Which connection.
        conn: u64,
        /// Which room.
        room: RoomId,
    },
    /// A connection ended.
    Disconnect {
        /// Which.
        conn: u64,
    },
    /// An entry as it stands in a room's log, read at the end or as it was committed.
    Log {
        /// Which room.
        room: RoomId,
        /// The room's incarnation.
        epoch: Epoch,
        /// The entry's place.
        seq: Seq,
        /// What was seen of it.
        #[serde(flatten)]
        content: Content,
        /// Who came or went by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passage: Option<Passage>,
        /// When it was committed, if the observer knows: makes the rule on removed members exact.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        committed: Option<u64>,
    },
    /// A room was put back to an earlier place, as a new incarnation; what stood above is gone by the operator's will.
    Restored {
        /// Which room.
        room: RoomId,
        /// Its new incarnation.
        epoch: Epoch,
        /// The last entry that was kept.
        seq: Seq,
    },
    /// Faults have stopped and everything was given its time: open connections must have everything.
    Settled,
}

/// What an observer saw of an entry. What it did not see is left out and not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Digest of the whole event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<u64>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// For a message: its sender's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ClientId>,
    /// For a message: digest of what was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<u64>,
}

/// Who came or went by an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passage {
    /// A member from here on.
    Came(UserId),
    /// No member from here on.
    Went(UserId),
    /// Nobody is from here on.
    Closed,
}

/// The digest of a history file (FNV-1a, 64 bit, cut to 53 bits so that every JSON reader keeps it exact).
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }) >> 11
}
