//! Who may do what to a room, decided on one consistent picture of it at its head.
//!
//! An append claims the place right after that head, so that a decision made on an older picture can never be stored.

mod members;
mod messages;

use protocol::entry::{Change, Draft, Entry, Intent};
use protocol::ids::{MessageId, UserId};
use protocol::message::Message;
use protocol::problem::{Code, Problem};
use protocol::room::{Head, LeaveReason, Member, Role, Room, RoomType};
use protocol::time::Timestamp;

use crate::authority::messages::{delete, edit, known, living, may_write, react};
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
                may_write(actor, at)?;
                self.say(draft, loaded)
            }
            Intent::Edit { id, text, version } => {
                may_write(actor, at)?;
                edit(living(loaded, *id)?, actor, at, (text, *version))
            }
            Intent::Delete { id } => delete(known(loaded, *id)?, actor, at),
            Intent::React { id, emoji, add } => {
                may_write(actor, at)?;
                react(living(loaded, *id)?, actor, emoji, *add)
            }
            Intent::Add { user } => self.add(actor, *user, at),
            Intent::Remove { user, ban } => self.remove(actor, *user, *ban),
            Intent::Unban { user } => self.unban(actor, *user),
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

#[cfg(test)]
mod tests;
