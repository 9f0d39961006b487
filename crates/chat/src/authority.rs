//! Who may do what to a room, decided on one consistent picture of it at its head.
//!
//! An append claims the place right after that head, so that a decision made on an older picture can never be stored.

use protocol::entry::{Change, Draft, Entry, Intent};
use protocol::ids::{MessageId, UserId};
use protocol::limits;
use protocol::message::{Message, Reaction};
use protocol::problem::{Code, Problem};
use protocol::room::{Head, LeaveReason, Member, Role, Room, RoomType};
use protocol::time::Timestamp;

use crate::map::Map;
use crate::{Made, Opened};

/// A room as of `head`.
#[derive(Debug)]
pub(crate) struct RoomState {
    pub(crate) head: Head,
    room: Room,
    deleted: bool,
    members: Map<UserId, Member>,
    bans: Map<UserId, Option<Timestamp>>,
}

/// Messages that were read for the drafts at hand; `None` where there is none.
pub(crate) type Loaded = Map<MessageId, Option<Message>>;

/// A wish that may be granted.
#[derive(Debug, PartialEq)]
pub(crate) enum Granted {
    /// By this change.
    Change(Box<Change>, Made),
    /// It is so already.
    Already(Made),
}

impl RoomState {
    pub(crate) fn new(opened: Opened) -> Self {
        Self {
            head: opened.head,
            room: opened.room,
            deleted: opened.deleted,
            members: opened
                .members
                .into_iter()
                .map(|member| (member.user_id, member))
                .collect(),
            bans: opened
                .bans
                .into_iter()
                .map(|ban| (ban.user, ban.until))
                .collect(),
        }
    }

    /// Whether a draft may become an entry now. `loaded` holds every message that [`targets`] names.
    pub(crate) fn admit(&self, draft: &Draft, loaded: &Loaded) -> Result<Granted, Problem> {
        if self.deleted {
            return Err(Code::RoomNotFound.into());
        }
        let at = draft.at;
        match &draft.intent {
            Intent::Join => return self.join(draft),
            Intent::Leave => return self.leave(draft.actor),
            _ => {}
        }
        let actor = self.members.get(&draft.actor).ok_or(Code::RoomNotFound)?;
        match &draft.intent {
            Intent::Say { .. } => {
                self.may_write(actor, at)?;
                self.say(draft, loaded)
            }
            Intent::Edit { id, text, version } => {
                self.may_write(actor, at)?;
                let message = living(loaded, *id)?;
                if message.sender_id != draft.actor {
                    return Err(Code::Forbidden.into());
                }
                if version.is_some_and(|held| held != message.version) {
                    let detail = format!("the message is at version {}", message.version);
                    return Err(Problem::because(Code::VersionConflict, detail));
                }
                if message.text == *text {
                    return Ok(Granted::Already(Made::Message(message.clone())));
                }
                let mut edited = message.clone();
                edited.text.clone_from(text);
                edited.version += 1;
                edited.edited_at = Some(at);
                Ok(Granted::change(
                    Change::Edited {
                        message: edited.clone(),
                    },
                    Made::Message(edited),
                ))
            }
            Intent::Delete { id } => {
                let message = loaded
                    .get(id)
                    .and_then(Option::as_ref)
                    .ok_or(Code::MessageNotFound)?;
                if message.deleted_at.is_some() {
                    return Ok(Granted::Already(Made::Message(message.clone())));
                }
                if message.sender_id != draft.actor && actor.role < Role::Moderator {
                    return Err(Code::Forbidden.into());
                }
                let tombstone = message.clone().deleted(at);
                Ok(Granted::change(
                    Change::Deleted {
                        message: tombstone.clone(),
                    },
                    Made::Message(tombstone),
                ))
            }
            Intent::React { id, emoji, add } => {
                self.may_write(actor, at)?;
                react(living(loaded, *id)?, draft.actor, emoji, *add)
            }
            Intent::Add { user } => self.add(actor, *user, at),
            Intent::Remove { user, ban } => self.remove(actor, *user, *ban),
            Intent::Unban { user } => {
                need(actor, Role::Moderator)?;
                if !self.bans.contains_key(user) {
                    return Ok(Granted::Already(Made::Nothing));
                }
                Ok(Granted::change(
                    Change::Unbanned { user: *user },
                    Made::Nothing,
                ))
            }
            Intent::ChangeMember { user, role, mute } => {
                self.change_member(actor, *user, *role, *mute)
            }
            Intent::ChangeRoom { name, topic } => {
                self.change_room(actor, name.clone(), topic.clone())
            }
            Intent::DeleteRoom => {
                need(actor, Role::Owner)?;
                Ok(Granted::change(Change::RoomDeleted, Made::Nothing))
            }
            Intent::Join | Intent::Leave => Err(Code::Internal.into()),
        }
    }

    /// Takes an accepted entry into the picture. Its `seq` is the next one.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        self.head.seq = entry.seq;
        self.head.n = entry.n;
        match &entry.change {
            Change::Joined { member } => {
                self.bans.remove(&member.user_id);
                self.members.insert(member.user_id, member.clone());
            }
            Change::MemberChanged { member } => {
                self.members.insert(member.user_id, member.clone());
            }
            Change::Left {
                user,
                reason,
                until,
            } => {
                self.members.remove(user);
                if *reason == LeaveReason::Banned {
                    self.bans.insert(*user, *until);
                }
            }
            Change::Unbanned { user } => {
                self.bans.remove(user);
            }
            Change::RoomChanged { room } => self.room = room.clone(),
            Change::RoomDeleted => self.deleted = true,
            Change::Said { .. }
            | Change::Edited { .. }
            | Change::Deleted { .. }
            | Change::Reacted { .. } => return,
        }
        self.room.member_count = self.members.len() as u32;
    }

    /// Whether an entry changes more of the picture than its head.
    pub(crate) fn is_changed_by(change: &Change) -> bool {
        !matches!(
            change,
            Change::Said { .. }
                | Change::Edited { .. }
                | Change::Deleted { .. }
                | Change::Reacted { .. }
        )
    }

    fn may_write(&self, actor: &Member, at: Timestamp) -> Result<(), Problem> {
        match actor.muted_until {
            Some(until) if until > at => Err(Problem::because(
                Code::Muted,
                format!("you are muted in this room until {until}"),
            )),
            _ => Ok(()),
        }
    }

    fn say(&self, draft: &Draft, loaded: &Loaded) -> Result<Granted, Problem> {
        let Intent::Say {
            id,
            text,
            reply_to,
            mentions,
            meta,
        } = &draft.intent
        else {
            return Err(Code::Internal.into());
        };
        if let Some(target) = reply_to
            && loaded.get(target).is_none_or(Option::is_none)
        {
            let detail = "the message that is answered is not in this room";
            return Err(Problem::field(
                Code::MessageNotFound,
                "/replyTo",
                "unknown",
                detail,
            ));
        }
        let mut named = Vec::with_capacity(mentions.len());
        for user in mentions {
            if self.members.contains_key(user) && !named.contains(user) {
                named.push(*user);
            }
        }
        let message = Message {
            id: *id,
            room_id: self.room.id,
            seq: self.head.seq + 1,
            n: self.head.n + 1,
            client_id: draft.key,
            sender_id: draft.actor,
            text: text.clone(),
            reply_to: *reply_to,
            mentions: named,
            reactions: Vec::new(),
            version: 1,
            created_at: draft.at,
            edited_at: None,
            deleted_at: None,
            meta: meta.clone(),
        };
        Ok(Granted::change(
            Change::Said {
                message: message.clone(),
            },
            Made::Message(message),
        ))
    }

    fn join(&self, draft: &Draft) -> Result<Granted, Problem> {
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

    fn add(&self, actor: &Member, user: UserId, at: Timestamp) -> Result<Granted, Problem> {
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

    fn leave(&self, user: UserId) -> Result<Granted, Problem> {
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

    fn remove(
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

    fn change_member(
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

    fn change_room(
        &self,
        actor: &Member,
        name: Option<Option<String>>,
        topic: Option<Option<String>>,
    ) -> Result<Granted, Problem> {
        match self.room.kind {
            RoomType::Dm => return Err(Code::Forbidden.into()),
            RoomType::Group => {}
            RoomType::Public | RoomType::Private => need(actor, Role::Admin)?,
        }
        let mut room = self.room.clone();
        if let Some(name) = name {
            room.name = name;
        }
        if let Some(topic) = topic {
            room.topic = topic;
        }
        if room == self.room {
            return Ok(Granted::Already(Made::Room(room)));
        }
        Ok(Granted::change(
            Change::RoomChanged { room: room.clone() },
            Made::Room(room),
        ))
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

impl Granted {
    fn change(change: Change, made: Made) -> Self {
        Self::Change(Box::new(change), made)
    }
}

/// The messages that must be known before a draft can be judged.
pub(crate) fn targets(intent: &Intent) -> Option<MessageId> {
    match intent {
        Intent::Say { reply_to, .. } => *reply_to,
        Intent::Edit { id, .. } | Intent::Delete { id } | Intent::React { id, .. } => Some(*id),
        _ => None,
    }
}

/// Keeps the loaded messages in step with a change that was granted on them.
pub(crate) fn follow(loaded: &mut Loaded, entry: &Entry) {
    match &entry.change {
        Change::Said { message } | Change::Edited { message } | Change::Deleted { message } => {
            loaded.insert(message.id, Some(message.clone()));
        }
        Change::Reacted {
            message,
            emoji,
            added,
            ..
        } => {
            if let Some(Some(message)) = loaded.get_mut(message) {
                message.set_reaction(emoji, entry.actor, *added);
            }
        }
        _ => {}
    }
}

fn need(actor: &Member, role: Role) -> Result<(), Problem> {
    if actor.role < role {
        return Err(Code::Forbidden.into());
    }
    Ok(())
}

fn living(loaded: &Loaded, id: MessageId) -> Result<&Message, Problem> {
    let message = loaded.get(&id).and_then(Option::as_ref);
    Ok(message
        .filter(|message| message.deleted_at.is_none())
        .ok_or(Code::MessageNotFound)?)
}

fn react(message: &Message, user: UserId, emoji: &str, add: bool) -> Result<Granted, Problem> {
    let here = message
        .reactions
        .iter()
        .find(|reaction| reaction.emoji == emoji);
    let count = here.map_or(0, |reaction| reaction.count);
    let chosen = here.is_some_and(|reaction: &Reaction| reaction.user_ids.contains(&user));
    if chosen == add {
        return Ok(Granted::Already(Made::Reaction {
            emoji: emoji.to_owned(),
            count,
        }));
    }
    if add && here.is_none() && message.reactions.len() >= limits::REACTIONS_MAX {
        let detail = format!(
            "a message carries at most {} different emojis",
            limits::REACTIONS_MAX
        );
        return Err(Problem::field(
            Code::InvalidRequest,
            "/emoji",
            "range",
            detail,
        ));
    }
    let count = if add {
        count + 1
    } else {
        count.saturating_sub(1)
    };
    let change = Change::Reacted {
        message: message.id,
        emoji: emoji.to_owned(),
        added: add,
        count,
    };
    Ok(Granted::change(
        change,
        Made::Reaction {
            emoji: emoji.to_owned(),
            count,
        },
    ))
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
