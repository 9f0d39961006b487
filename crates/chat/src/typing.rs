//! Who writes in a room, on whatever node: what was said a moment ago is not said again, and whoever's "has stopped" is
//! lost stops by themselves.

use protocol::ids::UserId;
use protocol::limits::TYPING_MILLIS;

/// Said again within this time it is no news.
const AGAIN_MILLIS: u64 = 1_000;

/// The people who write, each until when.
#[derive(Debug, Default)]
pub(crate) struct Writers(Vec<(UserId, u64)>);

impl Writers {
    /// Somebody writes, or has stopped. Says whether that is news.
    pub(crate) fn says(&mut self, user: UserId, active: bool, now: u64) -> bool {
        let at = self.0.iter().position(|(other, _)| *other == user);
        match (at, active) {
            (Some(at), true) => {
                let old = self.0[at].1;
                let news = old <= now + TYPING_MILLIS - AGAIN_MILLIS;
                if news {
                    self.0[at].1 = now + TYPING_MILLIS;
                }
                news
            }
            (None, true) => {
                self.0.push((user, now + TYPING_MILLIS));
                true
            }
            (Some(at), false) => {
                self.0.swap_remove(at);
                true
            }
            (None, false) => false,
        }
    }

    /// Those who have stopped by themselves; they are forgotten.
    pub(crate) fn over(&mut self, now: u64) -> Vec<UserId> {
        let over = self.0.iter().filter(|(_, until)| *until <= now);
        let over = over.map(|(user, _)| *user).collect();
        self.0.retain(|(_, until)| *until > now);
        over
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.0.iter().map(|(_, until)| *until).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_a_moment_ago_is_no_news_and_silence_ends_it() {
        let user = UserId(uuid::Uuid::from_u128(1));
        let mut writers = Writers::default();
        assert!(writers.says(user, true, 0));
        assert!(!writers.says(user, true, 999));
        assert!(writers.says(user, true, 1_000));
        assert_eq!(writers.deadline(), Some(1_000 + TYPING_MILLIS));
        assert_eq!(writers.over(6_999), []);
        assert_eq!(writers.over(7_000), [user]);
        assert!(!writers.says(user, false, 7_001));
        assert!(writers.says(user, true, 7_001) && writers.says(user, false, 7_002));
        assert!(writers.is_empty());
    }
}
