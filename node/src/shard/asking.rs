//! What a socket says: parsed events become inputs of the hub, or reads that are answered from the store.

use chat::{Act, Asked, Input, refused};
use protocol::event::ClientEvent;
use protocol::problem::{Code, Problem};
use transport::Sockets;

use super::{Shard, socket};

impl Shard {
    pub(super) fn said(&mut self, sockets: &mut Sockets, asked: Asked, said: ClientEvent) {
        let input = match said {
            ClientEvent::Send(send) => Input::Act {
                asked,
                room: send.room_id,
                act: Act::Send(send),
            },
            ClientEvent::Edit(edit) => {
                let act = Act::Edit {
                    id: edit.id,
                    text: edit.text,
                    version: edit.version,
                };
                Input::Act {
                    asked,
                    room: edit.room_id,
                    act,
                }
            }
            ClientEvent::Delete(delete) => Input::Act {
                asked,
                room: delete.room_id,
                act: Act::Delete { id: delete.id },
            },
            ClientEvent::ReactionAdd(react) => {
                let act = Act::React {
                    id: react.id,
                    emoji: react.emoji,
                    add: true,
                };
                Input::Act {
                    asked,
                    room: react.room_id,
                    act,
                }
            }
            ClientEvent::ReactionRemove(react) => {
                let act = Act::React {
                    id: react.id,
                    emoji: react.emoji,
                    add: false,
                };
                Input::Act {
                    asked,
                    room: react.room_id,
                    act,
                }
            }
            ClientEvent::Unsubscribe(room) => Input::Unsubscribe {
                asked,
                room: room.room_id,
            },
            ClientEvent::TypingStart(room) => Input::Typing {
                asked,
                room: room.room_id,
                active: true,
            },
            ClientEvent::TypingStop(room) => Input::Typing {
                asked,
                room: room.room_id,
                active: false,
            },
            ClientEvent::PresenceSet(set) => Input::PresenceSet {
                asked,
                status: set.status,
                text: set.text,
            },
            ClientEvent::AuthRefresh(refresh) => match self.refreshed(asked, &refresh.token) {
                Ok(input) => input,
                Err(problem) => return self.refuse(sockets, asked, &problem),
            },
            ClientEvent::Sync(_)
            | ClientEvent::History(_)
            | ClientEvent::Subscribe(_)
            | ClientEvent::Read(_)
            | ClientEvent::PresenceWatch(_) => return self.read(sockets, asked, said),
        };
        self.handle(sockets, input);
    }

    /// A new token is taken only for the session that the socket belongs to.
    fn refreshed(&self, asked: Asked, token: &str) -> Result<Input, Problem> {
        let new = self.token_accepted(Some(token))?;
        let held = self.hub.who(asked.conn).ok_or(Code::Unavailable)?;
        if (new.user, new.session) != (held.user, held.session) {
            return Err(Problem::because(
                Code::TokenInvalid,
                "the token is of another session",
            ));
        }
        Ok(Input::AuthRefreshed {
            asked,
            expires: new.expires,
        })
    }

    pub(super) fn refuse(&mut self, sockets: &mut Sockets, asked: Asked, problem: &Problem) {
        self.shared
            .metrics
            .problems
            .with(problem.code.as_str())
            .increment(1);
        if let Some(ack) = asked.ack {
            sockets.send(socket(asked.conn), refused(ack, problem));
        }
    }
}
