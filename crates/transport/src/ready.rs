//! Which connections have something to read or room to write. Replaces a task a connection: the reactor's wake-up
//! puts the connection's number into one list, and the shard's turn works the list off.
//! An idle connection costs one small allocation here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

/// The list, and who is to be woken when it is no longer empty.
#[derive(Default)]
pub(crate) struct ReadyList {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    connections: Vec<(u32, u32)>,
    turn: Option<Waker>,
}

impl ReadyList {
    /// The turn that works the list off; to be called at its start.
    pub(crate) fn set_turn(&self, waker: &Waker) {
        let mut inner = self.lock();
        if !inner.turn.as_ref().is_some_and(|old| old.will_wake(waker)) {
            inner.turn = Some(waker.clone());
        }
    }

    /// Swaps what is ready into `out`, which must be empty.
    pub(crate) fn take(&self, out: &mut Vec<(u32, u32)>) {
        std::mem::swap(&mut self.lock().connections, out);
    }

    /// Makes the shard take a turn.
    pub(crate) fn nudge(&self) {
        let turn = self.lock().turn.clone();
        if let Some(turn) = turn {
            turn.wake();
        }
    }

    /// A waker that lists this connection (slot and generation).
    pub(crate) fn waker(self: &Arc<Self>, index: u32, generation: u32) -> Waker {
        Waker::from(Arc::new(Bell {
            list: self.clone(),
            index,
            generation,
        }))
    }

    // The lock is held for a push or a swap, and nothing in there can panic half-way.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wake-up is used once, so a connection is listed at most twice: to read and to write.
struct Bell {
    list: Arc<ReadyList>,
    index: u32,
    generation: u32,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let turn = {
            let mut inner = self.list.lock();
            let was_empty = inner.connections.is_empty();
            inner.connections.push((self.index, self.generation));
            if was_empty { inner.turn.clone() } else { None }
        };
        if let Some(turn) = turn {
            turn.wake();
        }
    }
}
