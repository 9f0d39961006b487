//! Making rooms, and opening conversations of two.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chat::Told;
use protocol::entry::{Change, Draft, Entry, Intent};
use protocol::ids::{RoomId, UserId};
use protocol::limits::{ROOM_INITIAL_MEMBERS_MAX, ROOM_NAME_CHARS_MAX, ROOM_TOPIC_CHARS_MAX};
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Member, Role, Room, RoomSummary, RoomType};
use protocol::time::Timestamp;
use serde::Deserialize;
use store::{NewRoom, StoreError};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::answer::{Kept, Result, created, of_store, ok};
use super::caller::Caller;
use super::read::{Body, Named, line};
use super::refusals::{Bodies, Keyed, NoUser, Signed};
use crate::ports::Ports;

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
        Err(error) => return Err(of_store(error, Code::RoomNotFound).into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_exact_in_javascript() {
        for _ in 0..1_000 {
            assert!(fresh_epoch().0 <= protocol::message::SEQ_MAX);
        }
    }
}
