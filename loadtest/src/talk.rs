//! Sending: by the schedule, however late. The delay is part of what is measured.

use std::rc::Rc;
use std::time::Duration;

use ::client::wire;
use protocol::frame::Frame;

use crate::chance::{Arrivals, Chance};
use crate::check::number;
use crate::client::Client;
use crate::metronome::Metronome;
use crate::order::Talk;
use crate::words::{ACTIONS, Action, Note};
use crate::worker::{Pending, Worker};

/// Actions between two looks at the sockets: a generator that is behind must go on reading.
const AT_ONCE: usize = 32;

impl Worker {
    /// Talks from and until the times of `talk`.
    pub(crate) async fn talk(self: Rc<Self>, talk: Talk) {
        let Some(plan) = self.setup.scenario.talk.clone().filter(|_| talk.rate > 0.0) else {
            return;
        };
        let people = &self.setup.cast.people;
        let writers: Vec<Rc<Client>> = self
            .clients
            .iter()
            .filter(|client| !people[client.index as usize].writes.is_empty())
            .cloned()
            .collect();
        if writers.is_empty() {
            return;
        }
        let (seed, stream) = (self.setup.scenario.seed, u64::from(self.setup.share.0));
        let arrivals = Arrivals::new(
            plan.process,
            talk.rate,
            talk.from,
            Chance::new(seed, stream * 2),
        );
        let mut chance = Chance::new(seed, stream * 2 + 1);
        let weights = plan.actions.weights();
        let mut metronome = Metronome::start();
        let mut blocked: Vec<Rc<Client>> = Vec::new();
        for (turn, intended) in arrivals.take_while(|at| *at < talk.until).enumerate() {
            if intended > self.now() {
                blocked.retain(|client| !client.flush());
                match &mut metronome {
                    Some(metronome) => metronome.until(self.instant(intended)).await,
                    None => self.sleep_until(intended).await,
                }
            } else if turn.is_multiple_of(AT_ONCE) {
                tokio::task::yield_now().await;
            }
            let action = ACTIONS[chance.weighted(&weights)].0;
            let first = chance.below(writers.len());
            let (before, behind) = writers.split_at(first);
            let present = behind.iter().chain(before).find(|client| client.is_ready());
            let Some(writer) = present.filter(|_| self.setup.kind.knows(action)) else {
                self.counts.borrow_mut().skipped += 1;
                continue;
            };
            let rooms = &people[writer.index as usize].writes;
            let room = rooms[chance.below(rooms.len())];
            let (frame, what) = self.compose(writer, action, room, (intended, plan.bytes.into()));
            if !self.put(writer, &frame, what) {
                blocked.push(writer.clone());
            }
        }
        while !blocked.is_empty() {
            blocked.retain(|client| !client.flush());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn compose(
        &self,
        writer: &Client,
        action: Action,
        room: u32,
        (intended, bytes): (u64, usize),
    ) -> (Frame, Pending) {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.next_ack += 1;
        let setup = &self.setup;
        let name = &setup.cast.rooms[room as usize];
        let mut pending = Pending {
            person: writer.index,
            action,
            room,
            said: 0,
            intended,
        };
        if action != Action::Send {
            return (
                action.frame(ledger.next_ack, name, writer.last(room)),
                pending,
            );
        }
        let sender = setup.cast.people[writer.index as usize].number;
        let count = ledger.counts.entry((room, sender)).or_default();
        *count += 1;
        pending.said = number(sender, *count);
        let note = Note {
            room,
            said: pending.said,
            intended,
        };
        let text = note.text(setup.run, bytes);
        let frame = setup
            .kind
            .send(ledger.next_ack, name, &note.client_id(setup.run), &text);
        (frame, pending)
    }

    /// `false` when the socket takes no more and some of it waits.
    fn put(&self, writer: &Client, frame: &Frame, pending: Pending) -> bool {
        let mut out = Vec::with_capacity(frame.wire().len() + 16);
        wire::push(frame, &mut out);
        let ledger = &mut *self.ledger.borrow_mut();
        let now = self.now();
        if self.is_measured(pending.intended) {
            ledger
                .outcome
                .late
                .record_nanos(now.saturating_sub(pending.intended));
        }
        if pending.action == Action::Send {
            ledger.outcome.slot(self.slot(now)).sent += 1;
            self.counts.borrow_mut().sent += 1;
        }
        // On a raw WebSocket the echo is the answer, and it names the message. A person there has one room.
        let key = if self.setup.kind.is_socketio() {
            ledger.next_ack
        } else {
            pending.said
        };
        ledger.pending.insert(key, pending);
        writer.write(&out)
    }
}
