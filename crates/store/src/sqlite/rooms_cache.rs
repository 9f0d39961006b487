//! Where the logs end, as the writer knows it without asking the database: it is the only one that changes them.
//!
//! What a command changes counts once it has succeeded; what it fails with is forgotten and read again.

use std::collections::HashMap;

use protocol::ids::RoomId;
use protocol::message::Seq;
use protocol::room::Head;

/// Rooms remembered; beyond it all are forgotten and read again. About 10 MiB.
const ROOMS_MAX: usize = 100_000;

/// What the writer needs of a room for an append.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoomState {
    pub(super) no: i64,
    pub(super) head: Head,
    /// The latest message's place; 0 when there is none.
    pub(super) last_said: Seq,
    pub(super) deleted: bool,
}

#[derive(Default)]
pub(super) struct RoomStates {
    known: HashMap<RoomId, RoomState>,
    touched: Vec<RoomId>,
}

impl RoomStates {
    pub(super) fn get(&self, room: RoomId) -> Option<RoomState> {
        self.known.get(&room).copied()
    }

    pub(super) fn set(&mut self, room: RoomId, state: RoomState) {
        if self.known.len() >= ROOMS_MAX {
            self.known.clear();
        }
        self.known.insert(room, state);
        self.touched.push(room);
    }

    /// What the command said stands.
    pub(super) fn keep(&mut self) {
        self.touched.clear();
    }

    /// What the command said was undone.
    pub(super) fn forget(&mut self) {
        for room in self.touched.drain(..) {
            self.known.remove(&room);
        }
    }

    /// The whole transaction was undone.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.touched.clear();
    }
}
