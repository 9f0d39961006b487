//! All lines of a store, in order: rooms with their logs, devices, keys, secrets, people last.
//!
//! The store may be written to meanwhile. A room is its log up to the head at which it was opened: nothing in it can be
//! half there. People come last, since whoever stands in a log was somebody before.

use std::collections::HashMap;

use protocol::ids::UserId;
use protocol::message::Seq;
use protocol::room::RoomType;
use store::{Opened, PackedEntry, RoomKey, Store, StoreError};

use crate::line::{
    BanLine, Bytes, EntryLine, KeyLine, Line, MemberLine, RoomLine, SecretLine, SessionLine,
    UserLine,
};
use crate::{ArchiveError, Progress};

/// Rows in one question.
const PAGE: usize = 1_000;
/// Looks at a room whose people change while it is looked at.
const LOOKS: usize = 20;

/// Gives every line to `out`, but for the first, the checks and the last.
pub(crate) async fn walk(
    store: &dyn Store,
    progress: Progress<'_>,
    out: &mut (dyn FnMut(Line) -> Result<(), ArchiveError> + Send),
) -> Result<(), ArchiveError> {
    let (mut after, mut rooms, mut entries) = (None, 0, 0);
    loop {
        let keys = store.room_keys(after, PAGE).await?;
        let Some(last) = keys.last() else { break };
        after = Some(last.id);
        for key in keys {
            entries += room(store, key, out).await?;
            rooms += 1;
            progress("entries", entries);
        }
        progress("rooms", rooms);
    }
    let mut after = None;
    loop {
        let rows = store.session_rows(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        for row in rows {
            out(Line::Session(SessionLine::of(row)))?;
        }
    }
    for key in store.keys().await? {
        out(Line::Key(KeyLine::of(key)))?;
    }
    for (name, value) in store.secrets().await? {
        let value = Bytes(value);
        out(Line::Secret(SecretLine { name, value }))?;
    }
    let (mut after, mut users) = (None, 0);
    loop {
        let rows = store.user_rows(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.user.id);
        for row in rows {
            users += 1;
            out(Line::User(UserLine::of(row)))?;
        }
        progress("people", users);
    }
    Ok(())
}

async fn room(
    store: &dyn Store,
    key: RoomKey,
    out: &mut (dyn FnMut(Line) -> Result<(), ArchiveError> + Send),
) -> Result<u64, ArchiveError> {
    let (opened, markers) = people_of(store, key).await?;
    let head = opened.head;
    out(Line::Room(RoomLine {
        id: key.id,
        epoch: head.epoch,
        kind: opened.room.kind,
        name: opened.room.name,
        topic: opened.room.topic,
        created_by: opened.room.created_by,
        created_at: opened.room.created_at.0,
        members: opened.room.member_count,
        // The pair of one that was deleted since the page was read is free.
        dm: key
            .dm
            .filter(|_| opened.room.kind == RoomType::Dm && !opened.deleted),
        head: head.seq,
        deleted: opened.deleted,
    }))?;
    let mut at: Seq = 0;
    while at < head.seq {
        let page = store.entries(key.id, at, PAGE).await?;
        if page.head.epoch != head.epoch || page.entries.is_empty() {
            let why = format!("room {} ends at {at} and not at {}", key.id, head.seq);
            return Err(StoreError::Corrupt(why).into());
        }
        for entry in page.entries.iter().filter(|entry| entry.seq <= head.seq) {
            at = entry.seq;
            out(Line::Entry(EntryLine::of(PackedEntry::of(key.id, entry))))?;
        }
    }
    for member in opened.members {
        let read = markers.get(&member.user_id).copied().unwrap_or(0);
        out(Line::Member(MemberLine {
            user: member.user_id,
            role: member.role,
            joined_at: member.joined_at.0,
            muted_until: member.muted_until.map(|until| until.0),
            read: read.min(head.seq),
        }))?;
    }
    for ban in opened.bans {
        out(Line::Ban(BanLine {
            user: ban.user,
            until: ban.until.map(|until| until.0),
        }))?;
    }
    out(Line::RoomEnd(Bytes(Vec::new())))?;
    Ok(head.seq)
}

/// A room with a marker for each of its members; who left between the two looks has none, so it is looked at again.
async fn people_of(
    store: &dyn Store,
    key: RoomKey,
) -> Result<(Opened, HashMap<UserId, Seq>), ArchiveError> {
    let mut looks = 0;
    loop {
        let opened = store.open_room(key.id).await?;
        let markers: HashMap<_, _> = store.markers(key.id).await?.into_iter().collect();
        let known = |user| markers.contains_key(user);
        looks += 1;
        if looks == LOOKS || opened.members.iter().all(|member| known(&member.user_id)) {
            return Ok((opened, markers));
        }
    }
}
