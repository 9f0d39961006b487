//! Filling an empty store from an archive, and proving that it took everything.
//!
//! Three passes: the archive is checked, then written into the store, then the store is read back and compared, room by
//! room. A store that was filled half is refused by everybody; the way on is to empty it and begin anew.

use std::collections::HashMap;
use std::path::Path;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use protocol::entry::Entry;
use protocol::ids::RoomId;
use protocol::message::{SEQ_MAX, Seq};
use protocol::room::{Epoch, Room};
use protocol::time::Timestamp;
use store::{Append, NewRoom, Store, StoreError};
use uuid::Uuid;

use crate::check::{Lines, Rooms, checked};
use crate::content::seen;
use crate::line::{Line, MemberLine, RoomLine};
use crate::{ArchiveError, Progress, Summary};

/// Rows, and entries of one batch.
const ROWS: usize = 1_000;
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;
/// Rooms that are written at once.
const ROOMS_AT_ONCE: usize = 16;

/// What of an archive is taken over beside rooms and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The archive is older than what clients have seen: every room gets a new epoch, so that a client with a cursor of
    /// the lost future is told to begin anew; nobody stays signed in, so that what was revoked stays revoked.
    Content,
    /// The archive is the last word of a deployment that was stopped before it was written: epochs, devices and signing
    /// keys stay, and clients go on as if nothing had been.
    Everything,
}

/// Fills an empty store. Returns what it holds, read back from it.
///
/// # Errors
/// `Broken` before anything is written; `Store` with `Refused` when the store is not empty; `Differs` when what was
/// written reads back otherwise.
pub async fn fill(
    store: &dyn Store,
    path: &Path,
    keep: Keep,
    progress: Progress<'_>,
) -> Result<Summary, ArchiveError> {
    let (holds, rooms) = checked(path, progress)?;
    store.begin_filling().await?;
    put_all(store, path, keep, progress).await?;
    let there = compared(store, &holds, &rooms, progress).await?;
    store.end_filling().await?;
    Ok(there)
}

async fn put_all(
    store: &dyn Store,
    path: &Path,
    keep: Keep,
    progress: Progress<'_>,
) -> Result<(), ArchiveError> {
    let mut lines = Lines::open(path)?;
    let (mut users, mut sessions) = (Vec::new(), Vec::new());
    let mut small = FuturesUnordered::new();
    let (mut rooms, mut entries) = (0, 0);
    while let Some((line, _)) = lines.next()? {
        match line {
            Line::Room(room) => {
                let mut filling = Filling::new(store, room, keep);
                while filling.take(&mut lines).await? {
                    progress("entries", entries + filling.at);
                }
                entries += filling.at;
                rooms += 1;
                progress("rooms", rooms);
                if small.len() == ROOMS_AT_ONCE {
                    small.next().await.transpose()?;
                }
                small.push(filling.end());
            }
            Line::User(user) => {
                users.push(user.row());
                if users.len() == ROWS {
                    store.put_users(std::mem::take(&mut users)).await?;
                }
            }
            Line::Session(session) if keep == Keep::Everything => {
                sessions.push(session.row().map_err(|why| broken(&lines, why))?);
                if sessions.len() == ROWS {
                    store.put_sessions(std::mem::take(&mut sessions)).await?;
                }
            }
            Line::Key(key) if keep == Keep::Everything => store.put_key(key.row()).await?,
            Line::Secret(secret) => {
                store.secret(secret.name, secret.value.0).await?;
            }
            _ => {}
        }
    }
    while let Some(done) = small.next().await {
        done?;
    }
    store.put_users(users).await?;
    store.put_sessions(sessions).await?;
    Ok(())
}

fn broken(lines: &Lines, why: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Broken(format!("line {}: {why}", lines.at))
}

/// A room on its way in. What is not yet written is bounded by one batch and the room's members.
struct Filling<'a> {
    store: &'a dyn Store,
    room: RoomLine,
    epoch: Epoch,
    made: bool,
    /// The last entry that was read.
    at: Seq,
    batch: Vec<Entry>,
    members: Vec<MemberLine>,
}

impl<'a> Filling<'a> {
    fn new(store: &'a dyn Store, room: RoomLine, keep: Keep) -> Self {
        let epoch = match keep {
            Keep::Everything => room.epoch,
            Keep::Content => Epoch(Uuid::new_v4().as_u64_pair().1 & SEQ_MAX),
        };
        Self {
            store,
            room,
            epoch,
            made: false,
            at: 0,
            batch: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Reads on until a batch is full, which it writes, or the room ends (false).
    async fn take(&mut self, lines: &mut Lines) -> Result<bool, ArchiveError> {
        let mut bytes = 0;
        loop {
            let Some((line, json)) = lines.next()? else {
                return Err(broken(lines, "a room without an end"));
            };
            match line {
                Line::Entry(entry) => {
                    if self.batch.len() == BATCH || bytes + json.len() > BATCH_BYTES {
                        self.put().await?;
                        bytes = 0;
                    }
                    let entry = entry.packed().entry(self.room.id)?;
                    self.at = entry.seq;
                    self.batch.push(entry);
                    bytes += json.len();
                    if self.batch.len() == BATCH && self.at < self.room.head {
                        self.put().await?;
                        return Ok(true);
                    }
                }
                Line::Member(member) => self.members.push(member),
                Line::RoomEnd(_) => return Ok(false),
                _ => {}
            }
        }
    }

    async fn put(&mut self) -> Result<(), ArchiveError> {
        let entries = std::mem::take(&mut self.batch);
        if !self.made {
            let made = self.store.create_room(self.new_room(entries)).await?;
            self.made = true;
            if made != self.room.id {
                return Err(refused(self.room.id, "its two people have a room already"));
            }
            return Ok(());
        }
        let batch = Append {
            room: self.room.id,
            epoch: self.epoch,
            entries: entries.into(),
        };
        self.store
            .append(batch)
            .await
            .map_err(|why| refused(self.room.id, &format!("{why:?}")))
    }

    /// Settings are as at the head; what the log says of them on the way there ends in the same.
    fn new_room(&self, entries: Vec<Entry>) -> NewRoom {
        let room = &self.room;
        NewRoom {
            room: Room {
                id: room.id,
                kind: room.kind,
                name: room.name.clone(),
                topic: room.topic.clone(),
                created_by: room.created_by,
                created_at: Timestamp(room.created_at),
                member_count: room.members,
            },
            epoch: self.epoch,
            entries,
            dm: room.dm,
        }
    }

    /// Writes what is left, and moves the markers that are not where the log alone puts them.
    async fn end(mut self) -> Result<(), ArchiveError> {
        if !self.made || !self.batch.is_empty() {
            self.put().await?;
        }
        let there: HashMap<_, _> = self
            .store
            .markers(self.room.id)
            .await?
            .into_iter()
            .collect();
        for member in &self.members {
            if there.get(&member.user).is_some_and(|at| *at < member.read) {
                self.store
                    .mark_read(self.room.id, member.user, member.read)
                    .await?;
            }
        }
        Ok(())
    }
}

fn refused(room: RoomId, why: &str) -> ArchiveError {
    ArchiveError::Store(StoreError::Refused(format!(
        "room {room} cannot be written: {why}"
    )))
}

async fn compared(
    store: &dyn Store,
    wanted: &Summary,
    rooms: &Rooms,
    progress: Progress<'_>,
) -> Result<Summary, ArchiveError> {
    let there = seen(store, &|what, count| {
        progress(
            if what == "entries" {
                "entries compared"
            } else {
                what
            },
            count,
        );
    })
    .await?;
    for (wanted, found) in rooms.iter().zip(&there.rooms) {
        if wanted != found {
            return Err(ArchiveError::Differs(format!("room {}", wanted.0)));
        }
    }
    let found = there.summary();
    let same = Summary {
        sessions: wanted.sessions,
        ..found.clone()
    };
    if same != *wanted {
        return Err(ArchiveError::Differs(format!(
            "{found:?} and not {wanted:?}"
        )));
    }
    Ok(found)
}
