//! A window of a room's messages.
//!
//! `n` counts a room's messages without a gap and never falls along the log, so every window is a range of `n`: its end
//! is found by bisection and the rest by stepping from each message to the one before it. The cost is that of the
//! window and the logarithm of the log, however many reactions and arrivals stand between two messages.

use protocol::event::client::History;
use protocol::message::Seq;
use rusqlite::{Connection, params};

use super::log::existing;
use super::row::{self, Failure, MESSAGE, stored};
use crate::{Side, StoreError};

/// Messages in one window, whatever is asked for.
const LIMIT_MAX: u64 = 1_000;

pub(super) fn window(db: &Connection, query: &History) -> Result<Side, Failure> {
    let room = existing(db, query.room_id)?;
    let head = room.head;
    let limit = u64::from(query.limit).min(LIMIT_MAX);
    let n_at = |seq: Seq| {
        if seq >= head.seq {
            Ok(head.n)
        } else {
            n_at(db, room.no, seq)
        }
    };

    // The window is the messages first..=last by `n`; it is empty when `last` is below `first`.
    let (first, last) = match (query.before, query.after, query.around) {
        (Some(before), _, _) => {
            let last = n_at(before.saturating_sub(1))?;
            (last.saturating_sub(limit) + 1, last)
        }
        (_, Some(after), _) => {
            let read = n_at(after)?;
            (read + 1, read.saturating_add(limit).min(head.n))
        }
        (_, _, Some(around)) => {
            // Half above the place; what one side does not have, the other fills.
            let last = n_at(around)?
                .saturating_add(limit / 2)
                .max(limit)
                .min(head.n);
            (last.saturating_sub(limit) + 1, last)
        }
        _ => (head.n.saturating_sub(limit) + 1, head.n),
    };

    let mut messages = Vec::new();
    if last >= first {
        let mut step = db.prepare_cached(&format!(
            "SELECT {MESSAGE}, e.said_before
             FROM entries e LEFT JOIN versions v ON v.room_no = e.room_no AND v.seq = e.seq
             WHERE e.room_no = ?1 AND e.seq = ?2"
        ))?;
        let mut seq = if last == head.n {
            room.last_said
        } else {
            seq_of(db, room.no, last, head.seq)?
        };
        for _ in first..=last {
            let mut rows = step.query(params![room.no, stored(seq)])?;
            let row = rows.next()?.ok_or_else(|| {
                StoreError::Corrupt(format!("{} has no entry {seq}", query.room_id))
            })?;
            messages.push(row::message(row, 0, query.room_id)?);
            seq = row::count(row, 6)?;
        }
        messages.reverse();
    }
    Ok(Side {
        messages,
        more_before: first > 1 && head.n > 0,
        more_after: last < head.n,
    })
}

/// How many messages there were with the entry at this place; 0 before the first.
pub(super) fn n_at(db: &Connection, no: i64, seq: Seq) -> Result<u64, Failure> {
    if seq == 0 {
        return Ok(0);
    }
    Ok(db
        .prepare_cached("SELECT n FROM entries WHERE room_no = ?1 AND seq = ?2")?
        .query_row(params![no, stored(seq)], |row| row::count(row, 0))?)
}

/// The place of the n-th message.
fn seq_of(db: &Connection, no: i64, n: u64, head: Seq) -> Result<Seq, Failure> {
    let (mut low, mut high) = (n, head);
    while low < high {
        let middle = low + (high - low) / 2;
        if n_at(db, no, middle)? < n {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
