//! How fast one person may change one room: 10 in 10 s with a burst of 20 (GCRA, one number a person).
//!
//! Every home keeps its own paces, and asks nobody: it also charges what it sees arriving from other nodes. In the long
//! run a person has one pace over all nodes that hear the room. The overshoot: what is sent through several nodes within
//! the time that a hint takes passes each of them, so at most a burst for each node at once; it is paid back before the
//! next one passes anywhere. A node without sockets in the room hears nothing of it and counts only what is sent there.
//! An own entry whose acknowledgement was lost and that is read back is charged twice: that errs on the strict side.

use protocol::ids::UserId;

use crate::map::Map;

/// One change a second, in the long run.
const INTERVAL_MILLIS: u64 = 1_000;
/// So many at once.
const BURST: u64 = 20;
/// Beyond so many people the spent entries are thrown out, so that a busy room does not grow for ever.
const KEPT_MAX: usize = 1_024;

/// The paces of the people who wrote to a room lately.
#[derive(Debug, Default)]
pub(crate) struct Paces(Map<UserId, u64>);

impl Paces {
    /// Takes one change, or says in how many milliseconds it may be tried again.
    pub(crate) fn take(&mut self, user: UserId, now: u64) -> Result<(), u64> {
        self.shed(now);
        let due = self.0.entry(user).or_insert(0);
        let next = (*due).max(now) + INTERVAL_MILLIS;
        let latest = now + BURST * INTERVAL_MILLIS;
        if next > latest {
            return Err(next - latest);
        }
        *due = next;
        Ok(())
    }

    /// Counts a change that was let in by another node `age` milliseconds ago; what is older than a burst is paid off.
    pub(crate) fn charge(&mut self, user: UserId, now: u64, age: u64) {
        if age >= BURST * INTERVAL_MILLIS {
            return;
        }
        self.shed(now);
        let due = self.0.entry(user).or_insert(0);
        *due = (*due).max(now.saturating_sub(age)) + INTERVAL_MILLIS;
    }

    fn shed(&mut self, now: u64) {
        if self.0.len() >= KEPT_MAX {
            self.0.retain(|_, due| *due > now);
        }
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

    #[test]
    fn what_another_node_let_in_is_paid_here_too() {
        let user = UserId(uuid::Uuid::from_u128(1));
        let mut paces = Paces::default();
        for _ in 0..15 {
            paces.charge(user, 50_000, 0);
        }
        for _ in 0..5 {
            assert_eq!(paces.take(user, 50_000), Ok(()));
        }
        assert_eq!(paces.take(user, 50_000), Err(1_000));
        // Both nodes let a whole burst in at once: it is paid back before anything else passes.
        for _ in 0..20 {
            paces.charge(user, 50_000, 0);
        }
        assert_eq!(paces.take(user, 60_000), Err(11_000));
        assert_eq!(paces.take(user, 71_000), Ok(()));
    }

    #[test]
    fn what_is_read_long_after_costs_nothing_any_more() {
        let user = UserId(uuid::Uuid::from_u128(1));
        let mut paces = Paces::default();
        for _ in 0..500 {
            paces.charge(user, 50_000, 20_000);
        }
        for _ in 0..20 {
            assert_eq!(paces.take(user, 50_000), Ok(()));
        }
    }
}
