//! What the coordinator orders and a worker answers; the same words within one process and over TCP.
//! Counts and digests travel, never the messages themselves: an hour's run must fit too.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cast::Cast;
use crate::check::Faults;
use crate::latencies::Latencies;
use crate::scenario::Scenario;
use crate::words::{Action, Kind};

/// What a worker is to do. Each order has one reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Say your clock: [`Reply::Clock`].
    Clock,
    /// The run, before anything else of it.
    Prepare(Box<Setup>),
    /// Connect all who are not, from this time of the run's clock on.
    Connect { from: u64 },
    /// End the connections of all but each so-manieth person (0: of all).
    Cut { keep_every: u32 },
    /// Talk in the background.
    Talk(Talk),
    /// Slow readers read as fast as they can: the end is waited for.
    Hurry,
    /// [`Reply::Counts`].
    Count,
    /// [`Reply::Said`].
    Said,
    /// Compare what was heard with what all workers said: [`Reply::Faults`].
    Judge(Arc<Said>),
    /// [`Reply::Outcome`].
    Outcome,
}

/// A worker's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is done, or goes on by itself.
    Done,
    /// Nanoseconds of the worker's own clock.
    Clock(u64),
    /// How far it is.
    Counts(Counts),
    /// What was accepted.
    Said(Said),
    /// What was broken.
    Faults(Faults),
    /// What was measured.
    Outcome(Box<Outcome>),
    /// It cannot be done; one line for people.
    Failed(String),
}

/// A worker's part of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Tells our messages from those of other runs.
    pub(crate) run: u32,
    /// What is spoken.
    pub(crate) kind: Kind,
    /// The servers' URLs; person `n` belongs to the `n`-th in turn.
    pub(crate) targets: Vec<String>,
    /// This worker's people, and all rooms.
    pub(crate) cast: Cast,
    /// The scenario; rates in it are those of all workers.
    pub(crate) scenario: Scenario,
    /// Our number, and how many workers there are.
    pub(crate) share: (u32, u32),
    /// How many source addresses there are towards loopback.
    pub(crate) sources: u8,
    /// What is added to the worker's own clock to have the run's, nanoseconds.
    pub(crate) clock: i64,
    /// Nanoseconds of one slot of the series.
    pub(crate) slot: u64,
}

/// From when to when to talk, on the run's clock.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Talk {
    /// The first arrival.
    pub(crate) from: u64,
    /// What is intended from here on counts.
    pub(crate) measured: u64,
    /// The end, excluded.
    pub(crate) until: u64,
    /// Actions a second of this worker.
    pub(crate) rate: f64,
}

/// How far a worker is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// People who are signed in and connected now.
    pub(crate) ready: u64,
    /// When the last of them was, on the run's clock.
    pub(crate) last_ready: u64,
    /// People who gave up connecting.
    pub(crate) failed: u64,
    /// Attempts to connect that failed.
    pub(crate) attempts_failed: u64,
    /// Connections that the server ended.
    pub(crate) ended: u64,
    /// The same of slow readers, who come back.
    pub(crate) slow_ended: u64,
    /// The same of all who come back by the scenario's wish.
    pub(crate) cut_off: u64,
    /// Messages said again after that.
    pub(crate) repeated: u64,
    /// Messages sent.
    pub(crate) sent: u64,
    /// Messages acknowledged.
    pub(crate) acked: u64,
    /// Messages and other actions refused.
    pub(crate) refused: u64,
    /// Messages of this run received.
    pub(crate) delivered: u64,
    /// When the last of them was, on the run's clock.
    pub(crate) last_delivered: u64,
    /// Bytes received.
    pub(crate) bytes: u64,
    /// Other actions answered.
    pub(crate) answered: u64,
    /// Sends and other actions without an answer yet.
    pub(crate) pending: u64,
    /// Arrivals that nobody was there to carry out, or whose action the server does not know.
    pub(crate) skipped: u64,
    /// CPU of the worker's thread, milliseconds.
    pub(crate) cpu_millis: u64,
}

impl Counts {
    /// Those of another worker as well.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.ready += other.ready;
        self.last_ready = self.last_ready.max(other.last_ready);
        self.last_delivered = self.last_delivered.max(other.last_delivered);
        self.bytes += other.bytes;
        self.failed += other.failed;
        self.attempts_failed += other.attempts_failed;
        self.ended += other.ended;
        self.slow_ended += other.slow_ended;
        self.cut_off += other.cut_off;
        self.repeated += other.repeated;
        self.sent += other.sent;
        self.acked += other.acked;
        self.refused += other.refused;
        self.delivered += other.delivered;
        self.answered += other.answered;
        self.pending += other.pending;
        self.skipped += other.skipped;
        self.cpu_millis += other.cpu_millis;
    }
}

/// What was accepted of a room with a log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Logged {
    /// The room's number.
    pub(crate) room: u32,
    /// The last place that was acknowledged.
    pub(crate) head: u64,
    /// Messages acknowledged.
    pub(crate) count: u64,
    /// The sum over them of a hash of place, sender and count: which stands where, in any order of summing.
    pub(crate) digest: u64,
}

/// What was said, as the receivers need it to know what they are owed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Rooms with a log.
    pub(crate) logged: Vec<Logged>,
    /// Room and last message of each sender, where there is no log.
    pub(crate) lanes: Vec<(u32, u64)>,
    /// Room and message: refused, or its fate is unknown since its sender's connection ended.
    pub(crate) excused: Vec<(u32, u64)>,
    /// What the acknowledgements contradict each other in.
    pub(crate) faults: Faults,
}

impl Said {
    /// What another worker said as well.
    pub(crate) fn add(&mut self, other: Said) {
        self.logged.extend(other.logged);
        self.lanes.extend(other.lanes);
        self.excused.extend(other.excused);
        self.faults.add(other.faults);
    }

    /// One entry a room, in the order of rooms and senders.
    pub(crate) fn put_in_order(&mut self) {
        let mut rooms: BTreeMap<u32, Logged> = BTreeMap::new();
        for one in &self.logged {
            let sum = rooms.entry(one.room).or_default();
            sum.room = one.room;
            sum.head = sum.head.max(one.head);
            sum.count += one.count;
            sum.digest = sum.digest.wrapping_add(one.digest);
        }
        self.logged = rooms.into_values().collect();
        self.lanes.sort_unstable();
    }
}

/// What a worker measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// From the intended time to each member.
    pub(crate) delivery: Latencies,
    /// The same to slow readers, who are in no other number.
    pub(crate) delivery_slow: Latencies,
    /// From the intended time to the sender's ack (or own echo).
    pub(crate) ack: Latencies,
    /// From the intended time to the answer, for each other action.
    pub(crate) actions: BTreeMap<Action, Latencies>,
    /// From the intended time to our own write: how late the generator itself was.
    pub(crate) late: Latencies,
    /// From the first byte to `session:ready`.
    pub(crate) connect: Latencies,
    /// From the end of a connection that the server cut off to `session:ready` on the next.
    pub(crate) away: Latencies,
    /// Codes of refusals.
    pub(crate) refused: BTreeMap<String, u64>,
    /// The series.
    pub(crate) slots: Vec<Slot>,
}

impl Outcome {
    pub(crate) fn new() -> Outcome {
        Outcome {
            delivery: Latencies::new(),
            delivery_slow: Latencies::new(),
            ack: Latencies::new(),
            actions: BTreeMap::new(),
            late: Latencies::new(),
            connect: Latencies::new(),
            away: Latencies::new(),
            refused: BTreeMap::new(),
            slots: Vec::new(),
        }
    }

    /// The slot of this time, made when there is none yet.
    pub(crate) fn slot(&mut self, index: usize) -> &mut Slot {
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        &mut self.slots[index]
    }

    /// What another worker measured as well.
    pub(crate) fn add(&mut self, other: Outcome) {
        self.delivery.add(&other.delivery);
        self.delivery_slow.add(&other.delivery_slow);
        self.ack.add(&other.ack);
        self.late.add(&other.late);
        self.connect.add(&other.connect);
        self.away.add(&other.away);
        for (action, latencies) in other.actions {
            self.actions
                .entry(action)
                .or_insert_with(Latencies::new)
                .add(&latencies);
        }
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
        for (index, slot) in other.slots.into_iter().enumerate() {
            self.slot(index).add(slot);
        }
    }
}

/// A stretch of time.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// Messages sent in it.
    pub(crate) sent: u64,
    /// Messages received in it.
    pub(crate) delivered: u64,
    /// People who came back in it.
    pub(crate) returned: u64,
    /// Latencies of what was intended in it.
    pub(crate) delivery: Option<Latencies>,
}

impl Slot {
    fn add(&mut self, other: Slot) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.returned += other.returned;
        match (&mut self.delivery, other.delivery) {
            (Some(mine), Some(theirs)) => mine.add(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }
}
