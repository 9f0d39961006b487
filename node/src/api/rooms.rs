//! Rooms: making them, finding them, changing and deleting them.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::{Made, Told};
use protocol::entry::{Change, Draft, Entry, Intent};
use protocol::ids::{RoomId, UserId};
use protocol::limits::{ROOM_INITIAL_MEMBERS_MAX, ROOM_NAME_CHARS_MAX, ROOM_TOPIC_CHARS_MAX};
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Member, Role, Room, RoomSummary, RoomType};
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::{NewRoom, StoreError};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::answer::{Kept, Result, created, data, nothing, ok};
use super::caller::Caller;
use super::paging::{self, List, Page, Skip};
use super::read::{Body, Named, Query, given, line};
use super::refusals::{Bodies, Changes, Keyed, NoRoom, NoUser, Signed};
use super::users::SEARCH_CHARS_MAX;
use crate::ports::Ports;

/// Which room.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomPath {
    /// The room.
    pub(crate) id: RoomId,
}

/// How a new room is found and who may enter.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum NewRoomType {
    /// Listed in the directory; anyone may join.
    Public,
    /// Named, not listed; members are added.
    Private,
    /// A few people, usually without a name.
    Group,
}

/// A room to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateRoom {
    /// Its kind; for a conversation of two see `PUT /v1/dms/{userId}`.
    #[serde(rename = "type")]
    kind: NewRoomType,
    /// Its name, up to 80 characters; public and private rooms need one.
    #[serde(default)]
    name: Option<String>,
    /// A line about it, up to 250 characters.
    #[serde(default)]
    topic: Option<String>,
    /// Its first members besides you, up to 100.
    #[serde(default)]
    member_ids: Vec<UserId>,
}

/// Makes a room. You own it; the others are told by `room:added`.
#[utoipa::path(
    post, path = "/v1/rooms", operation_id = "createRoom", tag = "rooms",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat with the same key answers as the first call did.")),
    request_body(content = CreateRoom, example = json!({"type": "public", "name": "general", "topic": "Everything"})),
    responses((status = 201, description = "The room, as you see it.", body = RoomSummary), Signed, Bodies, Keyed, NoUser)
)]
pub(crate) async fn create(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Body(asked): Body<CreateRoom>,
) -> Result<Response> {
    let kind = match asked.kind {
        NewRoomType::Public => RoomType::Public,
        NewRoomType::Private => RoomType::Private,
        NewRoomType::Group => RoomType::Group,
    };
    let name = asked
        .name
        .map(|name| line(&name, "/name", ROOM_NAME_CHARS_MAX))
        .transpose()?;
    if name.is_none() && kind != RoomType::Group {
        return Err(Problem::field(
            Code::InvalidRequest,
            "/name",
            "required",
            "public and private rooms need a name",
        )
        .into());
    }
    let topic = asked
        .topic
        .map(|topic| line(&topic, "/topic", ROOM_TOPIC_CHARS_MAX))
        .transpose()?;
    let others = first_members(&ports, caller.user, asked.member_ids).await?;

    let room = Room {
        id: caller.call.room_id(),
        kind,
        name,
        topic,
        created_by: caller.user,
        created_at: ports.now(),
        member_count: 1 + others.len() as u32,
    };
    let new = new_room(&caller, room, &others, None);
    let id = match ports.store.create_room(new).await {
        Ok(id) => id,
        // The id comes from the call's key: it was made by this call's first try.
        Err(StoreError::Conflict) => caller.call.room_id(),
        Err(error) => return Err(super::answer::of_store(error, Code::RoomNotFound).into()),
    };
    announce(&ports, id, std::iter::once(caller.user).chain(others));
    let summary = ports
        .store
        .room_for(caller.user, id)
        .await
        .or_absent(Code::RoomNotFound)?;
    created(&format!("/v1/rooms/{id}"), &summary)
}

/// The people that a new room begins with: each once, without the creator, all of them known.
async fn first_members(ports: &Ports, creator: UserId, asked: Vec<UserId>) -> Result<Vec<UserId>> {
    if asked.len() > ROOM_INITIAL_MEMBERS_MAX {
        let detail = format!("{} of at most {ROOM_INITIAL_MEMBERS_MAX}", asked.len());
        return Err(Problem::field(Code::InvalidRequest, "/memberIds", "too_long", detail).into());
    }
    let known = ports
        .store
        .users(asked.clone())
        .await
        .or_absent(Code::UserNotFound)?;
    let mut members = Vec::with_capacity(asked.len());
    for (nth, user) in asked.into_iter().enumerate() {
        if !known.iter().any(|found| found.id == user) {
            let pointer = format!("/memberIds/{nth}");
            return Err(Problem::field(
                Code::UserNotFound,
                &pointer,
                "unknown",
                "there is no such user",
            )
            .into());
        }
        if user != creator && !members.contains(&user) {
            members.push(user);
        }
    }
    Ok(members)
}

fn new_room(
    caller: &Caller,
    room: Room,
    others: &[UserId],
    dm: Option<(UserId, UserId)>,
) -> NewRoom {
    let first_role = if dm.is_some() {
        Role::Member
    } else {
        Role::Owner
    };
    let members = std::iter::once((caller.user, first_role))
        .chain(others.iter().map(|user| (*user, Role::Member)));
    let entries = members
        .zip(1_u32..)
        .map(|((user, role), place)| joined(caller, (user, role), place, room.created_at));
    NewRoom {
        entries: entries.collect(),
        epoch: fresh_epoch(),
        dm,
        room,
    }
}

/// Below 2^53, so that a JavaScript number holds it exactly.
fn fresh_epoch() -> Epoch {
    Epoch(Uuid::new_v4().as_u64_pair().1 & protocol::message::SEQ_MAX)
}

fn joined(caller: &Caller, (user, role): (UserId, Role), place: u32, at: Timestamp) -> Entry {
    let draft = Draft {
        actor: caller.user,
        key: caller.call.draft_key(place),
        at,
        intent: Intent::Add { user },
    };
    let member = Member {
        user_id: user,
        role,
        joined_at: at,
        muted_until: None,
    };
    Entry {
        seq: u64::from(place),
        n: 0,
        at,
        actor: caller.user,
        key: draft.key,
        digest: draft.digest(),
        change: Change::Joined { member },
    }
}

fn announce(ports: &Ports, room: RoomId, members: impl Iterator<Item = UserId>) {
    for user in members {
        ports.hubs.tell(user, Told::AddedTo { room });
    }
}

/// The other person of a conversation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DmPath {
    /// Who.
    user_id: UserId,
}

/// Gets your conversation with a person, and makes it if there is none. There is one for each two people.
#[utoipa::path(
    put, path = "/v1/dms/{userId}", operation_id = "openDm", tag = "rooms", params(DmPath),
    responses(
        (status = 200, description = "The conversation there was.", body = RoomSummary),
        (status = 201, description = "The conversation that was made.", body = RoomSummary),
        Signed, NoUser
    )
)]
pub(crate) async fn open_dm(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<DmPath>,
) -> Result<Response> {
    let (me, peer) = (caller.user, path.user_id);
    if me == peer {
        return Err(Problem::field(Code::InvalidRequest, "/userId", "range", "this is you").into());
    }
    if ports
        .store
        .users(vec![peer])
        .await
        .or_absent(Code::UserNotFound)?
        .is_empty()
    {
        return Err(Code::UserNotFound.into());
    }
    let room = Room {
        id: RoomId(Uuid::new_v4()),
        kind: RoomType::Dm,
        name: None,
        topic: None,
        created_by: me,
        created_at: ports.now(),
        member_count: 2,
    };
    let proposed = room.id;
    let new = new_room(&caller, room, &[peer], Some((me.min(peer), me.max(peer))));
    let id = ports
        .store
        .create_room(new)
        .await
        .or_absent(Code::RoomNotFound)?;
    let made = id == proposed;
    if made {
        announce(&ports, id, [me, peer].into_iter());
    }
    let summary = ports
        .store
        .room_for(me, id)
        .await
        .or_absent(Code::RoomNotFound)?;
    if made {
        created(&format!("/v1/rooms/{id}"), &summary)
    } else {
        ok(&summary)
    }
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
    responses((status = 200, description = "Your rooms.", body = List<RoomSummary>), Signed)
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
        Err(error) => return Err(super::answer::of_store(error, Code::RoomNotFound).into()),
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
    responses((status = 200, description = "Public rooms whose name fits.", body = List<Room>), Signed)
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
    data(StatusCode::OK, &skip.page(rows))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn an_epoch_is_exact_in_javascript() {
        for _ in 0..1_000 {
            assert!(fresh_epoch().0 <= protocol::message::SEQ_MAX);
        }
    }
}
