//! What the shell, the store and the bus do with effects: late, out of order, twice or not at all, as the plan says.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::{
    AppendFailed, Close, Effect, Input, Notice, Passage, StoreAnswer, StoreQuestion, home_of,
};
use history::Event;
use protocol::entry::{Draft, Entry, Hint, Intent};
use protocol::event::client::Cursor;
use protocol::frame::Frame;
use protocol::ids::{ClientId, RoomId};
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Member, Role};
use protocol::time::Timestamp;

use super::bugs::Bug;
use super::store::Placed;
use super::wire::{Down, Site};
use super::world::{Call, Happening, World};

/// A driver's deadline: when it gives up on an answer.
const DRIVER_MILLIS: u64 = 3_000;

/// How long a publisher's hints for a room are lost in a row where they barely arrive: after any commit there is an
/// announcement in each second, for two seconds.
const SILENCE_MILLIS: u64 = 999;

/// What planted bugs remember.
#[derive(Default)]
pub(crate) struct Tampered {
    members: BTreeMap<RoomId, Vec<Member>>,
    batches: BTreeMap<RoomId, Arc<[Entry]>>,
    /// Since when no hint of a node for a room came through.
    silent_since: BTreeMap<(usize, RoomId), u64>,
}

impl World {
    fn has(&self, bug: Bug) -> bool {
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
            Effect::Deliver {
                slot,
                frame,
                volatile,
            } => self.deliver(site, slot, frame, volatile),
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
            Effect::Answer { call, result } => self.called(call, result.map(|_| ())),
            Effect::Look { .. } => {}
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
            Effect::LoadRooms { .. } | Effect::LoadRoom { .. } | Effect::Heads { .. } => {
                if matches!(effect, Effect::Heads { .. }) && self.has(Bug::NoHeadComparison) {
                    return;
                }
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
            Effect::Diverged { room, seq } => {
                self.break_off(format!("{room} was said to diverge at {seq}"))
            }
        }
    }

    fn frame_to(&mut self, site: Site, slot: u32, frame: Frame) {
        let Some(conn) = self
            .seat(site)
            .and_then(|seat| seat.slots.get(slot as usize).copied().flatten())
        else {
            return;
        };
        let frame = self.tamper_frame(frame);
        self.send_down(conn, Down::Frame(frame), 0);
    }

    fn deliver(&mut self, site: Site, slot: u32, frame: Frame, volatile: bool) {
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

    fn close(&mut self, site: Site, conn: chat::ConnId, why: Close) {
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

    fn between_hubs(&mut self, site: Site, to: usize, input: Input) {
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

    // ── the bus ──

    fn others(&self, node: usize) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|other| *other != node)
            .collect()
    }

    fn publish(&mut self, site: Site, hint: Hint) {
        let commit = !hint.entries.is_empty();
        if self.has(Bug::NoReannouncement) && !commit {
            return;
        }
        if self.plan.hints_barely_arrive && !self.calm {
            let now = self.now;
            let since = self
                .tampered
                .silent_since
                .entry((site.node, hint.room))
                .or_insert(now);
            if *since + SILENCE_MILLIS > now {
                self.tally.count("hints lost");
                return;
            }
            self.tampered.silent_since.remove(&(site.node, hint.room));
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

    fn over_the_bus(&mut self, from: usize, to: usize, input: impl Fn() -> Input) {
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
        let key = match &input {
            Input::Watched { room } => {
                if !self.nodes[node].bus_up {
                    // Confirmed once the bus is back.
                    self.after(
                        50,
                        Happening::Bus {
                            node,
                            life,
                            input: Box::new(input),
                        },
                    );
                    return;
                }
                self.nodes[node].watched.insert(*room);
                room.as_u128()
            }
            Input::Hint(hint) => hint.room.as_u128(),
            Input::Passing { room, .. } => room.as_u128(),
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

    // ── the store ──

    fn store_delay(&mut self) -> u64 {
        if self.strikes(self.plan.store_slow, "store stalls") {
            return self.rng.between(300, 7_000);
        }
        self.rng.between(1, 12)
    }

    fn answer(
        &mut self,
        (site, ticket): (Site, u64),
        room: RoomId,
        delay: u64,
        answer: StoreAnswer,
    ) {
        let answer = self.tamper_answer(room, answer);
        let input = Box::new(Input::Store {
            room,
            ticket,
            answer,
        });
        self.after(delay, Happening::Input { site, input });
    }

    /// A home's question has arrived at the store.
    pub(crate) fn asked(&mut self, site: Site, room: RoomId, ticket: u64, question: StoreQuestion) {
        let local = self.has(Bug::LocalReads);
        let back = self.store_delay();
        let fails = !matches!(question, StoreQuestion::Append { .. })
            && self.strikes(self.plan.read_fails, "reads failed");
        let away = || "the store is away".to_owned();
        let answer = match question {
            StoreQuestion::Append { epoch, entries } => {
                return self.append((site, ticket), room, epoch, entries);
            }
            StoreQuestion::Open => StoreAnswer::Opened(if fails {
                Err(away())
            } else {
                Ok(self.store.open(room).map(Box::new))
            }),
            StoreQuestion::Lookup { keys } => {
                StoreAnswer::LookedUp(match self.store.lookup(room, &keys, local) {
                    Some(found) if !fails => Ok(found),
                    _ => Err(away()),
                })
            }
            StoreQuestion::Messages { ids } => StoreAnswer::Messages(if fails {
                Err(away())
            } else {
                Ok(self.store.messages(room, &ids))
            }),
            StoreQuestion::Entries { after, limit } => {
                let short = self.strikes(self.plan.read_short, "short reads");
                let limit = if short { 1 + self.rng.index(3) } else { limit };
                StoreAnswer::Entries(match self.store.entries(room, after, limit, local) {
                    Some(read) if !fails => Ok(read),
                    _ => Err(away()),
                })
            }
        };
        self.answer((site, ticket), room, back, answer);
    }

    fn append(&mut self, asker: (Site, u64), room: RoomId, epoch: Epoch, entries: Arc<[Entry]>) {
        let late = self.rng.between(10, 2_500);
        if self.strikes(self.plan.append_unavailable, "appends refused") {
            let delay = self.store_delay();
            return self.answer(
                asker,
                room,
                delay,
                StoreAnswer::Appended(Err(AppendFailed::Unavailable)),
            );
        }
        if self.strikes(self.plan.append_never, "appends lost on their way") {
            return self.answer(
                asker,
                room,
                DRIVER_MILLIS.min(late),
                StoreAnswer::Appended(Err(AppendFailed::Unknown)),
            );
        }
        if self.strikes(
            self.plan.append_lands_late,
            "appends that land after their answer",
        ) {
            let answered = self.rng.between(5, 300);
            self.answer(
                asker,
                room,
                answered,
                StoreAnswer::Appended(Err(AppendFailed::Unknown)),
            );
            return self.after(
                answered + late,
                Happening::Lands {
                    room,
                    epoch,
                    entries,
                },
            );
        }
        if self.has(Bug::DedupeWithoutSender)
            && entries
                .iter()
                .any(|entry| self.by_name_alone(room, entry).is_some())
        {
            return self.answer(
                asker,
                room,
                1,
                StoreAnswer::Appended(Err(AppendFailed::Conflict)),
            );
        }
        let mut entries = &entries[..];
        if self.has(Bug::TwoWritesInFlight) && entries.len() > 1 && self.rng.chance(500) {
            // The first of the independent writes is lost on its way.
            entries = &entries[1..];
        }
        let cut = self.plan.prefixes
            && entries.len() > 1
            && self.strikes(self.plan.append_unknown, "batches cut short");
        if cut {
            entries = &entries[..entries.len() - 1];
        }
        let (write, placed) = self.store.place(room, epoch, entries, self.plan.prefixes);
        let commit = self.rng.between(1, 10);
        let delay = self.store_delay();
        match placed {
            Placed::Conflict(taken) => {
                if taken > 0 {
                    self.after(
                        commit,
                        Happening::Commits {
                            room,
                            write,
                            answer: None,
                        },
                    );
                }
                self.tally.count("append conflicts");
                self.answer(
                    asker,
                    room,
                    delay,
                    StoreAnswer::Appended(Err(AppendFailed::Conflict)),
                );
            }
            Placed::All
                if self.strikes(self.plan.append_rolled_back, "elections that roll back") =>
            {
                let (site, ticket) = asker;
                if self.has(Bug::AckOnPrimary) {
                    self.answer(asker, room, 1, StoreAnswer::Appended(Ok(())));
                }
                let lost = self.rng.between(5, 600);
                self.after(
                    lost,
                    Happening::RollsBack {
                        room,
                        site,
                        ticket,
                        write,
                    },
                );
            }
            Placed::All if cut || self.strikes(self.plan.append_unknown, "append answers lost") => {
                self.after(
                    commit,
                    Happening::Commits {
                        room,
                        write,
                        answer: None,
                    },
                );
                self.answer(
                    asker,
                    room,
                    late,
                    StoreAnswer::Appended(Err(AppendFailed::Unknown)),
                );
            }
            Placed::All => {
                let answer = (!self.has(Bug::AckOnPrimary) && !self.has(Bug::AckBeforeCommit))
                    .then_some(asker);
                if self.has(Bug::AckOnPrimary) {
                    self.answer(asker, room, 1, StoreAnswer::Appended(Ok(())));
                }
                self.after(
                    commit,
                    Happening::Commits {
                        room,
                        write,
                        answer,
                    },
                );
            }
        }
    }

    pub(crate) fn lands(&mut self, room: RoomId, epoch: Epoch, entries: &[Entry]) {
        let (write, placed) = self.store.place(room, epoch, entries, self.plan.prefixes);
        if placed != Placed::Conflict(0) {
            self.commits(room, write, None);
        }
    }

    pub(crate) fn commits(&mut self, room: RoomId, write: u64, answer: Option<(Site, u64)>) {
        let news = self.store.commit(room, write);
        if let Some(log) = self.store.rooms.get(&room) {
            let epoch = log.epoch;
            self.record_log(room, epoch, news.as_deref().unwrap_or_default());
        }
        if let Some(asker) = answer {
            let delay = self.store_delay();
            // Empty: an earlier commit took it along. Gone: an election took it away.
            let result = if news.is_some() {
                Ok(())
            } else {
                Err(AppendFailed::Unknown)
            };
            self.answer(asker, room, delay, StoreAnswer::Appended(result));
        }
    }

    pub(crate) fn rolls_back(&mut self, room: RoomId, asker: (Site, u64), write: u64) {
        // A later write of the room may have been committed meanwhile, and this one with it.
        self.note(|_| {
            format!("an election takes write {write} of {room} away, unless it is committed")
        });
        self.store.roll_back(room);
        if !self.has(Bug::AckOnPrimary) {
            let delay = self.store_delay();
            self.answer(
                asker,
                room,
                delay,
                StoreAnswer::Appended(Err(AppendFailed::Unknown)),
            );
        }
    }

    /// A hub's question about rooms has arrived at the store.
    pub(crate) fn reads(&mut self, site: Site, effect: Effect) {
        let fails = self.strikes(self.plan.read_fails, "reads failed");
        let delay = self.store_delay();
        let input = match effect {
            Effect::LoadRooms { conn, user } => {
                let rooms = if fails {
                    Err(Problem::new(Code::Unavailable))
                } else {
                    Ok(self.store.rooms_of(user))
                };
                Input::RoomsLoaded { conn, rooms }
            }
            // The shell asks again until it has an answer.
            Effect::LoadRoom { .. } if fails => {
                return self.after(
                    100,
                    Happening::Reads {
                        site,
                        effect: Box::new(effect),
                    },
                );
            }
            Effect::LoadRoom { user, room } => {
                let summary = self
                    .store
                    .rooms
                    .get(&room)
                    .and_then(|log| log.summary(user))
                    .map(Box::new);
                Input::RoomLoaded {
                    user,
                    room,
                    summary,
                }
            }
            // The sweep asks again.
            Effect::Heads { .. } if fails => return,
            Effect::Heads { rooms } => {
                let heads = self.store.heads(&rooms, self.has(Bug::LocalReads));
                Input::Heads { heads }
            }
            _ => return,
        };
        self.after(
            delay,
            Happening::Input {
                site,
                input: Box::new(input),
            },
        );
    }

    // ── chance and authority ──

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
    fn restore_a_room(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].up {
                self.kill_node(node, true);
                let back = self.rng.between(20, 300);
                self.after(back, Happening::NodeBack { node });
            }
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
        if self.calm {
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
        let intent = match self.rng.below(20) {
            0..=4 if inside => Intent::Remove {
                user: other,
                ban: None,
            },
            5..=6 if inside => Intent::Remove {
                user: other,
                ban: Some(until),
            },
            7..=8 if inside => Intent::Leave,
            0..=5 => Intent::Add { user: other },
            6..=8 => Intent::Join,
            9..=10 => Intent::Unban { user: other },
            11..=14 => Intent::ChangeMember {
                user: other,
                role: None,
                mute: Some(until),
            },
            15..=16 => {
                let role = [Role::Member, Role::Moderator][self.rng.index(2)];
                Intent::ChangeMember {
                    user: other,
                    role: Some(role),
                    mute: None,
                }
            }
            17..=18 => Intent::ChangeRoom {
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
                story: format!("{draft:?}"),
                site,
            },
        );
        let delay = self.rng.between(1, 20);
        self.after(
            delay,
            Happening::Input {
                site,
                input: Box::new(Input::Call { call, room, draft }),
            },
        );
    }

    fn called(&mut self, call: u64, result: Result<(), Problem>) {
        if self.calls.remove(&call).is_none() {
            self.break_off(format!("call {call} was answered twice: {result:?}"));
        }
    }

    // ── planted bugs ──

    pub(crate) fn tamper_input(&self, input: Input) -> Input {
        match input {
            Input::Connected {
                conn,
                who,
                mut cursors,
            } if self.plan.bug.is_some() => {
                for (_, cursor) in &mut cursors {
                    match *cursor {
                        Cursor::Exact { seq, .. } if self.has(Bug::EpochIgnored) => {
                            *cursor = Cursor::Seq(seq)
                        }
                        Cursor::Exact { seq, epoch } if self.has(Bug::ResumeOffByOne) => {
                            *cursor = Cursor::Exact {
                                seq: seq + 1,
                                epoch,
                            };
                        }
                        _ => {}
                    }
                }
                if self.has(Bug::ResumeForgotten) {
                    cursors.clear();
                }
                Input::Connected { conn, who, cursors }
            }
            other => other,
        }
    }

    fn tamper_notice(&mut self, notice: Notice) -> Notice {
        let blind = |turns: Arc<[chat::Turn]>| -> Arc<[chat::Turn]> {
            turns
                .iter()
                .map(|turn| chat::Turn {
                    passage: Passage::None,
                    ..turn.clone()
                })
                .collect()
        };
        match notice {
            Notice::Live { room, epoch, turns } if self.has(Bug::RemovedStillHears) => {
                Notice::Live {
                    room,
                    epoch,
                    turns: blind(turns),
                }
            }
            Notice::Page { room, conn, turns } if self.has(Bug::RemovedStillHears) => {
                Notice::Page {
                    room,
                    conn,
                    turns: blind(turns),
                }
            }
            other => other,
        }
    }

    fn tamper_question(&mut self, site: Site, room: RoomId, ticket: u64, question: &StoreQuestion) {
        let StoreQuestion::Append { epoch, entries } = question else {
            return;
        };
        self.tampered.batches.insert(room, entries.clone());
        if self.has(Bug::AckBeforeCommit) {
            self.answer((site, ticket), room, 0, StoreAnswer::Appended(Ok(())));
        }
        if self.has(Bug::HintBeforeCommit)
            && let Some(last) = entries.last()
        {
            let head = protocol::room::Head {
                epoch: *epoch,
                seq: last.seq,
                n: last.n,
            };
            self.publish(
                site,
                Hint {
                    room,
                    head,
                    entries: entries.to_vec(),
                },
            );
        }
    }

    fn tamper_answer(&mut self, room: RoomId, mut answer: StoreAnswer) -> StoreAnswer {
        match &mut answer {
            StoreAnswer::Appended(result) => match result {
                Err(AppendFailed::Conflict) if self.has(Bug::AckOnConflict) => *result = Ok(()),
                Err(AppendFailed::Unknown) if self.has(Bug::AckOnUnknown) => *result = Ok(()),
                _ => {}
            },
            StoreAnswer::Opened(Ok(Some(opened))) if self.has(Bug::MembershipCached) => {
                opened.members = self
                    .tampered
                    .members
                    .entry(room)
                    .or_insert_with(|| opened.members.clone())
                    .clone();
            }
            StoreAnswer::LookedUp(Ok((_, found))) => {
                let Some(batch) = self.tampered.batches.get(&room).cloned() else {
                    return answer;
                };
                for (found, asked) in found.iter_mut().zip(batch.iter()) {
                    if found.is_none() && self.has(Bug::DedupeWithoutSender) {
                        *found = self.by_name_alone(room, asked);
                    }
                    if let Some(entry) = found
                        && self.has(Bug::NoLookupOfBody)
                    {
                        entry.digest = asked.digest;
                    }
                }
            }
            _ => {}
        }
        answer
    }

    fn tamper_frame(&mut self, frame: Frame) -> Frame {
        if self.has(Bug::UnknownAsFailed) && frame.text().contains("\"outcome_unknown\"") {
            return Frame::packet(
                &frame
                    .text()
                    .replace("\"outcome_unknown\"", "\"unavailable\""),
            );
        }
        frame
    }

    /// Somebody else's entry that a lookup by name alone would find.
    fn by_name_alone(&self, room: RoomId, asked: &Entry) -> Option<Entry> {
        let mut log = self.store.rooms.get(&room)?.committed();
        log.find(|entry| entry.key == asked.key && entry.actor != asked.actor)
            .cloned()
    }
}
