//! Connecting, entering and leaving rooms, and the stream of a room to the sockets in it.
//!
//! **The promise to a socket in a room:** strictly the next `seq`, each once, from where its client stands; nothing
//! above its user's removal.

use protocol::event::ServerEvent;
use protocol::event::client::Cursor;
use protocol::event::server::Limits;
use protocol::frame::Frame;
use protocol::ids::{RoomId, UserId};
use protocol::limits;
use protocol::message::Seq;
use protocol::problem::Code;
use protocol::room::{Head, LeaveReason, RoomSummary};

use super::sockets::{RoomsRead, Stage};
use super::{Hub, RECEIPT_SOCKETS_MAX, answers};
use crate::lag::{Lag, Need};
use crate::{
    Asked, Close, ConnId, Effect, HomeCommand, Moved, Now, Passage, Passing, PersonCommand, Told,
    Turn,
};

impl Hub {
    pub(super) fn rooms_loaded(
        &mut self,
        now: Now,
        conn: ConnId,
        rooms: RoomsRead,
        out: &mut Vec<Effect>,
    ) {
        self.turns.done();
        let is_here = |conn| self.sockets.get(conn).is_some();
        if let Some(next) = self.turns.next(is_here)
            && let Some(socket) = self.sockets.get(next)
        {
            out.push(Effect::LoadRooms {
                conn: next,
                user: socket.who.user,
            });
        }
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

    /// The next entries of a room.
    pub(super) fn live(&mut self, room: RoomId, turns: &[Turn], out: &mut Vec<Effect>) {
        let Some(slot) = self.local.find(room) else {
            return;
        };
        let Some(position) = self.local.get(slot).and_then(|local| local.position) else {
            return;
        };
        // Sent before this hub was taken in (again): those are in the pages of whoever needs them.
        let known = turns.partition_point(|turn| turn.seq <= position);
        let turns = &turns[known..];
        if turns.first().is_some_and(|turn| turn.seq > position + 1) {
            self.fall_behind(slot, position);
        }
        for (at, turn) in turns.iter().enumerate() {
            let Some(local) = self.local.get_mut(slot) else {
                return;
            };
            local.position = Some(turn.seq);
            local.remember(turn);
            if !local.live.is_empty() {
                out.push(Effect::Deliver {
                    slot,
                    frame: turn.frame.clone(),
                    mark: Some(turn.mark),
                });
            }
            let ended = self.ended_by(slot, turn.passage);
            for conn in ended {
                // Deliveries are carried out when it is gone already: what was still for it is sent to it alone.
                for until in &turns[..=at] {
                    out.push(Effect::Send {
                        conn,
                        frame: until.frame.clone(),
                    });
                }
                match turn.passage {
                    Passage::Went(_, reason) => self.put_out(conn, slot, reason, out),
                    _ => self.leave(conn, slot, out),
                }
            }
        }
        self.bring_all_up(slot, out);
    }

    /// The live sockets whose stay in the room an entry ends.
    fn ended_by(&self, slot: u32, passage: Passage) -> Vec<ConnId> {
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

    /// Notices between two hubs were dropped (a full mailbox): the room's live sockets lag now, and are caught up.
    fn fall_behind(&mut self, slot: u32, position: Seq) {
        let Some(local) = self.local.get_mut(slot) else {
            return;
        };
        let live = std::mem::take(&mut local.live);
        local.recent = Default::default();
        local.lagging.extend(&live);
        for index in live {
            let Some(conn) = self.sockets.at(index) else {
                continue;
            };
            let Some(socket) = self.sockets.get_mut(conn) else {
                continue;
            };
            if let Some((_, place)) = socket.rooms.iter_mut().find(|(at, _)| *at == slot) {
                *place = None;
            }
            let lag = Lag {
                slot,
                next: position + 1,
                member_as_of: position,
                asked: false,
            };
            let lags = &mut socket.extra().lags;
            self.lagging += usize::from(lags.is_empty());
            lags.push(lag);
        }
    }

    /// What a lagging socket had missed.
    pub(super) fn paged(
        &mut self,
        room: RoomId,
        conn: ConnId,
        turns: &[Turn],
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.local.find(room) else {
            return;
        };
        if let Some(lag) = self.lag(conn, slot) {
            lag.asked = false;
            if self.replay(conn, slot, turns, out) {
                self.bring_up(conn, slot, out);
            }
        }
    }

    /// Gives a lagging socket the turns that are next for it. `false` when one of them ended its stay.
    fn replay(&mut self, conn: ConnId, slot: u32, turns: &[Turn], out: &mut Vec<Effect>) -> bool {
        let Some(user) = self.sockets.get(conn).map(|socket| socket.who.user) else {
            return false;
        };
        for turn in turns {
            let Some(lag) = self.lag(conn, slot) else {
                return false;
            };
            if turn.seq != lag.next {
                continue;
            }
            lag.next += 1;
            let known = turn.seq <= lag.member_as_of;
            out.push(Effect::Send {
                conn,
                frame: turn.frame.clone(),
            });
            match turn.passage {
                Passage::Went(gone, reason) if gone == user && !known => {
                    self.put_out(conn, slot, reason, out);
                    return false;
                }
                Passage::Closed => {
                    self.leave(conn, slot, out);
                    return false;
                }
                _ => {}
            }
        }
        true
    }

    fn bring_all_up(&mut self, slot: u32, out: &mut Vec<Effect>) {
        let lagging = match self.local.get(slot) {
            Some(local) if !local.lagging.is_empty() => local.lagging.clone(),
            _ => return,
        };
        for index in lagging {
            if let Some(conn) = self.sockets.at(index) {
                self.bring_up(conn, slot, out);
            }
        }
    }

    /// Moves a lagging socket on: live, or a page closer.
    fn bring_up(&mut self, conn: ConnId, slot: u32, out: &mut Vec<Effect>) {
        loop {
            let Some(local) = self.local.get(slot) else {
                return;
            };
            let (room, position) = (local.room, local.position);
            let Some(lag) = self.lag(conn, slot) else {
                return;
            };
            match lag.need(position) {
                Need::Nothing => return self.go_live(conn, slot),
                Need::Patience => return,
                Need::Page(_) if lag.asked => return,
                Need::Page(after) => {
                    if let Some(turns) = self
                        .local
                        .get(slot)
                        .and_then(|local| local.recent_from(after + 1))
                    {
                        if !self.replay(conn, slot, &turns, out) {
                            return;
                        }
                        continue;
                    }
                    if let Some(lag) = self.lag(conn, slot) {
                        lag.asked = true;
                    }
                    let command = HomeCommand::CatchUp {
                        hub: self.setup.hub,
                        conn,
                        after,
                    };
                    return out.push(Effect::ToHome { room, command });
                }
            }
        }
    }

    fn lag(&mut self, conn: ConnId, slot: u32) -> Option<&mut Lag> {
        self.sockets
            .get_mut(conn)?
            .extra_if_any()?
            .lags
            .iter_mut()
            .find(|lag| lag.slot == slot)
    }

    /// The socket stands where the room stands. It is enrolled once the effects at hand are carried out: those of this
    /// input were meant for the sockets that were live before.
    fn go_live(&mut self, conn: ConnId, slot: u32) {
        self.forget_lag(conn, slot);
        self.enrolments.push((conn, slot));
    }

    pub(super) fn enrol(&mut self, conn: ConnId, slot: u32) {
        let Some(socket) = self.sockets.get_mut(conn) else {
            return;
        };
        let Some((_, place)) = socket
            .rooms
            .iter_mut()
            .find(|(at, place)| *at == slot && place.is_none())
        else {
            return;
        };
        let Some(local) = self.local.get_mut(slot) else {
            return;
        };
        *place = Some(local.live.len() as u32);
        local.live.push(conn.index);
        local.no_longer_lags(conn.index);
    }

    fn forget_lag(&mut self, conn: ConnId, slot: u32) {
        let Some(socket) = self.sockets.get_mut(conn) else {
            return;
        };
        if let Some(extra) = socket.extra_if_any() {
            let lagged = !extra.lags.is_empty();
            extra.lags.retain(|lag| lag.slot != slot);
            self.lagging -= usize::from(lagged && extra.lags.is_empty());
            socket.shrink();
        }
    }

    fn is_in(&self, conn: ConnId, slot: u32) -> bool {
        self.sockets
            .get(conn)
            .is_some_and(|socket| socket.is_in(slot))
    }

    /// Ends a socket's stay against its will, and says so.
    fn put_out(&mut self, conn: ConnId, slot: u32, reason: LeaveReason, out: &mut Vec<Effect>) {
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
