//! Which mails are known by their ids: being sent now, or sent before, by this process or by another that said so. A queue
//! delivers at least once; this makes a second delivery harmless, as long as somebody who remembers is there.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ids of sent mails that are remembered: at 50 mails a second, those of the five minutes that a code lives.
const REMEMBERED_MAX: usize = 16_384;

/// What is known. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Ids>>);

#[derive(Default)]
struct Ids {
    sent: HashSet<String>,
    /// The same, oldest first.
    order: VecDeque<String>,
    /// Bounded by what the queue hands out at once.
    under_way: HashSet<String>,
}

/// What is known of a mail.
pub(crate) enum Known {
    /// Nothing. It is under way from now until this is dropped.
    New(UnderWay),
    /// It is being sent.
    UnderWay,
    /// It was sent.
    Sent,
}

/// A mail that is being sent.
pub(crate) struct UnderWay {
    memory: Memory,
    id: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.memory.locked().under_way.remove(&self.id);
    }
}

impl Memory {
    /// Whether a mail is to be sent by whoever asks.
    pub(crate) fn begin(&self, id: &str) -> Known {
        let mut ids = self.locked();
        if ids.sent.contains(id) {
            return Known::Sent;
        }
        if !ids.under_way.insert(id.to_owned()) {
            return Known::UnderWay;
        }
        Known::New(UnderWay {
            memory: self.clone(),
            id: id.to_owned(),
        })
    }

    /// A mail was sent.
    pub(crate) fn sent(&self, id: &str) {
        let mut ids = self.locked();
        if ids.sent.insert(id.to_owned()) {
            ids.order.push_back(id.to_owned());
        }
        if ids.order.len() > REMEMBERED_MAX
            && let Some(oldest) = ids.order.pop_front()
        {
            ids.sent.remove(&oldest);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Ids> {
        // No call under the lock can panic in between, so the sets are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ids_are_remembered_and_the_oldest_forgotten() {
        let memory = Memory::default();
        for n in 0..=REMEMBERED_MAX {
            memory.sent(&n.to_string());
            memory.sent(&n.to_string());
        }
        let ids = memory.locked();
        assert_eq!(
            (ids.sent.len(), ids.order.len()),
            (REMEMBERED_MAX, REMEMBERED_MAX)
        );
        assert!(!ids.sent.contains("0") && ids.sent.contains("1"));
    }

    #[test]
    fn a_mail_is_under_way_once_and_free_again_unless_it_was_sent() {
        let memory = Memory::default();
        let Known::New(first) = memory.begin("j") else {
            panic!("it is new")
        };
        assert!(matches!(memory.begin("j"), Known::UnderWay));
        assert!(matches!(memory.begin("k"), Known::New(_)));
        drop(first);
        let Known::New(second) = memory.begin("j") else {
            panic!("it failed and is free again")
        };
        memory.sent("j");
        drop(second);
        assert!(matches!(memory.begin("j"), Known::Sent));
    }
}
