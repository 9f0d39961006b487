//! What goes wrong by chance, and what people with authority do meanwhile.

use chat::{Input, Made, Outcome, home_of};
use history::Event;
use protocol::entry::{Draft, Intent};
use protocol::ids::{ClientId, RoomId};
use protocol::problem::Problem;
use protocol::room::{Epoch, Role};
use protocol::time::Timestamp;

use super::wire::Site;
use super::world::{Call, Happening, World};

impl World {
    pub(crate) fn fate(&mut self) {
        if self.calm {
            return;
        }
        self.after(50, Happening::Fate);
        let node = self.rng.index(self.nodes.len());
        if self.strikes(self.plan.node_dies, "") && self.nodes[node].up {
            let lost = self.rng.chance(500);
            self.kill_node(node, lost);
            let back = self.rng.between(20, 4_000);
            self.after(back, Happening::NodeBack { node });
        }
        if self.strikes(self.plan.bus_outage, "") && self.nodes[node].up && self.nodes[node].bus_up
        {
            self.tally.count("bus outages");
            self.note(|_| format!("node {node} loses the bus"));
            self.nodes[node].bus_up = false;
            let back = self.rng.between(50, 3_000);
            self.after(back, Happening::BusBack { node });
        }
        self.roster_faults();
        if self.strikes(self.plan.wire_cut, "") {
            self.cut_a_wire();
        }
        if self.strikes(self.plan.restored, "rooms restored from a backup") {
            self.restore_a_room();
        }
        if self.strikes(self.plan.revoked, "sessions revoked") {
            self.revoke_a_session();
        }
    }

    /// All nodes are down while an operator puts a room back.
    pub(super) fn restore_a_room(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].up {
                self.kill_node(node, true);
                let back = self.rng.between(20, 300);
                self.after(back, Happening::NodeBack { node });
            }
        }
        // What was on its way is gone too: nobody hears of an incarnation after its end.
        let open: Vec<u64> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.client_open)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in open {
            if let Some(wire) = self.wires.get_mut(&conn) {
                wire.client_open = false;
            }
            self.client_lost(conn);
        }
        let Some(room) = self.rng.pick(&self.rooms.clone()).copied() else {
            return;
        };
        let Some(log) = self.store.rooms.get(&room) else {
            return;
        };
        let first = log
            .committed()
            .take_while(|entry| matches!(entry.change, protocol::entry::Change::Joined { .. }))
            .count();
        let keep = self.rng.between(first as u64, log.head);
        let epoch = Epoch(self.rng.next() >> 11);
        self.note(|_| format!("{room} is put back to {keep}"));
        self.store.restore(room, epoch, keep);
        self.record(Event::Restored {
            room,
            epoch,
            seq: keep,
        });
    }

    /// Somebody does something over REST, with or without the right to it.
    pub(crate) fn authority(&mut self) {
        if !self.talks() {
            return;
        }
        let pause = self.rng.between(10, self.plan.authority);
        self.after(pause, Happening::Authority);
        let rooms = self.rooms.clone();
        let Some(room) = self.rng.pick(&rooms).copied() else {
            return;
        };
        let other = self.users[self.rng.index(self.users.len())];
        let actor = match self.rng.below(10) {
            0..=7 => self.users[0],
            _ => self.users[self.rng.index(self.users.len())],
        };
        let node = self.rng.index(self.nodes.len());
        let wall = self.wall(node);
        let until = self.rng.chance(700).then(|| Timestamp(wall.0 + 800));
        let inside = self
            .store
            .rooms
            .get(&room)
            .is_some_and(|log| log.members.contains_key(&other));
        let intent = match (self.rng.below(20), inside) {
            (0..=4, true) => Intent::Remove {
                user: other,
                ban: None,
            },
            (5..=6, true) => Intent::Remove {
                user: other,
                ban: Some(until),
            },
            (7..=8, true) => Intent::Leave,
            (0..=5, false) => Intent::Add { user: other },
            (6..=8, false) => Intent::Join,
            // On a picture that may be old by now.
            (9, true) => Intent::Join,
            (9..=10, _) => Intent::Unban { user: other },
            (11..=14, _) => Intent::ChangeMember {
                user: other,
                role: None,
                mute: Some(until),
            },
            (15..=16, _) => {
                let role = [Role::Member, Role::Moderator][self.rng.index(2)];
                Intent::ChangeMember {
                    user: other,
                    role: Some(role),
                    mute: None,
                }
            }
            (17..=18, _) => Intent::ChangeRoom {
                name: None,
                topic: Some(Some(format!("at {}", self.now))),
            },
            _ if self.plan.room_deleted => Intent::DeleteRoom,
            _ => return,
        };
        let actor = if matches!(intent, Intent::Join | Intent::Leave) {
            other
        } else {
            actor
        };
        let key = ClientId(self.rng.uuid());
        self.call(
            node,
            room,
            Draft {
                actor,
                key,
                at: wall,
                intent,
            },
        );
    }

    fn call(&mut self, node: usize, room: RoomId, draft: Draft) {
        if !self.nodes[node].up {
            return;
        }
        self.next_call += 1;
        let call = self.next_call;
        let hub = usize::from(home_of(room.as_u128(), self.plan.hubs).0);
        let site = Site {
            node,
            hub,
            life: self.nodes[node].life,
        };
        self.calls.insert(
            call,
            Call {
                room,
                draft: draft.clone(),
                since: self.now,
                site,
            },
        );
        let delay = self.rng.between(1, 20);
        let input = Box::new(Input::Call { call, room, draft });
        self.after(delay, Happening::Input { site, input });
    }

    /// A call is answered: once, and with what was true at some moment since it was made.
    pub(super) fn called(&mut self, id: u64, result: Result<Outcome, Problem>) {
        let Some(call) = self.calls.remove(&id) else {
            return self.break_off(format!("call {id} was answered twice: {result:?}"));
        };
        let inside = match (&call.draft.intent, &result) {
            (
                Intent::Join,
                Ok(Outcome {
                    made: Made::Member(_),
                    ..
                }),
            ) => Some((call.draft.actor, true)),
            (Intent::Add { user }, Ok(_)) => Some((*user, true)),
            (Intent::Leave, Ok(_)) => Some((call.draft.actor, false)),
            (Intent::Remove { user, .. }, Ok(_)) => Some((*user, false)),
            _ => None,
        };
        let (Some((user, inside)), Some(log)) = (inside, self.store.rooms.get(&call.room)) else {
            return;
        };
        if self.plan.restored == 0 && !log.was(user, inside, call.since) {
            let what = format!(
                "{:?} was answered {result:?}, and since then {user} was never so",
                call.draft
            );
            self.break_off(what);
        }
    }
}
