//! Making a batch of the drafts that wait: each judged on the picture as the ones before it leave it.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::entry::{Change, Entry};
use protocol::ids::{ClientId, UserId};
use protocol::message::SEQ_MAX;
use protocol::problem::{Code, Problem};
use protocol::room::Head;

use super::{LaneEffect, Waiting};
use crate::authority::{self, Granted, Loaded, RoomState};
use crate::{Made, Outcome};

/// Entries in one batch: a commit's worth; more would delay its first one.
pub(super) const BATCH_MAX: usize = 256;

/// A batch on its way.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) base: Head,
    pub(super) entries: Arc<[Entry]>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) made: Vec<Made>,
    /// When the store was asked to take it, the last time.
    pub(super) sent: u64,
    /// It changes members or settings, so that the picture cannot be taken back by its head alone.
    pub(super) changes_room: bool,
}

/// What comes of the drafts that wait.
pub(super) enum Next {
    Batch(Batch),
    /// The first one is about to be answered without an entry: find out whether it has one, and whether the picture
    /// is the head's.
    Seek(UserId, ClientId),
    /// All were answered.
    Nothing,
}

/// Takes drafts from the front of the queue as long as they can stand in one batch.
pub(super) fn make_batch(
    state: &mut RoomState,
    loaded: &mut Loaded,
    queue: &mut VecDeque<Waiting>,
    out: &mut Vec<LaneEffect>,
) -> Next {
    let base = state.head;
    let (mut entries, mut waiting, mut made) = (Vec::<Entry>::new(), Vec::new(), Vec::new());
    let mut changes_room = false;
    while entries.len() < BATCH_MAX
        && let Some(mut one) = queue.pop_front()
    {
        let draft = &one.draft;
        // The same key twice in one batch: the second waits for the first, and is then found by it.
        if entries
            .iter()
            .any(|entry| entry.actor == draft.actor && entry.key == draft.key)
        {
            queue.push_front(one);
            break;
        }
        match state.admit(draft, loaded) {
            Err(_) | Ok(Granted::Already(_)) if !entries.is_empty() => {
                // Judged on entries that are not stored yet: judge again when they are.
                queue.push_front(one);
                break;
            }
            Err(_) | Ok(Granted::Already(_)) if !one.told && !one.sought => {
                let seek = Next::Seek(draft.actor, draft.key);
                queue.push_front(one);
                return seek;
            }
            Err(problem) => one.refuse(problem, out),
            Ok(Granted::Already(made)) => {
                let duplicate = false;
                one.answer(Ok(Outcome { duplicate, made }), out);
            }
            Ok(Granted::Change(change, granted)) => {
                if state.head.seq >= SEQ_MAX {
                    let full = Problem::because(Code::RoomFull, "the room's log is full");
                    one.answer(Err(full), out);
                    continue;
                }
                changes_room |= RoomState::is_changed_by(&change);
                let said = matches!(*change, Change::Said { .. });
                let entry = Entry {
                    seq: state.head.seq + 1,
                    n: state.head.n + u64::from(said),
                    at: draft.at,
                    actor: draft.actor,
                    key: draft.key,
                    digest: draft.digest(),
                    change: *change,
                };
                state.apply(&entry);
                authority::follow(loaded, &entry);
                entries.push(entry);
                made.push(granted);
                waiting.push(one);
            }
        }
    }
    if entries.is_empty() {
        return Next::Nothing;
    }
    Next::Batch(Batch {
        base,
        entries: entries.into(),
        waiting,
        made,
        sent: 0,
        changes_room,
    })
}
