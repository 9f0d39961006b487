//! Putting entries into a room's log and carrying the projections along, within the writer's transaction.
//!
//! The order of checks is the promise of [`crate::Log::append`]: the room and its epoch, the place, the count of
//! messages, then the keys. Whatever fails undoes the whole batch.

use protocol::entry::{Change, Entry};
use protocol::ids::{MessageId, RoomId, UserId};
use protocol::message::{Message, SEQ_MAX, Seq};
use protocol::room::{Epoch, LeaveReason, Member, Room};
use protocol::time::Timestamp;
use rusqlite::{OptionalExtension, params};
use tracing::warn;

use super::log::find_room;
use super::rooms_cache::RoomState;
use super::row::{Failure, stored};
use super::writer::Write;
use crate::StoreError;
use crate::body::{self, Origin};
use crate::rules::{Chosen, react};

/// Appends a batch at the place that it was made for.
pub(super) fn append(
    write: &mut Write<'_>,
    room: RoomId,
    epoch: Epoch,
    entries: &[Entry],
) -> Result<(), Failure> {
    let known = write
        .rooms
        .get(room)
        .map_or_else(|| find_room(write.db, room), |state| Ok(Some(state)))?;
    let state = known.ok_or(StoreError::Conflict)?;
    if state.deleted || state.head.epoch != epoch {
        return Err(StoreError::Conflict.into());
    }
    extend(write, room, state, entries)
}

/// Appends to a log that ends as `state` says.
pub(super) fn extend(
    write: &mut Write<'_>,
    room: RoomId,
    mut state: RoomState,
    entries: &[Entry],
) -> Result<(), Failure> {
    let mut arrivals = 0;
    let mut bytes = Vec::with_capacity(256);
    for entry in entries {
        if entry.seq > SEQ_MAX {
            return Err(StoreError::Unavailable(
                "the room's log is full: seq would pass 2^53 - 1".into(),
            )
            .into());
        }
        let said = matches!(entry.change, Change::Said { .. });
        // History finds messages by `n`: a count that jumps would hide some, so it is a wrong place like any other.
        if entry.seq != state.head.seq + 1
            || entry.n != state.head.n + u64::from(said)
            || state.deleted
        {
            return Err(StoreError::Conflict.into());
        }
        bytes.clear();
        insert(write, room, &state, entry, &mut bytes)?;
        arrivals += project(write, room, &state, entry)?;
        state.head.seq = entry.seq;
        state.head.n = entry.n;
        if said {
            state.last_said = entry.seq;
        }
        state.deleted = matches!(entry.change, Change::RoomDeleted);
    }
    if arrivals != 0 {
        write
            .db
            .prepare_cached("UPDATE rooms SET member_count = member_count + ?2 WHERE no = ?1")?
            .execute(params![state.no, arrivals])?;
    }
    write.rooms.set(room, state);
    Ok(())
}

fn insert(
    write: &Write<'_>,
    room: RoomId,
    state: &RoomState,
    entry: &Entry,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    let kind = body::encode(&entry.change, &Origin::of(room, entry), bytes);
    let (key, actor) = (entry.key.0.as_bytes(), entry.actor.0.as_bytes());
    write
        .db
        .prepare_cached("INSERT INTO keys (key, actor, room_no, seq) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![key, actor, state.no, stored(entry.seq)])?;
    write
        .db
        .prepare_cached(
            "INSERT INTO entries (room_no, seq, n, said_before, at, actor, key, digest, kind, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            state.no,
            stored(entry.seq),
            stored(entry.n),
            stored(state.last_said),
            entry.at.0,
            actor,
            key,
            entry.digest.cast_signed(),
            kind,
            bytes.as_slice(),
        ])?;
    Ok(())
}

/// Carries members, bans, settings, versions, mentions and the sender's marker along. Returns how many members came.
fn project(
    write: &Write<'_>,
    room: RoomId,
    state: &RoomState,
    entry: &Entry,
) -> Result<i32, Failure> {
    match &entry.change {
        Change::Said { message } => said(write, state, entry, message)?,
        Change::Edited { message } | Change::Deleted { message } => {
            change_message(write, room, state, message.id, |latest| {
                *latest = message.clone()
            })?;
        }
        Change::Reacted {
            message,
            emoji,
            added,
            count,
        } => {
            let chosen = Chosen {
                emoji,
                by: entry.actor,
                added: *added,
                count: *count,
            };
            change_message(write, room, state, *message, |latest| {
                react(&mut latest.reactions, chosen)
            })?;
        }
        Change::Joined { member } => return joined(write, state, entry, member),
        Change::Left {
            user,
            reason,
            until,
        } => return left(write, state, *user, *reason, *until),
        Change::MemberChanged { member } => {
            write
                .db
                .prepare_cached("UPDATE members SET role = ?3, muted_until = ?4 WHERE room_no = ?1 AND user = ?2")?
                .execute(params![
                    state.no,
                    member.user_id.0.as_bytes(),
                    body::role(member.role),
                    member.muted_until.map(|until| until.0)
                ])?;
        }
        Change::Unbanned { user } => {
            write
                .db
                .prepare_cached("DELETE FROM bans WHERE room_no = ?1 AND user = ?2")?
                .execute(params![state.no, user.0.as_bytes()])?;
        }
        Change::RoomChanged { room } => room_changed(write, state, room)?,
        Change::RoomDeleted => {
            // The pair of a deleted DM may have a new one.
            write
                .db
                .prepare_cached(
                    "UPDATE rooms SET deleted = 1, dm_low = NULL, dm_high = NULL WHERE no = ?1",
                )?
                .execute(params![state.no])?;
        }
    }
    Ok(0)
}

fn said(
    write: &Write<'_>,
    state: &RoomState,
    entry: &Entry,
    message: &Message,
) -> Result<(), Failure> {
    write
        .db
        .prepare_cached("INSERT INTO messages (id, room_no, seq) VALUES (?1, ?2, ?3)")?
        .execute(params![
            message.id.0.as_bytes(),
            state.no,
            stored(entry.seq)
        ])?;
    // Only who had read everything has read their own message too: else the ones between would count as read.
    write
        .db
        .prepare_cached(
            "UPDATE members SET read_seq = ?3, read_n = ?4 WHERE room_no = ?1 AND user = ?2 AND read_n = ?4 - 1",
        )?
        .execute(params![state.no, entry.actor.0.as_bytes(), stored(entry.seq), stored(entry.n)])?;
    for user in &message.mentions {
        mention(write, state, *user, entry.seq)?;
    }
    Ok(())
}

fn mention(write: &Write<'_>, state: &RoomState, user: UserId, seq: Seq) -> Result<(), Failure> {
    write
        .db
        .prepare_cached("INSERT OR IGNORE INTO mentions (user, room_no, seq) VALUES (?1, ?2, ?3)")?
        .execute(params![user.0.as_bytes(), state.no, stored(seq)])?;
    Ok(())
}

/// Writes a new latest version of a message and keeps the mentions in step.
fn change_message(
    write: &Write<'_>,
    room: RoomId,
    state: &RoomState,
    id: MessageId,
    change: impl FnOnce(&mut Message),
) -> Result<(), Failure> {
    let Some((origin, before)) = super::log::message_by_id(write.db, room, state.no, id)? else {
        // The log is the truth and stands; there is nothing that could show this change.
        warn!(%room, message = %id, "an entry changes a message that the room does not have");
        return Ok(());
    };
    let mut after = before.clone();
    change(&mut after);
    let mut bytes = Vec::new();
    body::encode_message(&after, &origin, &mut bytes);
    write
        .db
        .prepare_cached(
            "INSERT INTO versions (room_no, seq, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (room_no, seq) DO UPDATE SET body = excluded.body",
        )?
        .execute(params![state.no, stored(origin.seq), bytes])?;
    for user in before
        .mentions
        .iter()
        .filter(|user| !after.mentions(**user))
    {
        write
            .db
            .prepare_cached("DELETE FROM mentions WHERE user = ?1 AND room_no = ?2 AND seq = ?3")?
            .execute(params![user.0.as_bytes(), state.no, stored(origin.seq)])?;
    }
    for user in after
        .mentions
        .iter()
        .filter(|user| !before.mentions(**user))
    {
        mention(write, state, *user, origin.seq)?;
    }
    Ok(())
}

/// A newcomer has read everything up to their arrival.
fn joined(
    write: &Write<'_>,
    state: &RoomState,
    entry: &Entry,
    member: &Member,
) -> Result<i32, Failure> {
    let user = member.user_id.0.as_bytes();
    let role = body::role(member.role);
    let muted_until = member.muted_until.map(|until| until.0);
    let came = write
        .db
        .prepare_cached(
            "INSERT OR IGNORE INTO members (room_no, user, role, joined_at, muted_until, read_seq, read_n)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            state.no,
            user,
            role,
            member.joined_at.0,
            muted_until,
            stored(entry.seq),
            stored(entry.n)
        ])?;
    if came == 0 {
        write
            .db
            .prepare_cached(
                "UPDATE members SET role = ?3, joined_at = ?4, muted_until = ?5 WHERE room_no = ?1 AND user = ?2",
            )?
            .execute(params![state.no, user, role, member.joined_at.0, muted_until])?;
    }
    write
        .db
        .prepare_cached("DELETE FROM bans WHERE room_no = ?1 AND user = ?2")?
        .execute(params![state.no, user])?;
    Ok(i32::from(came > 0))
}

fn left(
    write: &Write<'_>,
    state: &RoomState,
    user: UserId,
    reason: LeaveReason,
    until: Option<Timestamp>,
) -> Result<i32, Failure> {
    let went = write
        .db
        .prepare_cached("DELETE FROM members WHERE room_no = ?1 AND user = ?2")?
        .execute(params![state.no, user.0.as_bytes()])?;
    if went > 0 {
        write
            .db
            .prepare_cached("INSERT OR IGNORE INTO former_members (user, room_no) VALUES (?1, ?2)")?
            .execute(params![user.0.as_bytes(), state.no])?;
    }
    if reason == LeaveReason::Banned {
        write
            .db
            .prepare_cached(
                "INSERT INTO bans (room_no, user, until) VALUES (?1, ?2, ?3)
                 ON CONFLICT (room_no, user) DO UPDATE SET until = excluded.until",
            )?
            .execute(params![
                state.no,
                user.0.as_bytes(),
                until.map(|until| until.0)
            ])?;
    }
    Ok(-i32::from(went > 0))
}

fn room_changed(write: &Write<'_>, state: &RoomState, room: &Room) -> Result<(), Failure> {
    write
        .db
        .prepare_cached(
            "UPDATE rooms SET kind = ?2, name = ?3, name_key = ?4, topic = ?5 WHERE no = ?1",
        )?
        .execute(params![
            state.no,
            body::room_type(room.kind),
            room.name,
            room.name.as_deref().map(str::to_lowercase),
            room.topic
        ])?;
    Ok(())
}

/// Makes a room with its first entries and returns its id, or that of the DM which its two people have already.
pub(super) fn create_room(write: &mut Write<'_>, new: &crate::NewRoom) -> Result<RoomId, Failure> {
    if let Some((low, high)) = new.dm
        && let Some(existing) = write
            .db
            .prepare_cached("SELECT id FROM rooms WHERE dm_low = ?1 AND dm_high = ?2")?
            .query_row(params![low.0.as_bytes(), high.0.as_bytes()], |row| {
                super::row::room_id(row, 0)
            })
            .optional()?
    {
        return Ok(existing);
    }
    let room = &new.room;
    if let Some(existing) = find_room(write.db, room.id)? {
        // The same wish again, whose first answer was lost.
        return if existing.head.epoch == new.epoch {
            Ok(room.id)
        } else {
            Err(StoreError::Conflict.into())
        };
    }
    write
        .db
        .prepare_cached(
            "INSERT INTO rooms (id, epoch, kind, name, name_key, topic, created_by, created_at, member_count,
                                deleted, dm_low, dm_high)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9, ?10)",
        )?
        .execute(params![
            room.id.0.as_bytes(),
            new.epoch.0.cast_signed(),
            body::room_type(room.kind),
            room.name,
            room.name.as_deref().map(str::to_lowercase),
            room.topic,
            room.created_by.0.as_bytes(),
            room.created_at.0,
            new.dm.map(|(low, _)| *low.0.as_bytes()),
            new.dm.map(|(_, high)| *high.0.as_bytes()),
        ])?;
    let empty = RoomState {
        no: write.db.last_insert_rowid(),
        head: protocol::room::Head {
            epoch: new.epoch,
            seq: 0,
            n: 0,
        },
        last_said: 0,
        deleted: false,
    };
    extend(write, room.id, empty, &new.entries)?;
    Ok(room.id)
}
