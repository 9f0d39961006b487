//! Sessions that were signed out and whose access tokens may still be running.
//!
//! Held in memory, fed by auth (and, between nodes, by the bus): a look-up on every request must cost no I/O. An entry
//! is dropped when no token of its session can be alive any more, so the set stays as small as the sign-outs of minutes.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use protocol::ids::SessionId;

/// Seconds for which a revocation is kept: the life of an access token (600) with room for clocks that differ.
const KEPT_SECONDS: u64 = 900;

/// The set of revoked sessions; shared by every request of a process.
#[derive(Debug, Default)]
pub struct RevokedSessions(RwLock<BTreeMap<SessionId, u64>>);

impl RevokedSessions {
    /// Remembers that these sessions were signed out at `now` (seconds since 1970), and forgets what has run out.
    pub fn add(&self, sessions: &[SessionId], now: u64) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, until| *until > now);
        held.extend(
            sessions
                .iter()
                .map(|session| (*session, now + KEPT_SECONDS)),
        );
    }

    /// Whether the session was signed out.
    pub fn contains(&self, session: SessionId) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_session_is_known_until_its_last_token_has_ended() {
        let session = SessionId(uuid::Uuid::from_u128(1));
        let other = SessionId(uuid::Uuid::from_u128(2));
        let revoked = RevokedSessions::default();
        revoked.add(&[session], 1_000);
        assert!(revoked.contains(session) && !revoked.contains(other));
        revoked.add(&[other], 1_000 + KEPT_SECONDS - 1);
        assert!(revoked.contains(session));
        revoked.add(&[], 1_000 + KEPT_SECONDS);
        assert!(!revoked.contains(session) && revoked.contains(other));
    }
}
