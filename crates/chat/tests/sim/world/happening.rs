//! What can happen in a world, and the queue's order: by time, and by who came first.

use chat::{Effect, Input};
use protocol::entry::Entry;
use protocol::ids::{RoomId, UserId};
use protocol::room::Epoch;

use super::super::client::Up;
use super::super::wire::{Down, Site};

pub(crate) enum Happening {
    /// A hub takes something in.
    Input { site: Site, input: Box<Input> },
    /// A hub's deadline.
    Tick { site: Site },
    /// A question arrives at the store.
    Question {
        site: Site,
        room: RoomId,
        ticket: u64,
        question: Box<chat::StoreQuestion>,
    },
    /// A batch that nobody waits for any more lands at the store.
    Lands {
        room: RoomId,
        epoch: Epoch,
        entries: std::sync::Arc<[Entry]>,
    },
    /// A placed write reaches a majority; its sender is answered, if it still waits.
    Commits {
        room: RoomId,
        write: u64,
        answer: Option<(Site, u64)>,
    },
    /// A placed write is lost in an election.
    RollsBack {
        room: RoomId,
        site: Site,
        ticket: u64,
        write: u64,
    },
    /// A hub's question about rooms arrives at the store.
    Reads { site: Site, effect: Box<Effect> },
    /// A hint arrives at a node.
    Bus {
        node: usize,
        life: u32,
        input: Box<Input>,
    },
    /// A node's bus connection is back.
    BusBack { node: usize },
    /// A node starts again.
    NodeBack { node: usize },
    /// A client does something, if it can.
    Wake { client: usize },
    /// Something reaches a client.
    Down { conn: u64, down: Down },
    /// Something reaches a hub from a client.
    Up { conn: u64, up: Up },
    /// The server notices that a connection is gone.
    Gone { conn: u64 },
    /// A node renews its lease and looks who else is alive.
    Beat { node: usize, life: u32 },
    /// A node puts how its people stand.
    Puts { node: usize, life: u32 },
    /// A hub's question about people arrives at the roster.
    Stand { site: Site, users: Vec<UserId> },
    /// The roster is back.
    RosterBack,
    /// Somebody goes for good.
    Leaves,
    /// By now nobody may see who went for good.
    GhostHour { user: UserId },
    /// Chance looks for something to break.
    Fate,
    /// Somebody with authority does something over REST.
    Authority,
}

pub(super) struct Queued {
    pub(super) at: u64,
    pub(super) order: u64,
    /// Boxed: the heap moves what lies in it at each step.
    pub(super) what: Box<Happening>,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
