//! What the hubs of a node say to each other: commands to the home of a room or a person, notices back to the sockets.

use std::sync::Arc;

use protocol::entry::{Change, Draft, Entry};
use protocol::envelope::Standing;
use protocol::event::ServerEvent;
use protocol::frame::Frame;
use protocol::ids::{ClientId, NodeId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::problem::Problem;
use protocol::room::{Epoch, Head, LeaveReason, Member, ReadMarker, Room};
use protocol::time::Timestamp;
use protocol::user::{Presence, PresenceStatus};

use crate::{ConnId, HubId, Origin};

/// What is asked of a room's home.
#[derive(Debug)]
pub enum HomeCommand {
    /// A hub has its first socket in the room. `known` is where the log ended when the store was read.
    Join {
        /// The hub.
        hub: HubId,
        /// A head that was surely reached.
        known: Head,
    },
    /// A hub has no socket in the room any more.
    Part {
        /// The hub.
        hub: HubId,
    },
    /// Somebody wants a change.
    Submit {
        /// The change.
        draft: Draft,
        /// Who waits.
        origin: Origin,
        /// When this node took it from its sender ([`crate::Now::micros`]).
        accepted: u64,
    },
    /// A socket lags behind its hub: what came after `after`?
    CatchUp {
        /// The hub.
        hub: HubId,
        /// The socket.
        conn: ConnId,
        /// The last entry that it has.
        after: Seq,
    },
    /// Something short-lived of a socket, for the room's other sockets.
    Pass(Passing),
}

/// Short-lived news: lost without harm.
#[derive(Clone, Debug, PartialEq)]
pub enum Passing {
    /// Somebody writes, or has stopped.
    Typing {
        /// Who.
        user: UserId,
        /// Writes, or has stopped.
        active: bool,
    },
    /// Somebody has read on.
    Receipt {
        /// Who.
        user: UserId,
        /// How far.
        marker: ReadMarker,
    },
}

/// What is asked of a person's home.
#[derive(Debug)]
pub enum PersonCommand {
    /// A socket of theirs came; answered by [`Notice::Admitted`].
    Arrive {
        /// Its hub.
        hub: HubId,
        /// The socket.
        conn: ConnId,
    },
    /// A socket of theirs is gone.
    Depart {
        /// Its hub.
        hub: HubId,
    },
    /// How they say they are.
    Set {
        /// How.
        status: PresenceStatus,
        /// A line of their own.
        text: Option<String>,
    },
    /// A hub wants to hear of them from now on, and how they are now.
    Watch {
        /// The hub.
        hub: HubId,
        /// The socket that asked.
        asker: ConnId,
    },
    /// A REST call at this hub wants to know how they are; answered by [`Effect::Look`].
    Look {
        /// Which call.
        call: u64,
    },
    /// A hub does not want to hear of them any more.
    Unwatch {
        /// The hub.
        hub: HubId,
    },
    /// Tell all their sockets on this node.
    Tell(Told),
    /// Another node says how they stand on it.
    Stands {
        /// The node.
        node: NodeId,
        /// How; `None` when they have no connection there.
        standing: Option<Standing>,
    },
}

/// News for one person, whatever room.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// They are in a room now.
    AddedTo {
        /// The room.
        room: RoomId,
    },
    /// They have read on, on some device.
    ReadOn {
        /// The room.
        room: RoomId,
        /// How far.
        marker: ReadMarker,
        /// Messages not read.
        unread: u64,
        /// Unread messages that name them.
        mentions: u64,
        /// The socket that did it knows already.
        except: Option<(HubId, ConnId)>,
    },
}

/// From a home to the sockets of a hub. Between two hubs these keep their order.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The next entries of a room, for every socket in it.
    Live {
        /// The room.
        room: RoomId,
        /// The room's incarnation.
        epoch: Epoch,
        /// Dense.
        turns: Arc<[Turn]>,
    },
    /// A room's home has taken a hub in: live entries follow from here.
    Joined {
        /// The room.
        room: RoomId,
        /// The last entry that was delivered before.
        position: Seq,
    },
    /// What a lagging socket had missed.
    Page {
        /// The room.
        room: RoomId,
        /// The socket.
        conn: ConnId,
        /// Dense, from what it asked for.
        turns: Arc<[Turn]>,
    },
    /// A lagging socket cannot be brought up now (the store is away): it is cut and will come back.
    PageFailed {
        /// The room.
        room: RoomId,
        /// The socket.
        conn: ConnId,
    },
    /// A room has another incarnation now: its sockets must come back and start over.
    Restarted {
        /// The room.
        room: RoomId,
    },
    /// Short-lived news of a room.
    Passing {
        /// The room.
        room: RoomId,
        /// What.
        passing: Passing,
    },
    /// What became of a socket's act.
    Outcome {
        /// The socket.
        conn: ConnId,
        /// How to answer it.
        ack: u64,
        /// The answer.
        result: Result<Outcome, Problem>,
    },
    /// A person's home lets a socket in, or not (too many of them).
    Admitted {
        /// The socket.
        conn: ConnId,
        /// Whether it may stay.
        admitted: bool,
    },
    /// How a watched person is; `asker` when it answers a question.
    Presence {
        /// Who and how.
        presence: Presence,
        /// The socket whose question it answers.
        asker: Option<ConnId>,
    },
    /// News for a person's sockets.
    Told {
        /// The person.
        user: UserId,
        /// What.
        told: Told,
    },
}

/// One delivered entry: its frame, and what it means for who may hear the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Its place.
    pub seq: Seq,
    /// Its event, encoded once for all.
    pub frame: Frame,
    /// Who came or went by it.
    pub passage: Passage,
    /// For whoever measures its way.
    pub mark: Mark,
}

/// What is known again of an entry where it is delivered: carried along, and never decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its actor's own name for it.
    pub key: ClientId,
    /// When its sender's node accepted it, by that node's wall clock.
    pub at: Timestamp,
    /// When this node took it from its sender ([`crate::Now::micros`]); `None` for what another node took, and for what
    /// was read from the log.
    pub accepted: Option<u64>,
}

impl Turn {
    /// An entry as it is delivered.
    pub(crate) fn of(room: RoomId, entry: Entry, accepted: Option<u64>) -> Self {
        let seq = entry.seq;
        let mark = Mark {
            key: entry.key,
            at: entry.at,
            accepted,
        };
        let passage = match &entry.change {
            Change::Joined { member } => Passage::Came(member.user_id),
            Change::Left { user, reason, .. } => Passage::Went(*user, *reason),
            Change::RoomDeleted => Passage::Closed,
            _ => Passage::None,
        };
        let event = ServerEvent::of_entry(room, entry);
        Self {
            seq,
            frame: Frame::event(event.name(), &event),
            passage,
            mark,
        }
    }
}

/// Who came or went by an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Nobody.
    None,
    /// Somebody is a member now.
    Came(UserId),
    /// Somebody is none any more: nothing above this entry is for them.
    Went(UserId, LeaveReason),
    /// Nobody is: the room is gone.
    Closed,
}

/// What became of a wish that was granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// It had been granted before.
    pub duplicate: bool,
    /// What it made.
    pub made: Made,
}

/// What a granted wish made.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// A message, or its new version or tombstone.
    Message(Message),
    /// A reaction's count.
    Reaction {
        /// The emoji.
        emoji: String,
        /// How many chose it.
        count: u32,
    },
    /// A membership.
    Member(Member),
    /// Settings.
    Room(Room),
    /// Nothing to show.
    Nothing,
}
