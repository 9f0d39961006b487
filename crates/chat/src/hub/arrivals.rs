//! A socket's life beside its rooms: it arrives, is let in by its person's home, keeps its token fresh, and goes.

use protocol::event::ServerEvent;
use protocol::event::client::Cursor;
use protocol::frame::Frame;
use protocol::ids::{RoomId, SessionId};
use protocol::problem::Code;
use protocol::time::Timestamp;

use super::sockets::Stage;
use super::{Hub, TOKEN_WARNING_MILLIS, answers};
use crate::{Asked, Close, ConnId, Effect, Now, PersonCommand, Who};

impl Hub {
    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        who: Who,
        cursors: Vec<(RoomId, Cursor)>,
        out: &mut Vec<Effect>,
    ) {
        self.sockets.insert(conn, who);
        if let Some(socket) = self.sockets.get_mut(conn)
            && !cursors.is_empty()
        {
            socket.extra().cursors = cursors;
        }
        let command = PersonCommand::Arrive {
            hub: self.setup.hub,
            conn,
        };
        out.push(Effect::ToPerson {
            user: who.user,
            command,
        });
    }

    pub(super) fn admitted(&mut self, conn: ConnId, admitted: bool, out: &mut Vec<Effect>) {
        let hub = self.setup.hub;
        match self.sockets.get_mut(conn) {
            Some(socket) if admitted => {
                socket.stage = Stage::Loading;
                self.wants_rooms(conn);
            }
            Some(_) => {
                self.sockets.remove(conn);
                out.push(Effect::Close {
                    conn,
                    why: Close::Refused(Code::TooManyConnections),
                });
            }
            // It left before the answer came; `Disconnected` has said whose it was.
            None if admitted => {
                if let Some(at) = self.departed.iter().position(|(gone, _)| *gone == conn) {
                    let (_, user) = self.departed.swap_remove(at);
                    out.push(Effect::ToPerson {
                        user,
                        command: PersonCommand::Depart { hub },
                    });
                }
            }
            None => self.departed.retain(|(gone, _)| *gone != conn),
        }
    }

    pub(super) fn disconnected(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(socket) = self.sockets.get(conn) else {
            return;
        };
        let (who, stage) = (socket.who, socket.stage);
        for (slot, _) in socket.rooms.clone() {
            self.leave(conn, slot, out);
        }
        self.unwatch_all(conn, out);
        self.sockets.remove(conn);
        if stage == Stage::Arriving {
            self.departed.push((conn, who.user));
        } else {
            let command = PersonCommand::Depart {
                hub: self.setup.hub,
            };
            out.push(Effect::ToPerson {
                user: who.user,
                command,
            });
        }
    }

    pub(super) fn revoked(
        &mut self,
        sessions: &[SessionId],
        reason: &'static str,
        out: &mut Vec<Effect>,
    ) {
        let event = ServerEvent::SessionRevoked { reason };
        let frame = Frame::event(event.name(), &event);
        for conn in self.sockets.of_sessions(sessions) {
            out.push(Effect::Send {
                conn,
                frame: frame.clone(),
            });
            out.push(Effect::Close {
                conn,
                why: Close::StayAway(reason),
            });
        }
    }

    pub(super) fn auth_refreshed(
        &mut self,
        asked: Asked,
        expires: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if let Some(socket) = self.sockets.get_mut(asked.conn) {
            socket.who.expires = expires;
            socket.warned = false;
            answers::ok(
                asked,
                &answers::Refreshed {
                    token_expires_at: expires,
                },
                out,
            );
        }
    }

    /// Warns the sockets whose token ends soon and closes those whose token has ended.
    pub(super) fn look_over_tokens(&mut self, now: Now, out: &mut Vec<Effect>) {
        let soon: Vec<ConnId> = self
            .sockets
            .all()
            .filter(|(_, socket)| socket.who.expires.0 - now.wall.0 <= TOKEN_WARNING_MILLIS)
            .map(|(conn, _)| conn)
            .collect();
        for conn in soon {
            let Some(socket) = self.sockets.get_mut(conn) else {
                continue;
            };
            if socket.who.expires <= now.wall {
                out.push(Effect::Close {
                    conn,
                    why: Close::ComeBack("token_expired"),
                });
            } else if !socket.warned && socket.stage == Stage::Live {
                socket.warned = true;
                let event = ServerEvent::AuthExpiring {
                    token_expires_at: socket.who.expires,
                };
                out.push(Effect::Send {
                    conn,
                    frame: Frame::event(event.name(), &event),
                });
            }
        }
    }
}
