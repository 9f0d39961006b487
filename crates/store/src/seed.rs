//! Many people and rooms at once, for `chatify seed` and for tests of size.

use protocol::user::User;

use crate::{NewRoom, NewSession};

/// What one call of [`crate::Store::seed`] makes, all or nothing: keep it below about 10,000 rows in all, so that other
/// writers wait for milliseconds and not for seconds.
#[derive(Clone, Debug, Default)]
pub struct SeedBatch {
    /// People with their (normalised) addresses; none may exist already.
    pub users: Vec<(User, String)>,
    /// Their devices.
    pub sessions: Vec<NewSession>,
    /// Rooms with their first members, as [`crate::Rooms::create_room`] would make them.
    pub rooms: Vec<NewRoom>,
}
