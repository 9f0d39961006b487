//! Acks: what a socket asked for becomes a wish of its user, and what became of it goes back as `{ok, data | error}`.

use protocol::entry::{Draft, Intent};
use protocol::frame::Frame;
use protocol::ids::RoomId;
use protocol::message::Message;
use protocol::problem::Problem;
use protocol::time::Timestamp;
use serde::Serialize;

use super::Hub;
use crate::{Act, Asked, Effect, HomeCommand, Made, Now, Origin, Outcome};

/// The data of an ack that has nothing to say.
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Sent<'a> {
    message: &'a Message,
    duplicate: bool,
}

#[derive(Serialize)]
struct Reacted<'a> {
    emoji: &'a str,
    count: u32,
}

/// The data of `receipt:read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Read {
    pub(super) read_n: u64,
    pub(super) unread: u64,
    pub(super) mentions: u64,
}

/// The data of `auth:refresh`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refreshed {
    pub(super) token_expires_at: Timestamp,
}

#[derive(Serialize)]
struct Granted<'a, T> {
    ok: bool,
    data: &'a T,
}

#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    error: &'a Problem,
}

/// The frame of an ack that grants.
pub fn granted(ack: u64, data: &impl Serialize) -> Frame {
    Frame::ack(ack, &Granted { ok: true, data })
}

/// The frame of an ack that refuses.
pub fn refused(ack: u64, problem: &Problem) -> Frame {
    Frame::ack(
        ack,
        &Refused {
            ok: false,
            error: problem,
        },
    )
}

pub(super) fn ok(asked: Asked, data: &impl Serialize, out: &mut Vec<Effect>) {
    if let Some(ack) = asked.ack {
        out.push(Effect::Ack {
            conn: asked.conn,
            frame: granted(ack, data),
        });
    }
}

pub(super) fn ack_ok(asked: Asked, out: &mut Vec<Effect>) {
    ok(asked, &Nothing {}, out);
}

pub(super) fn refuse(asked: Asked, problem: &Problem, out: &mut Vec<Effect>) {
    if let Some(ack) = asked.ack {
        out.push(Effect::Ack {
            conn: asked.conn,
            frame: refused(ack, problem),
        });
    }
}

pub(super) fn outcome(asked: Asked, result: Result<Outcome, Problem>, out: &mut Vec<Effect>) {
    match &result {
        Err(problem) => refuse(asked, problem, out),
        Ok(Outcome { duplicate, made }) => match made {
            Made::Message(message) => ok(
                asked,
                &Sent {
                    message,
                    duplicate: *duplicate,
                },
                out,
            ),
            Made::Reaction { emoji, count } => ok(
                asked,
                &Reacted {
                    emoji,
                    count: *count,
                },
                out,
            ),
            Made::Member(member) => ok(asked, member, out),
            Made::Room(room) => ok(asked, room, out),
            Made::Nothing => ack_ok(asked, out),
        },
    }
}

impl Hub {
    /// A socket wants something of a room's log: it becomes a draft for the room's home.
    pub(super) fn act(
        &mut self,
        now: Now,
        asked: Asked,
        (room, act): (RoomId, Act),
        out: &mut Vec<Effect>,
    ) {
        if !self.may_speak(asked, out) {
            return;
        }
        let Some(actor) = self.sockets.get(asked.conn).map(|socket| socket.who.user) else {
            return;
        };
        let (key, intent) = match act {
            Act::Send(send) => {
                let id = self.minter.message_id(now.wall);
                let intent = Intent::Say {
                    id,
                    text: send.text,
                    reply_to: send.reply_to,
                    mentions: send.mentions,
                    meta: send.meta,
                };
                (send.client_id, intent)
            }
            Act::Edit { id, text, version } => (
                self.minter.client_id(now.wall),
                Intent::Edit { id, text, version },
            ),
            Act::Delete { id } => (self.minter.client_id(now.wall), Intent::Delete { id }),
            Act::React { id, emoji, add } => (
                self.minter.client_id(now.wall),
                Intent::React { id, emoji, add },
            ),
        };
        let draft = Draft {
            actor,
            key,
            at: now.wall,
            intent,
        };
        let origin = Origin::Socket {
            hub: self.setup.hub,
            conn: asked.conn,
            ack: asked.ack,
        };
        out.push(Effect::ToHome {
            room,
            command: HomeCommand::Submit {
                draft,
                origin,
                accepted: now.micros,
            },
        });
    }
}
