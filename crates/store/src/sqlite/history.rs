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
use crate::rules::{asked_place, window_of};
use crate::{Side, StoreError};

pub(super) fn window(db: &Connection, query: &History) -> Result<Side, Failure> {
    let room = existing(db, query.room_id)?;
    let head = room.head;
    let asked = asked_place(query);
    let n_asked = if asked >= head.seq {
        head.n
    } else {
        n_at(db, room.no, asked)?
    };
    let (first, last) = window_of(query, n_asked, head.n);

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
