//! What the store's answers mean to a lane. A conflict alone acknowledges nothing; what is unclear is sent again.

use protocol::entry::{Change, Entry};
use protocol::ids::MessageId;
use protocol::message::Message;
use protocol::problem::{Code, Problem};
use protocol::room::Head;

use super::{Lane, LaneEffect, Moment, Sought, Step, Then, Waiting};
use crate::authority::RoomState;
use crate::{AppendFailed, Made, Opened, Outcome};

impl Lane {
    /// The store has answered `Open`.
    pub(crate) fn opened(
        &mut self,
        answer: Result<Option<Box<Opened>>, String>,
        at: Moment,
        out: &mut Vec<LaneEffect>,
    ) {
        if !matches!(self.step, Step::Opening) {
            return;
        }
        self.step = Step::Idle;
        match answer {
            Ok(Some(opened)) => {
                self.tries = 0;
                out.push(LaneEffect::Reached(opened.head));
                self.state = Some(RoomState::new(*opened));
                self.loaded.clear();
                self.advance(at, out);
            }
            Ok(None) => {
                for mut one in self.queue.drain(..) {
                    one.answer(Err(Code::RoomNotFound.into()), out);
                }
            }
            Err(_) => self.pause(at.now, Then::Open),
        }
    }

    /// The store has answered `Messages`.
    pub(crate) fn loaded(
        &mut self,
        ids: &[MessageId],
        answer: Result<Vec<Option<Message>>, String>,
        at: Moment,
        out: &mut Vec<LaneEffect>,
    ) {
        if !matches!(self.step, Step::Loading) {
            return;
        }
        self.step = Step::Idle;
        match answer {
            Ok(messages) => {
                self.loaded.extend(ids.iter().copied().zip(messages));
                self.advance(at, out);
            }
            Err(_) => self.pause(at.now, Then::Open),
        }
    }

    /// The store has answered `Append`.
    pub(crate) fn appended(
        &mut self,
        answer: Result<(), AppendFailed>,
        at: Moment,
        out: &mut Vec<LaneEffect>,
    ) {
        let Step::Appending(mut batch) = std::mem::replace(&mut self.step, Step::Idle) else {
            return;
        };
        match answer {
            Ok(()) => {
                self.tries = 0;
                self.loaded.clear();
                self.contest.answered(at.now.saturating_sub(batch.sent));
                let accepted = batch.waiting.iter().map(|one| one.accepted).collect();
                self.lately.keep(&batch.entries);
                for (mut one, made) in batch.waiting.into_iter().zip(batch.made) {
                    let duplicate = false;
                    one.answer(Ok(Outcome { duplicate, made }), out);
                }
                out.push(LaneEffect::Committed(batch.entries, accepted));
                self.advance(at, out);
            }
            Err(AppendFailed::Conflict) => {
                // A prefix may be stored and not yet be read: only a success or a find makes this certain again.
                batch.waiting.iter_mut().for_each(|one| one.unclear = true);
                self.lost(batch, at, out);
            }
            Err(AppendFailed::Unavailable) if !batch.waiting.iter().any(|one| one.unclear) => {
                // Certain: nothing of it is stored. The picture was moved ahead and is taken anew.
                self.state = None;
                self.loaded.clear();
                for mut one in batch.waiting {
                    let problem = Problem::new(Code::Unavailable).retry_after(1_000);
                    one.answer(Err(problem), out);
                }
                self.refuse_queue(out);
            }
            Err(AppendFailed::Unavailable | AppendFailed::Unknown) => {
                batch.waiting.iter_mut().for_each(|one| one.unclear = true);
                self.pause(at.now, Then::Append(batch));
            }
        }
    }

    /// What was found of the draft that is to be answered without an entry. Its repeat, or a try whose answer was lost,
    /// may have an entry; and a picture that is behind the head must not refuse.
    fn sought(
        &mut self,
        sought: &Sought,
        answer: Result<(Head, Vec<Option<Entry>>), String>,
        at: Moment,
        out: &mut Vec<LaneEffect>,
    ) {
        let Ok((head, found)) = answer else {
            return self.pause(at.now, Then::Open);
        };
        out.push(LaneEffect::Reached(head));
        // It may have lost patience meanwhile, and another one stands there.
        let its = |one: &mut Waiting| (one.draft.actor, one.draft.key) == sought.of;
        if let Some(mut one) = self.queue.pop_front_if(its) {
            match found.into_iter().next().flatten() {
                Some(entry) if entry.digest == one.draft.digest() => {
                    let made = made_of(&entry.change);
                    let duplicate = true;
                    one.answer(Ok(Outcome { duplicate, made }), out);
                }
                Some(_) => one.answer(Err(Code::ClientIdConflict.into()), out),
                None => {
                    one.sought = !sought.repeated;
                    self.queue.push_front(one);
                }
            }
        }
        if self.state.as_ref().is_some_and(|state| state.head != head) {
            self.state = None;
            self.loaded.clear();
        }
        self.advance(at, out);
    }

    /// The store has answered `Lookup`.
    pub(crate) fn looked_up(
        &mut self,
        answer: Result<(Head, Vec<Option<Entry>>), String>,
        at: Moment,
        out: &mut Vec<LaneEffect>,
    ) {
        let batch = match std::mem::replace(&mut self.step, Step::Idle) {
            Step::LookingUp(batch) => batch,
            Step::Seeking(sought) => return self.sought(&sought, answer, at, out),
            other => {
                self.step = other;
                return;
            }
        };
        let Ok((head, found)) = answer else {
            return self.pause(at.now, Then::LookUp(batch));
        };
        out.push(LaneEffect::Reached(head));
        self.loaded.clear();
        // Only keys stood against the batch: the picture is right again with its old head.
        match &mut self.state {
            Some(state) if head == batch.base && !batch.changes_room => state.head = batch.base,
            _ => self.state = None,
        }
        let lost_the_place = found.iter().all(Option::is_none);
        let mut again = Vec::new();
        for ((mut one, proposed), found) in batch
            .waiting
            .into_iter()
            .zip(batch.entries.iter())
            .zip(found)
        {
            match found {
                None => again.push(one),
                Some(entry) if entry.digest == proposed.digest => {
                    // The same place and id: it is this very try, whose answer was lost.
                    let duplicate = entry != *proposed;
                    let made = made_of(&entry.change);
                    one.answer(Ok(Outcome { duplicate, made }), out);
                }
                Some(_) => one.answer(Err(Code::ClientIdConflict.into()), out),
            }
        }
        for one in again.into_iter().rev() {
            self.queue.push_front(one);
        }
        if lost_the_place {
            self.tries += 1;
            self.contest.lost(at.now);
            self.stand_back(at.now);
        } else {
            self.advance(at, out);
        }
    }
}

/// What an entry found in the log had made.
pub(super) fn made_of(change: &Change) -> Made {
    match change {
        Change::Said { message } | Change::Edited { message } | Change::Deleted { message } => {
            Made::Message(message.clone())
        }
        Change::Reacted { emoji, count, .. } => Made::Reaction {
            emoji: emoji.clone(),
            count: *count,
        },
        Change::Joined { member } | Change::MemberChanged { member } => {
            Made::Member(member.clone())
        }
        Change::RoomChanged { room } => Made::Room(room.clone()),
        Change::Left { .. } | Change::Unbanned { .. } | Change::RoomDeleted => Made::Nothing,
    }
}
