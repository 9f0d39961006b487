//! The bus: at most once, in any order, and silent about what it lost.

use chat::{Input, home_of};
use protocol::entry::Hint;
use protocol::ids::NodeId;

use super::bugs::Bug;
use super::wire::Site;
use super::world::{Happening, World};

/// How long a publisher's hints for a room are lost in a row where they barely arrive: after any commit there is an
/// announcement in each second, for two seconds.
const SILENCE_MILLIS: u64 = 999;

impl World {
    pub(super) fn others(&self, node: usize) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|other| *other != node)
            .collect()
    }

    pub(super) fn publish(&mut self, site: Site, hint: Hint) {
        let commit = !hint.entries.is_empty();
        let log = self.store.rooms.get(&hint.room);
        if commit && log.is_some_and(|log| !log.ends_a_write(hint.head.seq)) {
            self.break_off(format!("a hint ends within a batch, at {}", hint.head.seq));
        }
        if self.has(Bug::NoReannouncement) && !commit {
            return;
        }
        if self.plan.hints_barely_arrive && !self.calm {
            let now = self.now;
            let since = self
                .silent_since
                .entry((site.node, hint.room))
                .or_insert(now);
            if *since + SILENCE_MILLIS > now {
                self.tally.count("hints lost");
                return;
            }
            self.silent_since.remove(&(site.node, hint.room));
        }
        for node in 0..self.nodes.len() {
            // A node's own hint may come back to it.
            if self.nodes[node].watched.contains(&hint.room)
                && (node != site.node || self.rng.chance(300))
            {
                self.over_the_bus(site.node, node, || Input::Hint(Box::new(hint.clone())));
            }
        }
    }

    /// Something for one node alone.
    pub(super) fn for_node(&mut self, site: Site, to: NodeId, input: impl Fn() -> Input) {
        let mut nodes = self.nodes.iter();
        if let Some(node) = nodes.position(|node| node.desk.id == Some(to)) {
            self.over_the_bus(site.node, node, input);
        }
    }

    pub(super) fn over_the_bus(&mut self, from: usize, to: usize, input: impl Fn() -> Input) {
        if !self.nodes[from].bus_up || !self.nodes[to].up || !self.nodes[to].bus_up {
            return;
        }
        if self.strikes(self.plan.hint_lost, "hints lost") {
            return;
        }
        let life = self.nodes[to].life;
        let delay = 1 + self.rng.below(self.plan.hint_delay);
        self.after(
            delay,
            Happening::Bus {
                node: to,
                life,
                input: Box::new(input()),
            },
        );
        if self.strikes(self.plan.hint_doubled, "hints doubled") {
            let delay = delay + self.rng.below(400);
            self.after(
                delay,
                Happening::Bus {
                    node: to,
                    life,
                    input: Box::new(input()),
                },
            );
        }
    }

    /// Something of the bus arrives at a node, for the home of its room or person.
    pub(crate) fn bus_delivers(&mut self, node: usize, life: u32, input: Input) {
        if !self.nodes[node].up || self.nodes[node].life != life {
            return;
        }
        if let Input::Watched { .. } | Input::PeopleWatched { .. } = input
            && !self.nodes[node].bus_up
        {
            // Confirmed once the bus is back.
            let input = Box::new(input);
            return self.after(50, Happening::Bus { node, life, input });
        }
        let key = match &input {
            Input::PeopleWatched { slice } => return self.people_watched(node, *slice),
            Input::Watched { room } => {
                self.nodes[node].watched.insert(*room);
                room.as_u128()
            }
            Input::Hint(hint) => hint.room.as_u128(),
            Input::Passing { room, .. } => room.as_u128(),
            Input::Handed(over) => over.room.as_u128(),
            Input::SentBack(back) => back.room.as_u128(),
            Input::Person { user, .. } => user.as_u128(),
            _ => return,
        };
        let hub = usize::from(home_of(key, self.plan.hubs).0);
        self.feed(Site { node, hub, life }, input);
    }

    pub(crate) fn bus_back(&mut self, node: usize) {
        if !self.nodes[node].up || self.nodes[node].bus_up {
            return;
        }
        self.nodes[node].bus_up = true;
        let life = self.nodes[node].life;
        for hub in 0..usize::from(self.plan.hubs) {
            self.after(
                1,
                Happening::Input {
                    site: Site { node, hub, life },
                    input: Box::new(Input::BusLost),
                },
            );
        }
    }
}
