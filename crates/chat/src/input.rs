//! What can happen to a hub.

use std::sync::Arc;

use protocol::entry::{Draft, Hint};
use protocol::envelope::{HandOver, SentBack, Standing};
use protocol::event::client::{Cursor, WatchPresence};
use protocol::ids::{MessageId, NodeId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::problem::Problem;
use protocol::room::{Head, ReadMarker, RoomSummary};
use protocol::time::Timestamp;
use protocol::user::PresenceStatus;

use crate::{ConnId, HomeCommand, HubId, Notice, Passing, PersonCommand, StoreAnswer, Together};

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
