//! One hub and everything around it, for benches and for what is counted: the store and the other roles are answered at
//! once, in this thread. Nothing here depends on time or chance: the same calls are the same work.

use std::collections::VecDeque;
use std::hint::black_box;

use chat::{
    Act, Asked, ConnId, Effect, Hub, HubId, Input, Now, Opened, Setup, StoreAnswer, StoreQuestion,
    Together, Who,
};
use protocol::entry::{Change, Entry, Hint};
use protocol::event::client::SendMessage;
use protocol::ids::{ClientId, MessageId, RoomId, SessionId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, Member, Role, Room, RoomSummary, RoomType};
use protocol::time::Timestamp;
use uuid::Uuid;

const EPOCH: Epoch = Epoch(1);
const TEXT: &str = "a message of ordinary length, as people write them to each other all day";

/// One hub with everything around it answered at once.
pub(crate) struct Bench {
    hub: Hub,
    mono: u64,
    rooms: Vec<RoomId>,
    pub(crate) heads: Vec<Seq>,
    pub(crate) delivered: u64,
    pub(crate) sends: u128,
}

impl Bench {
    pub(crate) fn new(rooms: u128, sockets: u32) -> Self {
        let setup = Setup {
            hub: HubId(0),
            hubs: 1,
            node: "bench".to_owned(),
            cluster: None,
            limits: false,
            seed: [1, 2, 3, 4],
        };
        let rooms: Vec<RoomId> = (1..=rooms).map(|n| RoomId(Uuid::from_u128(n))).collect();
        let mut bench = Self {
            hub: Hub::new(setup),
            mono: 0,
            heads: vec![1; rooms.len()],
            rooms,
            delivered: 0,
            sends: 0,
        };
        (0..sockets).for_each(|index| bench.connect(index));
        bench
    }

    pub(crate) fn connect(&mut self, index: u32) {
        let who = Who {
            user: user(index),
            session: SessionId(Uuid::from_u128(u128::from(index))),
            expires: Timestamp(4_000_000_000_000),
        };
        let conn = conn(index);
        let cursors = Vec::new();
        self.feed(Input::Connected { conn, who, cursors });
    }

    pub(crate) fn send(&mut self, index: u32) {
        self.sends += 1;
        let send = SendMessage {
            room_id: self.rooms[0],
            client_id: ClientId(Uuid::from_u128(self.sends)),
            text: TEXT.to_owned(),
            reply_to: None,
            mentions: Vec::new(),
            meta: None,
        };
        let asked = Asked {
            conn: conn(index),
            ack: Some(1),
        };
        let (room, act) = (self.rooms[0], Act::Send(send));
        self.feed(Input::Act { asked, room, act });
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.mono += 1;
        let now = Now {
            mono: self.mono,
            micros: self.mono * 1_000,
            wall: Timestamp(1_000_000),
        };
        let (mut inputs, mut effects) = (VecDeque::from([input]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            self.hub.handle(now, input, &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::ToHome { room, command } => vec![Input::Home { room, command }],
            Effect::ToPerson { user, command } => vec![Input::Person { user, command }],
            Effect::ToHub { notice, .. } => vec![Input::Notice(notice)],
            Effect::LoadRooms { of } => {
                let rooms: Vec<_> = (0..self.rooms.len()).map(|at| self.summary(at)).collect();
                let answer = |(conn, _)| Input::RoomsLoaded {
                    conn,
                    rooms: Ok(rooms.clone()),
                };
                let (what, well) = (Together::Rooms, true);
                let answers = of.into_iter().map(answer);
                answers.chain([Input::ReadEnded { what, well }]).collect()
            }
            Effect::Ask {
                room,
                ticket,
                question,
            } => {
                let answer = self.answer(room, question);
                vec![Input::Store {
                    room,
                    ticket,
                    answer,
                }]
            }
            Effect::Deliver { slot, frame, .. } => {
                self.delivered += self.hub.sockets_in(slot).len() as u64;
                black_box(frame);
                Vec::new()
            }
            other => {
                black_box(other);
                Vec::new()
            }
        }
    }

    fn answer(&mut self, room: RoomId, question: StoreQuestion) -> StoreAnswer {
        let at = (room.as_u128() - 1) as usize;
        match question {
            StoreQuestion::Open => {
                let settings = self.summary(at).room;
                let head = head(self.heads[at]);
                let members = (0..1_000).map(|index| Member {
                    user_id: user(index),
                    role: Role::Member,
                    joined_at: Timestamp(0),
                    muted_until: None,
                });
                StoreAnswer::Opened(Ok(Some(Box::new(Opened {
                    room: settings,
                    head,
                    deleted: false,
                    members: members.collect(),
                    bans: Vec::new(),
                }))))
            }
            StoreQuestion::Append { entries, .. } => {
                self.heads[at] += entries.len() as u64;
                StoreAnswer::Appended(Ok(()))
            }
            other => panic!("not asked in this bench: {other:?}"),
        }
    }

    fn summary(&self, at: usize) -> RoomSummary {
        RoomSummary {
            room: Room {
                id: self.rooms[at],
                kind: RoomType::Group,
                name: Some("a room".to_owned()),
                topic: None,
                created_by: user(0),
                created_at: Timestamp(0),
                member_count: 1_000,
            },
            role: Role::Member,
            epoch: EPOCH,
            head_seq: self.heads[at],
            head_n: 0,
            read_seq: 0,
            read_n: 0,
            unread: 0,
            mentions: 0,
            peer_id: None,
            last_message: None,
        }
    }

    /// Another node's hint with the entry `ahead` places beyond the next one.
    pub(crate) fn hint(&self, ahead: u64) -> Box<Hint> {
        let entry = entry(self.rooms[0], self.heads[0] + 1 + ahead);
        let head = head(entry.seq);
        let entries = vec![entry];
        Box::new(Hint {
            room: self.rooms[0],
            head,
            entries,
        })
    }
}

pub(crate) fn conn(index: u32) -> ConnId {
    ConnId {
        index,
        generation: 1,
    }
}

fn user(index: u32) -> UserId {
    // Spread as random ids are.
    UserId(Uuid::from_u128(
        (1_000 + u128::from(index)).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
    ))
}

fn head(seq: Seq) -> Head {
    Head {
        epoch: EPOCH,
        seq,
        n: 0,
    }
}

fn entry(room_id: RoomId, seq: Seq) -> Entry {
    let (at, key) = (
        Timestamp(1_000_000),
        ClientId(Uuid::from_u128(u128::from(seq))),
    );
    let message = Message {
        id: MessageId(Uuid::from_u128(u128::from(seq))),
        room_id,
        seq,
        n: seq,
        client_id: key,
        sender_id: user(0),
        text: TEXT.to_owned(),
        reply_to: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        version: 1,
        created_at: at,
        edited_at: None,
        deleted_at: None,
        meta: None,
    };
    Entry {
        seq,
        n: seq,
        at,
        actor: user(0),
        key,
        digest: 0,
        change: Change::Said { message },
    }
}
