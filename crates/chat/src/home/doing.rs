//! Where a home puts what is to be done: tickets for the store's answers, answers to whoever asked, news to people.

use std::sync::Arc;

use protocol::ids::{NodeId, RoomId, UserId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};

use super::{Lagging, Ways};
use crate::hub::Reads;
use crate::lane::writer_of;
use crate::{Effect, LogRead, Notice, Origin, StoreQuestion, Told, Turn};

/// What a home writes its effects with.
pub(crate) struct Doing<'a> {
    pub(crate) ways: Ways,
    /// Which nodes are alive, and which of them this is.
    pub(crate) nodes: (&'a [NodeId], Option<NodeId>),
    pub(crate) tickets: &'a mut u64,
    pub(crate) reads: &'a mut Reads,
    pub(crate) out: &'a mut Vec<Effect>,
}

impl Doing<'_> {
    pub(super) fn ask(&mut self, room: RoomId, question: StoreQuestion) -> u64 {
        let ticket = self.ticket();
        self.out.push(Effect::Ask {
            room,
            ticket,
            question,
        });
        ticket
    }

    /// A number larger than all before.
    pub(super) fn ticket(&mut self) -> u64 {
        *self.tickets += 1;
        *self.tickets
    }

    /// Reads entries after a place, together with what other rooms want; answered as a question is.
    pub(super) fn read_log(&mut self, room: RoomId, after: Seq) -> u64 {
        let ticket = self.ticket();
        self.reads.log(LogRead {
            room,
            ticket,
            after,
        });
        ticket
    }

    /// Asks where the room's log ends.
    pub(super) fn ask_head(&mut self, room: RoomId) {
        self.reads.head(room);
    }

    /// Who writes a room that several nodes want to write, if it is another one.
    pub(super) fn other_writer(&self, room: RoomId) -> Option<NodeId> {
        let (nodes, me) = self.nodes;
        writer_of(room, nodes).filter(|writer| Some(*writer) != me)
    }

    pub(super) fn answer(&mut self, origin: Origin, result: Result<crate::Outcome, Problem>) {
        match origin {
            Origin::Call(call) => self.out.push(Effect::Answer { call, result }),
            Origin::Socket { ack: None, .. } => {}
            Origin::Node(back) => {
                let new = matches!(&result, Ok(outcome) if !outcome.duplicate);
                let open = matches!(&result, Err(problem) if problem.code == Code::OutcomeUnknown);
                // A new entry is the answer itself; and of what may still become one nothing can be said.
                if !new && !open {
                    self.out.push(Effect::SendBack(back));
                }
            }
            Origin::Socket {
                hub,
                conn,
                ack: Some(ack),
            } => {
                self.out.push(Effect::ToHub {
                    hub,
                    notice: Notice::Outcome { conn, ack, result },
                });
            }
        }
    }

    pub(super) fn page(&mut self, room: RoomId, to: &Lagging, turns: Arc<[Turn]>) {
        self.out.push(Effect::ToHub {
            hub: to.hub,
            notice: Notice::Page {
                room,
                conn: to.conn,
                turns,
            },
        });
    }

    pub(super) fn publish_added(&mut self, user: UserId, room: RoomId) {
        let told = Told::AddedTo { room };
        self.out.push(Effect::PublishTold { user, told });
    }

    pub(super) fn tell_person(&mut self, user: UserId, told: Told) {
        self.out.push(Effect::ToPerson {
            user,
            command: crate::PersonCommand::Tell(told),
        });
    }
}
