//! What administrators did: one note a call, written before the call does anything, never changed, and
//! removed by nobody but [`crate::Facts::sweep`] when it is 396 days old.

use protocol::time::Timestamp;
use uuid::Uuid;

use crate::Answer;

/// One call of an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its id, a UUID of version 7: ids stand in the order of time.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// The name in the administrator's token.
    pub who: String,
    /// The client's address.
    pub address: String,
    /// The method and the route: `POST /v1/admin/nodes/{id}/drain`.
    pub action: String,
    /// The path and query that were asked for.
    pub target: String,
}

/// The audit log.
pub trait Audit {
    /// Keeps a note, durable on `Ok`. Ids are unique: `Conflict` for a second one.
    fn note(&self, row: AuditRow) -> Answer<'_, ()>;

    /// Notes with an id below `before` (all without it), newest first, at most `limit`.
    fn notes(&self, before: Option<Uuid>, limit: usize) -> Answer<'_, Vec<AuditRow>>;
}
