//! Who may come, go, bring others, and change what others may.

use protocol::entry::{Change, Draft};
use protocol::ids::UserId;
use protocol::limits;
use protocol::problem::{Code, Problem};
use protocol::room::{LeaveReason, Member, Role, RoomType};
use protocol::time::Timestamp;

use super::{Granted, RoomState, need};
use crate::Made;

impl RoomState {
    pub(super) fn join(&self, draft: &Draft) -> Result<Granted, Problem> {
        if let Some(member) = self.members.get(&draft.actor) {
            return Ok(Granted::Already(Made::Member(member.clone())));
        }
        if self.room.kind != RoomType::Public {
            return Err(Code::RoomNotFound.into());
        }
        if let Some(until) = self.ban(draft.actor, draft.at) {
            let detail = until.map_or("you are banned from this room".to_owned(), |until| {
                format!("you are banned from this room until {until}")
            });
            return Err(Problem::because(Code::Banned, detail));
        }
        self.new_member(draft.actor, draft.at)
    }

    pub(super) fn add(
        &self,
        actor: &Member,
        user: UserId,
        at: Timestamp,
    ) -> Result<Granted, Problem> {
        if let Some(member) = self.members.get(&user) {
            return Ok(Granted::Already(Made::Member(member.clone())));
        }
        match self.room.kind {
            RoomType::Dm => return Err(Code::Forbidden.into()),
            RoomType::Group => {}
            RoomType::Public | RoomType::Private => need(actor, Role::Moderator)?,
        }
        if self.ban(user, at).is_some() {
            return Err(Problem::because(
                Code::Banned,
                "they are banned from this room; lift the ban first",
            ));
        }
        self.new_member(user, at)
    }

    fn new_member(&self, user: UserId, at: Timestamp) -> Result<Granted, Problem> {
        if self.members.len() >= limits::ROOM_MEMBERS_MAX {
            return Err(Code::RoomFull.into());
        }
        // A room that everybody has left belongs to whoever comes back first.
        let role = if self.members.is_empty() {
            Role::Owner
        } else {
            Role::Member
        };
        let member = Member {
            user_id: user,
            role,
            joined_at: at,
            muted_until: None,
        };
        Ok(Granted::change(
            Change::Joined {
                member: member.clone(),
            },
            Made::Member(member),
        ))
    }

    pub(super) fn leave(&self, user: UserId) -> Result<Granted, Problem> {
        let Some(member) = self.members.get(&user) else {
            return Ok(Granted::Already(Made::Nothing));
        };
        if self.room.kind == RoomType::Dm {
            return Err(Problem::because(
                Code::Forbidden,
                "a direct conversation cannot be left",
            ));
        }
        if self.is_last_owner(member) && self.members.len() > 1 {
            return Err(Code::LastOwner.into());
        }
        Ok(Granted::change(
            Change::Left {
                user,
                reason: LeaveReason::Left,
                until: None,
            },
            Made::Nothing,
        ))
    }

    pub(super) fn remove(
        &self,
        actor: &Member,
        user: UserId,
        ban: Option<Option<Timestamp>>,
    ) -> Result<Granted, Problem> {
        need(actor, Role::Moderator)?;
        if self.room.kind == RoomType::Dm {
            return Err(Code::Forbidden.into());
        }
        let target = self.members.get(&user);
        if target.is_some_and(|target| target.role >= actor.role) {
            return Err(Code::Forbidden.into());
        }
        let already = match ban {
            None => target.is_none(),
            Some(until) => target.is_none() && self.bans.get(&user) == Some(&until),
        };
        if already {
            return Ok(Granted::Already(Made::Nothing));
        }
        let reason = if ban.is_some() {
            LeaveReason::Banned
        } else {
            LeaveReason::Removed
        };
        Ok(Granted::change(
            Change::Left {
                user,
                reason,
                until: ban.flatten(),
            },
            Made::Nothing,
        ))
    }

    pub(super) fn change_member(
        &self,
        actor: &Member,
        user: UserId,
        role: Option<Role>,
        mute: Option<Option<Timestamp>>,
    ) -> Result<Granted, Problem> {
        let target = self.members.get(&user).ok_or(Code::UserNotFound)?;
        let own = actor.user_id == user;
        let mut changed = target.clone();
        if let Some(role) = role.filter(|role| *role != target.role) {
            let allowed = match actor.role {
                Role::Owner => true,
                Role::Admin => role < Role::Admin && (own || target.role < Role::Admin),
                Role::Moderator | Role::Member => own && role < target.role,
            };
            if !allowed {
                return Err(Code::Forbidden.into());
            }
            if self.is_last_owner(target) {
                return Err(Code::LastOwner.into());
            }
            changed.role = role;
        }
        if let Some(until) = mute.filter(|until| *until != target.muted_until) {
            need(actor, Role::Moderator)?;
            if own || target.role >= actor.role {
                return Err(Code::Forbidden.into());
            }
            changed.muted_until = until;
        }
        if changed == *target {
            return Ok(Granted::Already(Made::Member(changed)));
        }
        Ok(Granted::change(
            Change::MemberChanged {
                member: changed.clone(),
            },
            Made::Member(changed),
        ))
    }

    pub(super) fn unban(&self, actor: &Member, user: UserId) -> Result<Granted, Problem> {
        need(actor, Role::Moderator)?;
        if !self.bans.contains_key(&user) {
            return Ok(Granted::Already(Made::Nothing));
        }
        Ok(Granted::change(Change::Unbanned { user }, Made::Nothing))
    }

    fn is_last_owner(&self, member: &Member) -> bool {
        member.role == Role::Owner
            && self
                .members
                .values()
                .filter(|other| other.role == Role::Owner)
                .count()
                == 1
    }

    /// The ban in force at that time, with its end.
    fn ban(&self, user: UserId, at: Timestamp) -> Option<Option<Timestamp>> {
        self.bans
            .get(&user)
            .copied()
            .filter(|until| until.is_none_or(|until| until > at))
    }
}
