//! One thread of the generator: a single-threaded runtime that owns its clients. It takes orders one by one and keeps
//! what it has seen; nothing is shared with other threads but counters.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ::client::wire;
use hdrhistogram::Histogram;
use protocol::event::client::SendMessage;
use protocol::frame::Frame;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::check::Faults;
use crate::client::{self, Client};
use crate::known::{Heard, Known, Note, client_id};
use crate::people::People;

/// Sends between two looks at the sockets: a generator that is behind must go on reading.
const SENDS_AT_ONCE: usize = 32;
/// Walks over all speakers before it meets one again, whatever their number (a prime).
const STRIDE: u64 = 7_919;

/// What all threads of a run know.
pub(crate) struct Run {
    /// Tells our messages from those of other runs.
    pub(crate) id: u32,
    /// Where the run's clock starts.
    pub(crate) start: Instant,
    /// Who takes part.
    pub(crate) people: People,
    /// The server.
    pub(crate) target: SocketAddr,
    /// How many source addresses.
    pub(crate) sources: u8,
    /// Messages intended in these nanoseconds are measured.
    pub(crate) window: (AtomicU64, AtomicU64),
    /// What has happened.
    pub(crate) counts: Counts,
}

/// Counters that only ever grow, but for `ready`.
#[derive(Default)]
pub(crate) struct Counts {
    /// Clients whose `session:ready` came and whose connection lives.
    pub(crate) ready: AtomicU64,
    /// Clients that gave up connecting.
    pub(crate) failed: AtomicU64,
    /// Attempts to connect that failed.
    pub(crate) attempts_failed: AtomicU64,
    /// Connections that the server ended.
    pub(crate) ended: AtomicU64,
    /// Messages sent.
    pub(crate) sent: AtomicU64,
    /// Messages acknowledged.
    pub(crate) acked: AtomicU64,
    /// Messages refused.
    pub(crate) refused: AtomicU64,
    /// Messages of this run received.
    pub(crate) delivered: AtomicU64,
}

impl Run {
    /// Nanoseconds of the run's clock.
    pub(crate) fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// What is to be done.
pub(crate) enum Order {
    /// Connect these people.
    Open(Vec<u32>, Pace),
    /// End the connections of all but each so-manieth.
    Cut { keep_every: usize },
    /// Connect those that were cut, with their cursors.
    Reopen(Pace),
    /// Talk in the background.
    Talk(Talk),
    /// Give what was acknowledged.
    Acked(oneshot::Sender<Vec<Acked>>),
    /// Give what was measured, and the faults when each room's log reached so far at least.
    Outcome(Arc<Vec<u64>>, oneshot::Sender<Outcome>),
}

/// How fast to connect.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Between two; zero for none.
    pub(crate) between: Duration,
    /// Handshakes under way.
    pub(crate) in_flight: usize,
}

/// What to say.
#[derive(Clone, Copy)]
pub(crate) struct Talk {
    /// Only in this room.
    pub(crate) room: Option<u32>,
    /// Between two messages, in nanoseconds; not rounded, so that rates add up.
    pub(crate) between: f64,
    /// Bytes of a text.
    pub(crate) bytes: usize,
    /// From and until when, on the run's clock.
    pub(crate) from: u64,
    /// The end, excluded.
    pub(crate) until: u64,
}

/// An acknowledged send.
#[derive(Clone, Copy)]
pub(crate) struct Acked {
    /// The room's number.
    pub(crate) room: u32,
    /// Its place.
    pub(crate) seq: u64,
    /// The send.
    pub(crate) number: u64,
}

/// What a thread has seen.
pub(crate) struct Outcome {
    /// From the intended time to each member, microseconds.
    pub(crate) latency: Histogram<u64>,
    /// From the intended time to the sender's ack, microseconds.
    pub(crate) commit: Histogram<u64>,
    /// From the intended time to our own write, microseconds: how late the generator itself was.
    pub(crate) late: Histogram<u64>,
    /// What was broken.
    pub(crate) faults: Faults,
    /// Which send each place of a log holds, as it was received.
    pub(crate) seen: HashMap<(u32, u64), u64>,
    /// Sends that have no answer yet.
    pub(crate) unanswered: u64,
    /// Codes of refusals.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// A thread's memory.
pub(crate) struct Ledger {
    pub(crate) pending: HashMap<u64, (u32, u64)>,
    pub(crate) acked: Vec<Acked>,
    pub(crate) outcome: Outcome,
}

/// A thread.
pub(crate) struct Agent {
    pub(crate) run: Arc<Run>,
    /// Our number and how many we are: sends are numbered so that no two threads use one.
    share: (u64, u64),
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) known: RefCell<Known>,
    pub(crate) ledger: RefCell<Ledger>,
    clients: RefCell<Vec<Rc<Client>>>,
    next_number: RefCell<u64>,
}

/// Ten minutes: what takes longer is counted as that.
const LATENCY_MAX_MICROS: u64 = 600_000_000;

/// Microseconds, three digits. With fixed bounds: one that grows by itself clamps before it grows.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_MICROS, 3).expect("the bounds are in order")
}

impl Agent {
    pub(crate) fn new(run: Arc<Run>, share: (u64, u64)) -> Agent {
        let outcome = Outcome {
            latency: histogram(),
            commit: histogram(),
            late: histogram(),
            faults: Faults::default(),
            seen: HashMap::new(),
            unanswered: 0,
            refused: BTreeMap::new(),
        };
        Agent {
            run,
            share,
            scratch: RefCell::new(vec![0; 1 << 18]),
            known: RefCell::new(Known::new()),
            ledger: RefCell::new(Ledger {
                pending: HashMap::new(),
                acked: Vec::new(),
                outcome,
            }),
            clients: RefCell::default(),
            next_number: RefCell::new(share.0),
        }
    }

    /// Carries out orders until there are no more.
    pub(crate) async fn work(self: Rc<Self>, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Open(people, pace) => {
                    let clients: Vec<_> = people
                        .into_iter()
                        .map(|person| Rc::new(Client::new(person)))
                        .collect();
                    self.clients.borrow_mut().extend(clients.iter().cloned());
                    self.connect(clients, pace);
                }
                Order::Cut { keep_every } => {
                    for (index, client) in self.clients.borrow().iter().enumerate() {
                        if index % keep_every != 0 && client.cut() {
                            self.run.counts.ready.fetch_sub(1, Relaxed);
                        }
                    }
                }
                Order::Reopen(pace) => {
                    let cut = self
                        .clients
                        .borrow()
                        .iter()
                        .filter(|client| !client.is_ready())
                        .cloned()
                        .collect();
                    self.connect(cut, pace);
                }
                Order::Talk(talk) => {
                    tokio::task::spawn_local(self.clone().talk(talk));
                }
                // Whoever asked and went away wants no answer.
                Order::Acked(reply) => drop(reply.send(self.ledger.borrow().acked.clone())),
                Order::Outcome(heads, reply) => drop(reply.send(self.outcome(&heads))),
            }
        }
    }

    fn connect(self: &Rc<Self>, clients: Vec<Rc<Client>>, pace: Pace) {
        let agent = self.clone();
        tokio::task::spawn_local(async move {
            let places = Arc::new(Semaphore::new(pace.in_flight));
            let mut next = tokio::time::Instant::now();
            for client in clients {
                if !pace.between.is_zero() {
                    tokio::time::sleep_until(next).await;
                    next += pace.between;
                }
                let Ok(place) = places.clone().acquire_owned().await else {
                    return;
                };
                let task =
                    tokio::task::spawn_local(client::live(agent.clone(), client.clone(), place));
                client.belongs_to(task.abort_handle());
            }
        });
    }

    /// Sends by the schedule, however late: the delay is part of what is measured.
    async fn talk(self: Rc<Self>, talk: Talk) {
        let people = &self.run.people.persons;
        let speakers: Vec<Rc<Client>> = self
            .clients
            .borrow()
            .iter()
            .filter(|client| {
                let rooms = &people[client.person as usize].rooms;
                client.is_ready()
                    && !rooms.is_empty()
                    && talk.room.is_none_or(|room| rooms.contains(&room))
            })
            .cloned()
            .collect();
        if speakers.is_empty() {
            return;
        }
        let mut blocked: Vec<Rc<Client>> = Vec::new();
        for turn in 0_u64.. {
            let intended = talk.from + (turn as f64 * talk.between) as u64;
            if intended >= talk.until {
                break;
            }
            if intended > self.run.now() {
                blocked.retain(|client| !client.flush());
                tokio::time::sleep_until((self.run.start + Duration::from_nanos(intended)).into())
                    .await;
            } else if turn % SENDS_AT_ONCE as u64 == 0 {
                tokio::task::yield_now().await;
            }
            let speaker = &speakers[(turn.wrapping_mul(STRIDE) % speakers.len() as u64) as usize];
            let rooms = &people[speaker.person as usize].rooms;
            let room = talk
                .room
                .unwrap_or_else(|| rooms[turn as usize % rooms.len()]);
            if !self.say(speaker, room, intended, talk.bytes) {
                blocked.push(speaker.clone());
            }
        }
        while !blocked.is_empty() {
            blocked.retain(|client| !client.flush());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// `false` when the socket takes no more and some of it waits.
    fn say(&self, client: &Client, room: u32, intended: u64, bytes: usize) -> bool {
        let number = self
            .next_number
            .replace_with(|number| *number + self.share.1);
        let send = SendMessage {
            room_id: self.run.people.rooms[room as usize],
            client_id: client_id(self.run.id, number),
            text: Note { number, intended }.text(self.run.id, bytes),
            reply_to: None,
            mentions: Vec::new(),
            meta: None,
        };
        let mut out = Vec::with_capacity(bytes + 256);
        wire::push(
            &Frame::event_in("/", Some(number), "message:send", &send),
            &mut out,
        );
        let mut ledger = self.ledger.borrow_mut();
        ledger.pending.insert(number, (room, intended));
        if self.is_measured(intended) {
            ledger
                .outcome
                .late
                .saturating_record(self.run.now().saturating_sub(intended) / 1_000);
        }
        self.run.counts.sent.fetch_add(1, Relaxed);
        client.write(&out)
    }

    /// A text frame that is an event.
    pub(crate) fn hear(&self, client: &Client, body: &[u8], now: u64) -> bool {
        let Some((heard, is_new)) =
            self.known
                .borrow_mut()
                .read(body, &self.run.people, self.run.id)
        else {
            return false;
        };
        match heard {
            Heard::Other => {}
            Heard::Gap => self.ledger.borrow_mut().outcome.faults.gaps += 1,
            Heard::Entry { room, seq, note } => {
                let ledger = &mut *self.ledger.borrow_mut();
                client.hear(room, seq, &mut ledger.outcome.faults);
                if let Some(note) = note {
                    self.run.counts.delivered.fetch_add(1, Relaxed);
                    if self.is_measured(note.intended) {
                        let micros = now.saturating_sub(note.intended) / 1_000;
                        ledger.outcome.latency.saturating_record(micros);
                    }
                    if is_new {
                        ledger.outcome.seen.insert((room, seq), note.number);
                    }
                }
            }
        }
        true
    }

    /// The answer to a send.
    pub(crate) fn answered(&self, number: u64, accepted: Result<u64, &str>, now: u64) {
        let ledger = &mut *self.ledger.borrow_mut();
        let Some((room, intended)) = ledger.pending.remove(&number) else {
            ledger.outcome.faults.doubled += 1;
            return;
        };
        match accepted {
            Ok(seq) => {
                self.run.counts.acked.fetch_add(1, Relaxed);
                ledger.acked.push(Acked { room, seq, number });
                if self.is_measured(intended) {
                    ledger
                        .outcome
                        .commit
                        .saturating_record(now.saturating_sub(intended) / 1_000);
                }
            }
            Err(code) => {
                self.run.counts.refused.fetch_add(1, Relaxed);
                *ledger.outcome.refused.entry(code.to_owned()).or_default() += 1;
            }
        }
    }

    fn is_measured(&self, intended: u64) -> bool {
        let (from, until) = &self.run.window;
        intended >= from.load(Relaxed) && intended < until.load(Relaxed)
    }

    fn outcome(&self, heads: &[u64]) -> Outcome {
        let ledger = self.ledger.borrow();
        let of = &ledger.outcome;
        let mut faults = of.faults;
        for client in self
            .clients
            .borrow()
            .iter()
            .filter(|client| client.is_ready())
        {
            faults.lost += client.lost(heads);
        }
        Outcome {
            latency: of.latency.clone(),
            commit: of.commit.clone(),
            late: of.late.clone(),
            faults,
            seen: of.seen.clone(),
            unanswered: ledger.pending.len() as u64,
            refused: of.refused.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_what_was_recorded_from_microseconds_to_minutes() {
        for micros in [1, 2_000, 5_000, 90_000_000] {
            let mut latencies = histogram();
            latencies.saturating_record(micros);
            assert!(latencies.max().abs_diff(micros) <= micros / 1_000);
        }
    }
}
