//! Out of rooms: by the socket's own will, by an entry that ends its user's stay, or with the room.

use protocol::event::ServerEvent;
use protocol::frame::Frame;
use protocol::ids::RoomId;
use protocol::room::LeaveReason;

use super::Hub;
use crate::{Close, ConnId, Effect, HomeCommand, Passage};

impl Hub {
    /// Takes a socket out of a room.
    pub(super) fn leave(&mut self, conn: ConnId, slot: u32, out: &mut Vec<Effect>) {
        self.enrolments
            .retain(|(other, at)| (*other, *at) != (conn, slot));
        self.forget_lag(conn, slot);
        let Some(socket) = self.sockets.get_mut(conn) else {
            return;
        };
        let Some(at) = socket.rooms.iter().position(|(other, _)| *other == slot) else {
            return;
        };
        let (_, place) = socket.rooms.swap_remove(at);
        let Some(local) = self.local.get_mut(slot) else {
            return;
        };
        local.no_longer_lags(conn.index);
        if let Some(place) = place {
            local.live.swap_remove(place as usize);
            // Whoever stood last stands in the gap now.
            let moved = local
                .live
                .get(place as usize)
                .and_then(|index| self.sockets.at(*index));
            if let Some(moved) = moved.and_then(|moved| self.sockets.get_mut(moved))
                && let Some((_, its)) = moved.rooms.iter_mut().find(|(other, _)| *other == slot)
            {
                *its = Some(place);
            }
        }
        if let Some(room) = self.local.vacate(slot) {
            out.push(Effect::ToHome {
                room,
                command: HomeCommand::Part {
                    hub: self.setup.hub,
                },
            });
        }
    }

    /// Ends a socket's stay against its will, and says so.
    pub(super) fn put_out(
        &mut self,
        conn: ConnId,
        slot: u32,
        reason: LeaveReason,
        out: &mut Vec<Effect>,
    ) {
        let Some(room_id) = self.local.get(slot).map(|local| local.room) else {
            return;
        };
        self.leave(conn, slot, out);
        let event = ServerEvent::RoomRemoved { room_id, reason };
        out.push(Effect::Send {
            conn,
            frame: Frame::event(event.name(), &event),
        });
    }

    /// A room has another incarnation: its sockets come back and start over.
    pub(super) fn restarted(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        let Some(local) = self.local.find(room).and_then(|slot| self.local.get(slot)) else {
            return;
        };
        for index in local.live.iter().chain(&local.lagging) {
            if let Some(conn) = self.sockets.at(*index) {
                out.push(Effect::Close {
                    conn,
                    why: Close::ComeBack("room_restarted"),
                });
            }
        }
    }

    /// The live sockets whose stay in the room an entry ends.
    pub(super) fn ended_by(&self, slot: u32, passage: Passage) -> Vec<ConnId> {
        match passage {
            Passage::None | Passage::Came(_) => Vec::new(),
            Passage::Went(user, _) => {
                let live = |conn: &ConnId| {
                    let socket = self.sockets.get(*conn);
                    socket.is_some_and(|socket| socket.is_live_in(slot))
                };
                self.sockets
                    .of_user(user)
                    .into_iter()
                    .filter(live)
                    .collect()
            }
            Passage::Closed => {
                let live = self.local.get(slot).map_or(&[][..], |local| &local.live);
                live.iter()
                    .filter_map(|index| self.sockets.at(*index))
                    .collect()
            }
        }
    }

    pub(super) fn is_in(&self, conn: ConnId, slot: u32) -> bool {
        self.sockets
            .get(conn)
            .is_some_and(|socket| socket.is_in(slot))
    }
}
