//! Which sockets watch whom, and the batched news of it.

use std::collections::BTreeMap;

use protocol::event::ServerEvent;
use protocol::event::client::WatchPresence;
use protocol::frame::Frame;
use protocol::ids::UserId;
use protocol::user::{Presence, PresenceStatus};
use serde::Serialize;

use super::sockets::{Question, Sockets};
use super::{Hub, answers};
use crate::map::Map;
use crate::{Asked, ConnId, Effect, Now, PersonCommand};

/// Changes are gathered this long: a person who comes online is one event, not one for each of their tabs.
const BATCH_MILLIS: u64 = 200;
/// People named in the answer about a room.
const SAMPLE_MAX: usize = 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watching {
    by_user: Map<UserId, Vec<ConnId>>,
    pending: BTreeMap<ConnId, BTreeMap<UserId, Presence>>,
    flush_at: Option<u64>,
}

impl Watching {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.flush_at
    }

    pub(super) fn tick(&mut self, now: Now, sockets: &Sockets, out: &mut Vec<Effect>) {
        if self.flush_at.is_none_or(|at| at > now.mono) {
            return;
        }
        self.flush_at = None;
        for (conn, people) in std::mem::take(&mut self.pending) {
            if sockets.is_live(conn) {
                let event = ServerEvent::PresenceChanged {
                    users: people.into_values().collect(),
                };
                out.push(Effect::Send {
                    conn,
                    frame: Frame::event(event.name(), &event),
                });
            }
        }
    }
}

#[derive(Serialize)]
struct People {
    users: Vec<Presence>,
}

#[derive(Serialize)]
struct Crowd {
    count: usize,
    sample: Vec<Presence>,
}

impl Hub {
    pub(super) fn presence_set(
        &mut self,
        asked: Asked,
        status: PresenceStatus,
        text: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        if let Some(socket) = self.sockets.get(asked.conn) {
            out.push(Effect::ToPerson {
                user: socket.who.user,
                command: PersonCommand::Set { status, text },
            });
            answers::ack_ok(asked, out);
        }
    }

    pub(super) fn presence_watch(
        &mut self,
        asked: Asked,
        whom: WatchPresence,
        mut visible: Vec<UserId>,
        out: &mut Vec<Effect>,
    ) {
        if !self.may_speak(asked, out) {
            return;
        }
        let Asked { conn, ack } = asked;
        self.unwatch_all(conn, out);
        visible.sort_unstable();
        visible.dedup();
        let (room, hidden) = match whom {
            WatchPresence::Room { .. } => (true, Vec::new()),
            WatchPresence::Users { user_ids } => (
                false,
                user_ids
                    .into_iter()
                    .filter(|user| visible.binary_search(user).is_err())
                    .collect(),
            ),
        };
        let found = hidden
            .into_iter()
            .map(|user_id| Presence {
                user_id,
                status: PresenceStatus::Offline,
                text: None,
            })
            .collect();
        let Some(socket) = self.sockets.get_mut(conn) else {
            return;
        };
        let extra = socket.extra();
        extra.watches.clone_from(&visible);
        extra.question = Some(Question {
            ack,
            room,
            missing: visible.len(),
            found,
        });
        for user in visible {
            self.watching.by_user.entry(user).or_default().push(conn);
            let command = PersonCommand::Watch {
                hub: self.setup.hub,
                asker: conn,
            };
            out.push(Effect::ToPerson { user, command });
        }
        self.answer_watch(conn, out);
    }

    /// How somebody is: the answer to a socket's question, or news for all who watch.
    pub(super) fn presence(
        &mut self,
        now: Now,
        presence: Presence,
        asker: Option<ConnId>,
        out: &mut Vec<Effect>,
    ) {
        let Some(conn) = asker else {
            return self.presence_changed(now, &presence);
        };
        let question = self
            .sockets
            .get_mut(conn)
            .and_then(|socket| socket.extra().question.as_mut());
        if let Some(question) = question {
            question.missing = question.missing.saturating_sub(1);
            question.found.push(presence);
        }
        self.answer_watch(conn, out);
    }

    fn presence_changed(&mut self, now: Now, presence: &Presence) {
        let user = presence.user_id;
        for conn in self.watching.by_user.get(&user).into_iter().flatten() {
            let question = self
                .sockets
                .get_mut(*conn)
                .and_then(|socket| socket.extra_if_any()?.question.as_mut());
            if let Some(question) = question {
                // The answer is still gathered and must not be older than what was told before it. Whoever is not found
                // yet will be found as they are now.
                let found = question.found.iter_mut().find(|one| one.user_id == user);
                found.into_iter().for_each(|one| one.clone_from(presence));
                continue;
            }
            let pending = self.watching.pending.entry(*conn).or_default();
            pending.insert(user, presence.clone());
            self.watching
                .flush_at
                .get_or_insert(now.mono + BATCH_MILLIS);
        }
    }

    fn answer_watch(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(socket) = self.sockets.get_mut(conn) else {
            return;
        };
        let Some(question) = socket
            .extra()
            .question
            .take_if(|question| question.missing == 0)
        else {
            return;
        };
        socket.shrink();
        if question.room {
            let mut there = question.found;
            there.retain(|presence| {
                !matches!(
                    presence.status,
                    PresenceStatus::Offline | PresenceStatus::Unknown
                )
            });
            let count = there.len();
            there.truncate(SAMPLE_MAX);
            answers::ok(
                Asked {
                    conn,
                    ack: question.ack,
                },
                &Crowd {
                    count,
                    sample: there,
                },
                out,
            );
        } else {
            answers::ok(
                Asked {
                    conn,
                    ack: question.ack,
                },
                &People {
                    users: question.found,
                },
                out,
            );
        }
    }

    pub(super) fn unwatch_all(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(extra) = self
            .sockets
            .get_mut(conn)
            .and_then(|socket| socket.extra_if_any())
        else {
            return;
        };
        extra.question = None;
        for user in std::mem::take(&mut extra.watches) {
            let Some(watchers) = self.watching.by_user.get_mut(&user) else {
                continue;
            };
            watchers.retain(|other| *other != conn);
            if watchers.is_empty() {
                self.watching.by_user.remove(&user);
                out.push(Effect::ToPerson {
                    user,
                    command: PersonCommand::Unwatch {
                        hub: self.setup.hub,
                    },
                });
            }
        }
        self.watching.pending.remove(&conn);
    }
}
