//! Receiving: what a frame says goes into the connection's place, the latencies and the log as it was seen.

use crate::client::Client;
use crate::latencies::Latencies;
use crate::words::{Action, Heard, Note};
use crate::worker::{Ledger, Worker};

impl Worker {
    /// A text frame that may be an event; `false` when it is no packet.
    pub(crate) fn hear(&self, client: &Client, body: &[u8], now: u64) -> bool {
        let setup = &self.setup;
        let read = self
            .known
            .borrow_mut()
            .read(setup.kind, body, &self.numbers, setup.run);
        let Some((heard, is_new)) = read else {
            return false;
        };
        let ledger = &mut *self.ledger.borrow_mut();
        match heard {
            Heard::Other => {}
            Heard::Gap => ledger.faults.gaps += 1,
            Heard::Entry { room, seq, note } => {
                client.hear(
                    setup.kind,
                    (room, seq, note.map(|note| note.said)),
                    &mut ledger.faults,
                );
                if let Some(note) = note {
                    self.delivered(ledger, client, note, now);
                    if is_new
                        && setup.kind.has_log()
                        && let Some(seq) = seq
                    {
                        see(ledger, room, seq, note.said);
                    }
                    if !setup.kind.is_socketio() {
                        self.echoed(ledger, client, note, now);
                    }
                }
            }
        }
        true
    }

    fn delivered(&self, ledger: &mut Ledger, client: &Client, note: Note, now: u64) {
        let counts = &mut *self.counts.borrow_mut();
        counts.delivered += 1;
        counts.last_delivered = now;
        let slots = (self.slot(now), self.slot(note.intended));
        ledger.outcome.slot(slots.0).delivered += 1;
        let late = now.saturating_sub(note.intended);
        if self.setup.cast.people[client.index as usize].slow {
            ledger.outcome.delivery_slow.record_nanos(late);
            return;
        }
        if self.is_measured(note.intended) {
            ledger.outcome.delivery.record_nanos(late);
            let slot = ledger.outcome.slot(slots.1);
            slot.delivery
                .get_or_insert_with(Latencies::coarse)
                .record_nanos(late);
        }
    }

    /// On a raw WebSocket one's own message is its acknowledgement.
    fn echoed(&self, ledger: &mut Ledger, client: &Client, note: Note, now: u64) {
        let own = self.setup.cast.people[client.index as usize].number;
        if note.said >> 32 == u64::from(own) && ledger.pending.remove(&note.said).is_some() {
            self.counts.borrow_mut().acked += 1;
            if self.is_measured(note.intended) {
                ledger
                    .outcome
                    .ack
                    .record_nanos(now.saturating_sub(note.intended));
            }
        }
    }

    /// The answer to a send or another action.
    pub(crate) fn answered(&self, ack: u64, accepted: Result<Option<u64>, &str>, now: u64) {
        let ledger = &mut *self.ledger.borrow_mut();
        let Some(pending) = ledger.pending.remove(&ack) else {
            ledger.faults.doubled += 1;
            return;
        };
        let counts = &mut *self.counts.borrow_mut();
        let nanos = now.saturating_sub(pending.intended);
        let is_measured = self.is_measured(pending.intended);
        match accepted {
            Ok(_) if pending.action != Action::Send => {
                counts.answered += 1;
                if is_measured {
                    let of = ledger.outcome.actions.entry(pending.action);
                    of.or_insert_with(Latencies::new).record_nanos(nanos);
                }
            }
            Ok(seq) => {
                counts.acked += 1;
                if let Some(seq) = seq {
                    ledger
                        .acked
                        .entry(pending.room)
                        .or_default()
                        .push((seq, pending.said));
                }
                if is_measured {
                    ledger.outcome.ack.record_nanos(nanos);
                }
            }
            Err(code) => {
                counts.refused += 1;
                *ledger.outcome.refused.entry(code.to_owned()).or_default() += 1;
                if pending.action == Action::Send {
                    ledger.excused.push((pending.room, pending.said));
                }
            }
        }
    }
}

/// What stands at a place of a room's log, as this worker heard it.
fn see(ledger: &mut Ledger, room: u32, seq: u64, said: u64) {
    let (first, places) = ledger.seen.entry(room).or_insert((seq, Vec::new()));
    if seq < *first {
        let more = (*first - seq) as usize;
        places.splice(0..0, std::iter::repeat_n(0, more));
        *first = seq;
    }
    let index = (seq - *first) as usize;
    if places.len() <= index {
        places.resize(index + 1, 0);
    }
    // Two receivers that heard different messages at one place.
    if places[index] != 0 && places[index] != said {
        ledger.faults.reordered += 1;
    }
    places[index] = said;
}
