//! What must hold when everything is quiet, beyond the history: logs that make sense, presence that is true, homes that
//! forget.

use std::collections::{BTreeMap, BTreeSet};

use protocol::entry::{Change, Entry};
use protocol::ids::{MessageId, UserId};
use protocol::message::Message;
use protocol::user::PresenceStatus;

use super::client::Client;
use super::world::World;

impl World {
    /// Every client is connected and has its answers.
    pub(crate) fn is_quiet(&self) -> bool {
        self.calls.is_empty()
            && self.present().all(|client| {
                client.is_quiet()
                    && client.watching
                    && client.link.is_some_and(|conn| {
                        self.wires
                            .get(&conn)
                            .is_some_and(|wire| wire.ready && wire.expects_gap.is_empty())
                    })
            })
    }

    /// Quiet, everybody has everything, and presence is true: nothing more will come.
    pub(crate) fn has_settled(&self) -> bool {
        let complete = self.present().all(|client| {
            self.store.rooms.iter().all(|(id, log)| {
                let belongs = log.members.contains_key(&client.user) && !log.deleted;
                !belongs
                    || client.hears.contains_key(id)
                        && client.stands_at(*id) == Some((log.epoch, log.head))
            })
        });
        complete && self.is_quiet() && self.untrue_presence().is_empty()
    }

    pub(crate) fn audit_quiet(&mut self) {
        for (index, client) in self.clients.iter().enumerate() {
            if !client.gone && !client.is_quiet() {
                let what = format!(
                    "client {index} still waits for {} answers and has {} messages to send",
                    client.waits(),
                    client.outbox.len()
                );
                return self.break_off(what);
            }
        }
        if let Some((call, waiting)) = self.calls.iter().next() {
            let what = format!("call {call} was never answered: {:?}", waiting.draft);
            return self.break_off(what);
        }
        let mut wrong = Vec::new();
        for (id, log) in &self.store.rooms {
            let entries: Vec<&Entry> = log.committed().collect();
            if let Err(what) = makes_sense(&entries) {
                wrong.push(format!("{id}: {what}"));
            }
        }
        wrong.extend(self.untrue_presence());
        wrong.extend(self.lost_edits());
        for what in wrong {
            self.break_off(what);
        }
    }

    /// Clients that have not left for good.
    fn present(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().filter(|client| !client.gone)
    }

    /// Whoever has a socket on any node is seen everywhere, as they say they are, and nobody else.
    fn untrue_presence(&self) -> Vec<String> {
        let there: BTreeSet<UserId> = self
            .wires
            .values()
            .filter(|wire| {
                wire.server_open && wire.ready && self.nodes[wire.site.node].life == wire.site.life
            })
            .map(|wire| self.clients[wire.client].user)
            .collect();
        let mut wrong = Vec::new();
        let mut first: BTreeMap<UserId, PresenceStatus> = BTreeMap::new();
        for client in self.present().filter(|client| client.link.is_some()) {
            for user in &self.users {
                let online = there.contains(user);
                let shown = client.watches.get(user).copied();
                let shown = shown.unwrap_or(PresenceStatus::Unknown);
                let true_ = match shown {
                    PresenceStatus::Offline => !online,
                    PresenceStatus::Unknown => false,
                    _ => online,
                };
                let agreed = *first.entry(*user).or_insert(shown);
                if !true_ || agreed != shown {
                    wrong.push(format!(
                        "{} sees {user} as {shown:?} and somebody as {agreed:?}; they are online: {online}",
                        client.user
                    ));
                }
            }
        }
        wrong
    }

    /// An acknowledged edit is a version of its message.
    fn lost_edits(&self) -> Vec<String> {
        if self.plan.restored > 0 {
            return Vec::new();
        }
        let mut wrong = Vec::new();
        for (room, id, version, text) in self.clients.iter().flat_map(|client| &client.acked_edits)
        {
            let stands = self.store.rooms.get(room).is_some_and(|log| {
                log.committed().any(|entry| match &entry.change {
                    Change::Edited { message } | Change::Said { message } => {
                        (message.id, message.version, &message.text) == (*id, *version, text)
                    }
                    _ => false,
                })
            });
            if !stands {
                wrong.push(format!("{room}: the edit of {id} to {text:?}, version {version}, was acknowledged and is not there"));
            }
        }
        wrong
    }

    /// Nobody is connected any more and a long time has passed.
    pub(crate) fn audit_forgotten(&mut self) {
        let mut wrong = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for (hub, seat) in node.seats.iter().enumerate() {
                let figures = seat.hub.figures();
                if figures != (0, 0, 0) {
                    wrong.push(format!(
                        "hub {index}.{hub} still keeps {figures:?} (homes, rooms, sockets)"
                    ));
                }
                if let Some(at) = seat.hub.next_deadline() {
                    wrong.push(format!("hub {index}.{hub} still has a deadline at {at}"));
                }
            }
            if !node.desk.slices.is_empty() || !node.desk.ours.is_empty() {
                wrong.push(format!(
                    "node {index} still watches the people of {:?} and says {:?}",
                    node.desk.slices, node.desk.ours
                ));
            }
            if !node.watched.is_empty() {
                wrong.push(format!("node {index} still watches {:?}", node.watched));
            }
        }
        for what in wrong {
            self.break_off(what);
        }
    }
}

/// A log tells one story: counts count, versions grow by one, and people act only while they may.
fn makes_sense(entries: &[&Entry]) -> Result<(), String> {
    let mut members: BTreeSet<UserId> = BTreeSet::new();
    let mut muted: BTreeMap<UserId, i64> = BTreeMap::new();
    let mut bans: BTreeMap<UserId, Option<i64>> = BTreeMap::new();
    let mut messages: BTreeMap<MessageId, Message> = BTreeMap::new();
    let (mut n, mut deleted) = (0, false);
    for entry in entries {
        let wrong = |what: &str| Err(format!("entry {}: {what}: {entry:?}", entry.seq));
        if deleted {
            return wrong("the room was deleted before");
        }
        let joins = matches!(entry.change, Change::Joined { .. });
        if !joins && !members.contains(&entry.actor) {
            return wrong("done by somebody who is no member");
        }
        let writes = matches!(
            entry.change,
            Change::Said { .. } | Change::Edited { .. } | Change::Reacted { .. }
        );
        if writes
            && muted
                .get(&entry.actor)
                .is_some_and(|until| *until > entry.at.0)
        {
            return wrong("done by somebody who is muted");
        }
        match &entry.change {
            Change::Said { message } => {
                n += 1;
                if (message.seq, message.n, message.sender_id, message.client_id)
                    != (entry.seq, n, entry.actor, entry.key)
                {
                    return wrong("a message that does not know its own place");
                }
                if messages.insert(message.id, message.clone()).is_some() {
                    return wrong("an id that was given before");
                }
            }
            Change::Edited { message } | Change::Deleted { message } => {
                match messages.insert(message.id, message.clone()) {
                    Some(old) if old.deleted_at.is_some() => {
                        return wrong("changes a message that was deleted");
                    }
                    Some(old) if old.version + 1 == message.version && old.seq == message.seq => {}
                    _ => return wrong("a version that does not follow"),
                }
            }
            Change::Reacted {
                message,
                emoji,
                added,
                count,
            } => {
                let Some(message) = messages.get_mut(message) else {
                    return wrong("a reaction to nothing");
                };
                let had = |message: &Message| {
                    message
                        .reactions
                        .iter()
                        .any(|one| one.emoji == *emoji && one.user_ids.contains(&entry.actor))
                };
                if had(message) == *added {
                    return wrong("a reaction that changes nothing");
                }
                message.set_reaction(emoji, entry.actor, *added);
                let counted = message
                    .reactions
                    .iter()
                    .find(|one| one.emoji == *emoji)
                    .map_or(0, |one| one.count);
                if counted != *count {
                    return wrong("a reaction that is counted wrong");
                }
            }
            Change::Joined { member } => {
                if !members.insert(member.user_id) {
                    return wrong("somebody comes who is there");
                }
                if bans
                    .get(&member.user_id)
                    .is_some_and(|until| until.is_none_or(|until| until > entry.at.0))
                {
                    return wrong("somebody comes who is banned");
                }
                muted.remove(&member.user_id);
                bans.remove(&member.user_id);
            }
            Change::Left {
                user,
                reason,
                until,
            } => {
                let was = members.remove(user);
                let banned = *reason == protocol::room::LeaveReason::Banned;
                if !was && !banned {
                    return wrong("somebody goes who is not there");
                }
                if banned {
                    bans.insert(*user, until.map(|until| until.0));
                }
            }
            Change::MemberChanged { member } => {
                if !members.contains(&member.user_id) {
                    return wrong("changes somebody who is not there");
                }
                muted.remove(&member.user_id);
                if let Some(until) = member.muted_until {
                    muted.insert(member.user_id, until.0);
                }
            }
            Change::Unbanned { user } => {
                bans.remove(user);
            }
            Change::RoomChanged { .. } => {}
            Change::RoomDeleted => deleted = true,
        }
        if entry.n != n {
            return wrong("counts messages wrong");
        }
    }
    Ok(())
}
