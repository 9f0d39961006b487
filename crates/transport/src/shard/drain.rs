//! The way out of a shard: no new sessions, the old ones closed in paced batches so that their clients come back
//! spread over time, and an end when all is written or the deadline is there.

use super::{Core, Shard};
use crate::{application::Application, close::CloseReason};

/// Between two batches.
const STEP_MS: u64 = 100;

pub(crate) struct Draining {
    /// Sessions to close at each step.
    pub(crate) batch: usize,
    pub(crate) deadline: u64,
    pub(crate) next_step: u64,
    cursor: u32,
}

impl<A: Application> Core<A> {
    pub(crate) fn begin_drain(&mut self, batch: usize, deadline_ms: u64) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(Draining {
            batch: batch.max(1),
            deadline: self.sockets.now + deadline_ms,
            next_step: self.sockets.now,
            cursor: 0,
        });
        self.call_all(|app, sockets| app.on_drain(sockets));
    }

    /// Closes the next batch when it is time. `true` when nothing is left, or no time.
    pub(crate) fn drain_step(&mut self, shard: &Shard<A>) -> bool {
        let now = self.sockets.now;
        let slots = self.sockets.table.slots();
        let Some(draining) = &mut self.draining else {
            return false;
        };
        shard
            .leaving
            .send_if_modified(|leaving| !std::mem::replace(leaving, true));
        if now >= draining.deadline {
            return true;
        }
        if now >= draining.next_step {
            draining.next_step = now + STEP_MS;
            let mut closed = 0;
            while closed < draining.batch && draining.cursor < slots {
                let index = draining.cursor;
                draining.cursor += 1;
                if self.sockets.table.get(index).is_some_and(|c| c.is_open()) {
                    self.sockets.begin_close(index, CloseReason::Draining);
                    closed += 1;
                }
            }
            // Sessions that were being opened when the drain began lie behind the cursor.
            if draining.cursor >= slots {
                draining.cursor = 0;
            }
            self.settle();
        }
        self.sockets.is_empty() && shard.http_connections.get() == 0
    }
}
