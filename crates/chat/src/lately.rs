//! What a lane has acknowledged last: a repeat of it is answered at once and asks the store nothing. Pure.
//!
//! A client that got no answer in time repeats its message, mostly because the store is slow; looking each repeat up there
//! would make it slower. Only own acknowledged appends stand here, so that an answer from here is as certain as the first.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::entry::{Draft, Entry};

/// Entries that are kept: those of some seconds in a busy room. What lies further back is found in the store.
const ENTRIES_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    batches: VecDeque<Arc<[Entry]>>,
    entries: usize,
}

impl Lately {
    /// A batch was acknowledged. One that is larger than all that is kept is not kept.
    pub(crate) fn keep(&mut self, batch: &Arc<[Entry]>) {
        if batch.len() > ENTRIES_MAX {
            return;
        }
        self.entries += batch.len();
        self.batches.push_back(batch.clone());
        while self.entries > ENTRIES_MAX
            && let Some(oldest) = self.batches.pop_front()
        {
            self.entries -= oldest.len();
        }
    }

    /// The entry that this draft has become already. One of the same name and another content is not found here.
    pub(crate) fn find(&self, draft: &Draft) -> Option<&Entry> {
        let mut entries = self.batches.iter().rev().flat_map(|batch| batch.iter());
        entries
            .find(|entry| (entry.actor, entry.key) == (draft.actor, draft.key))
            .filter(|entry| entry.digest == draft.digest())
    }
}

#[cfg(test)]
mod tests {
    use protocol::entry::{Change, Intent};
    use protocol::ids::{ClientId, UserId};
    use protocol::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn draft(key: u128, intent: Intent) -> Draft {
        Draft {
            actor: UserId(Uuid::from_u128(1)),
            key: ClientId(Uuid::from_u128(key)),
            at: Timestamp(0),
            intent,
        }
    }

    fn entry(key: u128) -> Entry {
        let draft = draft(key, Intent::Join);
        Entry {
            seq: key as u64,
            n: 0,
            at: draft.at,
            actor: draft.actor,
            key: draft.key,
            digest: draft.digest(),
            change: Change::RoomDeleted,
        }
    }

    #[test]
    fn the_latest_are_found_by_their_name_and_content() {
        let mut lately = Lately::default();
        for key in 0..1_000 {
            lately.keep(&Arc::from([entry(key)]));
            assert!(lately.entries <= ENTRIES_MAX && lately.batches.len() == lately.entries);
        }
        let found = lately.find(&draft(999, Intent::Join));
        assert_eq!(found.map(|entry| entry.seq), Some(999));
        assert_eq!(lately.find(&draft(3, Intent::Join)), None, "too long ago");
        assert_eq!(lately.find(&draft(999, Intent::Leave)), None);
        lately.keep(&(0..1_000).map(entry).collect());
        assert_eq!(lately.entries, ENTRIES_MAX);
    }
}
