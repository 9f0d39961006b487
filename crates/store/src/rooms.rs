//! Rooms beyond their logs: making them, finding them, who is in them, how far each has read.

use protocol::entry::Entry;
use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use protocol::room::{Epoch, Member, ReadMarker, Room, RoomSummary};

use crate::Answer;

/// A room to be made, with the entries that make it (its first members).
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// Settings; `member_count` as after the entries.
    pub room: Room,
    /// Its first incarnation.
    pub epoch: Epoch,
    /// Dense from 1: `Joined` of the creator and of the first members.
    pub entries: Vec<Entry>,
    /// A DM's two people, lower id first: unique over all rooms.
    pub dm: Option<(UserId, UserId)>,
}

/// Rooms and memberships.
pub trait Rooms {
    /// Makes a room, durable on `Ok`. For a DM that exists already, returns the existing room's id instead of the new one's.
    fn create_room(&self, new: NewRoom) -> Answer<'_, RoomId>;

    /// The rooms that a person is in, latest message first (a room without one counts from its making), each with
    /// unread counts and its latest message. Deleted rooms are left out.
    fn rooms_of(&self, user: UserId) -> Answer<'_, Vec<RoomSummary>> {
        let lists = self.rooms_of_each(vec![user]);
        Box::pin(async move { Ok(lists.await?.pop().unwrap_or_default()) })
    }

    /// [`Rooms::rooms_of`] for many people in one operation, in the order asked; nothing for whom nobody knows. Of all
    /// or of none: the caller bounds how many it asks for at once.
    fn rooms_of_each(&self, users: Vec<UserId>) -> Answer<'_, Vec<Vec<RoomSummary>>>;

    /// Rooms that a person is or was a member of, deleted ones too, by id, above `after`, at most `limit`: where what they
    /// wrote is to be looked for. One where they never said or did anything may be missing.
    fn rooms_ever(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Answer<'_, Vec<RoomId>>;

    /// One room as a member sees it. `NotFound` for a stranger as for a room that does not exist.
    fn room_for(&self, user: UserId, room: RoomId) -> Answer<'_, RoomSummary>;

    /// One membership; `None` for a stranger. Cheap: one indexed read. A deleted room keeps its members, so that
    /// they can still read in its log that it is gone.
    fn member(&self, room: RoomId, user: UserId) -> Answer<'_, Option<Member>>;

    /// A room's settings, also for a stranger (a public room is joined by strangers). `NotFound` when deleted.
    fn room(&self, room: RoomId) -> Answer<'_, Room>;

    /// Members by user id, above `after`, at most `limit`.
    fn members(&self, room: RoomId, after: Option<UserId>, limit: usize)
    -> Answer<'_, Vec<Member>>;

    /// Public rooms whose name contains the text (any case; all when empty), most members first, then by id;
    /// `offset` rows are left out.
    fn directory(&self, text: String, offset: usize, limit: usize) -> Answer<'_, Vec<Room>>;

    /// Moves a read marker up, never down, and returns where it is then; `seq` above the head counts as the head.
    /// The second figure is how many unread messages still name the reader. `NotFound` for a stranger.
    fn mark_read(&self, room: RoomId, user: UserId, seq: Seq) -> Answer<'_, (ReadMarker, u64)>;

    /// Of these people, those who share a room with `user` (and `user`).
    fn acquaintances(&self, user: UserId, of: Vec<UserId>) -> Answer<'_, Vec<UserId>>;
}
