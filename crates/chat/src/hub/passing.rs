//! What reaches sockets beside the streams of their rooms: who is writing, how far each has read, and what became of a
//! person elsewhere.

use protocol::event::ServerEvent;
use protocol::frame::Frame;
use protocol::ids::{RoomId, UserId};
use protocol::problem::Code;

use super::sockets::Stage;
use super::{Hub, RECEIPT_SOCKETS_MAX, answers};
use crate::{Asked, Effect, HomeCommand, Moved, Passing, PersonCommand, Told};

impl Hub {
    pub(super) fn typing(
        &mut self,
        asked: Asked,
        room: RoomId,
        active: bool,
        out: &mut Vec<Effect>,
    ) {
        let inside = self
            .local
            .find(room)
            .is_some_and(|slot| self.is_in(asked.conn, slot));
        match self.sockets.get(asked.conn).filter(|_| inside) {
            Some(socket) => {
                let passing = Passing::Typing {
                    user: socket.who.user,
                    active,
                };
                out.push(Effect::ToHome {
                    room,
                    command: HomeCommand::Pass(passing),
                });
                answers::ack_ok(asked, out);
            }
            None => answers::refuse(asked, &Code::RoomNotFound.into(), out),
        }
    }

    pub(super) fn read_moved(&mut self, asked: Option<Asked>, moved: Moved, out: &mut Vec<Effect>) {
        let Moved {
            room,
            user,
            marker,
            mentions,
            head_n,
        } = moved;
        let unread = head_n.saturating_sub(marker.read_n);
        if let Some(asked) = asked {
            answers::ok(
                asked,
                &answers::Read {
                    read_n: marker.read_n,
                    unread,
                    mentions,
                },
                out,
            );
        }
        let except = asked.map(|asked| (self.setup.hub, asked.conn));
        let told = Told::ReadOn {
            room,
            marker,
            unread,
            mentions,
            except,
        };
        if self.setup.cluster.is_some() {
            // The socket that must not hear of it is one of this node.
            let told = Told::ReadOn {
                room,
                marker,
                unread,
                mentions,
                except: None,
            };
            out.push(Effect::PublishTold { user, told });
        }
        out.push(Effect::ToPerson {
            user,
            command: PersonCommand::Tell(told),
        });
        let few = self
            .local
            .find(room)
            .and_then(|slot| self.local.get(slot))
            .is_none_or(|local| local.live.len() <= RECEIPT_SOCKETS_MAX);
        if few {
            let passing = Passing::Receipt { user, marker };
            out.push(Effect::ToHome {
                room,
                command: HomeCommand::Pass(passing),
            });
        }
    }

    pub(super) fn passing(&mut self, room: RoomId, passing: Passing, out: &mut Vec<Effect>) {
        let Some(slot) = self.local.find(room) else {
            return;
        };
        let event = match passing {
            Passing::Typing { user, active } => ServerEvent::Typing {
                room_id: room,
                user_id: user,
                active,
            },
            Passing::Receipt { user, marker } => ServerEvent::ReceiptUpdated {
                room_id: room,
                user_id: user,
                read_seq: marker.read_seq,
                read_n: marker.read_n,
            },
        };
        let frame = Frame::event(event.name(), &event);
        out.push(Effect::Pass { slot, frame });
    }

    pub(super) fn told(&mut self, user: UserId, told: Told, out: &mut Vec<Effect>) {
        match told {
            Told::AddedTo { room } => {
                let mut live = false;
                for conn in self.sockets.of_user(user) {
                    match self.sockets.get_mut(conn) {
                        Some(socket) if socket.stage == Stage::Live => live = true,
                        Some(socket) => socket.extra().added_to.push(room),
                        None => {}
                    }
                }
                if live {
                    out.push(Effect::LoadRoom { user, room });
                }
            }
            Told::ReadOn {
                room,
                marker,
                unread,
                mentions,
                except,
            } => {
                let event = ServerEvent::UnreadUpdated {
                    room_id: room,
                    read_seq: marker.read_seq,
                    read_n: marker.read_n,
                    unread,
                    mentions,
                };
                let frame = Frame::event(event.name(), &event);
                for conn in self.sockets.of_user(user) {
                    if except != Some((self.setup.hub, conn)) && self.sockets.is_live(conn) {
                        out.push(Effect::Send {
                            conn,
                            frame: frame.clone(),
                        });
                    }
                }
            }
        }
    }
}
