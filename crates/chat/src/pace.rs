//! How fast one person may change one room: 10 in 10 s with a burst of 20 (GCRA, one number a person).

use protocol::ids::UserId;
use protocol::limits::{SEND_BURST, SEND_PERIOD_MILLIS, SENDS_MAX};

use crate::map::Map;

/// One change takes so long to come back.
const INTERVAL_MILLIS: u64 = SEND_PERIOD_MILLIS / SENDS_MAX as u64;
const BURST: u64 = SEND_BURST as u64;
/// Beyond so many people the spent entries are thrown out, so that a busy room does not grow for ever.
const KEPT_MAX: usize = 1_024;

/// The paces of the people who wrote to a room lately.
#[derive(Debug, Default)]
pub(crate) struct Paces(Map<UserId, u64>);

impl Paces {
    /// Takes one change, or says in how many milliseconds it may be tried again.
    pub(crate) fn take(&mut self, user: UserId, now: u64) -> Result<(), u64> {
        if self.0.len() >= KEPT_MAX {
            self.0.retain(|_, due| *due > now);
        }
        let due = self.0.entry(user).or_insert(0);
        let next = (*due).max(now) + INTERVAL_MILLIS;
        let latest = now + BURST * INTERVAL_MILLIS;
        if next > latest {
            return Err(next - latest);
        }
        *due = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_a_second() {
        let user = UserId(uuid::Uuid::from_u128(1));
        let mut paces = Paces::default();
        for _ in 0..20 {
            assert_eq!(paces.take(user, 5_000), Ok(()));
        }
        assert_eq!(paces.take(user, 5_000), Err(1_000));
        assert_eq!(paces.take(user, 5_999), Err(1));
        assert_eq!(paces.take(user, 6_000), Ok(()));
        assert_eq!(paces.take(user, 6_000), Err(1_000));
    }
}
