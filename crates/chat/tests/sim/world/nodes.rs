//! The nodes of a world: how they come up and die, and the steps of their hubs.

use std::collections::BTreeSet;

use chat::{ConnId, Hub, HubId, Input, Now, Setup};
use protocol::ids::{NodeId, RoomId};
use protocol::time::Timestamp;

use super::super::roster::Desk;
use super::super::wire::{Down, Site};
use super::{Happening, WALL_MILLIS, World};

/// A hub that asks to be called again this often without time passing does not come to an end.
const SPIN_MAX: u32 = 1_000;

/// A hub and what its shell keeps for it.
pub(crate) struct Seat {
    pub(crate) hub: Hub,
    /// When the next tick is queued for.
    pub(super) tick_at: Option<u64>,
    /// The connection in each slot.
    pub(crate) slots: Vec<Option<u64>>,
    pub(crate) generations: Vec<u32>,
    /// When the last message from each other hub arrives: they keep their order.
    pub(crate) inbox_at: Vec<u64>,
    spins: (u64, u32),
}

pub(crate) struct Node {
    pub(crate) life: u32,
    pub(crate) up: bool,
    pub(super) started: u64,
    pub(super) skew: i64,
    pub(crate) seats: Vec<Seat>,
    pub(crate) watched: BTreeSet<RoomId>,
    pub(crate) bus_up: bool,
    pub(crate) desk: Desk,
}

impl World {
    pub(crate) fn start_node(&mut self, index: usize) {
        let hubs = self.plan.hubs;
        let id = (self.plan.nodes > 1).then(|| NodeId(1 + self.rng.next() as u32 / 2));
        let seats = (0..hubs).map(|hub| {
            let setup = Setup {
                hub: HubId(hub),
                hubs,
                node: format!("node-{index}"),
                cluster: id,
                limits: self.plan.limits,
                seed: [
                    self.rng.next(),
                    self.rng.next(),
                    self.rng.next(),
                    self.rng.next(),
                ],
            };
            Seat {
                hub: Hub::new(setup),
                tick_at: None,
                slots: Vec::new(),
                generations: Vec::new(),
                inbox_at: vec![0; usize::from(hubs)],
                spins: (0, 0),
            }
        });
        let seats = seats.collect();
        let node = &mut self.nodes[index];
        node.life += 1;
        node.up = true;
        node.started = self.now;
        node.seats = seats;
        node.watched.clear();
        node.bus_up = true;
        node.desk = id.map_or_else(Desk::default, |id| Desk::new(id, self.now));
        let life = node.life;
        self.note(|_| format!("node {index} is up as {id:?}"));
        self.after(1, Happening::Beat { node: index, life });
    }

    /// Everything in it is gone; what it had sent may still arrive.
    pub(crate) fn kill_node(&mut self, index: usize, frames_lost: bool) {
        self.note(|_| format!("node {index} dies"));
        self.tally.count("node deaths");
        let node = &mut self.nodes[index];
        node.up = false;
        node.seats.clear();
        node.desk = Desk::default();
        self.calls.retain(|_, call| call.site.node != index);
        let cut: Vec<u64> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.server_open && wire.site.node == index)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in cut {
            self.server_closes(conn, frames_lost);
        }
    }

    /// The server's end of a wire is closed; what is under way arrives, or is lost with it.
    pub(crate) fn server_closes(&mut self, conn: u64, frames_lost: bool) {
        let Some(wire) = self.wires.get_mut(&conn).filter(|wire| wire.server_open) else {
            return;
        };
        wire.server_open = false;
        if frames_lost {
            wire.client_open = false;
            self.client_lost(conn);
            return;
        }
        let delay = self.rng.between(1, 80);
        self.send_down(conn, Down::Closed, delay);
    }

    pub(crate) fn seat(&mut self, site: Site) -> Option<&mut Seat> {
        let node = &mut self.nodes[site.node];
        if node.up && node.life == site.life {
            node.seats.get_mut(site.hub)
        } else {
            None
        }
    }

    fn clock(&self, node: usize) -> Now {
        let node = &self.nodes[node];
        Now {
            mono: self.now - node.started,
            micros: (self.now - node.started) * 1_000,
            wall: Timestamp(WALL_MILLIS + self.now as i64 + node.skew),
        }
    }

    /// The wall clock of a node.
    pub(crate) fn wall(&self, node: usize) -> Timestamp {
        self.clock(node).wall
    }

    /// One step of one hub, and everything that it asks for.
    pub(crate) fn feed(&mut self, site: Site, input: Input) {
        let now = self.clock(site.node);
        let input = self.tamper_input(input);
        if self.trace.is_some() && !matches!(input, Input::Tick) {
            let shown = format!("{}.{} <- {input:?}", site.node, site.hub);
            self.note(|_| shown);
        }
        let Some(seat) = self.seat(site) else { return };
        let mut effects = Vec::new();
        seat.hub.handle(now, input, &mut effects);
        self.tally.inputs += 1;
        for effect in effects {
            self.perform(site, effect);
        }
        let at_now = self.now;
        let started = self.nodes[site.node].started;
        let Some(seat) = self.seat(site) else { return };
        seat.spins = if seat.spins.0 == at_now {
            (at_now, seat.spins.1 + 1)
        } else {
            (at_now, 0)
        };
        let spins = seat.spins.1 > SPIN_MAX;
        let due = seat
            .hub
            .next_deadline()
            .map(|at| (at + started).max(at_now));
        let queue = due.filter(|due| seat.tick_at.is_none_or(|at| *due < at));
        if let Some(at) = queue {
            seat.tick_at = Some(at);
            self.at(at, Happening::Tick { site });
        }
        if spins {
            self.break_off(format!(
                "hub {}.{} does not come to rest at {at_now}",
                site.node, site.hub
            ));
        }
    }

    /// A free slot of a hub, as its shell would choose it.
    pub(crate) fn new_conn_id(&mut self, site: Site, conn: u64) -> Option<ConnId> {
        let seat = self.seat(site)?;
        let index = seat
            .slots
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                seat.slots.push(None);
                seat.generations.push(0);
                seat.slots.len() - 1
            });
        seat.slots[index] = Some(conn);
        seat.generations[index] += 1;
        Some(ConnId {
            index: index as u32,
            generation: seat.generations[index],
        })
    }
}
