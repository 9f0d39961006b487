//! The append lane of a room: one batch in flight, what waits goes as the next one in the order of arrival.
//!
//! **The rule that everything rests on.** The head is advanced only by an own acknowledged append or by a read. A
//! conflict alone never acknowledges: the keys are looked up. Anything unclear is sent again, the same batch at the
//! same places, until it is clear. "Failed" is said only when that is certain.

mod answers;
mod batch;
mod handing;
mod losing;

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::entry::{Draft, Entry};
use protocol::ids::{ClientId, NodeId, UserId};
use protocol::problem::{Code, Problem};
use protocol::room::Head;

use crate::authority::{self, Loaded, RoomState};
use crate::lately::Lately;
use crate::{Origin, Outcome, StoreQuestion};
use answers::made_of;
use batch::{BATCH_MAX, Batch, Next, make_batch};
use handing::Contest;
pub(crate) use handing::writer_of;
use losing::Overheard;

/// Drafts that wait in one room: 20 members' bursts; beyond it the room is refused by name.
const QUEUE_MAX: usize = 1_024;
/// Repeats that wait with one draft; a sender who repeats it more often waits as for another one.
const REPEATS_MAX: usize = 8;
/// How long a draft waits before its sender is told: longer than an election, shorter than a client's patience.
const WAIT_MILLIS: u64 = 5_000;
/// The first pause after an unclear answer; doubles up to [`PAUSE_MAX_MILLIS`].
const PAUSE_MILLIS: u64 = 25;
/// The longest pause between two tries.
const PAUSE_MAX_MILLIS: u64 = 1_000;

/// A draft that waits, and who waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) draft: Draft,
    pub(crate) origin: Origin,
    /// Since when, on the monotonic clock.
    pub(crate) since: u64,
    /// When this node took it from its sender, in microseconds.
    pub(crate) accepted: u64,
    /// The sender was told that the outcome is unknown; nobody waits any more, but the lane must still learn it.
    told: bool,
    /// A try that held it had no clear answer: that try may still land, so that only a read or a success is certain.
    unclear: bool,
    /// Its key was looked up since it was last sent: what is said of it now is final.
    sought: bool,
    /// Another node was asked to write it, and may still do so.
    handed: bool,
    /// This node writes it by itself: another one did not, or asked for it.
    alone: bool,
    /// Repeats of it that came while it was under way: each is told what it is told.
    repeats: Vec<Origin>,
}

impl Waiting {
    /// Tells everybody who waits for it, and nobody afterwards.
    fn answer(&mut self, result: Result<Outcome, Problem>, out: &mut Vec<LaneEffect>) {
        for origin in self.repeats.drain(..) {
            let mut result = result.clone();
            if let Ok(outcome) = &mut result {
                outcome.duplicate = true;
            }
            out.push(LaneEffect::answer(origin, result));
        }
        if !std::mem::replace(&mut self.told, true) {
            out.push(LaneEffect::answer(self.origin, result));
        }
    }
}

#[derive(Debug)]
enum Step {
    Idle,
    Opening,
    Loading,
    Appending(Batch),
    LookingUp(Batch),
    /// Its place seems to be taken: by what, a hint will say, or else the store is asked.
    Hearing {
        until: u64,
        batch: Batch,
    },
    /// The first draft of the queue is to be answered without an entry, by a picture that may be old.
    Seeking(Sought),
    /// Another node was asked to write these; the log will answer.
    Handed {
        since: u64,
        until: u64,
        waiting: Vec<Waiting>,
    },
    /// A pause before the next try of what was unclear.
    Pausing {
        until: u64,
        then: Then,
    },
}

impl Step {
    /// What is under way.
    fn waiting(&self) -> &[Waiting] {
        match self {
            Self::Appending(batch)
            | Self::LookingUp(batch)
            | Self::Hearing { batch, .. }
            | Self::Pausing {
                then: Then::Append(batch) | Then::LookUp(batch),
                ..
            } => &batch.waiting,
            Self::Handed { waiting, .. } => waiting,
            _ => &[],
        }
    }

    fn waiting_mut(&mut self) -> &mut [Waiting] {
        match self {
            Self::Appending(batch)
            | Self::LookingUp(batch)
            | Self::Hearing { batch, .. }
            | Self::Pausing {
                then: Then::Append(batch) | Then::LookUp(batch),
                ..
            } => &mut batch.waiting,
            Self::Handed { waiting, .. } => waiting,
            _ => &mut [],
        }
    }
}

/// A draft that is looked for in the store.
#[derive(Debug)]
struct Sought {
    of: (UserId, ClientId),
    /// It was sent again since the store was asked: what was not there then may have been stored by another node, and seen
    /// by its sender, before that.
    repeated: bool,
}

#[derive(Debug)]
enum Then {
    Open,
    Append(Batch),
    LookUp(Batch),
}

/// What a lane wants done, in order.
#[derive(Debug)]
pub(crate) enum LaneEffect {
    /// Ask the store.
    Ask(StoreQuestion),
    /// Answer somebody.
    Answer(Origin, Box<Result<Outcome, Problem>>),
    /// These are in the log now, by an own acknowledged append; and when each was accepted.
    Committed(Arc<[Entry]>, Vec<u64>),
    /// The log has surely reached this head.
    Reached(Head),
    /// Ask that node to write these.
    Hand(NodeId, Vec<Draft>),
    /// It was asked, and nothing was heard of it.
    NotWritten,
}

/// What a lane must know of the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// On the monotonic clock.
    pub(crate) now: u64,
    /// Hints of the room reach this node.
    pub(crate) hears: bool,
    /// Who writes the room while several nodes want to, if it is not this one.
    pub(crate) writer: Option<NodeId>,
}

impl LaneEffect {
    fn answer(origin: Origin, result: Result<Outcome, Problem>) -> Self {
        Self::Answer(origin, Box::new(result))
    }
}

/// The lane.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: VecDeque<Waiting>,
    state: Option<RoomState>,
    loaded: Loaded,
    step: Step,
    tries: u32,
    /// What was acknowledged last.
    lately: Lately,
    /// What others have put behind the place that our batch follows.
    overheard: Overheard,
    contest: Contest,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            state: None,
            loaded: Loaded::default(),
            step: Step::Idle,
            tries: 0,
            lately: Lately::default(),
            overheard: Overheard::default(),
            contest: Contest::default(),
        }
    }
}

impl Lane {
    /// Nothing waits and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.step, Step::Idle)
    }

    /// Takes a draft in; refused at once when too many wait.
    pub(crate) fn push(
        &mut self,
        draft: Draft,
        origin: Origin,
        (at, accepted): (Moment, u64),
        out: &mut Vec<LaneEffect>,
    ) {
        if let Some(entry) = self.lately.find(&draft) {
            let (made, duplicate) = (made_of(&entry.change), true);
            out.push(LaneEffect::answer(origin, Ok(Outcome { duplicate, made })));
            return;
        }
        if let Step::Seeking(sought) = &mut self.step
            && sought.of == (draft.actor, draft.key)
        {
            sought.repeated = true;
        }
        if let Some(one) = self.under_way(&draft) {
            one.repeats.push(origin);
            one.sought = false;
            return;
        }
        if self.queue.len() >= QUEUE_MAX {
            let problem =
                Problem::because(Code::Overloaded, "too much is being written to this room")
                    .retry_after(1_000);
            out.push(LaneEffect::answer(origin, Err(problem)));
            return;
        }
        self.queue.push_back(Waiting {
            draft,
            origin,
            since: at.now,
            accepted,
            told: false,
            unclear: false,
            sought: false,
            handed: false,
            // From another node it goes to no third.
            alone: matches!(origin, Origin::Node(_)),
            repeats: Vec::new(),
        });
        self.advance(at, out);
    }

    /// The draft that this one repeats, if it is under way and somebody still waits for it. Were the repeat a draft of its
    /// own, it would hold up the room for as long as three questions to the store take, just when the store is slow.
    fn under_way(&mut self, draft: &Draft) -> Option<&mut Waiting> {
        let waiting = self.step.waiting_mut().iter_mut();
        let mut all = waiting.chain(&mut self.queue);
        all.find(|one| {
            (one.draft.actor, one.draft.key) == (draft.actor, draft.key)
                && !one.told
                && one.repeats.len() < REPEATS_MAX
                && one.draft.digest() == draft.digest()
        })
    }

    /// Another node's entry was delivered here: the picture follows while nothing of ours claims its place, and else it is
    /// remembered. When its draft was accepted here, if it was handed over.
    pub(crate) fn follow(
        &mut self,
        entry: &Entry,
        now: u64,
        out: &mut Vec<LaneEffect>,
    ) -> Option<u64> {
        let accepted = self.settle(entry, now, out);
        self.follow_picture(entry);
        accepted
    }

    fn follow_picture(&mut self, entry: &Entry) {
        match &self.step {
            Step::Idle
            | Step::Handed { .. }
            | Step::Pausing {
                then: Then::Open, ..
            } => {}
            Step::Appending(batch)
            | Step::Hearing { batch, .. }
            | Step::Pausing {
                then: Then::Append(batch),
                ..
            } => return self.overheard.note(batch.base, entry),
            _ => return,
        }
        if let Some(state) = &mut self.state
            && entry.seq == state.head.seq + 1
        {
            state.apply(entry);
            self.loaded.clear();
        }
    }

    /// When [`Lane::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let pause = match &self.step {
            Step::Pausing { until, .. }
            | Step::Hearing { until, .. }
            | Step::Handed { until, .. } => Some(*until),
            _ => None,
        };
        let untold = self.step.waiting().iter().filter(|one| !one.told);
        let in_flight = untold.map(|one| one.since).min();
        let waiting = self.queue.front().map(|one| one.since);
        let patience = [in_flight, waiting]
            .into_iter()
            .flatten()
            .min()
            .map(|since| since + WAIT_MILLIS);
        [pause, patience].into_iter().flatten().min()
    }

    /// A deadline has come.
    pub(crate) fn tick(&mut self, at: Moment, out: &mut Vec<LaneEffect>) {
        let now = at.now;
        self.lose_patience(now, out);
        if let Step::Handed { until, .. } = &self.step
            && *until <= now
        {
            return self.hears_nothing(at, out);
        }
        if let Step::Hearing { until, .. } = &self.step
            && *until <= now
            && let Step::Hearing { batch, .. } = std::mem::replace(&mut self.step, Step::Idle)
        {
            return self.look_up(batch, out);
        }
        if let Step::Pausing { until, .. } = &self.step
            && *until <= now
            && let Step::Pausing { then, .. } = std::mem::replace(&mut self.step, Step::Idle)
        {
            match then {
                Then::Open => self.advance(at, out),
                Then::Append(batch) => self.send(batch, now, out),
                Then::LookUp(batch) => self.look_up(batch, out),
            }
        }
    }

    /// Senders that waited too long are told the truth: unknown for what was sent to the store, not stored for the rest.
    fn lose_patience(&mut self, now: u64, out: &mut Vec<LaneEffect>) {
        let late = |one: &Waiting| one.since + WAIT_MILLIS <= now;
        let under_way = self.step.waiting_mut().iter_mut();
        for one in under_way.filter(|one| !one.told && late(one)) {
            let problem = Problem::new(Code::OutcomeUnknown).retry_after(1_000);
            one.answer(Err(problem), out);
        }
        if self.queue.front().is_some_and(late) {
            self.refuse_queue(out);
        }
    }

    /// Everything that waits is refused together: a later draft of a sender must not overtake a refused earlier one.
    fn refuse_queue(&mut self, out: &mut Vec<LaneEffect>) {
        for mut one in self.queue.drain(..) {
            let code = if one.unclear {
                Code::OutcomeUnknown
            } else {
                Code::Unavailable
            };
            one.answer(Err(Problem::new(code).retry_after(1_000)), out);
        }
    }

    /// Makes the next batch, or asks for what is needed to make it.
    fn advance(&mut self, at: Moment, out: &mut Vec<LaneEffect>) {
        if !matches!(self.step, Step::Idle) {
            return;
        }
        while !self.queue.is_empty() {
            if self.state.is_none() {
                self.step = Step::Opening;
                out.push(LaneEffect::Ask(StoreQuestion::Open));
                return;
            }
            let missing: Vec<_> = self
                .queue
                .iter()
                .take(BATCH_MAX)
                .filter_map(|one| authority::targets(&one.draft.intent))
                .filter(|id| !self.loaded.contains_key(id))
                .collect();
            if !missing.is_empty() {
                self.step = Step::Loading;
                out.push(LaneEffect::Ask(StoreQuestion::Messages { ids: missing }));
                return;
            }
            if self.hand(at, out) {
                return;
            }
            let Some(state) = &mut self.state else { return };
            match make_batch(state, &mut self.loaded, &mut self.queue, out) {
                Next::Batch(batch) => {
                    self.overheard.clear();
                    return self.send(batch, at.now, out);
                }
                Next::Seek(actor, key) => {
                    let (of, repeated) = ((actor, key), false);
                    self.step = Step::Seeking(Sought { of, repeated });
                    let keys = vec![of];
                    out.push(LaneEffect::Ask(StoreQuestion::Lookup { keys }));
                    return;
                }
                Next::Nothing => {}
            }
        }
        self.loaded.clear();
    }

    fn send(&mut self, mut batch: Batch, now: u64, out: &mut Vec<LaneEffect>) {
        batch.sent = now;
        out.push(LaneEffect::Ask(StoreQuestion::Append {
            epoch: batch.base.epoch,
            entries: batch.entries.clone(),
        }));
        self.step = Step::Appending(batch);
    }

    fn look_up(&mut self, batch: Batch, out: &mut Vec<LaneEffect>) {
        let keys: Vec<(UserId, ClientId)> = batch
            .entries
            .iter()
            .map(|entry| (entry.actor, entry.key))
            .collect();
        out.push(LaneEffect::Ask(StoreQuestion::Lookup { keys }));
        self.step = Step::LookingUp(batch);
    }

    fn pause(&mut self, now: u64, then: Then) {
        let millis = (PAUSE_MILLIS << self.tries.min(10)).min(PAUSE_MAX_MILLIS);
        self.tries += 1;
        // Spread by the room's own place, so that nodes that lost the same race do not meet again.
        let spread = match &then {
            Then::Append(batch) | Then::LookUp(batch) => {
                batch.entries[0].digest % (millis / 2).max(1)
            }
            Then::Open => 0,
        };
        self.step = Step::Pausing {
            until: now + millis + spread,
            then,
        };
    }
}
