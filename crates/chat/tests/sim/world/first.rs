//! How a world begins: its people, its rooms and its nodes.

use std::collections::BTreeSet;

use protocol::entry::{Change, Entry};
use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::{Epoch, Member, Role, Room, RoomType};
use protocol::time::Timestamp;

use super::super::client::Client;
use super::super::roster::Desk;
use super::{Happening, Node, WALL_MILLIS, World};

impl World {
    pub(super) fn populate(&mut self) {
        for _ in 0..self.plan.users {
            let user = UserId(self.rng.uuid());
            self.users.push(user);
            for _ in 0..self.plan.devices {
                let client = Client::new(user, SessionId(self.rng.uuid()), &mut self.rng);
                self.clients.push(client);
                let first = self.rng.below(300);
                self.after(
                    first,
                    Happening::Wake {
                        client: self.clients.len() - 1,
                    },
                );
            }
        }
        for index in 0..self.plan.rooms {
            self.make_room(index);
        }
        for index in 0..self.plan.nodes {
            let skew = self.plan.skew_millis as i64;
            let skew = if skew == 0 {
                0
            } else {
                self.rng.below(2 * skew as u64) as i64 - skew
            };
            let node = Node {
                life: 0,
                up: false,
                started: 0,
                skew,
                seats: Vec::new(),
                watched: BTreeSet::new(),
                bus_up: true,
                desk: Desk::default(),
            };
            self.nodes.push(node);
            self.start_node(index);
        }
        self.after(50, Happening::Fate);
        if let Some(at) = self.plan.left_at {
            self.after(at, Happening::Leaves);
        }
        if self.plan.authority > 0 {
            self.after(300, Happening::Authority);
        }
    }

    fn make_room(&mut self, index: usize) {
        let id = RoomId(self.rng.uuid());
        let kind = [RoomType::Public, RoomType::Group, RoomType::Private][self.rng.index(3)];
        let owner = self.users[0];
        let mut members = vec![owner];
        for user in &self.users[1..] {
            if self.rng.chance(800) {
                members.push(*user);
            }
        }
        let at = Timestamp(WALL_MILLIS);
        let room = Room {
            id,
            kind,
            name: Some(format!("room {index}")),
            topic: None,
            created_by: owner,
            created_at: at,
            member_count: members.len() as u32,
        };
        let entries = members.iter().enumerate().map(|(place, user)| {
            let role = match place {
                0 => Role::Owner,
                1 => Role::Moderator,
                _ => Role::Member,
            };
            let member = Member {
                user_id: *user,
                role,
                joined_at: at,
                muted_until: None,
            };
            Entry {
                seq: place as Seq + 1,
                n: 0,
                at,
                actor: owner,
                key: ClientId(uuid::Uuid::from_u128(place as u128)),
                digest: 0,
                change: Change::Joined { member },
            }
        });
        let entries: Vec<Entry> = entries.collect();
        let epoch = Epoch(self.rng.next() >> 11);
        self.store.create(room, epoch, entries.clone());
        self.record_log(id, epoch, &entries);
        self.rooms.push(id);
    }
}
