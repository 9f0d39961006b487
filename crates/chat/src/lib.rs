//! The domain as one deterministic machine: no I/O, no clock, no chance.
//!
//! A node runs one [`Hub`] a shard. A hub has three roles, each in its own module: it keeps the sockets of its shard
//! ([`hub`]), it is the *home* of some rooms ([`home`]: append lane, timeline, authority) and of some people
//! ([`people`]: presence). Rooms and people are dealt over the hubs of a node by hash ([`home_of`]).
//!
//! The whole data flow is on this page: [`Input`] is everything that can happen to a hub, [`Effect`] everything that it
//! can ask for. `Hub::handle(now, input, &mut effects)` never blocks, never reads a clock and never draws a number, so
//! that whole clusters run in one thread of a test, from a seed.

mod authority;
mod home;
mod hub;
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

use std::sync::Arc;

use protocol::entry::{Draft, Hint};
use protocol::envelope::{HandOver, SentBack, Standing};
use protocol::event::client::{Cursor, WatchPresence};
use protocol::frame::Frame;
use protocol::ids::{MessageId, NodeId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::problem::Problem;
use protocol::room::{Head, ReadMarker, RoomSummary};
use protocol::time::Timestamp;
use protocol::user::{Presence, PresenceStatus};

pub use hub::{Hub, granted, refused};
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

/// Everything that can happen to a hub.
#[derive(Debug)]
pub enum Input {
    // ── from this shard's sockets ──
    /// A socket was authenticated; it is told nothing before [`Input::RoomsLoaded`].
    Connected {
        /// The socket.
        conn: ConnId,
        /// Who it is.
        who: Who,
        /// Where its client stands.
        cursors: Vec<(RoomId, Cursor)>,
    },
    /// A socket wants something of a room's log.
    Act {
        /// The socket.
        asked: Asked,
        /// The room.
        room: RoomId,
        /// What it wants.
        act: Act,
    },
    /// A socket wants the events of a room (again). The shell has read the room and answered; nothing happens when the
    /// socket is in it already.
    Subscribe {
        /// The socket.
        conn: ConnId,
        /// The room as its user sees it.
        summary: Box<RoomSummary>,
        /// The last entry that it has.
        after: Seq,
    },
    /// A socket does not want a room's events for now.
    Unsubscribe {
        /// The socket.
        asked: Asked,
        /// The room.
        room: RoomId,
    },
    /// A socket's user writes, or has stopped.
    Typing {
        /// The socket.
        asked: Asked,
        /// The room.
        room: RoomId,
        /// Writes, or has stopped.
        active: bool,
    },
    /// The store has moved a read marker (asked for by a socket or over REST).
    ReadMoved {
        /// Which socket asked, if one did.
        asked: Option<Asked>,
        /// What moved.
        moved: Moved,
    },
    /// A socket's user says how they are.
    PresenceSet {
        /// The socket.
        asked: Asked,
        /// How they are.
        status: PresenceStatus,
        /// A line of their own.
        text: Option<String>,
    },
    /// A socket wants to know of some people from now on; the shell has left out whom it may not know.
    PresenceWatch {
        /// The socket.
        asked: Asked,
        /// Whom it asked for.
        whom: WatchPresence,
        /// Whom it may know of.
        visible: Vec<UserId>,
    },
    /// A socket brought a new token of its session.
    AuthRefreshed {
        /// The socket.
        asked: Asked,
        /// When the new token ends.
        expires: Timestamp,
    },
    /// A socket is gone.
    Disconnected {
        /// The socket.
        conn: ConnId,
    },

    // ── from REST calls, at the hub that is home to the room or person ──
    /// A call wants something of a room's log.
    Call {
        /// Under what the shell knows the call.
        call: u64,
        /// The room.
        room: RoomId,
        /// What it wants.
        draft: Draft,
    },

    // ── between the hubs of a node ──
    /// For a room whose home this hub is.
    Home {
        /// The room.
        room: RoomId,
        /// What is asked of its home.
        command: HomeCommand,
    },
    /// For a person whose home this hub is.
    Person {
        /// The person.
        user: UserId,
        /// What is asked of their home.
        command: PersonCommand,
    },
    /// For this hub's sockets.
    Notice(Notice),

    // ── from the store ──
    /// The rooms of a socket's user were read (after [`Effect::LoadRooms`]).
    RoomsLoaded {
        /// The socket.
        conn: ConnId,
        /// The rooms.
        rooms: Result<Vec<RoomSummary>, Problem>,
    },
    /// An operation for many has ended, and all who waited for it were answered before; or were not, for heads that
    /// could not be read. Said once for each, in any time: while it is not, no other begins in its place.
    ReadEnded {
        /// What was read.
        what: Together,
        /// Whether the store did as asked.
        well: bool,
    },
    /// One room was read for a user who was just added to it (after [`Effect::LoadRoom`]).
    RoomLoaded {
        /// The user.
        user: UserId,
        /// The room.
        room: RoomId,
        /// The room as they see it; `None` when they are not in it (any more).
        summary: Option<Box<RoomSummary>>,
    },
    /// An answer to one of a home's questions.
    Store {
        /// The room.
        room: RoomId,
        /// Which question; answers to a question that is no longer open are dropped.
        ticket: u64,
        /// The answer.
        answer: StoreAnswer,
    },
    /// Where some rooms' logs end (after [`Effect::Heads`]).
    Heads {
        /// The rooms that exist.
        heads: Vec<(RoomId, Head)>,
    },

    // ── from the bus ──
    /// Another node has committed, or says again where a log ends.
    Hint(Box<Hint>),
    /// Another node asks this one to write for it.
    Handed(Box<HandOver>),
    /// A draft comes back that this node has handed over.
    SentBack(SentBack),
    /// Something short-lived from another node, for the sockets in a room.
    Passing {
        /// The room.
        room: RoomId,
        /// What.
        passing: Passing,
    },
    /// The bus has confirmed that a room's hints reach this node from now on.
    Watched {
        /// The room.
        room: RoomId,
    },
    /// The bus has confirmed that news of a slice of all people reach this node from now on.
    PeopleWatched {
        /// The slice.
        slice: u8,
    },
    /// Hints of any room and news of any person may have been lost (reconnect, failover, a full queue).
    BusLost,

    // ── from the roster ──
    /// Which nodes are alive, this one included, sorted; said when it changes. `None` when the roster has been away for
    /// so long that nothing may be concluded from its silence.
    Peers {
        /// The nodes.
        alive: Option<Arc<[NodeId]>>,
    },
    /// How some people stand on all nodes (after [`Effect::Standings`], once).
    StandingsRead {
        /// Whom it was asked for.
        users: Vec<UserId>,
        /// In the order asked; `None` when the roster is away.
        found: Option<Vec<Vec<(NodeId, Standing)>>>,
    },

    // ── from auth ──
    /// Sessions were signed out.
    Revoked {
        /// Which.
        sessions: Arc<[SessionId]>,
        /// `logout`, `revoked` or `refresh_reused`.
        reason: &'static str,
    },

    // ── time ──
    /// A deadline has come ([`Hub::next_deadline`]).
    Tick,
}

/// A socket that asked for something, and how to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The socket.
    pub conn: ConnId,
    /// Its ack id; `None` when it wants no answer.
    pub ack: Option<u64>,
}

/// A read marker that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The room.
    pub room: RoomId,
    /// Whose marker.
    pub user: UserId,
    /// Where it is now.
    pub marker: ReadMarker,
    /// Unread messages that name the reader.
    pub mentions: u64,
    /// How many messages the room has.
    pub head_n: u64,
}

/// Whom a socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// The user.
    pub user: UserId,
    /// The session of the access token.
    pub session: SessionId,
    /// When the access token ends.
    pub expires: Timestamp,
}

/// What a socket may ask of a room's log.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Say something.
    Send(protocol::event::client::SendMessage),
    /// Change a text.
    Edit {
        /// Which message.
        id: MessageId,
        /// The new text.
        text: String,
        /// Only if this is still its version.
        version: Option<u32>,
    },
    /// Delete a message.
    Delete {
        /// Which message.
        id: MessageId,
    },
    /// Add or take back a reaction.
    React {
        /// Under which message.
        id: MessageId,
        /// The emoji.
        emoji: String,
        /// Add, or take back.
        add: bool,
    },
}

/// Who waits for the outcome of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A socket of some hub of this node.
    Socket {
        /// Its hub.
        hub: HubId,
        /// The socket.
        conn: ConnId,
        /// How to answer it.
        ack: Option<u64>,
    },
    /// A REST call at this hub.
    Call(u64),
    /// Another node, which has handed it over and is sent it back if it makes no entry.
    Node(SentBack),
}

/// Everything that a hub can ask for. The shell carries them out in order.
#[derive(Debug)]
pub enum Effect {
    // ── to this shard's sockets ──
    /// Let a socket in: its first event follows.
    Accept {
        /// The socket.
        conn: ConnId,
    },
    /// An event for one socket.
    Send {
        /// The socket.
        conn: ConnId,
        /// The event.
        frame: Frame,
    },
    /// The next entries of a room, for every live socket in it ([`Hub::sockets_in`]).
    Deliver {
        /// The room's slot in this hub.
        slot: u32,
        /// Their events, joined.
        frame: Frame,
        /// Which entries they are.
        marks: Vec<Mark>,
    },
    /// A short-lived event for every live socket in a room: dropped for one that lags.
    Pass {
        /// The room's slot in this hub.
        slot: u32,
        /// The event.
        frame: Frame,
    },
    /// The answer to a socket's event.
    Ack {
        /// The socket.
        conn: ConnId,
        /// `{ok:true,data}` or `{ok:false,error}`.
        frame: Frame,
    },
    /// End a socket.
    Close {
        /// The socket.
        conn: ConnId,
        /// How.
        why: Close,
    },

    // ── between the hubs of this node ──
    /// For the home of a room.
    ToHome {
        /// The room.
        room: RoomId,
        /// What is asked.
        command: HomeCommand,
    },
    /// For the home of a person.
    ToPerson {
        /// The person.
        user: UserId,
        /// What is asked.
        command: PersonCommand,
    },
    /// For the sockets of a hub.
    ToHub {
        /// The hub.
        hub: HubId,
        /// What.
        notice: Notice,
    },
    /// The answer to a REST call at this hub.
    Answer {
        /// Which call.
        call: u64,
        /// What became of it.
        result: Result<Outcome, Problem>,
    },

    /// How somebody is, for a REST call at this hub.
    Look {
        /// Which call.
        call: u64,
        /// Who and how.
        presence: Presence,
    },

    // ── to the store ──
    /// A home's question; answered by [`Input::Store`], in any time, once.
    Ask {
        /// The room.
        room: RoomId,
        /// Comes back with the answer.
        ticket: u64,
        /// The question.
        question: StoreQuestion,
    },
    /// Read the rooms of these sockets' users in one operation; answered by one [`Input::RoomsLoaded`] each, also for
    /// who has gone, and then by [`Input::ReadEnded`].
    LoadRooms {
        /// Sockets and their users.
        of: Vec<(ConnId, UserId)>,
    },
    /// Read pages of these rooms' logs in one operation; answered by one [`Input::Store`] each, and then by
    /// [`Input::ReadEnded`].
    ReadLogs {
        /// At most one a room.
        logs: Vec<LogRead>,
    },
    /// Read one room as a user sees it.
    LoadRoom {
        /// The user.
        user: UserId,
        /// The room.
        room: RoomId,
    },
    /// Read where some logs end; answered by [`Input::Heads`] unless it fails, and then by [`Input::ReadEnded`].
    Heads {
        /// The rooms.
        rooms: Vec<RoomId>,
    },

    // ── to the bus ──
    /// Tell the other nodes where a log ends.
    Publish(Box<Hint>),
    /// Ask a node to write for this one. The log answers, or a draft is sent back.
    Hand(Box<HandOver>),
    /// Send a draft back to who handed it over: no new entry comes of it here.
    SendBack(SentBack),
    /// Tell the other nodes something short-lived.
    PublishPassing {
        /// The room.
        room: RoomId,
        /// What.
        passing: Passing,
    },
    /// Tell a person's sockets on the other nodes.
    PublishTold {
        /// The person.
        user: UserId,
        /// What.
        told: Told,
    },
    /// Hints of this room are wanted from now on.
    Watch {
        /// The room.
        room: RoomId,
    },
    /// And not any more.
    Unwatch {
        /// The room.
        room: RoomId,
    },
    /// News of a slice of all people is wanted by this hub from now on; other hubs of the node may want the same slice.
    WatchPeople {
        /// The slice.
        slice: u8,
    },
    /// And not any more.
    UnwatchPeople {
        /// The slice.
        slice: u8,
    },

    // ── to the bus and the roster ──
    /// How somebody stands on this node: tell the other nodes, and keep it in the roster until it is another.
    Standing {
        /// Who.
        user: UserId,
        /// How; `None` when they have no connection here any more.
        standing: Option<Standing>,
        /// It was said before: the roster need not be told again.
        again: bool,
    },
    /// Read how some people stand on all nodes; answered by [`Input::StandingsRead`], in any time, once.
    Standings {
        /// Who.
        users: Vec<UserId>,
    },

    // ── to whoever counts ──
    /// A room's log had a hole here, or has none any more.
    Gap(Gap),
    /// What was handed to another node was not heard of in time; this one writes it itself.
    NotWritten,

    // ── an alarm ──
    /// Two bodies were seen for one place of a log: this room must not be served until somebody has looked.
    Diverged {
        /// The room.
        room: RoomId,
        /// The place.
        seq: Seq,
    },
}

/// A hole in what this node has of a room's log: entries that are in the log and did not come by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The store is read for it.
    Found,
    /// Everything up to where the log was known to reach is delivered.
    Repaired {
        /// Since the first entry was missed, in milliseconds.
        millis: u64,
    },
}

/// How a socket is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Its transport is closed: the client comes back by itself and resumes.
    ComeBack(&'static str),
    /// It is told that it is disconnected: the client does not come back by itself.
    StayAway(&'static str),
    /// It was never let in: a connect error with this code.
    Refused(protocol::problem::Code),
}
