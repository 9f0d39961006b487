//! A socket that is in a room but not yet where the room is: it is given what it missed, then goes live.
//!
//! The server keeps a cursor for it and no queue: live entries pass it by until it has caught up.

use protocol::message::Seq;

/// Where a lagging socket stands in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    /// The room's slot.
    pub(crate) slot: u32,
    /// The next entry that it wants.
    pub(crate) next: Seq,
    /// It was a member as of this entry: comings and goings up to here are history to it.
    pub(crate) member_as_of: Seq,
    /// A page is on its way.
    pub(crate) asked: bool,
}

/// What a lagging socket needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It stands where the room stands.
    Nothing,
    /// It stands beyond: the room will come.
    Patience,
    /// It misses entries after this one.
    Page(Seq),
}

impl Lag {
    /// What it needs when the room stands at `position` (unknown at first).
    pub(crate) fn need(&self, position: Option<Seq>) -> Need {
        match position {
            Some(position) if self.next == position + 1 => Need::Nothing,
            Some(position) if self.next <= position => Need::Page(self.next - 1),
            _ => Need::Patience,
        }
    }
}
