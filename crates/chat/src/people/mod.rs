//! Presence: who is there, kept at each person's home on each node and told to the hubs that watch them.
//!
//! A person is there while a socket of theirs is open on any node that is alive. Who loses the last socket of a node
//! stands there for [`LINGER_MILLIS`] more, so that a reconnect does not flap, on whatever node it ends. A node by
//! itself has none of what stands in [`cluster`].

mod cluster;
mod peers;
mod person;

use std::collections::BTreeSet;

use protocol::ids::{NodeId, UserId};
use protocol::limits::USER_CONNECTIONS_MAX;
use protocol::user::{Presence, PresenceStatus};

use crate::map::Map;
use crate::{ConnId, Effect, HubId, Notice, Now, PersonCommand, Told};
use cluster::Cluster;
use peers::Peers;
use person::{Far, Person, Word};

/// How long a person without a socket is still shown as there.
pub(crate) const LINGER_MILLIS: u64 = 5_000;

/// The people whose home this hub is and who are there, watched, or just gone.
#[derive(Debug)]
pub(crate) struct People {
    people: Map<UserId, Person>,
    leaving: BTreeSet<(u64, UserId)>,
    /// Those of them who are here.
    here: usize,
    peers: Peers,
    /// `None` for a node by itself.
    cluster: Option<Cluster>,
}

impl People {
    /// Nobody yet. `me` is this node's number among others.
    pub(crate) fn new(me: Option<NodeId>) -> Self {
        Self {
            people: Map::default(),
            leaving: BTreeSet::new(),
            here: 0,
            peers: Peers::new(me.is_none()),
            cluster: me.map(Cluster::new),
        }
    }

    /// How many are here, or just were.
    pub(crate) fn here(&self) -> usize {
        self.here
    }

    /// A hub asks something of a person.
    pub(crate) fn command(
        &mut self,
        now: Now,
        user: UserId,
        command: PersonCommand,
        out: &mut Vec<Effect>,
    ) {
        match command {
            PersonCommand::Arrive { hub, conn } => {
                let admitted = self
                    .people
                    .get(&user)
                    .is_none_or(|person| person.count() < USER_CONNECTIONS_MAX);
                if admitted {
                    self.arrive(now, user, hub, out);
                }
                out.push(Effect::ToHub {
                    hub,
                    notice: Notice::Admitted { conn, admitted },
                });
            }
            PersonCommand::Depart { hub } => self.depart(now, user, hub),
            PersonCommand::Set { status, text } => {
                // By itself a node keeps no word that says nothing; among others the later word counts, even that one.
                let plain = status == PresenceStatus::Online && text.is_none();
                let kept = !plain || self.cluster.is_some();
                self.change(now, user, out, |person, _| {
                    let said_at = now.wall.0.max(person.said_at() + 1);
                    let word = Word {
                        said_at,
                        status,
                        text,
                    };
                    person.said = kept.then(|| Box::new(word));
                });
            }
            PersonCommand::Watch { hub, asker } => {
                self.change(now, user, out, |person, _| person.watchers |= 1 << hub.0);
                let far = self.unread(now, user);
                match far {
                    Some(far) => far.askers.push((hub, asker)),
                    None => out.push(self.answer_to(user, (hub, asker))),
                }
            }
            PersonCommand::Look { call } => match self.unread(now, user) {
                Some(far) => far.looks.push(call),
                None => out.push(Effect::Look {
                    call,
                    presence: self.presence(user),
                }),
            },
            PersonCommand::Unwatch { hub } => {
                self.change(now, user, out, |person, _| person.watchers &= !(1 << hub.0));
            }
            PersonCommand::Tell(told) => {
                if let Some(person) = self.people.get(&user) {
                    tell(person, user, &told, out);
                }
            }
            PersonCommand::Stands { node, standing } => {
                self.stands(now, user, (node, standing), out);
            }
        }
    }

    fn arrive(&mut self, now: Now, user: UserId, hub: HubId, out: &mut Vec<Effect>) {
        let person = self.person(user);
        if let Some(at) = person.gone_at.take() {
            self.leaving.remove(&(at, user));
        }
        self.change(now, user, out, |person, peers| {
            match person.sockets.iter_mut().find(|(at, _)| *at == hub) {
                Some((_, count)) => *count += 1,
                None => person.sockets.push((hub, 1)),
            }
            if !person.here {
                person.here = true;
                person.adopt(peers);
            }
        });
    }

    fn depart(&mut self, now: Now, user: UserId, hub: HubId) {
        let Some(person) = self.people.get_mut(&user) else {
            return;
        };
        if let Some(at) = person.sockets.iter().position(|(at, _)| *at == hub) {
            person.sockets[at].1 -= 1;
            if person.sockets[at].1 == 0 {
                person.sockets.swap_remove(at);
            }
        }
        if person.sockets.is_empty() && person.here && person.gone_at.is_none() {
            let at = now.mono + LINGER_MILLIS;
            person.gone_at = Some(at);
            self.leaving.insert((at, user));
        }
    }

    /// The next time that something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let leaving = self.leaving.first().map(|(at, _)| *at);
        [leaving, self.cluster_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Shows as gone whoever has been away for long enough, and does what other nodes make necessary.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        while let Some((at, user)) = self.leaving.first().copied()
            && at <= now.mono
        {
            self.leaving.pop_first();
            self.change(now, user, out, |person, _| {
                person.gone_at = None;
                person.here = false;
                person.said = None;
            });
        }
        self.cluster_tick(now, out);
    }

    /// Changes a person, and tells what follows from it.
    fn change(
        &mut self,
        now: Now,
        user: UserId,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Person, &Peers),
    ) {
        let before = self.presence(user);
        self.person(user);
        self.change_from(now, &before, out, act);
    }

    /// The same, for somebody who was so before.
    fn change_from(
        &mut self,
        now: Now,
        before: &Presence,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Person, &Peers),
    ) {
        let user = before.user_id;
        let Some(person) = self.people.get_mut(&user) else {
            return;
        };
        let stood = self.cluster.as_ref().map(|_| person.standing());
        let was_here = person.here;
        act(person, &self.peers);
        self.here = self.here + usize::from(person.here) - usize::from(was_here);
        tell_watchers(person, before, &person.presence(user, &self.peers), out);
        if let (Some(cluster), Some(stood)) = (&mut self.cluster, stood) {
            let stands = person.standing();
            if stands != stood {
                cluster.changed(now, user, stands, out);
            }
            cluster.concern(now, user, person.concerns_us(), out);
        }
        self.forget(user);
    }

    /// A person, made if they are new here.
    fn person(&mut self, user: UserId) -> &mut Person {
        self.people.entry(user).or_default()
    }

    /// Who waits for a reading of somebody; `None` when they are known well enough to be told of at once.
    fn unread(&mut self, now: Now, user: UserId) -> Option<&mut Far> {
        let known = self
            .people
            .get(&user)
            .is_some_and(|person| person.is_known(&self.peers));
        if known || !self.peers.can_be_asked() {
            return None;
        }
        self.cluster.as_mut()?.want(now, user);
        Some(self.person(user).far())
    }

    fn presence(&self, user: UserId) -> Presence {
        match self.people.get(&user) {
            Some(person) => person.presence(user, &self.peers),
            None => Person::default().presence(user, &self.peers),
        }
    }

    fn answer_to(&self, user: UserId, (hub, asker): (HubId, ConnId)) -> Effect {
        let notice = Notice::Presence {
            presence: self.presence(user),
            asker: Some(asker),
        };
        Effect::ToHub { hub, notice }
    }

    fn forget(&mut self, user: UserId) {
        if self.people.get(&user).is_some_and(Person::is_spent) {
            self.people.remove(&user);
        }
    }
}

/// News for a person's sockets on this node.
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

fn tell_watchers(person: &Person, before: &Presence, presence: &Presence, out: &mut Vec<Effect>) {
    if presence == before {
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
