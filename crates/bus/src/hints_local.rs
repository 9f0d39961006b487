//! The bus within one process, for the all-in-one and for clusters in a test: several handles of one bus, each as the
//! bus of a process. Nothing is lost unless a listener falls [`crate::hints::EVENTS_MAX`] envelopes behind.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::envelope::{Envelope, Topic};

use crate::Future;
use crate::hearing::{Events, Teller, hearing};
use crate::hints::Bus;

/// One process's handle of a bus. As on Redis, it hears its own words too, but not that a log has grown.
pub struct LocalBus {
    all: Arc<Mutex<Vec<Handle>>>,
    number: usize,
    teller: Teller,
    events: Mutex<Option<Events>>,
}

struct Handle {
    teller: Teller,
    watched: BTreeSet<Topic>,
    open: bool,
}

impl LocalBus {
    /// A new bus, and its first handle.
    pub fn new() -> Self {
        Self::join_at(Arc::default())
    }

    /// Another handle of the same bus.
    #[must_use]
    pub fn join(&self) -> Self {
        Self::join_at(Arc::clone(&self.all))
    }

    /// So many handles of one bus.
    pub fn cluster(handles: usize) -> Vec<Self> {
        let first = Self::new();
        let mut all: Vec<Self> = (1..handles).map(|_| first.join()).collect();
        all.push(first);
        all
    }

    fn join_at(all: Arc<Mutex<Vec<Handle>>>) -> Self {
        let (teller, events) = hearing();
        let mut handles = locked(&all);
        let number = handles.len();
        handles.push(Handle {
            teller: teller.clone(),
            watched: BTreeSet::new(),
            open: true,
        });
        drop(handles);
        Self {
            all,
            number,
            teller,
            events: Mutex::new(Some(events)),
        }
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for LocalBus {
    fn publish(&self, envelope: Envelope) {
        let topic = envelope.topic();
        // Under the lock, so that all hear envelopes of one topic in one order.
        let handles = locked(&self.all);
        if !handles[self.number].open {
            return;
        }
        let known_here = matches!(envelope, Envelope::Grown { .. });
        for (number, handle) in handles.iter().enumerate() {
            if !handle.watched.contains(&topic) || known_here && number == self.number {
                continue;
            }
            let dropped = handle.teller.said(envelope.clone());
            if dropped > 0 {
                tracing::warn!(dropped, "a listener of the local bus is too far behind");
            }
        }
    }

    fn watch(&self, topic: Topic) {
        let mut handles = locked(&self.all);
        let me = &mut handles[self.number];
        if me.open && me.watched.insert(topic) {
            self.teller.watched(topic);
        }
    }

    fn unwatch(&self, topic: Topic) {
        let mut handles = locked(&self.all);
        if handles[self.number].watched.remove(&topic) {
            self.teller.unwatched(topic);
        }
    }

    fn events(&self) -> Events {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.take().expect("events are taken once")
    }

    fn distrust(&self, _: &[Topic]) {
        // Nothing lies between the processes of one process.
    }

    fn healthy(&self) -> bool {
        true
    }

    fn close(&self) -> Future<'_, ()> {
        let mut handles = locked(&self.all);
        handles[self.number].open = false;
        handles[self.number].watched.clear();
        self.teller.close();
        Box::pin(std::future::ready(()))
    }
}

impl Drop for LocalBus {
    fn drop(&mut self) {
        let mut handles = locked(&self.all);
        handles[self.number].open = false;
        handles[self.number].watched.clear();
        self.teller.close();
    }
}

fn locked(all: &Mutex<Vec<Handle>>) -> MutexGuard<'_, Vec<Handle>> {
    // No call in between can panic, so the handles are whole.
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
