//! Room logs on SQLite: appends go to the writer, reads to the readers, each read in one snapshot.

use protocol::entry::{Ban, Entry};
use protocol::event::client::History;
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Head, Room};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rooms_cache::RoomState;
use super::row::{self, ENTRY, Failure, MEMBER, ROOM, Read, stored};
use super::{Sqlite, append, history};
use crate::body::{self, Origin, SAID};
use crate::rules::{PAGE_BYTES, PAGES_BYTES};
use crate::{Answer, Append, AppendError, Found, Future, Log, Opened, Page, Side, StoreError};

impl Log for Sqlite {
    fn append(&self, batch: Append) -> Future<'_, Result<(), AppendError>> {
        Box::pin(async move {
            if batch.entries.is_empty() {
                return Err(AppendError::Unavailable(
                    "an empty batch has no place".into(),
                ));
            }
            let weight = batch.entries.iter().map(weight).sum();
            let Append {
                room,
                epoch,
                entries,
            } = batch;
            self.write(weight, move |write| {
                append::append(write, room, epoch, &entries)
            })
            .await
            .map_err(|error| match error {
                StoreError::Conflict | StoreError::NotFound => AppendError::Conflict,
                StoreError::Unavailable(why) | StoreError::Refused(why) => {
                    AppendError::Unavailable(why)
                }
                StoreError::Unknown(why) => AppendError::Unknown(why),
                corrupt @ StoreError::Corrupt(_) => AppendError::Unavailable(corrupt.to_string()),
            })
        })
    }

    fn lookup(
        &self,
        room: RoomId,
        keys: Vec<(UserId, ClientId)>,
    ) -> Answer<'_, (Head, Vec<Option<Found>>)> {
        self.read(move |db| {
            let state = existing(db, room)?;
            let mut by_key = db.prepare_cached(&format!(
                "SELECT {ENTRY} FROM keys k JOIN entries e ON e.room_no = k.room_no AND e.seq = k.seq
                 WHERE k.key = ?1 AND k.actor = ?2 AND k.room_no = ?3"
            ))?;
            let mut found = Vec::with_capacity(keys.len());
            for (actor, key) in &keys {
                let mut rows = by_key.query(params![key.0.as_bytes(), actor.0.as_bytes(), state.no])?;
                found.push(match rows.next()? {
                    Some(row) => Some(Found { entry: row::entry(row, 0, room)? }),
                    None => None,
                });
            }
            Ok((state.head, found))
        })
    }

    fn open_room(&self, room: RoomId) -> Answer<'_, Opened> {
        self.read(move |db| {
            let state = existing(db, room)?;
            let settings = settings(db, state.no)?;
            let members = db
                .prepare_cached(&format!(
                    "SELECT {MEMBER} FROM members m WHERE m.room_no = ?1 ORDER BY m.user"
                ))?
                .query_map(params![state.no], |row| row::member(row, 0))?
                .collect::<Read<_>>()?;
            let bans = db
                .prepare_cached("SELECT user, until FROM bans WHERE room_no = ?1 ORDER BY user")?
                .query_map(params![state.no], |row| {
                    Ok(Ban {
                        user: row::user_id(row, 0)?,
                        until: row::maybe_time(row, 1)?,
                    })
                })?
                .collect::<Read<_>>()?;
            Ok(Opened {
                room: settings,
                head: state.head,
                deleted: state.deleted,
                members,
                bans,
            })
        })
    }

    fn entries(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Page> {
        self.read(move |db| {
            let state = existing(db, room)?;
            Ok(page(db, (room, &state), after, limit)?.0)
        })
    }

    fn pages(&self, of: Vec<(RoomId, Seq)>, limit: usize) -> Answer<'_, Vec<Option<Page>>> {
        self.read(move |db| {
            let mut bytes = 0;
            let mut pages = Vec::with_capacity(of.len());
            for (room, after) in of {
                let state = find_room(db, room)?.filter(|_| bytes <= PAGES_BYTES);
                pages.push(match state {
                    Some(state) => {
                        let (page, its) = page(db, (room, &state), after, limit)?;
                        bytes += its;
                        Some(page)
                    }
                    None => None,
                });
            }
            Ok(pages)
        })
    }

    fn heads(&self, rooms: Vec<RoomId>) -> Answer<'_, Vec<(RoomId, Head)>> {
        self.read(move |db| {
            let mut heads = Vec::with_capacity(rooms.len());
            for room in rooms {
                heads.extend(find_room(db, room)?.map(|state| (room, state.head)));
            }
            Ok(heads)
        })
    }

    fn messages(&self, room: RoomId, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Message>>> {
        self.read(move |db| {
            let Some(state) = find_room(db, room)? else {
                return Ok(vec![None; ids.len()]);
            };
            let latest =
                |id| Ok(message_by_id(db, room, state.no, id)?.map(|(_, message)| message));
            ids.into_iter().map(latest).collect()
        })
    }

    fn history(&self, query: History) -> Answer<'_, Side> {
        self.read(move |db| history::window(db, &query))
    }
}

/// Entries after a place, and how much text they have.
fn page(
    db: &Connection,
    (room, state): (RoomId, &RoomState),
    after: Seq,
    limit: usize,
) -> Result<(Page, usize), Failure> {
    let mut following = db.prepare_cached(&format!(
        "SELECT {ENTRY} FROM entries e WHERE e.room_no = ?1 AND e.seq > ?2 ORDER BY e.seq"
    ))?;
    let mut rows = following.query(params![state.no, stored(after)])?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    while entries.len() < limit
        && let Some(row) = rows.next()?
    {
        let its = row
            .get_ref(5)?
            .as_blob()
            .map_err(rusqlite::Error::from)?
            .len();
        if bytes + its > PAGE_BYTES && !entries.is_empty() {
            break;
        }
        bytes += its;
        entries.push(row::entry(row, 0, room)?);
    }
    let head = state.head;
    Ok((Page { head, entries }, bytes))
}

/// About what an entry costs in memory while it waits.
fn weight(entry: &Entry) -> usize {
    use protocol::entry::Change;
    let text = match &entry.change {
        Change::Said { message } | Change::Edited { message } => {
            message.text.len() + 16 * message.mentions.len()
        }
        _ => 0,
    };
    400 + text
}

/// A room and where its log ends, as one row.
pub(super) fn find_room(db: &Connection, room: RoomId) -> Result<Option<RoomState>, Failure> {
    let found = db
        .prepare_cached(
            "SELECT r.no, r.epoch, r.deleted, e.seq, e.n, e.kind, e.said_before
             FROM rooms r LEFT JOIN entries e
               ON e.room_no = r.no AND e.seq = (SELECT max(seq) FROM entries WHERE room_no = r.no)
             WHERE r.id = ?1",
        )?
        .query_row(params![room.0.as_bytes()], state)
        .optional()?;
    Ok(found)
}

fn state(row: &Row<'_>) -> Read<RoomState> {
    let mut head = Head {
        epoch: row::epoch(row, 1)?,
        seq: 0,
        n: 0,
    };
    let mut last_said = 0;
    if row.get::<_, Option<i64>>(3)?.is_some() {
        head.seq = row::count(row, 3)?;
        head.n = row::count(row, 4)?;
        last_said = if row.get::<_, u8>(5)? == SAID {
            head.seq
        } else {
            row::count(row, 6)?
        };
    }
    Ok(RoomState {
        no: row.get(0)?,
        head,
        last_said,
        deleted: row.get(2)?,
    })
}

pub(super) fn existing(db: &Connection, room: RoomId) -> Result<RoomState, Failure> {
    Ok(find_room(db, room)?.ok_or(StoreError::NotFound)?)
}

pub(super) fn settings(db: &Connection, no: i64) -> Result<Room, Failure> {
    Ok(db
        .prepare_cached(&format!("SELECT {ROOM} FROM rooms r WHERE r.no = ?1"))?
        .query_row(params![no], |row| row::room(row, 0))?)
}

/// A message in its latest version, with what its first entry says.
pub(super) fn message_by_id(
    db: &Connection,
    room: RoomId,
    no: i64,
    id: MessageId,
) -> Result<Option<(Origin, Message)>, Failure> {
    let mut by_id = db.prepare_cached(
        "SELECT e.seq, e.n, e.at, e.actor, e.key, coalesce(v.body, e.body)
         FROM messages i
         JOIN entries e ON e.room_no = i.room_no AND e.seq = i.seq
         LEFT JOIN versions v ON v.room_no = i.room_no AND v.seq = i.seq
         WHERE i.id = ?1 AND i.room_no = ?2",
    )?;
    let mut rows = by_id.query(params![id.0.as_bytes(), no])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let origin = row::origin(row, 0, room)?;
    let bytes = row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Some((origin, body::decode_message(bytes, &origin)?)))
}
