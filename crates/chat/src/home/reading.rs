//! What a home reads from the store: gaps of its timeline, and pages for sockets that lag.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::entry::Entry;
use protocol::ids::ClientId;
use protocol::message::Seq;
use protocol::room::Head;

use super::giving::NONE_OWN;
use super::{Doing, Home, Read};
use crate::{ConnId, Effect, Gap, HubId, Notice, Now, Turn};

/// The pause after a failed read of a gap.
const READ_PAUSE_MILLIS: u64 = 200;

/// A socket that is to be given what came after a place.
#[derive(Debug)]
pub(super) struct Lagging {
    pub(super) hub: HubId,
    pub(super) conn: ConnId,
    pub(super) after: Seq,
}

impl Home {
    pub(super) fn catch_up(&mut self, now: Now, lagging: Lagging, doing: &mut Doing<'_>) {
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

    /// Reads the log if something is missing and no read is under way.
    pub(super) fn read(&mut self, now: Now, doing: &mut Doing<'_>) {
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
        let ticket = doing.read_log(self.room, after);
        busy.read = Read::Asked { ticket, after };
        if due && self.timeline.fetching() {
            doing.out.push(Effect::Gap(Gap::Found));
        }
    }

    pub(super) fn has_read(
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
