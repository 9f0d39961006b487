//! A room's home on this node: it owns the room's append lane and its timeline, and feeds the hubs that have sockets in it.
//!
//! One home a room and node, so that one write is in flight and a gap is fetched once. A home that nobody writes to
//! keeps only its position; everything else lies behind one pointer and goes after a minute of silence. What is in the log is given on in [`giving`],
//! what is missing is read in [`reading`].

mod doing;
mod giving;
mod handing;
mod reading;

use std::collections::VecDeque;

use protocol::entry::{Draft, Hint};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Head};

pub(crate) use doing::Doing;
use giving::NONE_OWN;
use handing::Handing;
use reading::Lagging;

use crate::lane::{Lane, LaneEffect, Moment};
use crate::pace::Paces;
use crate::timeline::Timeline;
use crate::typing::Writers;
use crate::{
    Effect, HomeCommand, HubId, Notice, Now, Origin, Passing, StoreAnswer, StoreQuestion, Turn,
};

/// A home without traffic forgets its picture, its tail and its paces after this.
const IDLE_MILLIS: u64 = 60_000;
/// A room's hints are watched for this long after its last socket left: most come right back.
const LINGER_MILLIS: u64 = 30_000;

/// How a home is set up, as far as it differs between deployments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    pub(crate) cluster: bool,
    pub(crate) limits: bool,
}

/// The home of one room.
#[derive(Debug)]
pub(crate) struct Home {
    room: RoomId,
    /// One bit a hub that has sockets in the room.
    hubs: u64,
    /// Where delivery stands; `None` until a first head is known.
    epoch: Option<Epoch>,
    timeline: Timeline,
    /// What only a room with traffic needs.
    busy: Option<Box<Busy>>,
    /// When it was last used.
    used: u64,
    /// When hints are no longer wanted.
    unwatch_at: Option<u64>,
}

#[derive(Debug, Default)]
struct Busy {
    lane: Lane,
    lane_ticket: u64,
    handing: Handing,
    /// The messages that the lane has asked for.
    asked: Vec<MessageId>,
    paces: Paces,
    tail: VecDeque<(ClientId, Turn)>,
    read: Read,
    lagging: Vec<Lagging>,
    typing: Writers,
    announce: VecDeque<u64>,
    /// The last place that this node wrote.
    wrote: Seq,
    /// Who became a member by what is still announced: their sockets on other nodes may not be in the room yet.
    added: Vec<UserId>,
    last_n: u64,
}

/// Reading the log for a gap or for sockets that lag: one read at a time.
#[derive(Debug, Default)]
enum Read {
    #[default]
    Idle,
    Asked {
        ticket: u64,
        after: Seq,
    },
    Pausing {
        until: u64,
    },
}

impl Home {
    pub(crate) fn new(room: RoomId) -> Self {
        Self {
            room,
            hubs: 0,
            epoch: None,
            timeline: Timeline::new(0),
            busy: None,
            used: 0,
            unwatch_at: None,
        }
    }

    /// Nothing is left that must be kept.
    pub(crate) fn is_spent(&self) -> bool {
        self.hubs == 0 && self.busy.is_none() && self.unwatch_at.is_none()
    }

    /// Whether this node's sockets are in it.
    pub(crate) fn has_listeners(&self) -> bool {
        self.hubs != 0
    }

    /// Where its delivery stands.
    pub(crate) fn position(&self) -> Seq {
        self.timeline.position()
    }

    /// A hub or a hub's socket asks something.
    pub(crate) fn command(&mut self, now: Now, command: HomeCommand, doing: &mut Doing<'_>) {
        self.used = now.mono;
        match command {
            HomeCommand::Join { hub, known } => self.join(now, hub, known, doing),
            HomeCommand::Part { hub } => {
                self.hubs &= !(1 << hub.0);
                if self.hubs == 0 && doing.ways.cluster {
                    self.unwatch_at = Some(now.mono + LINGER_MILLIS);
                }
            }
            HomeCommand::Submit {
                draft,
                origin,
                accepted,
            } => self.submit(now, draft, (origin, accepted), doing),
            HomeCommand::CatchUp { hub, conn, after } => {
                self.catch_up(now, Lagging { hub, conn, after }, doing)
            }
            HomeCommand::Pass(passing) => self.pass(now, passing, doing),
        }
    }

    fn join(&mut self, now: Now, hub: HubId, known: Head, doing: &mut Doing<'_>) {
        let first = self.hubs == 0;
        self.hubs |= 1 << hub.0;
        self.know(now, known, doing);
        if doing.ways.cluster && first && self.unwatch_at.take().is_none() {
            doing.out.push(Effect::Watch { room: self.room });
        }
        doing.out.push(Effect::ToHub {
            hub,
            notice: Notice::Joined {
                room: self.room,
                position: self.position(),
            },
        });
    }

    /// Takes in where the log surely ends. The first head that is known is where delivery begins.
    pub(crate) fn know(&mut self, now: Now, head: Head, doing: &mut Doing<'_>) {
        match self.epoch {
            None => {
                self.epoch = Some(head.epoch);
                self.timeline = Timeline::new(head.seq);
            }
            Some(epoch) if epoch == head.epoch => self.timeline.aim(head.seq, now.mono),
            Some(_) => {
                // Another incarnation: what its readers hold is of no use; they come back and start over.
                self.epoch = Some(head.epoch);
                self.timeline = Timeline::new(head.seq);
                self.busy = None;
                self.tell_hubs(Notice::Restarted { room: self.room }, doing);
            }
        }
    }

    fn submit(
        &mut self,
        now: Now,
        draft: Draft,
        (origin, accepted): (Origin, u64),
        doing: &mut Doing<'_>,
    ) {
        let at = self.moment(now, doing);
        let busy = self.busy.get_or_insert_default();
        let paced = matches!(
            draft.intent,
            protocol::entry::Intent::Say { .. }
                | protocol::entry::Intent::Edit { .. }
                | protocol::entry::Intent::Delete { .. }
                | protocol::entry::Intent::React { .. }
        );
        if paced
            && doing.ways.limits
            && let Err(millis) = busy.paces.take(draft.actor, now.mono)
        {
            doing.answer(
                origin,
                Err(Problem::new(Code::RateLimited).retry_after(millis)),
            );
            return;
        }
        let mut effects = Vec::new();
        busy.lane.push(draft, origin, (at, accepted), &mut effects);
        self.perform(now, effects, doing);
    }

    pub(super) fn moment(&self, now: Now, doing: &Doing<'_>) -> Moment {
        Moment {
            now: now.mono,
            hears: doing.ways.cluster && self.hubs != 0,
            writer: doing.other_writer(self.room),
        }
    }

    fn pass(&mut self, now: Now, passing: Passing, doing: &mut Doing<'_>) {
        if !self.is_news(now, &passing) {
            return;
        }
        if doing.ways.cluster {
            doing.out.push(Effect::PublishPassing {
                room: self.room,
                passing: passing.clone(),
            });
        }
        self.tell_hubs(
            Notice::Passing {
                room: self.room,
                passing,
            },
            doing,
        );
    }

    /// Short-lived news from another node, or our own that has come back.
    pub(crate) fn passed(&mut self, now: Now, passing: Passing, doing: &mut Doing<'_>) {
        if self.is_news(now, &passing) {
            self.tell_hubs(
                Notice::Passing {
                    room: self.room,
                    passing,
                },
                doing,
            );
        }
    }

    fn is_news(&mut self, now: Now, passing: &Passing) -> bool {
        let Passing::Typing { user, active } = *passing else {
            return true;
        };
        let busy = self.busy.get_or_insert_default();
        busy.typing.says(user, active, now.mono)
    }

    /// Another node's hint.
    pub(crate) fn hint(&mut self, now: Now, hint: Hint, doing: &mut Doing<'_>) {
        self.used = now.mono;
        if self.epoch.is_some_and(|epoch| epoch != hint.head.epoch) {
            // Late news of an incarnation that is over, or early news of the next: the store says which.
            return doing.ask_head(self.room);
        }
        if self.epoch.is_none() {
            let before = hint
                .entries
                .first()
                .map_or(hint.head.seq, |entry| entry.seq - 1);
            self.know(
                now,
                Head {
                    seq: before,
                    ..hint.head
                },
                doing,
            );
        }
        self.leave_announcing(hint.head.seq);
        self.timeline.aim(hint.head.seq, now.mono);
        self.deliver(now, hint.entries, NONE_OWN, doing);
    }

    /// The bus says that hints reach this node from now on, or may have been lost: where does the log end?
    pub(crate) fn compare(&self, doing: &mut Doing<'_>) {
        doing.ask_head(self.room);
    }

    /// The store's answer to one of this home's questions.
    pub(crate) fn answered(
        &mut self,
        now: Now,
        ticket: u64,
        answer: StoreAnswer,
        doing: &mut Doing<'_>,
    ) {
        self.used = now.mono;
        let at = self.moment(now, doing);
        let Some(busy) = &mut self.busy else { return };
        if let Read::Asked {
            ticket: asked,
            after,
        } = busy.read
            && asked == ticket
        {
            let StoreAnswer::Entries(answer) = answer else {
                return;
            };
            return self.has_read(now, after, answer, doing);
        }
        if busy.lane_ticket != ticket {
            return;
        }
        let mut effects = Vec::new();
        match answer {
            StoreAnswer::Opened(answer) => busy.lane.opened(answer, at, &mut effects),
            StoreAnswer::Appended(answer) => busy.lane.appended(answer, at, &mut effects),
            StoreAnswer::LookedUp(answer) => busy.lane.looked_up(answer, at, &mut effects),
            StoreAnswer::Messages(answer) => {
                let asked = std::mem::take(&mut busy.asked);
                busy.lane.loaded(&asked, answer, at, &mut effects);
            }
            StoreAnswer::Entries(_) => {}
        }
        self.perform(now, effects, doing);
    }

    fn perform(&mut self, now: Now, effects: Vec<LaneEffect>, doing: &mut Doing<'_>) {
        for effect in effects {
            match effect {
                LaneEffect::Ask(question) => {
                    let busy = self.busy.get_or_insert_default();
                    if let StoreQuestion::Messages { ids } = &question {
                        busy.asked.clone_from(ids);
                    }
                    busy.lane_ticket = doing.ask(self.room, question);
                }
                LaneEffect::Answer(origin, result) => doing.answer(origin, *result),
                LaneEffect::Reached(head) => self.know(now, head, doing),
                LaneEffect::Committed(entries, accepted) => {
                    self.committed(now, &entries, &accepted, doing);
                }
                LaneEffect::Hand(to, drafts) => self.hand(to, drafts, doing),
                LaneEffect::NotWritten => doing.out.push(Effect::NotWritten),
            }
        }
    }

    /// When [`Home::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let mut soonest = self.unwatch_at;
        let mut sooner = |at: Option<u64>| soonest = [soonest, at].into_iter().flatten().min();
        let reading = self
            .busy
            .as_ref()
            .is_some_and(|busy| !matches!(busy.read, Read::Idle));
        if !reading {
            sooner(self.timeline.fetch_at());
        }
        if let Some(busy) = &self.busy {
            sooner(busy.lane.deadline());
            sooner(busy.announce.front().copied());
            sooner(busy.typing.deadline());
            if let Read::Pausing { until } = busy.read {
                sooner(Some(until));
            }
            if busy.is_quiet() {
                sooner(Some(self.used + IDLE_MILLIS));
            }
        }
        soonest
    }

    /// A deadline has come.
    pub(crate) fn tick(&mut self, now: Now, doing: &mut Doing<'_>) {
        let at = self.moment(now, doing);
        if let Some(busy) = &mut self.busy {
            let mut effects = Vec::new();
            busy.lane.tick(at, &mut effects);
            self.perform(now, effects, doing);
        }
        if let Some(busy) = &mut self.busy {
            if matches!(busy.read, Read::Pausing { until } if until <= now.mono) {
                busy.read = Read::Idle;
            }
            let over = busy.typing.over(now.mono);
            let announce = busy.announce.front().is_some_and(|at| *at <= now.mono);
            if announce {
                busy.announce.pop_front();
            }
            for user in over {
                self.tell_hubs(
                    Notice::Passing {
                        room: self.room,
                        passing: Passing::Typing {
                            user,
                            active: false,
                        },
                    },
                    doing,
                );
            }
            if announce {
                self.announce(doing);
                self.announce_added(doing);
            }
        }
        self.read(now, doing);
        if self.used + IDLE_MILLIS <= now.mono
            && self.busy.as_ref().is_some_and(|busy| busy.is_quiet())
        {
            self.busy = None;
        }
        if self.unwatch_at.is_some_and(|at| at <= now.mono) {
            self.unwatch_at = None;
            doing.out.push(Effect::Unwatch { room: self.room });
        }
    }
}

impl Busy {
    fn is_quiet(&self) -> bool {
        self.lane.is_idle()
            && matches!(self.read, Read::Idle)
            && self.lagging.is_empty()
            && self.typing.is_empty()
            && self.announce.is_empty()
    }
}
