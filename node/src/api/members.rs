//! Who is in a room: joining, adding, roles, mutes, leaving, removing, bans.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chat::{Made, Outcome};
use protocol::entry::Intent;
use protocol::ids::{RoomId, UserId};
use protocol::problem::{Code, Problem};
use protocol::room::{Member, Role};
use protocol::time::Timestamp;
use protocol::user::User;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Kept, Result, nothing, ok};
use super::caller::Caller;
use super::paging::{self, List, Page};
use super::read::{Body, Named, Query, Whom, given};
use super::refusals::{Bodies, Changes, Entering, NoRoom, NoUser, Owners, Signed};
use super::rooms::{Pages, RoomPath};
use crate::ports::Ports;

/// For the document, which names a list by its rows.
type MemberRowList = List<MemberRow>;
use crate::reads;

/// Whose membership of which room.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberPath {
    /// The room.
    id: RoomId,
    /// Somebody, or `me`.
    #[param(value_type = String, example = "me")]
    user_id: Whom,
}

impl MemberPath {
    /// The other person that is meant; `None` when it is the caller, by either name.
    fn other(&self, caller: &Caller) -> Option<UserId> {
        match self.user_id {
            Whom::User(user) if user != caller.user => Some(user),
            _ => None,
        }
    }
}

/// A member with their profile.
#[derive(Serialize, ToSchema)]
pub(crate) struct MemberRow {
    /// The membership.
    #[serde(flatten)]
    member: Member,
    /// The person; null when the account was just deleted.
    user: Option<User>,
}

/// A room's members by id. The list is read forward only.
#[utoipa::path(
    get, path = "/v1/rooms/{id}/members", operation_id = "listMembers", tag = "members", params(RoomPath, Pages),
    responses((status = 200, description = "Members.", body = MemberRowList), Signed, NoRoom)
)]
pub(crate) async fn list(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
    Query(asked): Query<Pages>,
) -> Result<Response> {
    let limit = paging::limit(asked.limit)?;
    let after: Option<UserId> =
        paging::place("members", asked.cursor.as_deref(), |text| text.parse().ok())?;
    let store = &*ports.store;
    let read = store.members(path.id, after, limit + 1);
    let mut members = reads::as_member(store, path.id, caller.user, read).await?;
    let more = members.len() > limit;
    members.truncate(limit);

    let people = store
        .users(members.iter().map(|member| member.user_id).collect())
        .await
        .or_absent(Code::UserNotFound)?;
    let row = |member: Member| MemberRow {
        user: people
            .iter()
            .find(|user| user.id == member.user_id)
            .cloned(),
        member,
    };
    let next = members
        .last()
        .filter(|_| more)
        .map(|member| paging::cursor("members", member.user_id));
    let data = members.into_iter().map(row).collect();
    ok(&List {
        data,
        page: Page { next, prev: None },
    })
}

/// Makes somebody a member: `me` joins a public room, anybody else is added to yours.
///
/// Adding needs a moderator; in a group any member may. Who is a member already stays as they are.
#[utoipa::path(
    put, path = "/v1/rooms/{id}/members/{userId}", operation_id = "addMember", tag = "members", params(MemberPath),
    responses((status = 200, description = "The membership.", body = Member), Signed, Changes, Entering, NoUser)
)]
pub(crate) async fn add(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<MemberPath>,
) -> Result<Response> {
    let intent = match path.other(&caller) {
        None => Intent::Join,
        Some(user) => {
            // A stranger must not learn from the answer whether a person exists: the room comes first.
            reads::membership(&*ports.store, path.id, caller.user).await?;
            if ports
                .store
                .users(vec![user])
                .await
                .or_absent(Code::UserNotFound)?
                .is_empty()
            {
                return Err(Code::UserNotFound.into());
            }
            Intent::Add { user }
        }
    };
    member_of(caller.submit(&ports, path.id, intent).await?)
}

/// Changes of a membership; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeMember {
    /// A new role.
    #[serde(default)]
    role: Option<Role>,
    /// They may not write before this time; null lifts it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Timestamp>)]
    muted_until: Option<Option<Timestamp>>,
    /// `false` lifts a ban, and stands alone. To ban, see `DELETE`.
    #[serde(default)]
    banned: Option<bool>,
}

/// Changes a member's role or mute, or lifts a ban.
///
/// An owner may give any role; an admin the ones below their own; anybody may step down. Moderators mute and unmute those
/// below them, and lift bans.
#[utoipa::path(
    patch, path = "/v1/rooms/{id}/members/{userId}", operation_id = "changeMember", tag = "members", params(MemberPath),
    request_body(content = ChangeMember, example = json!({"role": "moderator"})),
    responses(
        (status = 200, description = "The membership, as it is now.", body = Member),
        (status = 204, description = "The ban is lifted."),
        Signed, Bodies, Changes, NoUser, Owners
    )
)]
pub(crate) async fn change(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<MemberPath>,
    Body(asked): Body<ChangeMember>,
) -> Result<Response> {
    let user = path.other(&caller).unwrap_or(caller.user);
    let wrong = |kind, detail: &str| Problem::field(Code::InvalidRequest, "/banned", kind, detail);
    match asked.banned {
        None => {}
        Some(true) => {
            return Err(wrong(
                "range",
                "to ban somebody, DELETE the membership with ban=true",
            )
            .into());
        }
        Some(false) if asked.role.is_some() || asked.muted_until.is_some() => {
            return Err(wrong("range", "a ban is lifted by itself").into());
        }
        Some(false) => {
            caller
                .submit(&ports, path.id, Intent::Unban { user })
                .await?;
            return Ok(nothing());
        }
    }
    let intent = Intent::ChangeMember {
        user,
        role: asked.role,
        mute: asked.muted_until,
    };
    member_of(caller.submit(&ports, path.id, intent).await?)
}

/// How a membership ends.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// Keep them out from now on.
    ban: Option<bool>,
    /// Until when; for good when left out.
    until: Option<Timestamp>,
}

/// Ends a membership: `me` leaves, anybody else is removed, or banned with `?ban=true&until=`.
///
/// Removing needs a moderator with a higher role than the other's. Who is no member stays none.
#[utoipa::path(
    delete, path = "/v1/rooms/{id}/members/{userId}", operation_id = "removeMember", tag = "members",
    params(MemberPath, Removal),
    responses((status = 204, description = "They are no member."), Signed, Changes, Owners)
)]
pub(crate) async fn remove(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<MemberPath>,
    Query(asked): Query<Removal>,
) -> Result<Response> {
    let ban = asked.ban.unwrap_or(false);
    let wrong =
        |pointer, detail: &str| Problem::field(Code::InvalidRequest, pointer, "range", detail);
    if asked.until.is_some() && !ban {
        return Err(wrong("/until", "until goes with ban=true").into());
    }
    if asked.until.is_some_and(|until| until <= ports.now()) {
        return Err(wrong("/until", "this time is over").into());
    }
    let Some(user) = path.other(&caller) else {
        if ban {
            return Err(wrong("/ban", "you cannot ban yourself").into());
        }
        return match caller.submit(&ports, path.id, Intent::Leave).await {
            // Not being in a room is what was asked for, whatever the room: strangers learn nothing from it.
            Err(refused) if refused.0.code == Code::RoomNotFound => Ok(nothing()),
            other => other.map(|_| nothing()),
        };
    };
    let ban = ban.then_some(asked.until);
    caller
        .submit(&ports, path.id, Intent::Remove { user, ban })
        .await?;
    Ok(nothing())
}

fn member_of(outcome: Outcome) -> Result<Response> {
    match outcome.made {
        Made::Member(member) => ok(&member),
        _ => Err(Code::Internal.into()),
    }
}
