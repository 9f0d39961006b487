//! Presence over several nodes: what a node says of its people, what it hears and reads of the others', and when.
//!
//! News travels at most once and may come late, so that everything here is repeated: a change is said again after 2 and
//! 8 s, the roster is read when somebody begins to matter, after every possible loss, and slowly by sweep.

use std::collections::{BTreeMap, BTreeSet};

use protocol::envelope::{Standing, slice_of};
use protocol::ids::{NodeId, UserId};

use super::People;
use super::peers::Peers;
use super::person::Person;
use crate::{Effect, Now};

/// When a changed standing is said again: a lost word costs 2 s, two lost ones 8 s.
const AGAIN_MILLIS: [u64; 2] = [2_000, 8_000];
/// A person is said again at most once in this.
const AGAIN_STEP_MILLIS: u64 = 250;
/// Who must be read is gathered for this long.
const GATHER_MILLIS: u64 = 20;
/// People read at once: one round trip.
const READ_MAX: usize = 500;
/// How often everybody who is watched is read again: the bound on what is wrong after all words of a change were lost.
const SWEEP_MILLIS: u64 = 30_000;
/// The first pause after a failed reading; doubles up to [`PAUSE_MAX_MILLIS`].
const PAUSE_MILLIS: u64 = 500;
/// The longest pause between two readings that fail.
const PAUSE_MAX_MILLIS: u64 = 4_000;
/// What was known of a person is believed for so long while readings fail.
const DOUBT_MILLIS: u64 = 5_000;

/// What a home of people keeps because there are other nodes.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) me: NodeId,
    /// Whom this hub must hear of, by slice; a slice is watched while it stands here.
    slices: BTreeMap<u8, BTreeSet<UserId>>,
    /// Who is to be read, and when.
    wanted: BTreeSet<UserId>,
    read_at: Option<u64>,
    failures: u32,
    /// Whose standing is said again, and when.
    again: BTreeSet<(u64, UserId)>,
    sweep_at: Option<u64>,
}

impl Cluster {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            slices: BTreeMap::new(),
            wanted: BTreeSet::new(),
            read_at: None,
            failures: 0,
            again: BTreeSet::new(),
            sweep_at: None,
        }
    }

    fn deadline(&self, peers: &Peers) -> Option<u64> {
        // While the roster is away nobody is read; its return begins anew.
        let read_at = self.read_at.filter(|_| peers.can_be_asked());
        let again = self.again.first().map(|(at, _)| *at);
        [read_at, again, self.sweep_at].into_iter().flatten().min()
    }

    pub(super) fn want(&mut self, now: Now, user: UserId) {
        self.wanted.insert(user);
        let pause = match self.failures {
            0 => GATHER_MILLIS,
            failures => (PAUSE_MILLIS << (failures - 1).min(8)).min(PAUSE_MAX_MILLIS),
        };
        self.read_at.get_or_insert(now.mono + pause);
    }

    /// Keeps the slices in step with whether somebody matters here.
    pub(super) fn concern(
        &mut self,
        now: Now,
        user: UserId,
        concerns: bool,
        out: &mut Vec<Effect>,
    ) {
        let slice = slice_of(user);
        if !concerns {
            if let Some(people) = self.slices.get_mut(&slice) {
                people.remove(&user);
            }
            return;
        }
        let people = self.slices.entry(slice).or_insert_with(|| {
            out.push(Effect::WatchPeople { slice });
            BTreeSet::new()
        });
        if people.insert(user) {
            self.sweep_at.get_or_insert(now.mono + SWEEP_MILLIS);
            self.want(now, user);
        }
    }

    /// A standing on this node has changed.
    pub(super) fn changed(
        &mut self,
        now: Now,
        user: UserId,
        standing: Option<Standing>,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::Standing {
            user,
            standing,
            again: false,
        });
        // Rounded up, so that somebody who changes all the time is not said again all the time.
        let at = |millis: u64| (now.mono + millis).next_multiple_of(AGAIN_STEP_MILLIS);
        self.again
            .extend(AGAIN_MILLIS.map(|millis| (at(millis), user)));
    }
}

impl People {
    /// A node says how somebody stands on it.
    pub(super) fn stands(
        &mut self,
        now: Now,
        user: UserId,
        (node, standing): (NodeId, Option<Standing>),
        out: &mut Vec<Effect>,
    ) {
        if self.cluster.as_ref().is_none_or(|ours| ours.me == node) {
            // Our own word has come back.
            return;
        }
        if standing.is_some() && !self.peers.counts(node) {
            self.with_peers(now, out, |peers| peers.spoke(now.mono, node));
        }
        if self.people.contains_key(&user) {
            self.change(now, user, out, |person, peers| {
                person.far().hear(node, standing);
                person.adopt(peers);
            });
        }
    }

    /// The bus has confirmed a slice: what was said before may have been missed.
    pub(crate) fn slice_watched(&mut self, now: Now, slice: u8) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let people = cluster.slices.get(&slice).cloned().unwrap_or_default();
        for user in people {
            if is_watched(&self.people, user) {
                cluster.want(now, user);
            }
        }
    }

    /// Words of any node may have been lost.
    pub(crate) fn may_have_lost(&mut self, now: Now) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let people: Vec<UserId> = cluster.slices.values().flatten().copied().collect();
        for user in people {
            if is_watched(&self.people, user) {
                cluster.want(now, user);
            }
        }
    }

    /// Which nodes are alive; `None` when nobody can tell.
    pub(crate) fn peers(
        &mut self,
        now: Now,
        alive: Option<std::sync::Arc<[NodeId]>>,
        out: &mut Vec<Effect>,
    ) {
        let back = alive.is_some() && !self.peers.can_be_asked();
        if alive.is_none() {
            for user in self.sorted() {
                self.change(now, user, out, |person, _| person.far().forget());
                self.answer(user, out);
            }
        }
        self.with_peers(now, out, |peers| peers.list(alive));
        if back && let Some(cluster) = &mut self.cluster {
            cluster.failures = 0;
            cluster.read_at = None;
            let all: Vec<UserId> = cluster.slices.values().flatten().copied().collect();
            all.into_iter().for_each(|user| cluster.want(now, user));
        }
    }

    /// The roster has answered for some people, or is away.
    pub(crate) fn read(
        &mut self,
        now: Now,
        users: Vec<UserId>,
        found: Option<Vec<Vec<(NodeId, Standing)>>>,
        out: &mut Vec<Effect>,
    ) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let me = cluster.me;
        match found {
            Some(found) => {
                cluster.failures = 0;
                for (user, found) in users.into_iter().zip(found) {
                    let mut stale = false;
                    self.change(now, user, out, |person, peers| {
                        stale = person.far().read(me, found);
                        person.adopt(peers);
                    });
                    self.answer(user, out);
                    if stale {
                        self.want(now, user);
                    }
                }
            }
            None => {
                cluster.failures = cluster.failures.saturating_add(1);
                for user in users {
                    self.change(now, user, out, |person, _| {
                        let far = person.far();
                        far.reading = false;
                        far.stale = false;
                        far.heard.clear();
                        let since = *far.doubted_since.get_or_insert(now.mono);
                        if since + DOUBT_MILLIS <= now.mono {
                            far.forget();
                        }
                    });
                    self.answer(user, out);
                    self.want(now, user);
                }
            }
        }
    }

    pub(super) fn cluster_deadline(&self) -> Option<u64> {
        let cluster = self.cluster.as_ref()?.deadline(&self.peers);
        [cluster, self.peers.deadline()].into_iter().flatten().min()
    }

    pub(super) fn cluster_tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.peers.deadline().is_some_and(|at| at <= now.mono) {
            self.with_peers(now, out, |peers| peers.lapse(now.mono));
        }
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        while let Some((at, user)) = cluster.again.first().copied()
            && at <= now.mono
        {
            cluster.again.pop_first();
            let standing = self.people.get(&user).and_then(Person::standing);
            out.push(Effect::Standing {
                user,
                standing,
                again: true,
            });
        }
        if cluster.sweep_at.is_some_and(|at| at <= now.mono) {
            self.sweep(now, out);
        }
        self.read_wanted(now, out);
    }

    fn sweep(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.may_have_lost(now);
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        cluster.slices.retain(|slice, people| {
            if people.is_empty() {
                out.push(Effect::UnwatchPeople { slice: *slice });
            }
            !people.is_empty()
        });
        cluster.sweep_at = (!cluster.slices.is_empty()).then_some(now.mono + SWEEP_MILLIS);
    }

    fn read_wanted(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        if !self.peers.can_be_asked() || cluster.read_at.is_none_or(|at| at > now.mono) {
            return;
        }
        cluster.read_at = None;
        let mut users = Vec::new();
        for user in std::mem::take(&mut cluster.wanted) {
            let Some(person) = self.people.get_mut(&user) else {
                continue;
            };
            let far = person.far();
            if far.reading {
                // Its answer may be older than what made us ask: once more, afterwards.
                far.stale = true;
            } else {
                far.reading = true;
                users.push(user);
            }
        }
        for users in users.chunks(READ_MAX) {
            out.push(Effect::Standings {
                users: users.to_vec(),
            });
        }
    }

    /// Changes which nodes count, and tells what follows from it.
    fn with_peers(&mut self, now: Now, out: &mut Vec<Effect>, act: impl FnOnce(&mut Peers)) {
        let far = |user: &UserId| {
            let far = self.people.get(user).and_then(|person| person.far.as_ref());
            far.is_some_and(|far| !far.elsewhere.is_empty())
        };
        let concerned: Vec<UserId> = self.sorted().into_iter().filter(far).collect();
        let before: Vec<_> = concerned
            .into_iter()
            .map(|user| self.presence(user))
            .collect();
        act(&mut self.peers);
        for before in before {
            self.change_from(now, &before, out, |person, peers| person.adopt(peers));
        }
    }

    fn want(&mut self, now: Now, user: UserId) {
        if let Some(cluster) = &mut self.cluster
            && self.people.contains_key(&user)
        {
            cluster.want(now, user);
        }
    }

    /// Answers whoever waits for a reading of somebody.
    fn answer(&mut self, user: UserId, out: &mut Vec<Effect>) {
        let Some(far) = self
            .people
            .get_mut(&user)
            .and_then(|person| person.far.as_deref_mut())
        else {
            return;
        };
        let (askers, looks) = (
            std::mem::take(&mut far.askers),
            std::mem::take(&mut far.looks),
        );
        for asker in askers {
            out.push(self.answer_to(user, asker));
        }
        for call in looks {
            let presence = self.presence(user);
            out.push(Effect::Look { call, presence });
        }
        self.forget(user);
    }

    /// Everybody, in an order that is the same in every run.
    fn sorted(&self) -> Vec<UserId> {
        let mut users: Vec<UserId> = self.people.keys().copied().collect();
        users.sort_unstable();
        users
    }
}

fn is_watched(people: &crate::map::Map<UserId, Person>, user: UserId) -> bool {
    people.get(&user).is_some_and(|person| person.watchers != 0)
}
