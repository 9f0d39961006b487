//! A room's home on this node: it owns the room's append lane and its timeline, and feeds the hubs that have sockets in it.
//!
//! One home a room and node, so that one write is in flight and a gap is fetched once. A home that nobody writes to
//! keeps only its position; everything else lies behind one pointer and goes after a minute of silence.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::entry::{Change, Draft, Entry, Hint};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Head};

use crate::lane::{Lane, LaneEffect};
use crate::pace::Paces;
use crate::timeline::Timeline;
use crate::typing::Writers;
use crate::{
    ConnId, Effect, Gap, HomeCommand, HubId, Notice, Now, Origin, Passing, StoreAnswer,
    StoreQuestion, Told, Turn,
};

/// Turns kept for sockets that lag a little: most of those who reconnect missed less.
const TAIL_MAX: usize = 128;
/// Entries read at once for a gap or for a socket that lags.
const PAGE_ENTRIES: usize = 256;
/// A home without traffic forgets its picture, its tail and its paces after this.
const IDLE_MILLIS: u64 = 60_000;
/// A room's hints are watched for this long after its last socket left: most come right back.
const LINGER_MILLIS: u64 = 30_000;
/// When a head is said again after a commit, so that a lost hint costs 2 s at most.
const ANNOUNCE_MILLIS: [u64; 3] = [250, 1_000, 2_000];
/// Entries that travel in a hint; what is larger is read from the store by those who need it.
const HINT_ENTRIES_MAX: usize = 64;
/// Bytes of the entries' frames in a hint.
const HINT_BYTES_MAX: usize = 64 * 1024;
/// A batch that is not ours.
const NONE_OWN: Own<'_> = Own {
    first: 0,
    accepted: &[],
};
/// The pause after a failed read of a gap.
const READ_PAUSE_MILLIS: u64 = 200;

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
    /// The messages that the lane has asked for.
    asked: Vec<MessageId>,
    paces: Paces,
    tail: VecDeque<(ClientId, Turn)>,
    read: Read,
    lagging: Vec<Lagging>,
    typing: Writers,
    announce: VecDeque<u64>,
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

/// What of some entries was made here, and when each was accepted.
#[derive(Clone, Copy)]
struct Own<'a> {
    first: Seq,
    accepted: &'a [u64],
}

impl Own<'_> {
    fn accepted_at(self, seq: Seq) -> Option<u64> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.accepted.get(at).copied()
    }
}

#[derive(Debug)]
struct Lagging {
    hub: HubId,
    conn: ConnId,
    after: Seq,
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
        let times = (now.mono, accepted);
        busy.lane.push(draft, origin, times, &mut effects);
        self.perform(now, effects, doing);
    }

    fn catch_up(&mut self, now: Now, lagging: Lagging, doing: &mut Doing<'_>) {
        if lagging.after >= self.position() {
            // It stands where delivery stands: an empty page says so.
            doing.page(self.room, &lagging, Arc::from([]));
            return;
        }
        let busy = self.busy.get_or_insert_default();
        if let Some(turns) = from_tail(&busy.tail, lagging.after) {
            doing.page(self.room, &lagging, turns);
            return;
        }
        busy.lagging.push(lagging);
        self.read(now, doing);
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
            doing.out.push(Effect::Heads {
                rooms: vec![self.room],
            });
            return;
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
        self.timeline.aim(hint.head.seq, now.mono);
        self.deliver(now, hint.entries, NONE_OWN, doing);
    }

    /// The bus says that hints reach this node from now on, or may have been lost: where does the log end?
    pub(crate) fn compare(&self, doing: &mut Doing<'_>) {
        doing.out.push(Effect::Heads {
            rooms: vec![self.room],
        });
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
            StoreAnswer::Opened(answer) => busy.lane.opened(answer, now.mono, &mut effects),
            StoreAnswer::Appended(answer) => busy.lane.appended(answer, now.mono, &mut effects),
            StoreAnswer::LookedUp(answer) => busy.lane.looked_up(answer, now.mono, &mut effects),
            StoreAnswer::Messages(answer) => {
                let asked = std::mem::take(&mut busy.asked);
                busy.lane.loaded(&asked, answer, now.mono, &mut effects);
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
            }
        }
    }

    /// Own entries are in the log: this node hears them directly, the others by a hint.
    fn committed(
        &mut self,
        now: Now,
        entries: &Arc<[Entry]>,
        accepted: &[u64],
        doing: &mut Doing<'_>,
    ) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        for entry in entries.iter() {
            if let Change::Joined { member } = &entry.change {
                doing.tell_person(member.user_id, Told::AddedTo { room: self.room });
                if doing.ways.cluster {
                    doing.publish_added(member.user_id, self.room);
                    self.busy.get_or_insert_default().added.push(member.user_id);
                }
            }
        }
        let own = Own {
            first: first.seq,
            accepted,
        };
        self.deliver(now, entries.to_vec(), own, doing);
        if doing.ways.cluster {
            let busy = self.busy.get_or_insert_default();
            busy.announce = ANNOUNCE_MILLIS
                .iter()
                .map(|millis| now.mono + millis)
                .collect();
            let small = entries.len() <= HINT_ENTRIES_MAX
                && busy
                    .tail
                    .iter()
                    .rev()
                    .take(entries.len())
                    .map(|(_, turn)| turn.frame.wire().len())
                    .sum::<usize>()
                    <= HINT_BYTES_MAX;
            let entries = if small { entries.to_vec() } else { Vec::new() };
            self.publish(last.seq, entries, doing);
        }
    }

    fn publish(&self, seq: Seq, entries: Vec<Entry>, doing: &mut Doing<'_>) {
        let Some(epoch) = self.epoch else { return };
        let n = self.busy.as_ref().map_or(0, |busy| busy.last_n);
        let hint = Hint {
            room: self.room,
            head: Head { epoch, seq, n },
            entries,
        };
        doing.out.push(Effect::Publish(Box::new(hint)));
    }

    /// Says again who was added, as long as heads are said again: a lost word costs them 2 s at most.
    fn announce_added(&mut self, doing: &mut Doing<'_>) {
        let Some(busy) = &mut self.busy else { return };
        for user in &busy.added {
            doing.publish_added(*user, self.room);
        }
        if busy.announce.is_empty() {
            busy.added = Vec::new();
        }
    }

    /// Offers entries to the timeline; what is next goes to every hub that listens. `own` were made here.
    fn deliver(&mut self, now: Now, entries: Vec<Entry>, own: Own<'_>, doing: &mut Doing<'_>) {
        let Some(epoch) = self.epoch else { return };
        let mut turns = Vec::new();
        for entry in entries {
            if entry.seq <= self.position() {
                self.check_twin(&entry, doing);
                continue;
            }
            for next in self.timeline.offer(entry, now.mono) {
                let busy = self.busy.get_or_insert_default();
                if doing.ways.cluster
                    && doing.ways.limits
                    && own.accepted_at(next.seq).is_none()
                    && is_paced(&next.change)
                {
                    // Made on another node: it costs its sender here, too, so that a pace holds over all nodes.
                    let age = now.wall.0.saturating_sub(next.at.0);
                    let age = u64::try_from(age).unwrap_or(0);
                    busy.paces.charge(next.actor, now.mono, age);
                }
                busy.lane.follow(&next);
                busy.last_n = next.n;
                let key = next.key;
                let accepted = own.accepted_at(next.seq);
                let turn = Turn::of(self.room, next, accepted);
                if busy.tail.len() == TAIL_MAX {
                    busy.tail.pop_front();
                }
                busy.tail.push_back((key, turn.clone()));
                turns.push(turn);
            }
        }
        if let Some(millis) = self.timeline.repaired() {
            doing.out.push(Effect::Gap(Gap::Repaired { millis }));
        }
        if !turns.is_empty() && self.hubs != 0 {
            self.tell_hubs(
                Notice::Live {
                    room: self.room,
                    epoch,
                    turns: turns.into(),
                },
                doing,
            );
        }
        self.read(now, doing);
    }

    /// A place is taken once: two bodies for one place mean that the store or the bus lies.
    fn check_twin(&self, entry: &Entry, doing: &mut Doing<'_>) {
        let Some(busy) = &self.busy else { return };
        let known = busy.tail.iter().find(|(_, turn)| turn.seq == entry.seq);
        if known.is_some_and(|(key, _)| *key != entry.key) {
            doing.out.push(Effect::Diverged {
                room: self.room,
                seq: entry.seq,
            });
        }
    }

    /// Reads the log if something is missing and no read is under way.
    fn read(&mut self, now: Now, doing: &mut Doing<'_>) {
        let due = self.timeline.fetch_at().is_some_and(|at| at <= now.mono);
        let gap = due.then(|| self.position());
        let Some(busy) = &mut self.busy else {
            if due {
                self.busy = Some(Box::default());
                self.read(now, doing);
            }
            return;
        };
        if !matches!(busy.read, Read::Idle) {
            return;
        }
        let lag = busy.lagging.iter().map(|one| one.after).min();
        let Some(after) = [gap, lag].into_iter().flatten().min() else {
            return;
        };
        let ticket = doing.ask(
            self.room,
            StoreQuestion::Entries {
                after,
                limit: PAGE_ENTRIES,
            },
        );
        busy.read = Read::Asked { ticket, after };
        if due && self.timeline.fetching() {
            doing.out.push(Effect::Gap(Gap::Found));
        }
    }

    fn has_read(
        &mut self,
        now: Now,
        after: Seq,
        answer: Result<(Head, Vec<Entry>), String>,
        doing: &mut Doing<'_>,
    ) {
        let Some(busy) = &mut self.busy else { return };
        let (head, entries) = match answer {
            Ok(read) => read,
            Err(_) => {
                busy.read = Read::Pausing {
                    until: now.mono + READ_PAUSE_MILLIS,
                };
                for one in std::mem::take(&mut busy.lagging) {
                    let notice = Notice::PageFailed {
                        room: self.room,
                        conn: one.conn,
                    };
                    doing.out.push(Effect::ToHub {
                        hub: one.hub,
                        notice,
                    });
                }
                return;
            }
        };
        // A read that does not go on at the asked place closes no gap.
        let dense = entries
            .iter()
            .zip(after + 1..)
            .all(|(entry, seq)| entry.seq == seq);
        let stuck = !dense || entries.is_empty() && head.seq > after;
        busy.read = if stuck {
            Read::Pausing {
                until: now.mono + READ_PAUSE_MILLIS,
            }
        } else {
            Read::Idle
        };
        self.know(now, head, doing);
        if !dense {
            return;
        }
        let Some(busy) = &mut self.busy else { return };
        let last = entries.last().map_or(after, |entry| entry.seq);
        let (served, later): (Vec<_>, Vec<_>) = std::mem::take(&mut busy.lagging)
            .into_iter()
            .partition(|one| one.after >= after && one.after < last);
        busy.lagging = later;
        if !served.is_empty() {
            let turns: Vec<Turn> = entries
                .iter()
                .map(|entry| Turn::of(self.room, entry.clone(), None))
                .collect();
            for one in served {
                doing.page(
                    self.room,
                    &one,
                    turns[(one.after - after) as usize..].into(),
                );
            }
        }
        self.deliver(now, entries, NONE_OWN, doing);
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
        if let Some(busy) = &mut self.busy {
            let mut effects = Vec::new();
            busy.lane.tick(now.mono, &mut effects);
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
                self.publish(self.position(), Vec::new(), doing);
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

    fn tell_hubs(&self, notice: Notice, doing: &mut Doing<'_>) {
        for hub in (0..64).filter(|hub| self.hubs & (1 << hub) != 0) {
            doing.out.push(Effect::ToHub {
                hub: HubId(hub),
                notice: notice.clone(),
            });
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

/// Whether a change costs its actor of their pace, as its intent did.
fn is_paced(change: &Change) -> bool {
    matches!(
        change,
        Change::Said { .. }
            | Change::Edited { .. }
            | Change::Deleted { .. }
            | Change::Reacted { .. }
    )
}

/// The turns after a place, if the tail reaches back that far.
fn from_tail(tail: &VecDeque<(ClientId, Turn)>, after: Seq) -> Option<Arc<[Turn]>> {
    let first = tail.front()?.1.seq;
    if after + 1 < first {
        return None;
    }
    Some(
        tail.iter()
            .skip((after + 1 - first) as usize)
            .map(|(_, turn)| turn.clone())
            .collect(),
    )
}

/// What a home writes its effects with.
pub(crate) struct Doing<'a> {
    pub(crate) ways: Ways,
    pub(crate) tickets: &'a mut u64,
    pub(crate) out: &'a mut Vec<Effect>,
}

impl Doing<'_> {
    fn ask(&mut self, room: RoomId, question: StoreQuestion) -> u64 {
        *self.tickets += 1;
        self.out.push(Effect::Ask {
            room,
            ticket: *self.tickets,
            question,
        });
        *self.tickets
    }

    fn answer(&mut self, origin: Origin, result: Result<crate::Outcome, Problem>) {
        match origin {
            Origin::Call(call) => self.out.push(Effect::Answer { call, result }),
            Origin::Socket { ack: None, .. } => {}
            Origin::Socket {
                hub,
                conn,
                ack: Some(ack),
            } => {
                self.out.push(Effect::ToHub {
                    hub,
                    notice: Notice::Outcome { conn, ack, result },
                });
            }
        }
    }

    fn page(&mut self, room: RoomId, to: &Lagging, turns: Arc<[Turn]>) {
        self.out.push(Effect::ToHub {
            hub: to.hub,
            notice: Notice::Page {
                room,
                conn: to.conn,
                turns,
            },
        });
    }

    fn publish_added(&mut self, user: UserId, room: RoomId) {
        let told = Told::AddedTo { room };
        self.out.push(Effect::PublishTold { user, told });
    }

    fn tell_person(&mut self, user: UserId, told: Told) {
        self.out.push(Effect::ToPerson {
            user,
            command: crate::PersonCommand::Tell(told),
        });
    }
}
