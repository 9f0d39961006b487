//! One hub, told everything by hand, and what it is told.

use std::sync::Arc;

use chat::{
    ConnId, Effect, Hub, HubId, Input, Mark, Notice, Now, Opened, Passage, Setup, StoreAnswer,
    StoreQuestion, Turn, Who, home_of,
};
use protocol::entry::{Change, Draft, Entry, Hint, Intent};
use protocol::event::client::Cursor;
use protocol::frame::Frame;
use protocol::ids::{ClientId, MessageId, NodeId, RoomId, SessionId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, Member, Role, Room, RoomSummary, RoomType};
use protocol::time::Timestamp;
use uuid::Uuid;

pub(crate) const EPOCH: Epoch = Epoch(7);
pub(crate) const FAR: Timestamp = Timestamp(4_000_000_000_000);
pub(crate) const ANN: UserId = UserId(Uuid::from_u128(1));
pub(crate) const BEN: UserId = UserId(Uuid::from_u128(2));

/// One hub, told everything by hand.
pub(crate) struct Alone {
    pub(crate) hub: Hub,
    pub(crate) mono: u64,
    pub(crate) room: RoomId,
}

impl Alone {
    /// The room's home is this hub, or the other one of two.
    pub(crate) fn new(home_here: bool) -> Self {
        Self::with_limits(home_here, false)
    }

    /// The same, where people have a pace.
    pub(crate) fn with_limits(home_here: bool, limits: bool) -> Self {
        let setup = Setup {
            hub: HubId(0),
            hubs: 2,
            node: "n".to_owned(),
            cluster: Some(NodeId(1)),
            limits,
            seed: [1, 2, 3, 4],
        };
        let room = (1..)
            .map(|n| RoomId(Uuid::from_u128(n)))
            .find(|room| (home_of(room.as_u128(), 2) == HubId(0)) == home_here)
            .unwrap();
        Self {
            hub: Hub::new(setup),
            mono: 0,
            room,
        }
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Effect> {
        let now = Now {
            mono: self.mono,
            micros: self.mono * 1_000,
            wall: Timestamp(1_000_000 + self.mono as i64),
        };
        let mut effects = Vec::new();
        self.hub.handle(now, input, &mut effects);
        effects
    }

    /// Everything that the hub wants until it has no deadline any more, or asks something.
    pub(crate) fn wait(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(at) = self.hub.next_deadline() {
            self.mono = at.max(self.mono + 1);
            effects.extend(self.tell(Input::Tick));
            let asks = |effect: &Effect| matches!(effect, Effect::Ask { .. });
            if effects.iter().any(asks) {
                break;
            }
        }
        effects
    }

    pub(crate) fn notice(&mut self, notice: Notice) -> Vec<Effect> {
        self.tell(Input::Notice(notice))
    }

    /// A socket connects that has everything up to `cursor`, while the log ends at `head`.
    pub(crate) fn connect(&mut self, index: u32, cursor: Seq, head: Seq) -> Vec<Effect> {
        let conn = ConnId {
            index,
            generation: 1,
        };
        let who = Who {
            user: ANN,
            session: SessionId(Uuid::from_u128(9)),
            expires: FAR,
        };
        let cursors = vec![(self.room, Cursor::Seq(cursor))];
        self.tell(Input::Connected { conn, who, cursors });
        self.notice(Notice::Admitted {
            conn,
            admitted: true,
        });
        let rooms = Ok(vec![self.summary(head)]);
        self.tell(Input::RoomsLoaded { conn, rooms })
    }

    pub(crate) fn disconnect(&mut self, index: u32) {
        let conn = ConnId {
            index,
            generation: 1,
        };
        self.tell(Input::Disconnected { conn });
    }

    pub(crate) fn live(&mut self, seq: Seq) -> Vec<Effect> {
        let (room, epoch) = (self.room, EPOCH);
        self.notice(Notice::Live {
            room,
            epoch,
            turns: Arc::from([turn(seq)]),
        })
    }

    pub(crate) fn settings(&self) -> Room {
        Room {
            id: self.room,
            kind: RoomType::Public,
            name: None,
            topic: None,
            created_by: BEN,
            created_at: Timestamp(0),
            member_count: 2,
        }
    }

    pub(crate) fn summary(&self, head: Seq) -> RoomSummary {
        RoomSummary {
            room: self.settings(),
            role: Role::Member,
            epoch: EPOCH,
            head_seq: head,
            head_n: 0,
            read_seq: 0,
            read_n: 0,
            unread: 0,
            mentions: 0,
            peer_id: None,
            last_message: None,
        }
    }

    pub(crate) fn call(&mut self, actor: UserId, intent: Intent) -> Vec<Effect> {
        let draft = Draft {
            actor,
            key: ClientId(Uuid::from_u128(77)),
            at: Timestamp(1_000_000),
            intent,
        };
        let room = self.room;
        self.tell(Input::Call {
            call: 1,
            room,
            draft,
        })
    }

    /// Another node's hint.
    pub(crate) fn hears(&mut self, entries: Vec<Entry>) -> Vec<Effect> {
        let head = at(entries.last().map_or(0, |entry| entry.seq));
        let room = self.room;
        self.tell(Input::Hint(Box::new(Hint {
            room,
            head,
            entries,
        })))
    }

    /// Answers the hub's open question about its room.
    pub(crate) fn answer(&mut self, effects: &[Effect], answer: StoreAnswer) -> Vec<Effect> {
        let (ticket, _) = asked(effects);
        let room = self.room;
        self.tell(Input::Store {
            room,
            ticket,
            answer,
        })
    }

    pub(crate) fn opened(&self, head: Seq, members: Vec<Member>) -> StoreAnswer {
        StoreAnswer::Opened(Ok(Some(Box::new(Opened {
            room: self.settings(),
            head: at(head),
            deleted: false,
            members,
            bans: Vec::new(),
        }))))
    }
}

pub(crate) fn at(seq: Seq) -> Head {
    Head {
        epoch: EPOCH,
        seq,
        n: 0,
    }
}

pub(crate) fn turn(seq: Seq) -> Turn {
    Turn {
        seq,
        frame: Frame::event("entry", &seq),
        passage: Passage::None,
        mark: Mark {
            key: ClientId(Uuid::nil()),
            at: Timestamp(0),
            accepted: None,
        },
    }
}

pub(crate) fn member(user_id: UserId, role: Role) -> Member {
    Member {
        user_id,
        role,
        joined_at: Timestamp(0),
        muted_until: None,
    }
}

pub(crate) fn say() -> Intent {
    Intent::Say {
        id: MessageId(Uuid::from_u128(5)),
        text: "hello".to_owned(),
        reply_to: None,
        mentions: Vec::new(),
        meta: None,
    }
}

/// The one question among the effects.
pub(crate) fn asked(effects: &[Effect]) -> (u64, StoreQuestion) {
    let mut questions = effects.iter().filter_map(|effect| match effect {
        Effect::Ask {
            ticket, question, ..
        } => Some((*ticket, question.clone())),
        _ => None,
    });
    let question = questions.next().unwrap();
    assert!(questions.next().is_none(), "one question at a time");
    question
}

pub(crate) fn batch(effects: &[Effect]) -> Arc<[Entry]> {
    match asked(effects).1 {
        StoreQuestion::Append { entries, .. } => entries,
        other => panic!("asked {other:?}"),
    }
}

pub(crate) fn is_answered(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Answer { .. }))
}

/// Which entries the effects give to one socket alone.
pub(crate) fn sent_to(effects: &[Effect], index: u32) -> Vec<Seq> {
    let frames = effects.iter().filter_map(|effect| match effect {
        Effect::Send { conn, frame } if conn.index == index => Some(frame.text().to_owned()),
        _ => None,
    });
    frames
        .filter_map(|text| {
            let entry = text.strip_prefix("42[\"entry\",")?.strip_suffix(']')?;
            entry.parse().ok()
        })
        .collect()
}

/// What a draft becomes in the log.
pub(crate) fn entry(hub: &Alone, seq: Seq, draft: &Draft) -> Entry {
    let message = Message {
        id: MessageId(Uuid::from_u128(5)),
        room_id: hub.room,
        seq,
        n: 0,
        client_id: draft.key,
        sender_id: draft.actor,
        text: "hello".to_owned(),
        reply_to: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        version: 1,
        created_at: draft.at,
        edited_at: None,
        deleted_at: None,
        meta: None,
    };
    Entry {
        seq,
        n: 0,
        at: draft.at,
        actor: draft.actor,
        key: draft.key,
        digest: draft.digest(),
        change: Change::Said { message },
    }
}

pub(crate) fn draft(actor: UserId, key: u128) -> Draft {
    Draft {
        actor,
        key: ClientId(Uuid::from_u128(key)),
        at: Timestamp(1_000_000),
        intent: say(),
    }
}
