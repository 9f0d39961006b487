//! The last hints of this process, by their seals. The server brings each back to whoever watches its room, and this node
//! knows it already: told by its seal it is neither checked nor read again, and wakes nobody.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::seal::{SEAL_BYTES, Seal};

/// Hints that may be on their way back at one time, or never come since nobody here watches their room. One that is
/// forgotten is heard again, which harms nobody.
const KEPT_MAX: usize = 1_024;

/// See the module.
#[derive(Default)]
pub(crate) struct Own(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    seals: HashSet<Seal>,
    order: VecDeque<Seal>,
}

impl Own {
    /// This is said now.
    pub(crate) fn keep(&self, sealed: &[u8]) {
        let Some(seal) = sealed.first_chunk::<SEAL_BYTES>() else {
            return;
        };
        let mut kept = self.locked();
        if kept.seals.insert(*seal) {
            kept.order.push_back(*seal);
        }
        if kept.order.len() > KEPT_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.seals.remove(&oldest);
        }
    }

    /// Whether it is one that this process has said.
    pub(crate) fn is(&self, sealed: &[u8]) -> bool {
        let seal = sealed.first_chunk::<SEAL_BYTES>();
        seal.is_some_and(|seal| self.locked().seals.contains(seal))
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        // No call in between can panic, so both hold the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_by_their_seals_and_the_rest_is_not() {
        let own = Own::default();
        let word = |n: u32| [&n.to_be_bytes().repeat(4)[..], b"body"].concat();
        for n in 0..2 * KEPT_MAX as u32 {
            own.keep(&word(n));
            own.keep(&word(n));
        }
        let known = (0..2 * KEPT_MAX as u32).filter(|n| own.is(&word(*n)));
        assert_eq!(known.count(), KEPT_MAX);
        assert!(own.is(&word(2 * KEPT_MAX as u32 - 1)));
        assert!(!own.is(&word(u32::MAX)) && !own.is(b"short"));
    }
}
