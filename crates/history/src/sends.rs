//! What clients sent and were answered in one room: refusals that were true, and the order of what was acknowledged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::ids::{ClientId, UserId};
use protocol::message::Seq;

/// One attempt that has not ended yet.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) conn: u64,
    pub(crate) user: UserId,
    pub(crate) key: ClientId,
    pub(crate) body: u64,
    /// Its place among the connection's sends to the room; `None` for a repeat.
    place: Option<u64>,
    /// Somebody had seen the message when this attempt was made.
    pub(crate) stored: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Acked,
    Refused,
    Unknown,
}

/// All attempts to say one thing under one name.
#[derive(Clone, Copy, Default)]
struct Tries {
    refused: u32,
    /// Acknowledged, unknown or not ended: each may have stored it.
    other: u32,
}

/// The sends of one connection to one room, in the order in which it made them.
#[derive(Default)]
struct Pipeline {
    next: u64,
    open: BTreeSet<u64>,
    acked: BTreeMap<u64, Seq>,
}

#[derive(Default)]
pub(crate) struct Sends {
    tries: HashMap<(UserId, ClientId, u64), Tries>,
    /// The highest acknowledged place when a message was first sent: its own must be above.
    floors: HashMap<(UserId, ClientId), Seq>,
    acked_head: Seq,
    pipelines: HashMap<u64, Pipeline>,
}

impl Sends {
    pub(crate) fn invoked(&mut self, conn: u64, user: UserId, key: ClientId, body: u64) -> Attempt {
        let mut first = false;
        self.floors.entry((user, key)).or_insert_with(|| {
            first = true;
            self.acked_head
        });
        // Counted as a possible store until it is refused.
        self.tries.entry((user, key, body)).or_default().other += 1;
        let place = first.then(|| {
            let pipeline = self.pipelines.entry(conn).or_default();
            let place = pipeline.next;
            pipeline.next += 1;
            pipeline.open.insert(place);
            place
        });
        Attempt {
            conn,
            user,
            key,
            body,
            place,
            stored: false,
        }
    }

    /// An attempt has ended; for an acknowledgement, the two rules of order that it broke: `(reordered, inverted)`.
    pub(crate) fn ended(
        &mut self,
        attempt: Attempt,
        end: End,
        seq: Seq,
        duplicate: bool,
    ) -> (bool, bool) {
        if end == End::Refused {
            let tries = self
                .tries
                .entry((attempt.user, attempt.key, attempt.body))
                .or_default();
            tries.other = tries.other.saturating_sub(1);
            tries.refused += 1;
        }
        let acked = end == End::Acked;
        let reordered = self.pipelined(attempt, (acked && !duplicate).then_some(seq));
        if !acked {
            return (reordered, false);
        }
        let floor = self
            .floors
            .get(&(attempt.user, attempt.key))
            .copied()
            .unwrap_or(0);
        self.acked_head = self.acked_head.max(seq);
        (reordered, seq <= floor)
    }

    /// Takes an attempt out of its pipeline; true when its place is out of order with the attempts around it.
    fn pipelined(&mut self, attempt: Attempt, seq: Option<Seq>) -> bool {
        let (Some(place), Some(pipeline)) = (attempt.place, self.pipelines.get_mut(&attempt.conn))
        else {
            return false;
        };
        pipeline.open.remove(&place);
        let Some(seq) = seq else { return false };
        let before = pipeline
            .acked
            .range(..place)
            .next_back()
            .is_some_and(|(_, earlier)| *earlier >= seq);
        let after = pipeline
            .acked
            .range(place..)
            .next()
            .is_some_and(|(_, later)| *later <= seq);
        pipeline.acked.insert(place, seq);
        // Only what an open attempt may still be compared with is kept.
        let oldest = pipeline.open.first().copied().unwrap_or(pipeline.next);
        while pipeline.acked.len() > 1
            && pipeline
                .acked
                .keys()
                .nth(1)
                .is_some_and(|second| *second < oldest)
        {
            pipeline.acked.pop_first();
        }
        before || after
    }

    pub(crate) fn disconnected(&mut self, conn: u64) {
        self.pipelines.remove(&conn);
    }

    /// Whether every attempt to say this was refused as certainly not stored.
    pub(crate) fn denied(&self, user: UserId, key: ClientId, body: u64) -> bool {
        self.tries
            .get(&(user, key, body))
            .is_some_and(|tries| tries.refused > 0 && tries.other == 0)
    }

    /// The room was put back to `seq`: later messages stand above that, not above what was there before.
    pub(crate) fn restored(&mut self, seq: Seq) {
        self.acked_head = self.acked_head.min(seq);
        for floor in self.floors.values_mut() {
            *floor = (*floor).min(seq);
        }
        self.pipelines.clear();
    }
}
