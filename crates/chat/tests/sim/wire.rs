//! A connection between a client and a hub: ordered both ways, late, and ended by each side without the other's word.

use std::collections::BTreeMap;

use chat::ConnId;
use protocol::frame::Frame;
use protocol::ids::RoomId;
use protocol::message::Seq;
use protocol::room::Epoch;

/// Where a hub is: answers to an earlier life of its node go nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) node: usize,
    pub(crate) hub: usize,
    pub(crate) life: u32,
}

pub(crate) struct Wire {
    pub(crate) client: usize,
    pub(crate) site: Site,
    pub(crate) conn: ConnId,
    /// The hub still knows it.
    pub(crate) server_open: bool,
    /// The client reads from it; a zombie is read too, by nobody who minds.
    pub(crate) client_open: bool,
    /// The client has let go of it and the server does not know yet.
    pub(crate) zombie: bool,
    /// Frames reach the client slowly.
    pub(crate) slow: bool,
    /// Frames on their way to the client.
    pub(crate) queued: usize,
    /// When the last frame on its way arrives: none overtakes it.
    pub(crate) down_at: u64,
    pub(crate) up_at: u64,
    /// The client has seen `session:ready`: the history knows this connection.
    pub(crate) ready: bool,
    /// What the client sent along when it connected.
    pub(crate) cursors: BTreeMap<RoomId, (Epoch, Seq)>,
    /// Rooms whose stream must begin with a `stream:gap`, and their incarnation.
    pub(crate) expects_gap: BTreeMap<RoomId, Epoch>,
}

/// What is on its way to a client.
pub(crate) enum Down {
    Frame(Frame),
    /// The transport is gone.
    Closed,
}
