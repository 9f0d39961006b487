//! People, their devices and the refresh tokens of those: one-time facts are decided here by compare-and-set.

use protocol::ids::{SessionId, UserId};
use protocol::time::Timestamp;
use protocol::user::{Me, User};

use crate::Answer;

/// Changes of a person's profile; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPatch {
    /// A new name.
    pub display_name: Option<String>,
    /// A new picture, or none any more.
    pub avatar_url: Option<Option<String>>,
}

/// A device that signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What it calls itself.
    pub device: Option<String>,
    /// Now.
    pub at: Timestamp,
    /// SHA-256 of its first refresh token (generation 1).
    pub refresh_hash: [u8; 32],
    /// When that token ends.
    pub refresh_expires: Timestamp,
}

/// A device as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What it calls itself.
    pub device: Option<String>,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When its tokens were last renewed.
    pub last_used_at: Timestamp,
    /// When it was signed out.
    pub revoked_at: Option<Timestamp>,
    /// How often its refresh token was rotated; the first is 1.
    pub generation: u64,
    /// SHA-256 of the refresh token in force.
    pub refresh_hash: [u8; 32],
    /// SHA-256 of the one before.
    pub previous_hash: Option<[u8; 32]>,
    /// When the last rotation was.
    pub rotated_at: Timestamp,
    /// When the token in force ends.
    pub refresh_expires: Timestamp,
}

/// A rotation of a refresh token: succeeds for one caller only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Which device.
    pub session: SessionId,
    /// Only if this is still its generation.
    pub generation: u64,
    /// SHA-256 of the successor.
    pub hash: [u8; 32],
    /// When the successor ends.
    pub expires: Timestamp,
    /// Now.
    pub at: Timestamp,
}

/// People and sessions.
pub trait Users {
    /// The person with this address (already normalised), made with this id and name if there is none.
    /// The flag says whether it was made now. One winner if several ask at once.
    fn user_by_email(&self, email: String, or_new: User) -> Answer<'_, (Me, bool)>;

    /// The person with this address; `None` if there is none.
    fn find_email(&self, email: String) -> Answer<'_, Option<Me>>;

    /// A person as they see themselves.
    fn me(&self, user: UserId) -> Answer<'_, Me>;

    /// People by id; those who do not exist are left out. In no particular order.
    fn users(&self, ids: Vec<UserId>) -> Answer<'_, Vec<User>>;

    /// People whose name starts with the text, or has a word that does (any case), by name; at most `limit`.
    fn search_users(&self, text: String, limit: usize) -> Answer<'_, Vec<User>>;

    /// Changes a profile and returns it.
    fn update_user(&self, user: UserId, patch: UserPatch) -> Answer<'_, Me>;

    /// Erases a person: profile, address, sessions, requests for codes, answers kept under their id as scope. Their messages stay, under a name of "Deleted user";
    /// memberships are ended by the caller through the room logs before. Their sessions are revoked `at` then, so
    /// that [`Users::revoked_since`] tells of them. Repeating it changes nothing.
    fn erase_user(&self, user: UserId, at: Timestamp) -> Answer<'_, ()>;

    /// Keeps a new device.
    fn create_session(&self, new: NewSession) -> Answer<'_, ()>;

    /// A device; `NotFound` if it never was.
    fn session(&self, id: SessionId) -> Answer<'_, SessionRow>;

    /// A person's devices that are not revoked, last used first.
    fn sessions_of(&self, user: UserId) -> Answer<'_, Vec<SessionRow>>;

    /// Rotates a refresh token by compare-and-set on the generation: `Conflict` for whoever comes second,
    /// and for a revoked session.
    fn rotate(&self, refresh: Refresh) -> Answer<'_, ()>;

    /// Signs devices out; those of `user` named here, or all but `except`. Returns which were live until now.
    fn revoke(&self, user: UserId, which: Revoke, at: Timestamp) -> Answer<'_, Vec<SessionId>>;

    /// Sessions revoked since then, for nodes that start or were away.
    fn revoked_since(&self, since: Timestamp) -> Answer<'_, Vec<SessionId>>;
}

/// Which devices to sign out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}
