//! What a hub can ask for.

use protocol::entry::Hint;
use protocol::envelope::{HandOver, SentBack, Standing};
use protocol::frame::Frame;
use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use protocol::problem::Problem;
use protocol::user::Presence;

use crate::{
    ConnId, HomeCommand, HubId, LogRead, Mark, Notice, Outcome, Passing, PersonCommand,
    StoreQuestion, Told,
};

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
