//! The domain as one deterministic machine: no I/O, no clock, no chance.
//!
//! A node runs one [`Hub`] a shard. A hub has three roles, each in its own module: it keeps the sockets of its shard
//! ([`hub`]), it is the *home* of some rooms ([`home`]: append lane, timeline, authority) and of some people
//! ([`people`]: presence). Rooms and people are dealt over the hubs of a node by hash ([`home_of`]).
//!
//! The whole data flow stands in two files: [`Input`] is everything that can happen to a hub, [`Effect`] everything that it
//! can ask for. `Hub::handle(now, input, &mut effects)` never blocks, never reads a clock and never draws a number, so
//! that whole clusters run in one thread of a test, from a seed.

mod authority;
mod effect;
mod home;
mod hub;
mod input;
mod lag;
mod lane;
mod lately;
mod local;
mod map;
mod minter;
mod notice;
mod pace;
mod people;
mod question;
mod timeline;
mod typing;

use protocol::ids::NodeId;
use protocol::time::Timestamp;

pub use effect::{Close, Effect, Gap};
pub use hub::{Hub, granted, refused};
pub use input::{Act, Asked, Input, Moved, Origin, Who};
pub use notice::{
    HomeCommand, Made, Mark, Notice, Outcome, Passage, Passing, PersonCommand, Told, Turn,
};
pub use question::{
    AppendFailed, LogRead, Opened, PAGE_ENTRIES, StoreAnswer, StoreQuestion, Together,
};

/// The time of an input: monotonic for every deadline, wall clock only to stamp entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the process started.
    pub mono: u64,
    /// The same in microseconds: carried along with what is accepted now ([`Mark::accepted`]), and never decided by.
    pub micros: u64,
    /// The wall clock.
    pub wall: Timestamp,
}

/// A hub of this node, counted from 0; at most 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubId(pub u8);

/// A socket of one hub: a slot and how often the slot was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId {
    /// The slot.
    pub index: u32,
    /// Tells this use of the slot from earlier ones.
    pub generation: u32,
}

/// How a node is set up, as far as the domain cares.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which hub this is.
    pub hub: HubId,
    /// How many hubs the node has.
    pub hubs: u8,
    /// The node's name, shown in `session:ready`.
    pub node: String,
    /// This node's number, when other nodes write too: watch the bus, re-announce heads, sweep, tell who is here.
    pub cluster: Option<NodeId>,
    /// Whether rate limits are on.
    pub limits: bool,
    /// Where this hub's ids begin; different for every hub of every process.
    pub seed: [u64; 4],
}

/// The hub of a node that a room or a person is dealt to.
pub fn home_of(key: u128, hubs: u8) -> HubId {
    // Ids are random in their low half; the multiplication spreads what is not.
    let mixed = (key as u64 ^ (key >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    HubId((mixed % u64::from(hubs.max(1))) as u8)
}
