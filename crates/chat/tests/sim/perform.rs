//! What the shell, the store and the bus do with effects: late, out of order, twice or not at all, as the plan says.

use chat::{Close, Effect, Input, home_of};
use protocol::envelope::slice_of;
use protocol::frame::Frame;
use protocol::ids::RoomId;

use super::bugs::Bug;
use super::wire::{Down, Site};
use super::world::{Happening, World};

impl World {
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.plan.bug == Some(bug)
    }

    /// A fault of this chance happens now, and is counted.
    pub(crate) fn strikes(&mut self, permille: u64, fault: &'static str) -> bool {
        let strikes = !self.calm && permille > 0 && self.rng.chance(permille);
        if strikes {
            self.tally.count(fault);
        }
        strikes
    }

    /// Carries out one effect of a hub.
    pub(crate) fn perform(&mut self, site: Site, effect: Effect) {
        match effect {
            Effect::Send { conn, frame } | Effect::Ack { conn, frame } => {
                // An answer may outlive its socket, and must not reach the next one in the slot.
                let now = self
                    .seat(site)
                    .and_then(|seat| seat.generations.get(conn.index as usize).copied());
                if now == Some(conn.generation) {
                    self.frame_to(site, conn.index, frame);
                }
            }
            Effect::Deliver { slot, frame, .. } => {
                for one in frame.parts() {
                    self.deliver(site, slot, one, false);
                }
            }
            Effect::Pass { slot, frame } => self.deliver(site, slot, frame, true),
            // The shell lets the connection in; the frames that follow tell the client.
            Effect::Accept { .. } => {}
            Effect::Close { conn, why } => self.close(site, conn, why),
            Effect::ToHome { room, command } => {
                let hub = home_of(room.as_u128(), self.plan.hubs);
                self.between_hubs(site, usize::from(hub.0), Input::Home { room, command });
            }
            Effect::ToPerson { user, command } => {
                let hub = home_of(user.as_u128(), self.plan.hubs);
                self.between_hubs(site, usize::from(hub.0), Input::Person { user, command });
            }
            Effect::ToHub { hub, notice } => {
                let notice = self.tamper_notice(notice);
                self.between_hubs(site, usize::from(hub.0), Input::Notice(notice));
            }
            Effect::Answer { call, result } => self.called(call, result),
            Effect::Look { .. } | Effect::Gap(_) => {}
            Effect::NotWritten => self.tally.count("handed and not heard of"),
            Effect::Ask {
                room,
                ticket,
                question,
            } => {
                self.tamper_question(site, room, ticket, &question);
                let delay = self.store_delay();
                self.after(
                    delay,
                    Happening::Question {
                        site,
                        room,
                        ticket,
                        question: Box::new(question),
                    },
                );
            }
            Effect::LoadRooms { .. }
            | Effect::LoadRoom { .. }
            | Effect::ReadLogs { .. }
            | Effect::Heads { .. } => {
                let delay = self.store_delay();
                self.after(
                    delay,
                    Happening::Reads {
                        site,
                        effect: Box::new(effect),
                    },
                );
            }
            Effect::Publish(hint) => self.publish(site, *hint),
            Effect::Hand(over) => {
                self.tally.count("handed over");
                self.for_node(site, over.to, || Input::Handed(over.clone()));
            }
            Effect::SendBack(back) => {
                self.tally.count("sent back");
                self.for_node(site, back.to, || Input::SentBack(back));
            }
            Effect::PublishPassing { room, passing } => {
                for node in self.others(site.node) {
                    if self.nodes[node].watched.contains(&room) {
                        self.over_the_bus(site.node, node, || Input::Passing {
                            room,
                            passing: passing.clone(),
                        });
                    }
                }
            }
            Effect::PublishTold { user, told } => {
                for node in self.others(site.node) {
                    if !self.nodes[node].desk.slices.contains(&slice_of(user)) {
                        continue;
                    }
                    let tell = || Input::Person {
                        user,
                        command: chat::PersonCommand::Tell(told.clone()),
                    };
                    self.over_the_bus(site.node, node, tell);
                }
            }
            Effect::Watch { room } => {
                let delay = self.rng.between(1, 30);
                let input = Box::new(Input::Watched { room });
                self.after(
                    delay,
                    Happening::Bus {
                        node: site.node,
                        life: site.life,
                        input,
                    },
                );
            }
            Effect::Unwatch { room } => {
                self.nodes[site.node].watched.remove(&room);
            }
            Effect::Standing { .. }
            | Effect::Standings { .. }
            | Effect::WatchPeople { .. }
            | Effect::UnwatchPeople { .. } => self.perform_presence(site, effect),
            Effect::Diverged { room, seq } => {
                self.break_off(format!("{room} was said to diverge at {seq}"))
            }
        }
    }

    pub(super) fn frame_to(&mut self, site: Site, slot: u32, frame: Frame) {
        let Some(conn) = self
            .seat(site)
            .and_then(|seat| seat.slots.get(slot as usize).copied().flatten())
        else {
            return;
        };
        let frame = self.tamper_frame(frame);
        self.send_down(conn, Down::Frame(frame), 0);
    }

    pub(super) fn deliver(&mut self, site: Site, slot: u32, frame: Frame, volatile: bool) {
        let Some(seat) = self.seat(site) else { return };
        let mut slots = seat.hub.sockets_in(slot).to_vec();
        if self.has(Bug::LiveBeforeBacklog) && !volatile {
            // Everybody who is in the room here, lagging or not.
            let room = frame
                .text()
                .split("\"roomId\":\"")
                .nth(1)
                .and_then(|rest| rest.get(..41)?.parse().ok());
            let inside = room
                .and_then(|room: RoomId| self.store.rooms.get(&room))
                .map(|log| &log.members);
            for wire in self
                .wires
                .values()
                .filter(|wire| wire.server_open && wire.site == site && wire.ready)
            {
                let user = self.clients[wire.client].user;
                if !slots.contains(&wire.conn.index)
                    && inside.is_some_and(|members| members.contains_key(&user))
                {
                    slots.push(wire.conn.index);
                }
            }
        }
        for index in slots {
            if self.has(Bug::DropsForTheSlow) && self.rng.chance(20) {
                continue;
            }
            self.frame_to(site, index, frame.clone());
            if self.has(Bug::TwinsDelivered) && !volatile && self.rng.chance(20) {
                self.frame_to(site, index, frame.clone());
            }
        }
    }

    pub(super) fn close(&mut self, site: Site, conn: chat::ConnId, why: Close) {
        let Some(seat) = self.seat(site) else { return };
        if seat.generations.get(conn.index as usize) != Some(&conn.generation) {
            return;
        }
        let Some(id) = seat.slots[conn.index as usize] else {
            return;
        };
        self.note(|_| format!("connection {id} is closed: {why:?}"));
        self.server_closes(id, false);
        let delay = self.rng.between(0, 3);
        self.after(delay, Happening::Gone { conn: id });
    }

    pub(super) fn between_hubs(&mut self, site: Site, to: usize, input: Input) {
        let delay = if to == site.hub {
            0
        } else {
            self.rng.below(self.plan.hub_delay)
        };
        let delay = if self.has(Bug::HomeOutOfOrder) {
            self.rng.below(6)
        } else {
            delay
        };
        let (now, ordered) = (self.now, !self.has(Bug::HomeOutOfOrder));
        let target = Site { hub: to, ..site };
        let Some(seat) = self.seat(target) else {
            return;
        };
        let inbox = &mut seat.inbox_at[site.hub];
        *inbox = (*inbox).max(now + delay);
        let at = if ordered { *inbox } else { now + delay };
        self.at(
            at,
            Happening::Input {
                site: target,
                input: Box::new(input),
            },
        );
    }
}
