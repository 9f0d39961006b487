//! Into rooms: with all of its user's when a socket is let in, into one when they are added or ask for it. It stands in
//! each where its client stood, and lags until it stands where the room stands ([`super::streaming`]).

use protocol::event::ServerEvent;
use protocol::event::client::Cursor;
use protocol::event::server::Limits;
use protocol::frame::Frame;
use protocol::ids::{RoomId, UserId};
use protocol::limits;
use protocol::message::Seq;
use protocol::room::{Head, RoomSummary};

use super::Hub;
use super::sockets::{RoomsRead, Stage};
use crate::lag::Lag;
use crate::{Close, ConnId, Effect, HomeCommand, Now};

impl Hub {
    pub(super) fn rooms_loaded(
        &mut self,
        now: Now,
        conn: ConnId,
        rooms: RoomsRead,
        out: &mut Vec<Effect>,
    ) {
        let Some(socket) = self
            .sockets
            .get_mut(conn)
            .filter(|socket| socket.stage == Stage::Loading)
        else {
            return;
        };
        let rooms = match rooms {
            Ok(rooms) => rooms,
            Err(_) => {
                return out.push(Effect::Close {
                    conn,
                    why: Close::ComeBack("store_unavailable"),
                });
            }
        };
        socket.stage = Stage::Live;
        let who = socket.who;
        let (cursors, added_to) = match socket.extra_if_any() {
            Some(extra) => (
                std::mem::take(&mut extra.cursors),
                std::mem::take(&mut extra.added_to),
            ),
            None => Default::default(),
        };
        let starts: Vec<Start> = rooms.iter().map(|room| Start::of(room, &cursors)).collect();
        let ready = ServerEvent::SessionReady {
            session_id: who.session,
            user_id: who.user,
            resumed: !cursors.is_empty(),
            server_time: now.wall,
            node: self.setup.node.clone(),
            limits: Limits {
                text_chars: limits::TEXT_CHARS_MAX as u32,
                frame_bytes: limits::FRAME_BYTES_MAX as u32,
                replay_events: limits::REPLAY_EVENTS_MAX as u32,
            },
            rooms,
            token_expires_at: who.expires,
        };
        out.push(Effect::Accept { conn });
        out.push(Effect::Send {
            conn,
            frame: Frame::event(ready.name(), &ready),
        });
        if let Some(socket) = self.sockets.get_mut(conn) {
            socket.rooms.reserve_exact(starts.len());
        }
        for start in starts {
            self.enter(conn, start, out);
        }
        for room in added_to {
            out.push(Effect::LoadRoom {
                user: who.user,
                room,
            });
        }
        if let Some(socket) = self.sockets.get_mut(conn) {
            socket.shrink();
        }
    }

    pub(super) fn room_loaded(
        &mut self,
        user: UserId,
        room: RoomId,
        summary: Option<Box<RoomSummary>>,
        out: &mut Vec<Effect>,
    ) {
        let Some(summary) = summary else { return };
        let start = Start::at(&summary, summary.head_seq);
        let event = ServerEvent::RoomAdded { room: *summary };
        let frame = Frame::event(event.name(), &event);
        for conn in self.sockets.of_user(user) {
            let inside = self
                .local
                .find(room)
                .is_some_and(|slot| self.is_in(conn, slot));
            if self.sockets.is_live(conn) && !inside {
                out.push(Effect::Send {
                    conn,
                    frame: frame.clone(),
                });
                self.enter(conn, start, out);
            }
        }
    }

    pub(super) fn subscribe(
        &mut self,
        conn: ConnId,
        summary: &RoomSummary,
        after: Seq,
        out: &mut Vec<Effect>,
    ) {
        if self.sockets.is_live(conn) {
            self.enter(conn, Start::at(summary, after), out);
        }
    }

    /// Puts a socket into a room: it lags until it stands where the room stands.
    fn enter(&mut self, conn: ConnId, start: Start, out: &mut Vec<Effect>) {
        let Start { room, head, .. } = start;
        if let Some(have_seq) = start.gap {
            let event = ServerEvent::StreamGap {
                room_id: room,
                have_seq,
                head_seq: head.seq,
            };
            out.push(Effect::Send {
                conn,
                frame: Frame::event(event.name(), &event),
            });
        }
        let (slot, fresh) = self.local.find_or_make(room);
        if self.is_in(conn, slot) {
            return;
        }
        let Some(socket) = self.sockets.get_mut(conn) else {
            return;
        };
        socket.rooms.push((slot, None));
        let lags = &mut socket.extra().lags;
        self.lagging += usize::from(lags.is_empty());
        lags.push(Lag {
            slot,
            next: start.after + 1,
            member_as_of: head.seq,
            asked: false,
        });
        if let Some(local) = self.local.get_mut(slot) {
            local.lagging.push(conn.index);
        }
        if fresh {
            out.push(Effect::ToHome {
                room,
                command: HomeCommand::Join {
                    hub: self.setup.hub,
                    known: head,
                },
            });
        } else {
            self.bring_up(conn, slot, out);
        }
    }

    /// The room's home has taken this hub in.
    pub(super) fn joined(&mut self, room: RoomId, position: Seq, out: &mut Vec<Effect>) {
        let Some(slot) = self.local.find(room) else {
            return;
        };
        // The answer to an earlier joining came first, and what lies between the two was sent to nobody here.
        let known = self.local.get(slot).and_then(|local| local.position);
        if let Some(known) = known.filter(|known| *known < position) {
            self.fall_behind(slot, known);
        }
        if let Some(local) = self.local.get_mut(slot) {
            local.position = Some(position);
        }
        self.bring_all_up(slot, out);
    }
}

/// Where a socket's stream of a room begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    room: RoomId,
    /// Where the room's log ended when its summary was read; the socket's user was a member then.
    head: Head,
    /// The last entry that the client has, as far as it is replayed.
    after: Seq,
    /// It misses more than is replayed; what it has.
    gap: Option<Seq>,
}

impl Start {
    fn at(room: &RoomSummary, after: Seq) -> Self {
        let head = Head {
            epoch: room.epoch,
            seq: room.head_seq,
            n: room.head_n,
        };
        Self {
            room: room.room.id,
            head,
            after,
            gap: None,
        }
    }

    fn of(room: &RoomSummary, cursors: &[(RoomId, Cursor)]) -> Self {
        let head = room.head_seq;
        let from_head = Self::at(room, head);
        let Some((_, cursor)) = cursors.iter().find(|(id, _)| *id == room.room.id) else {
            return from_head;
        };
        let seq = cursor.seq();
        if !cursor.fits(room.epoch) || seq > head {
            // Another incarnation, or a place that this one never reached: what the client holds is of no use.
            Self {
                gap: Some(0),
                ..from_head
            }
        } else if head - seq > limits::REPLAY_EVENTS_MAX as u64 {
            Self {
                gap: Some(seq),
                ..from_head
            }
        } else {
            Self::at(room, seq)
        }
    }
}
