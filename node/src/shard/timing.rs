//! How long things take and which way entries go, noted where they become I/O: one note a broadcast, one reading of the
//! clock a turn that wrote something, and nothing a delivery.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chat::{Input, Mark, Now, Outcome, StoreAnswer, StoreQuestion};
use protocol::entry::{Entry, Hint};
use protocol::ids::RoomId;
use protocol::problem::{Code, Problem};
use tracing::debug;

use super::Shard;
use crate::otlp::{Part, Span};
use crate::trail::{Step, Trail, Trails, Wanted};

/// What a shard keeps until it knows how long it took.
#[derive(Default)]
pub(super) struct Timing {
    /// What this turn has put into outboxes, and into how many.
    delivered: Vec<(Mark, usize)>,
    /// Batches that the store has not answered yet, by ticket, and since when. One a room at most.
    appending: HashMap<u64, Appending>,
    trails: Trails,
}

/// A batch on its way to the store.
struct Appending {
    room: RoomId,
    since: u64,
    entries: Arc<[Entry]>,
}

impl Timing {
    /// An entry's event was put into so many outboxes.
    pub(super) fn delivered(&mut self, mark: Mark, sockets: usize) {
        if sockets > 0 {
            self.delivered.push((mark, sockets));
        }
    }

    fn note(&mut self, room: RoomId, entries: &[Entry], step: Step, micros: u64) {
        for entry in entries {
            self.trails.note(room, entry, step, micros);
        }
    }
}

impl Shard {
    /// The store is about to be asked.
    pub(super) fn asked(
        &mut self,
        now: Now,
        (room, ticket): (RoomId, u64),
        question: &StoreQuestion,
    ) {
        if let StoreQuestion::Append { entries, .. } = question {
            self.timing.note(room, entries, Step::Appending, now.micros);
            let appending = Appending {
                room,
                since: now.micros,
                entries: entries.clone(),
            };
            self.timing.appending.insert(ticket, appending);
        }
    }

    /// Something is about to be handled.
    pub(super) fn took(&mut self, now: Now, input: &Input) {
        if let Input::Hint(hint) = input {
            // Our own news comes back, too.
            let trails = &mut self.timing.trails;
            for entry in &hint.entries {
                if !trails.is_known(entry.key) {
                    trails.note(hint.room, entry, Step::Heard, now.micros);
                }
            }
        }
        if let Input::Store {
            ticket,
            answer: StoreAnswer::Appended(answer),
            ..
        } = input
            && let Some(appending) = self.timing.appending.remove(ticket)
            && answer.is_ok()
        {
            let Appending { room, entries, .. } = &appending;
            self.timing
                .note(*room, entries, Step::Committed, now.micros);
            let wall = now.wall.0.saturating_mul(1_000);
            for entry in entries.iter() {
                if let Some(spans) = &self.shared.spans {
                    let span = |part, from| Span {
                        key: entry.key,
                        part,
                        shard: self.me,
                        from,
                        to: wall,
                        place: Some((*room, entry.seq)),
                    };
                    let asked = now.micros.saturating_sub(appending.since);
                    spans.add(span(Part::Send, entry.at.0.saturating_mul(1_000)));
                    spans.add(span(Part::Append, wall.saturating_sub_unsigned(asked)));
                }
                debug!(trace_id = %entry.key, %room, seq = entry.seq, "committed");
            }
            let metrics = &self.shared.metrics;
            metrics.commit.record(micros(now.micros, appending.since));
            metrics.append_batches.increment(1);
            let entries = appending.entries.len() as u64;
            metrics.append_entries.increment(entries);
        }
    }

    /// Entries go to the other nodes.
    pub(super) fn published(&mut self, now: Now, hint: &Hint) {
        self.timing
            .note(hint.room, &hint.entries, Step::Published, now.micros);
    }

    /// What this shard knows of an entry's way.
    pub(super) fn trail(&self, wanted: Wanted) -> Option<Trail> {
        let clock = &self.shared.ports.clock;
        let wall = i64::try_from(clock.unix_us()).unwrap_or(i64::MAX);
        let now = (clock.monotonic_us(), wall);
        self.timing.trails.find(wanted, self.me, now)
    }

    /// What became of a change that somebody waits for.
    pub(super) fn settled(&self, result: &Result<Outcome, Problem>) {
        let metrics = &self.shared.metrics;
        let counter = match result {
            Ok(outcome) if outcome.duplicate => &metrics.sends_duplicate,
            Ok(_) => &metrics.sends_acked,
            Err(problem) if problem.code == Code::OutcomeUnknown => &metrics.sends_unknown,
            Err(problem) => {
                if problem.code == Code::RateLimited {
                    metrics.limited_sends.increment(1);
                }
                &metrics.sends_refused
            }
        };
        counter.increment(1);
    }

    /// The turn has written.
    pub(super) fn written(&mut self) {
        if self.timing.delivered.is_empty() {
            return;
        }
        let now = self.now();
        let metrics = &self.shared.metrics;
        let Timing {
            delivered, trails, ..
        } = &mut self.timing;
        for (mark, sockets) in delivered.drain(..) {
            trails.written(mark.key, now.micros, sockets);
            if let Some(spans) = &self.shared.spans {
                spans.add(Span {
                    key: mark.key,
                    part: Part::Deliver(u32::try_from(sockets).unwrap_or(u32::MAX)),
                    shard: self.me,
                    from: mark.at.0.saturating_mul(1_000),
                    to: now.wall.0.saturating_mul(1_000),
                    place: None,
                });
            }
            match mark.accepted {
                Some(at) => metrics
                    .delivery
                    .record_many(micros(now.micros, at), sockets as u64),
                None => {
                    let millis = u64::try_from(now.wall.0.saturating_sub(mark.at.0)).unwrap_or(0);
                    let took = Duration::from_millis(millis);
                    metrics.remote_delivery.record_many(took, sockets as u64);
                }
            }
        }
    }
}

fn micros(now: u64, since: u64) -> Duration {
    Duration::from_micros(now.saturating_sub(since))
}
