//! Rooms: making them, finding them, changing and deleting them.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chat::Made;
use protocol::entry::Intent;
use protocol::ids::RoomId;
use protocol::limits::{ROOM_NAME_CHARS_MAX, ROOM_TOPIC_CHARS_MAX};
use protocol::problem::{Code, Problem};
use protocol::room::{Room, RoomSummary, RoomType};
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Kept, Result, nothing, of_store, ok};
use super::caller::Caller;
use super::paging::{self, List, Page, Skip};
use super::read::{Body, Named, Query, given, line};
use super::refusals::{Bodies, Changes, NoRoom, Signed};
use super::users::SEARCH_CHARS_MAX;
use crate::ports::Ports;

/// For the document, which names a list by its rows.
type RoomList = List<Room>;

/// For the document, which names a list by its rows.
type RoomSummaryList = List<RoomSummary>;

/// Which room.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomPath {
    /// The room.
    pub(crate) id: RoomId,
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Pages {
    /// Rows of the page, 1 to 100; 50 when left out.
    pub(crate) limit: Option<u32>,
    /// A page's place, from `page` of another answer.
    pub(crate) cursor: Option<String>,
}

/// The rooms that you are in, latest activity first, each with what is unread.
#[utoipa::path(
    get, path = "/v1/rooms", operation_id = "listRooms", tag = "rooms", params(Pages),
    responses((status = 200, description = "Your rooms.", body = RoomSummaryList), Signed)
)]
pub(crate) async fn list(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Query(asked): Query<Pages>,
) -> Result<Response> {
    let limit = paging::limit(asked.limit)?;
    let place = paging::place("rooms", asked.cursor.as_deref(), read_place)?;
    let mut rooms = ports
        .store
        .rooms_of(caller.user)
        .await
        .or_absent(Code::UserNotFound)?;
    rooms.sort_by_key(|room| Reverse(place_of(room)));
    ok(&window(rooms, place, limit))
}

/// Where a room stands in a list by activity.
type Place = (Timestamp, RoomId);

fn place_of(room: &RoomSummary) -> Place {
    let at = room
        .last_message
        .as_ref()
        .map_or(room.room.created_at, |message| message.created_at);
    (at, room.room.id)
}

fn write_place(way: &str, (at, room): Place) -> String {
    paging::cursor("rooms", format!("{way}/{}/{room}", at.0))
}

fn read_place(text: &str) -> Option<(bool, Place)> {
    let mut parts = text.split('/');
    let forward = match parts.next()? {
        "after" => true,
        "before" => false,
        _ => return None,
    };
    let at = parts.next()?.parse().ok()?;
    let room = parts.next()?.parse().ok()?;
    Some((forward, (Timestamp(at), room)))
}

/// The rows after a place, or the ones right before it; `rooms` is sorted.
fn window(
    rooms: Vec<RoomSummary>,
    place: Option<(bool, Place)>,
    limit: usize,
) -> List<RoomSummary> {
    let (start, end) = match place {
        None => (0, limit),
        Some((true, place)) => {
            let start = rooms.partition_point(|room| place_of(room) >= place);
            (start, start + limit)
        }
        Some((false, place)) => {
            let end = rooms.partition_point(|room| place_of(room) > place);
            (end.saturating_sub(limit), end)
        }
    };
    let more = rooms.len() > end;
    let rows: Vec<_> = rooms.into_iter().take(end).skip(start).collect();
    let next = rows
        .last()
        .filter(|_| more)
        .map(|room| write_place("after", place_of(room)));
    let prev = rows
        .first()
        .filter(|_| start > 0)
        .map(|room| write_place("before", place_of(room)));
    List {
        data: rows,
        page: Page { next, prev },
    }
}

/// A room as its reader may see it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum RoomView {
    /// To a member.
    Mine(Box<RoomSummary>),
    /// To a stranger; public rooms only.
    Public(Box<Room>),
}

/// One room: with what is unread if you are in it; a public room's settings if you are not.
#[utoipa::path(
    get, path = "/v1/rooms/{id}", operation_id = "getRoom", tag = "rooms", params(RoomPath),
    responses((status = 200, description = "The room.", body = RoomView), Signed, NoRoom)
)]
pub(crate) async fn room(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
) -> Result<Response> {
    match ports.store.room_for(caller.user, path.id).await {
        Ok(summary) => return ok(&RoomView::Mine(Box::new(summary))),
        Err(StoreError::NotFound) => {}
        Err(error) => return Err(of_store(error, Code::RoomNotFound).into()),
    }
    let room = ports
        .store
        .room(path.id)
        .await
        .or_absent(Code::RoomNotFound)?;
    if room.kind != RoomType::Public {
        return Err(Code::RoomNotFound.into());
    }
    ok(&RoomView::Public(Box::new(room)))
}

/// Changes of a room's settings; what is left out stays.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ChangeRoom {
    /// A new name, up to 80 characters; null takes a group's name away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// A new topic, up to 250 characters; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    topic: Option<Option<String>>,
}

/// Changes a room's settings. Needs an admin; in a group any member.
#[utoipa::path(
    patch, path = "/v1/rooms/{id}", operation_id = "changeRoom", tag = "rooms", params(RoomPath),
    request_body(content = ChangeRoom, example = json!({"topic": "Launch on Friday"})),
    responses((status = 200, description = "The settings, as they are now.", body = Room), Signed, Bodies, Changes)
)]
pub(crate) async fn change(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
    Body(asked): Body<ChangeRoom>,
) -> Result<Response> {
    let lined = |value: Option<Option<String>>, pointer: &str, most| match value {
        Some(Some(text)) => line(&text, pointer, most).map(|text| Some(Some(text))),
        other => Ok(other),
    };
    let name = lined(asked.name, "/name", ROOM_NAME_CHARS_MAX)?;
    let topic = lined(asked.topic, "/topic", ROOM_TOPIC_CHARS_MAX)?;
    if name == Some(None) {
        let summary = ports
            .store
            .room_for(caller.user, path.id)
            .await
            .or_absent(Code::RoomNotFound)?;
        if summary.room.kind != RoomType::Group {
            let detail = "only groups go without a name";
            return Err(Problem::field(Code::InvalidRequest, "/name", "required", detail).into());
        }
    }
    match caller
        .submit(&ports, path.id, Intent::ChangeRoom { name, topic })
        .await?
        .made
    {
        Made::Room(room) => ok(&room),
        _ => Err(Code::Internal.into()),
    }
}

/// Deletes a room, for everybody and for good. Needs its owner.
#[utoipa::path(
    delete, path = "/v1/rooms/{id}", operation_id = "deleteRoom", tag = "rooms", params(RoomPath),
    responses((status = 204, description = "The room is gone."), Signed, Changes)
)]
pub(crate) async fn delete(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
) -> Result<Response> {
    caller.submit(&ports, path.id, Intent::DeleteRoom).await?;
    Ok(nothing())
}

/// What is searched for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindRooms {
    /// A part of a room's name, up to 64 characters; all rooms when left out.
    q: Option<String>,
    /// Rows of the page, 1 to 100; 50 when left out.
    limit: Option<u32>,
    /// A page's place, from `page` of another answer.
    cursor: Option<String>,
}

/// Public rooms, most members first; at most 1,000 of them.
#[utoipa::path(
    get, path = "/v1/directory", operation_id = "findRooms", tag = "rooms", params(FindRooms),
    responses((status = 200, description = "Public rooms whose name fits.", body = RoomList), Signed)
)]
pub(crate) async fn directory(
    State(ports): State<Arc<Ports>>,
    _caller: Caller,
    Query(asked): Query<FindRooms>,
) -> Result<Response> {
    let text = asked.q.filter(|text| !text.trim().is_empty());
    let text = text
        .map(|text| line(&text, "/q", SEARCH_CHARS_MAX))
        .transpose()?
        .unwrap_or_default();
    let skip = Skip::read("directory", asked.limit, asked.cursor.as_deref())?;
    let rows = ports
        .store
        .directory(text, skip.offset, skip.limit + 1)
        .await
        .or_absent(Code::RoomNotFound)?;
    ok(&skip.page(rows))
}

#[cfg(test)]
mod tests {
    use protocol::ids::UserId;
    use protocol::room::{Epoch, Role};
    use uuid::Uuid;

    use super::*;

    fn summary(at: i64, id: u128) -> RoomSummary {
        let user = UserId(Uuid::from_u128(1));
        let room = Room {
            id: RoomId(Uuid::from_u128(id)),
            kind: RoomType::Group,
            name: None,
            topic: None,
            created_by: user,
            created_at: Timestamp(at),
            member_count: 1,
        };
        RoomSummary {
            room,
            role: Role::Member,
            epoch: Epoch(1),
            head_seq: 0,
            head_n: 0,
            read_seq: 0,
            read_n: 0,
            unread: 0,
            mentions: 0,
            peer_id: None,
            last_message: None,
        }
    }

    #[test]
    fn pages_of_rooms_go_forth_and_back_also_among_rooms_of_one_moment() {
        let mut all: Vec<_> = (0..7)
            .map(|nth| summary(100 + i64::from(nth) / 3, nth as u128))
            .collect();
        all.sort_by_key(|room| Reverse(place_of(room)));
        let turn = |cursor: Option<String>| {
            window(
                all.clone(),
                paging::place("rooms", cursor.as_deref(), read_place).unwrap(),
                3,
            )
        };
        let first = turn(None);
        assert!(first.page.prev.is_none());
        let second = turn(first.page.next.clone());
        let third = turn(second.page.next.clone());
        assert!(third.page.next.is_none());
        let seen: Vec<_> = [&first, &second, &third]
            .into_iter()
            .flat_map(|list| list.data.clone())
            .collect();
        assert_eq!(seen, all);
        assert_eq!(turn(third.page.prev).data, second.data);
        assert_eq!(turn(second.page.prev).data, first.data);
    }
}
