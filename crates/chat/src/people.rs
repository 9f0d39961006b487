//! Presence: who is there, kept at each person's home and told to the hubs that watch them.
//!
//! A person who loses their last socket is shown as gone only after [`LINGER_MILLIS`], so that a reconnect does not flap.

use std::collections::BTreeSet;

use protocol::ids::UserId;
use protocol::limits::USER_CONNECTIONS_MAX;
use protocol::user::{Presence, PresenceStatus};

use crate::map::Map;
use crate::{Effect, HubId, Notice, Now, PersonCommand, Told};

/// How long a person without a socket is still shown as there.
pub(crate) const LINGER_MILLIS: u64 = 5_000;

/// The people whose home this hub is and who are there, watched, or just gone.
#[derive(Debug, Default)]
pub(crate) struct People {
    people: Map<UserId, Person>,
    leaving: BTreeSet<(u64, UserId)>,
}

#[derive(Debug, Default)]
struct Person {
    /// Live sockets by hub; a person rarely has more than two.
    sockets: Vec<(HubId, u16)>,
    /// One bit a hub that wants to hear of them.
    watchers: u64,
    /// When they are shown as gone.
    gone_at: Option<u64>,
    shown: bool,
    said: Option<Box<(PresenceStatus, Option<String>)>>,
}

impl Person {
    fn count(&self) -> usize {
        self.sockets
            .iter()
            .map(|(_, count)| usize::from(*count))
            .sum()
    }

    fn presence(&self, user_id: UserId) -> Presence {
        if !self.shown {
            return Presence {
                user_id,
                status: PresenceStatus::Offline,
                text: None,
            };
        }
        let (status, text) = self
            .said
            .as_deref()
            .cloned()
            .unwrap_or((PresenceStatus::Online, None));
        Presence {
            user_id,
            status,
            text,
        }
    }
}

impl People {
    /// A hub asks something of a person.
    pub(crate) fn command(
        &mut self,
        now: Now,
        user: UserId,
        command: PersonCommand,
        out: &mut Vec<Effect>,
    ) {
        let person = self.people.entry(user).or_default();
        let before = person.presence(user);
        match command {
            PersonCommand::Arrive { hub, conn } => {
                let admitted = person.count() < USER_CONNECTIONS_MAX;
                if admitted {
                    match person.sockets.iter_mut().find(|(at, _)| *at == hub) {
                        Some((_, count)) => *count += 1,
                        None => person.sockets.push((hub, 1)),
                    }
                    person.shown = true;
                    if let Some(at) = person.gone_at.take() {
                        self.leaving.remove(&(at, user));
                    }
                }
                out.push(Effect::ToHub {
                    hub,
                    notice: Notice::Admitted { conn, admitted },
                });
            }
            PersonCommand::Depart { hub } => {
                if let Some(at) = person.sockets.iter().position(|(at, _)| *at == hub) {
                    person.sockets[at].1 -= 1;
                    if person.sockets[at].1 == 0 {
                        person.sockets.swap_remove(at);
                    }
                }
                if person.sockets.is_empty() && person.shown && person.gone_at.is_none() {
                    let at = now.mono + LINGER_MILLIS;
                    person.gone_at = Some(at);
                    self.leaving.insert((at, user));
                }
            }
            PersonCommand::Set { status, text } => {
                let plain = status == PresenceStatus::Online && text.is_none();
                person.said = (!plain).then(|| Box::new((status, text)));
            }
            PersonCommand::Watch { hub, asker } => {
                person.watchers |= 1 << hub.0;
                let presence = person.presence(user);
                out.push(Effect::ToHub {
                    hub,
                    notice: Notice::Presence {
                        presence,
                        asker: Some(asker),
                    },
                });
            }
            PersonCommand::Look { call } => out.push(Effect::Look {
                call,
                presence: person.presence(user),
            }),
            PersonCommand::Unwatch { hub } => person.watchers &= !(1 << hub.0),
            PersonCommand::Tell(told) => tell(person, user, &told, out),
        }
        announce(person, user, &before, out);
        self.forget(user);
    }

    /// The next time that somebody is shown as gone.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.leaving.first().map(|(at, _)| *at)
    }

    /// Shows as gone whoever has been away for long enough.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        while let Some((at, user)) = self.leaving.first().copied()
            && at <= now.mono
        {
            self.leaving.pop_first();
            if let Some(person) = self.people.get_mut(&user) {
                let before = person.presence(user);
                person.gone_at = None;
                person.shown = false;
                person.said = None;
                announce(person, user, &before, out);
            }
            self.forget(user);
        }
    }

    fn forget(&mut self, user: UserId) {
        if self.people.get(&user).is_some_and(|person| {
            person.sockets.is_empty() && person.watchers == 0 && !person.shown
        }) {
            self.people.remove(&user);
        }
    }
}

fn tell(person: &Person, user: UserId, told: &Told, out: &mut Vec<Effect>) {
    for (hub, _) in &person.sockets {
        out.push(Effect::ToHub {
            hub: *hub,
            notice: Notice::Told {
                user,
                told: told.clone(),
            },
        });
    }
}

fn announce(person: &Person, user: UserId, before: &Presence, out: &mut Vec<Effect>) {
    let presence = person.presence(user);
    if presence == *before {
        return;
    }
    for hub in (0..64).filter(|hub| person.watchers & (1 << hub) != 0) {
        let notice = Notice::Presence {
            presence: presence.clone(),
            asker: None,
        };
        out.push(Effect::ToHub {
            hub: HubId(hub),
            notice,
        });
    }
}
