//! A store as a whole, page by page: what an archive is made from and what an empty store is filled with.
//!
//! Only what cannot be had by the other traits is here. Logs are read with [`crate::Log::entries`] and written with
//! [`crate::Log::append`], so that everything which follows from a log is built by the code that always builds it.

use protocol::ids::{RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::user::User;

use crate::{Answer, SessionRow};

/// A person as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// Who.
    pub user: User,
    /// Their address; `None` when they are erased.
    pub email: Option<String>,
}

/// A room by its id, deleted ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomKey {
    /// Its id.
    pub id: RoomId,
    /// The two people of a DM that is not deleted, lower id first.
    pub dm: Option<(UserId, UserId)>,
}

/// Reading and filling a whole store. Pages are in the order of ids, above `after`, at most `limit` rows (and at most
/// 10,000); a short page is the last.
pub trait Whole {
    /// Rooms.
    fn room_keys(&self, after: Option<RoomId>, limit: usize) -> Answer<'_, Vec<RoomKey>>;
    /// How far each member of a room has read.
    fn markers(&self, room: RoomId) -> Answer<'_, Vec<(UserId, Seq)>>;
    /// People.
    fn user_rows(&self, after: Option<UserId>, limit: usize) -> Answer<'_, Vec<UserRow>>;
    /// Devices, signed out or not.
    fn session_rows(&self, after: Option<SessionId>, limit: usize) -> Answer<'_, Vec<SessionRow>>;
    /// Small secrets of the deployment, by name.
    fn secrets(&self) -> Answer<'_, Vec<(String, Vec<u8>)>>;
    /// Keeps people as they are, all or nothing; `Conflict` if one is there.
    fn put_users(&self, rows: Vec<UserRow>) -> Answer<'_, ()>;
    /// Keeps devices as they are, all or nothing; `Conflict` if one is there.
    fn put_sessions(&self, rows: Vec<SessionRow>) -> Answer<'_, ()>;
    /// Begins to fill the store. `Refused` if anything is in it, or if it was begun before and has not ended: then its
    /// owner empties it and begins anew. Where other processes may share the store they refuse to open it until
    /// [`Whole::end_filling`].
    fn begin_filling(&self) -> Answer<'_, ()>;
    /// Everything is in.
    fn end_filling(&self) -> Answer<'_, ()>;
}

/// Why a store is not filled.
pub(crate) fn not_empty(what: &str) -> crate::StoreError {
    crate::StoreError::Refused(format!(
        "the store is not empty (it has {what}): give an empty one, which this fills"
    ))
}
