//! Rooms, members and read markers on SQLite.

use std::sync::LazyLock;

use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use protocol::room::{Member, ReadMarker, Room, RoomSummary, RoomType};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::history::n_at;
use super::log::{existing, find_room, settings};
use super::row::{self, Failure, MEMBER, MESSAGE, ROOM, Read, stored};
use super::whole::above;
use super::{Sqlite, append};
use crate::body::SAID;
use crate::rules::{LIMIT_MAX, newest_first};
use crate::{Answer, NewRoom, Rooms, StoreError};

/// About what a wish of fixed size costs in memory while it waits.
pub(super) const SMALL: usize = 512;

/// All rooms of a person, and one of them.
static ALL: LazyLock<String> = LazyLock::new(|| summaries(""));
static ONE: LazyLock<String> =
    LazyLock::new(|| summaries("AND m.room_no = (SELECT no FROM rooms WHERE id = ?2)"));

/// Everything a member's list of rooms shows, in one statement: each line costs a few seeks and no scan.
/// `h` is the head, `e` the latest message, `v` its latest version.
fn summaries(which: &str) -> String {
    format!(
        "SELECT {ROOM}, m.role, r.epoch, h.seq, h.n, m.read_seq, m.read_n, r.dm_low, r.dm_high,
                (SELECT count(*) FROM mentions t WHERE t.user = m.user AND t.room_no = m.room_no AND t.seq > m.read_seq),
                {MESSAGE}
         FROM members m
         CROSS JOIN rooms r ON r.no = m.room_no
         LEFT JOIN entries h ON h.room_no = r.no AND h.seq = (SELECT max(seq) FROM entries WHERE room_no = r.no)
         LEFT JOIN entries e ON e.room_no = r.no AND e.seq = iif(h.kind = {SAID}, h.seq, h.said_before)
         LEFT JOIN versions v ON v.room_no = r.no AND v.seq = e.seq
         WHERE m.user = ?1 AND r.deleted = 0 {which}"
    )
}

impl Rooms for Sqlite {
    fn create_room(&self, new: NewRoom) -> Answer<'_, RoomId> {
        self.write(SMALL * (1 + new.entries.len()), move |write| {
            append::create_room(write, &new)
        })
    }

    fn rooms_of_each(&self, users: Vec<UserId>) -> Answer<'_, Vec<Vec<RoomSummary>>> {
        self.read(move |db| {
            let mut lines = db.prepare_cached(&ALL)?;
            let mut lists = Vec::with_capacity(users.len());
            for user in users {
                let mut rows = lines.query(params![user.0.as_bytes()])?;
                let mut rooms = Vec::new();
                while let Some(row) = rows.next()? {
                    rooms.push(summary(row, user)?);
                }
                newest_first(&mut rooms);
                lists.push(rooms);
            }
            Ok(lists)
        })
    }

    fn rooms_ever(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Answer<'_, Vec<RoomId>> {
        let after = above(after.map(|room| room.0));
        self.read(move |db| {
            let mut found = db.prepare_cached(
                "SELECT r.id FROM (SELECT room_no FROM members WHERE user = ?1
                                   UNION SELECT room_no FROM former_members WHERE user = ?1) m
                 CROSS JOIN rooms r ON r.no = m.room_no
                 WHERE r.id > ?2 ORDER BY r.id LIMIT ?3",
            )?;
            let asked = params![user.0.as_bytes(), after, rows(limit)];
            Ok(found
                .query_map(asked, |line| row::room_id(line, 0))?
                .collect::<Read<_>>()?)
        })
    }

    fn room_for(&self, user: UserId, room: RoomId) -> Answer<'_, RoomSummary> {
        self.read(move |db| {
            let mut line = db.prepare_cached(&ONE)?;
            let mut rows = line.query(params![user.0.as_bytes(), room.0.as_bytes()])?;
            let row = rows.next()?.ok_or(StoreError::NotFound)?;
            summary(row, user)
        })
    }

    fn member(&self, room: RoomId, user: UserId) -> Answer<'_, Option<Member>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {MEMBER} FROM members m
                     WHERE m.room_no = (SELECT no FROM rooms WHERE id = ?1) AND m.user = ?2"
                ))?
                .query_row(params![room.0.as_bytes(), user.0.as_bytes()], |row| {
                    row::member(row, 0)
                })
                .optional()?)
        })
    }

    fn room(&self, room: RoomId) -> Answer<'_, Room> {
        self.read(move |db| {
            let state = existing(db, room)?;
            if state.deleted {
                Err(StoreError::NotFound.into())
            } else {
                settings(db, state.no)
            }
        })
    }

    fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<'_, Vec<Member>> {
        self.read(move |db| {
            let state = existing(db, room)?;
            // No id is an empty blob, and every id is above it.
            let after = after.map_or_else(Vec::new, |user| user.0.as_bytes().to_vec());
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {MEMBER} FROM members m WHERE m.room_no = ?1 AND m.user > ?2 ORDER BY m.user LIMIT ?3"
                ))?
                .query_map(params![state.no, after, rows(limit)], |row| row::member(row, 0))?
                .collect::<Read<_>>()?)
        })
    }

    fn directory(&self, text: String, offset: usize, limit: usize) -> Answer<'_, Vec<Room>> {
        self.read(move |db| {
            // `instr` knows no pattern characters: what a person types is only ever a text.
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {ROOM} FROM rooms r WHERE r.kind = 0 AND r.deleted = 0
                       AND (?1 = '' OR instr(r.name_key, ?1) > 0)
                     ORDER BY r.member_count DESC, r.id LIMIT ?2 OFFSET ?3"
                ))?
                .query_map(
                    params![
                        text.to_lowercase(),
                        rows(limit),
                        i64::try_from(offset).unwrap_or(i64::MAX)
                    ],
                    |row| row::room(row, 0),
                )?
                .collect::<Read<_>>()?)
        })
    }

    fn mark_read(&self, room: RoomId, user: UserId, seq: Seq) -> Answer<'_, (ReadMarker, u64)> {
        self.write(SMALL, move |write| {
            let known = write
                .rooms
                .get(room)
                .map_or_else(|| find_room(write.db, room), |state| Ok(Some(state)))?;
            let state = known.ok_or(StoreError::NotFound)?;
            write.rooms.set(room, state);
            mark_read(write.db, state.no, user, seq.min(state.head.seq))
        })
    }

    fn acquaintances(&self, user: UserId, of: Vec<UserId>) -> Answer<'_, Vec<UserId>> {
        self.read(move |db| {
            let mut shared = db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM members m
                                CROSS JOIN members o ON o.room_no = m.room_no AND o.user = ?2
                                CROSS JOIN rooms r ON r.no = m.room_no AND r.deleted = 0
                                WHERE m.user = ?1)",
            )?;
            let mut known = Vec::new();
            for other in of {
                if other == user
                    || shared.query_row(params![user.0.as_bytes(), other.0.as_bytes()], |row| {
                        row.get(0)
                    })?
                {
                    known.push(other);
                }
            }
            Ok(known)
        })
    }
}

fn mark_read(
    db: &Connection,
    no: i64,
    user: UserId,
    seq: Seq,
) -> Result<(ReadMarker, u64), Failure> {
    let mut marker = db
        .prepare_cached("SELECT read_seq, read_n FROM members WHERE room_no = ?1 AND user = ?2")?
        .query_row(params![no, user.0.as_bytes()], |row| {
            Ok(ReadMarker {
                read_seq: row::count(row, 0)?,
                read_n: row::count(row, 1)?,
            })
        })
        .optional()?
        .ok_or(StoreError::NotFound)?;
    if seq > marker.read_seq {
        marker = ReadMarker {
            read_seq: seq,
            read_n: n_at(db, no, seq)?,
        };
        db.prepare_cached(
            "UPDATE members SET read_seq = ?3, read_n = ?4 WHERE room_no = ?1 AND user = ?2",
        )?
        .execute(params![
            no,
            user.0.as_bytes(),
            stored(marker.read_seq),
            stored(marker.read_n)
        ])?;
    }
    let mentions = db
        .prepare_cached(
            "SELECT count(*) FROM mentions WHERE user = ?1 AND room_no = ?2 AND seq > ?3",
        )?
        .query_row(
            params![user.0.as_bytes(), no, stored(marker.read_seq)],
            |row| row::count(row, 0),
        )?;
    Ok((marker, mentions))
}

fn summary(row: &Row<'_>, user: UserId) -> Result<RoomSummary, Failure> {
    let room = row::room(row, 0)?;
    let has =
        |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.is_some());
    let (head_seq, head_n) = if has(9)? {
        (row::count(row, 9)?, row::count(row, 10)?)
    } else {
        (0, 0)
    };
    let read_n = row::count(row, 12)?;
    let peer_id = match room.kind {
        RoomType::Dm if row.get::<_, Option<[u8; 16]>>(13)?.is_some() => {
            [row::user_id(row, 13)?, row::user_id(row, 14)?]
                .into_iter()
                .find(|one| *one != user)
        }
        _ => None,
    };
    Ok(RoomSummary {
        role: row::coded(row, 7, crate::body::role_of)?,
        epoch: row::epoch(row, 8)?,
        head_seq,
        head_n,
        read_seq: row::count(row, 11)?,
        read_n,
        unread: head_n.saturating_sub(read_n),
        mentions: row::count(row, 15)?,
        peer_id,
        last_message: if has(16)? {
            Some(row::message(row, 16, room.id)?)
        } else {
            None
        },
        room,
    })
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit.min(LIMIT_MAX)).unwrap_or(i64::MAX)
}
