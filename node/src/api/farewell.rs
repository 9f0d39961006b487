//! Deleting an account: out of every room through its log, then the person, then their sessions.
//!
//! Each step may be repeated, so that a call that was cut off is simply made again.

use protocol::entry::{Draft, Intent};
use protocol::ids::{ClientId, RoomId, UserId};
use protocol::limits::PAGE_MAX;
use protocol::problem::Code;
use protocol::room::{Member, Role, RoomType};
use store::Revoke;
use uuid::Uuid;

use super::answer::{Kept, Result};
use crate::ports::Ports;

/// Ends an account.
pub(crate) async fn delete_account(ports: &Ports, user: UserId) -> Result<()> {
    for summary in ports
        .store
        .rooms_of(user)
        .await
        .or_absent(Code::UserNotFound)?
    {
        // A direct conversation is the other person's too and cannot be left; it shows "Deleted user" from now on.
        if summary.room.kind != RoomType::Dm {
            leave(ports, summary.room.id, user).await?;
        }
    }
    let gone = ports
        .store
        .revoke(user, Revoke::All, ports.now())
        .await
        .or_absent(Code::UserNotFound)?;
    ports.revoked.add(&gone, ports.clock.unix_seconds());
    ports
        .store
        .erase_user(user, ports.now())
        .await
        .or_absent(Code::UserNotFound)?;
    ports.hubs.revoked(gone, "revoked");
    Ok(())
}

/// Leaves a room; as its last owner, hands it over first. Anybody may join or be promoted meanwhile, hence the rounds.
async fn leave(ports: &Ports, room: RoomId, user: UserId) -> Result<()> {
    const ROUNDS: usize = 4;
    for _ in 0..ROUNDS {
        let refused = match submit(ports, room, user, Intent::Leave).await {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        match refused.0.code {
            Code::RoomNotFound => return Ok(()),
            Code::LastOwner => {}
            _ => return Err(refused),
        }
        if let Some(heir) = heir(ports, room, user).await? {
            let handed = Intent::ChangeMember {
                user: heir,
                role: Some(Role::Owner),
                mute: None,
            };
            match submit(ports, room, user, handed).await {
                Ok(()) => {}
                // They left between our look and our word: the next round finds another.
                Err(refused) if refused.0.code == Code::UserNotFound => {}
                Err(refused) => return Err(refused),
            }
        }
    }
    Err(Code::LastOwner.into())
}

/// Who takes a room over: the highest role, and among equals who is in it longest.
async fn heir(ports: &Ports, room: RoomId, leaving: UserId) -> Result<Option<UserId>> {
    let mut best: Option<Member> = None;
    let mut after = None;
    loop {
        let members = ports
            .store
            .members(room, after, PAGE_MAX)
            .await
            .or_absent(Code::RoomNotFound)?;
        let full = members.len() == PAGE_MAX;
        after = members.last().map(|member| member.user_id);
        let rank = |member: &Member| {
            (
                member.role,
                std::cmp::Reverse(member.joined_at),
                member.user_id,
            )
        };
        let others = members
            .into_iter()
            .filter(|member| member.user_id != leaving);
        best = others.chain(best).max_by_key(rank);
        if !full {
            return Ok(best.map(|member| member.user_id));
        }
    }
}

async fn submit(ports: &Ports, room: RoomId, actor: UserId, intent: Intent) -> Result<()> {
    let draft = Draft {
        actor,
        key: ClientId(Uuid::new_v4()),
        at: ports.now(),
        intent,
    };
    ports.hubs.submit(room, draft).await?;
    Ok(())
}
