//! The bus's events, each to the shards that it concerns.
//!
//! A shard whose mailbox is full is not waited for: what does not fit is dropped and counted, and as soon as there is
//! room the shard is told that it may have lost something, so that it compares heads and reads its people again.

use std::sync::Arc;
use std::time::Duration;

use bus::hints::BusEvent;
use chat::{Input, Passing, PersonCommand, Told, home_of};
use protocol::entry::Change;
use protocol::envelope::{Envelope, Topic};
use protocol::room::Head;
use store::Store;
use tracing::warn;
use transport::ShardHandle;

use super::line::Line;
use super::revocations::Said;
use crate::shard::Mail;

/// How often it is tried to tell a shard that it has lost something.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Until the bus is closed.
pub(super) async fn hear(
    line: Arc<Line>,
    store: Arc<dyn Store>,
    shards: Vec<ShardHandle<Mail>>,
    said: Said,
) {
    let mut events = line.events();
    let mut ears = Ears {
        behind: vec![false; shards.len()],
        shards,
        store,
        line,
        said,
    };
    loop {
        let event = if ears.behind.contains(&true) {
            match tokio::time::timeout(CATCH_UP, events.recv()).await {
                Ok(event) => event,
                Err(_) => {
                    ears.catch_up();
                    continue;
                }
            }
        } else {
            events.recv().await
        };
        match event {
            Some(event) => ears.heard(event),
            None => return,
        }
    }
}

struct Ears {
    shards: Vec<ShardHandle<Mail>>,
    /// Shards that have lost something and were not told yet.
    behind: Vec<bool>,
    line: Arc<Line>,
    /// Told of what is acknowledged elsewhere.
    store: Arc<dyn Store>,
    said: Said,
}

impl Ears {
    fn heard(&mut self, event: BusEvent) {
        match event {
            BusEvent::Said(Envelope::Canary { room, sent }) => {
                let took = self.line.canary.heard(room, sent);
                if let Some(took) = took {
                    self.line.metrics.canary.record(took);
                }
            }
            BusEvent::Said(envelope) => {
                self.line.metrics.hints_received.increment(1);
                self.hear(envelope);
            }
            BusEvent::Watched(Topic::Room(room)) if self.line.canary.owns(room) => {
                self.line.canary.watched(room);
            }
            BusEvent::Watched(Topic::Room(room)) => {
                self.tell_home(room.as_u128(), Input::Watched { room });
            }
            BusEvent::Watched(Topic::People(slice)) => {
                self.tell_all(|| Input::PeopleWatched { slice });
            }
            BusEvent::Watched(Topic::Node(_)) => {}
            BusEvent::Watched(Topic::Everyone) => self.said.may_have_missed(),
            BusEvent::Lost => {
                warn!("news of other nodes may have been lost: heads are compared");
                self.line.metrics.bus_lost.increment(1);
                self.said.may_have_missed();
                self.line.desk.keep_all();
                self.tell_all(|| Input::BusLost);
            }
        }
    }

    fn hear(&mut self, envelope: Envelope) {
        match envelope {
            Envelope::Grown { hint } => {
                // The entries of a hint are a whole batch.
                if let Some(last) = hint.entries.last()
                    && !matches!(last.change, Change::RoomDeleted)
                {
                    let (epoch, seq, n) = (hint.head.epoch, last.seq, last.n);
                    self.store.heard(hint.room, Head { epoch, seq, n });
                }
                self.tell_home(hint.room.as_u128(), Input::Hint(hint));
            }
            Envelope::Handed { over } => {
                if over.to == self.line.me() {
                    self.line.count_handed("taken", over.drafts.len());
                    self.tell_home(over.room.as_u128(), Input::Handed(over));
                }
            }
            Envelope::Declined { back } => {
                if back.to == self.line.me() {
                    self.tell_home(back.room.as_u128(), Input::SentBack(back));
                }
            }
            Envelope::Typing { room, user, active } => {
                let passing = Passing::Typing { user, active };
                self.tell_home(room.as_u128(), Input::Passing { room, passing });
            }
            Envelope::Receipt { room, user, marker } => {
                let passing = Passing::Receipt { user, marker };
                self.tell_home(room.as_u128(), Input::Passing { room, passing });
            }
            Envelope::Added { user, room } => {
                let command = PersonCommand::Tell(Told::AddedTo { room });
                self.tell_home(user.as_u128(), Input::Person { user, command });
            }
            Envelope::ReadOn {
                user,
                room,
                marker,
                unread,
                mentions,
            } => {
                let command = PersonCommand::Tell(Told::ReadOn {
                    room,
                    marker,
                    unread,
                    mentions,
                    except: None,
                });
                self.tell_home(user.as_u128(), Input::Person { user, command });
            }
            Envelope::Standing {
                user,
                node,
                standing,
            } => {
                let command = PersonCommand::Stands { node, standing };
                self.tell_home(user.as_u128(), Input::Person { user, command });
            }
            // Heard above.
            Envelope::Canary { .. } => {}
            Envelope::Revoked { sessions, reason } => {
                if !self.said.revoked(sessions, &reason) {
                    self.line.metrics.hints_dropped.increment(1);
                }
            }
        }
    }

    fn tell_home(&mut self, key: u128, input: Input) {
        let home = home_of(key, self.shards.len() as u8);
        self.post(usize::from(home.0), input);
    }

    fn tell_all(&mut self, input: impl Fn() -> Input) {
        for shard in 0..self.shards.len() {
            self.post(shard, input());
        }
    }

    fn post(&mut self, shard: usize, input: Input) {
        self.catch_up();
        if self.behind[shard] || self.shards[shard].post(Mail::input(input)).is_err() {
            self.behind[shard] = true;
            self.line.metrics.hints_dropped.increment(1);
        }
    }

    fn catch_up(&mut self) {
        for (behind, shard) in self.behind.iter_mut().zip(&self.shards) {
            if *behind && shard.post(Mail::input(Input::BusLost)).is_ok() {
                *behind = false;
            }
        }
    }
}
