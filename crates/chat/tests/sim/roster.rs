//! The roster: leases and standings in a place that is away at times, and now and then forgets. Around it, what a node's
//! shell does with it: beats, puts until it is taken, readings that are always answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::{Effect, Input, PersonCommand};
use protocol::envelope::{Standing, slice_of};
use protocol::ids::{NodeId, UserId};
use protocol::user::PresenceStatus;

use super::bugs::Bug;
use super::wire::Site;
use super::world::{Happening, World};

/// `bus::roster::BEAT_PERIOD`, `bus::roster::LEASE`.
const BEAT_MILLIS: u64 = 3_000;
const LEASE_MILLIS: u64 = 10_000;
/// After so long without a beat that was taken, the shell says that the roster is away.
const AWAY_MILLIS: u64 = 7_000;
/// When the shell puts again what was not taken.
const PUT_PAUSE_MILLIS: u64 = 500;
/// What presence may be wrong for after one failure; and what wires and batches add.
const TRUE_MILLIS: u64 = 15_000 + 1_000;

type Standings = BTreeMap<NodeId, Standing>;

#[derive(Default)]
pub(crate) struct Roster {
    leases: BTreeMap<NodeId, u64>,
    standings: BTreeMap<UserId, Standings>,
    away: bool,
    /// For a planted bug: what each node read first.
    cached: BTreeMap<(usize, u32, UserId), Standings>,
}

/// What a node's shell keeps for the roster.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) id: Option<NodeId>,
    /// How many hubs watch each slice, and which slices are confirmed.
    wanted: BTreeMap<u8, usize>,
    pub(crate) slices: std::collections::BTreeSet<u8>,
    pub(crate) ours: BTreeMap<UserId, Standing>,
    to_put: BTreeMap<UserId, Option<Standing>>,
    puts: bool,
    beaten_at: u64,
    /// The last list that the hubs were given.
    told: Option<Arc<[NodeId]>>,
}

impl Desk {
    pub(crate) fn new(id: NodeId, now: u64) -> Self {
        Self {
            id: Some(id),
            beaten_at: now,
            ..Self::default()
        }
    }
}

impl World {
    pub(crate) fn beats(&mut self, index: usize, life: u32) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(id) = node.desk.id.filter(|_| node.up && node.life == life) else {
            return;
        };
        let told = if self.roster.away {
            let lost = node.desk.beaten_at + AWAY_MILLIS <= now;
            if lost { None } else { node.desk.told.clone() }
        } else {
            node.desk.beaten_at = now;
            self.roster.leases.insert(id, now + LEASE_MILLIS);
            if self.plan.bug != Some(Bug::GhostsOfDeadNodes) {
                self.roster.leases.retain(|_, until| *until > now);
            }
            Some(self.roster.leases.keys().copied().collect())
        };
        let node = &mut self.nodes[index];
        let back = node.desk.told.is_none() && told.is_some();
        if node.desk.told != told {
            node.desk.told.clone_from(&told);
            self.tell_all_hubs(index, &|| Input::Peers {
                alive: told.clone(),
            });
        }
        if back {
            self.puts_all(index);
        }
        self.after(BEAT_MILLIS, Happening::Beat { node: index, life });
    }

    fn tell_all_hubs(&mut self, node: usize, input: &dyn Fn() -> Input) {
        let life = self.nodes[node].life;
        for hub in 0..usize::from(self.plan.hubs) {
            let site = Site { node, hub, life };
            let input = Box::new(input());
            self.after(1, Happening::Input { site, input });
        }
    }

    /// A hub says how somebody stands on its node.
    pub(super) fn standing(
        &mut self,
        site: Site,
        user: UserId,
        standing: Option<Standing>,
        again: bool,
    ) {
        let Some(me) = self.nodes[site.node].desk.id else {
            return;
        };
        if again && self.has(Bug::PresenceCached) {
            return;
        }
        if !again {
            let desk = &mut self.nodes[site.node].desk;
            match &standing {
                Some(standing) => drop(desk.ours.insert(user, standing.clone())),
                None => drop(desk.ours.remove(&user)),
            }
            desk.to_put.insert(user, standing.clone());
            self.puts_soon(site.node, 1 + site.hub as u64);
        }
        for node in 0..self.nodes.len() {
            let own = node == site.node && !self.rng.chance(300);
            if !own && self.nodes[node].desk.slices.contains(&slice_of(user)) {
                self.over_the_bus(site.node, node, || Input::Person {
                    user,
                    command: PersonCommand::Stands {
                        node: me,
                        standing: standing.clone(),
                    },
                });
            }
        }
    }

    fn puts_soon(&mut self, node: usize, pause: u64) {
        let life = self.nodes[node].life;
        if !std::mem::replace(&mut self.nodes[node].desk.puts, true) {
            self.after(pause, Happening::Puts { node, life });
        }
    }

    pub(crate) fn puts(&mut self, index: usize, life: u32) {
        let node = &mut self.nodes[index];
        if !node.up || node.life != life {
            return;
        }
        node.desk.puts = false;
        if self.roster.away {
            return self.puts_soon(index, PUT_PAUSE_MILLIS);
        }
        let Some(id) = node.desk.id else { return };
        for (user, standing) in std::mem::take(&mut node.desk.to_put) {
            let kept = self.roster.standings.entry(user).or_default();
            match standing {
                Some(standing) => drop(kept.insert(id, standing)),
                None => drop(kept.remove(&id)),
            }
        }
    }

    /// The roster was away or has forgotten: everything is put again.
    fn puts_all(&mut self, node: usize) {
        let desk = &mut self.nodes[node].desk;
        for (user, standing) in &desk.ours {
            let newest = desk.to_put.entry(*user);
            newest.or_insert_with(|| Some(standing.clone()));
        }
        self.puts_soon(node, 5);
    }

    /// A hub's question about people arrives at the roster.
    pub(crate) fn standings(&mut self, site: Site, users: Vec<UserId>) {
        let fails = self.roster.away || self.strikes(self.plan.roster_fails, "roster reads failed");
        let found = (!fails).then(|| {
            let of = |user: &UserId| self.roster.standings.get(user).cloned().unwrap_or_default();
            let mut found: Vec<Standings> = users.iter().map(of).collect();
            if self.plan.bug == Some(Bug::PresenceCached) {
                for (user, found) in users.iter().zip(&mut found) {
                    let place = (site.node, site.life, *user);
                    *found = self
                        .roster
                        .cached
                        .entry(place)
                        .or_insert(found.clone())
                        .clone();
                }
            }
            found
                .into_iter()
                .map(|one| one.into_iter().collect())
                .collect()
        });
        let delay = self.rng.between(1, 60);
        let input = Box::new(Input::StandingsRead { users, found });
        self.after(delay, Happening::Input { site, input });
    }

    pub(super) fn watches_people(&mut self, site: Site, slice: u8) {
        let desk = &mut self.nodes[site.node].desk;
        let hubs = desk.wanted.entry(slice).or_default();
        *hubs += 1;
        // The bus says nothing of a topic that is watched already.
        if *hubs == 1 {
            let delay = self.rng.between(1, 30);
            let (node, life) = (site.node, site.life);
            let input = Box::new(Input::PeopleWatched { slice });
            self.after(delay, Happening::Bus { node, life, input });
        }
    }

    pub(super) fn unwatches_people(&mut self, site: Site, slice: u8) {
        let desk = &mut self.nodes[site.node].desk;
        let hubs = desk.wanted.entry(slice).or_default();
        *hubs -= 1;
        if *hubs == 0 {
            desk.wanted.remove(&slice);
            desk.slices.remove(&slice);
        }
    }

    pub(super) fn people_watched(&mut self, node: usize, slice: u8) {
        let desk = &mut self.nodes[node].desk;
        if desk.wanted.contains_key(&slice) {
            desk.slices.insert(slice);
            self.tell_all_hubs(node, &|| Input::PeopleWatched { slice });
        }
    }

    pub(crate) fn roster_faults(&mut self) {
        if self.strikes(self.plan.roster_outage, "") && !self.roster.away {
            self.tally.count("roster outages");
            self.note(|_| "the roster is away".to_owned());
            self.roster.away = true;
            let back = self.rng.between(50, 14_000);
            self.after(back, Happening::RosterBack);
        }
        if self.strikes(self.plan.roster_forgets, "rosters that forget") {
            self.note(|_| "the roster forgets".to_owned());
            for user in self.users.clone() {
                if self.rng.chance(500) {
                    self.roster.standings.remove(&user);
                }
            }
            // A failover is seen by whoever is connected to it.
            for node in 0..self.nodes.len() {
                if self.nodes[node].up {
                    self.puts_all(node);
                    self.tell_all_hubs(node, &|| Input::BusLost);
                }
            }
        }
    }

    pub(crate) fn roster_back(&mut self) {
        if std::mem::take(&mut self.roster.away) {
            self.note(|_| "the roster is back".to_owned());
        }
    }

    /// Somebody goes for good: by hanging up, or because their nodes die under them.
    pub(crate) fn somebody_leaves(&mut self) {
        let user = self.users[self.rng.index(self.users.len())];
        // Where announcements bound every delivery, their publishers live.
        let dies = self.rng.chance(600) && !self.plan.hints_barely_arrive;
        self.note(|_| format!("{user} leaves for good, and their nodes die: {dies}"));
        self.tally.count("people who left for good");
        self.left = Some(user);
        let theirs: Vec<usize> = (0..self.clients.len())
            .filter(|index| self.clients[*index].user == user)
            .collect();
        for index in theirs {
            self.clients[index].gone = true;
            let Some(conn) = self.clients[index].link else {
                continue;
            };
            let node = self.wires.get(&conn).map(|wire| wire.site.node);
            self.hang_up(conn);
            if let Some(node) = node.filter(|node| dies && self.nodes[*node].up) {
                self.kill_node(node, true);
                let back = self.rng.between(20, 4_000);
                self.after(back, Happening::NodeBack { node });
            }
        }
        let only_that = self.plan.roster_outage
            + self.plan.roster_forgets
            + self.plan.roster_fails
            + self.plan.bus_outage
            + self.plan.hint_lost
            + self.plan.store_slow
            + self.plan.read_fails
            == 0;
        if only_that && !self.plan.hints_barely_arrive {
            self.after(TRUE_MILLIS, Happening::GhostHour { user });
        }
    }

    /// Whoever left is seen by nobody any more.
    pub(crate) fn ghost_hour(&mut self, user: UserId) {
        // A half-open connection may have kept them there; from its end on the bound is another.
        let kept = self
            .wires
            .values()
            .any(|wire| wire.server_open && self.clients[wire.client].user == user);
        if kept || self.over {
            return;
        }
        let seen = self.clients.iter().position(|client| {
            let wire = client.link.and_then(|conn| self.wires.get(&conn));
            wire.is_some_and(|wire| !wire.slow)
                && client
                    .watches
                    .get(&user)
                    .is_some_and(|shown| *shown != PresenceStatus::Offline)
        });
        if let Some(index) = seen {
            self.break_off(format!(
                "{user} left {TRUE_MILLIS} ms ago, and client {index} sees them"
            ));
        }
    }

    pub(super) fn perform_presence(&mut self, site: Site, effect: Effect) {
        match effect {
            Effect::Standing {
                user,
                standing,
                again,
            } => self.standing(site, user, standing, again),
            Effect::Standings { users } => {
                let delay = self.rng.between(1, 20);
                self.after(delay, Happening::Stand { site, users });
            }
            Effect::WatchPeople { slice } => self.watches_people(site, slice),
            Effect::UnwatchPeople { slice } => self.unwatches_people(site, slice),
            _ => {}
        }
    }
}
