//! The stream of a room to the sockets in it.
//!
//! **The promise to a socket in a room:** strictly the next `seq`, each once, from where its client stands; nothing
//! above its user's removal.

use protocol::frame::Frame;
use protocol::ids::RoomId;
use protocol::message::Seq;

use super::Hub;
use crate::lag::{Lag, Need};
use crate::{ConnId, Effect, HomeCommand, Passage, Turn};

/// Bytes of events that are joined: what one write takes, and far below what an outbox may hold.
const JOINED_BYTES: usize = 16 * 1_024;

impl Hub {
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
        if self
            .local
            .get(slot)
            .is_some_and(|local| !local.live.is_empty())
        {
            deliver(slot, turns, out);
        }
        self.bring_all_up(slot, out);
    }

    /// Notices between two hubs were dropped (a full mailbox): the room's live sockets lag now, and are caught up.
    pub(super) fn fall_behind(&mut self, slot: u32, position: Seq) {
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

    pub(super) fn bring_all_up(&mut self, slot: u32, out: &mut Vec<Effect>) {
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
    pub(super) fn bring_up(&mut self, conn: ConnId, slot: u32, out: &mut Vec<Effect>) {
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

    pub(super) fn forget_lag(&mut self, conn: ConnId, slot: u32) {
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
}

/// Gives the turns to whoever is live in a room, joined, in stretches that a reader who keeps up takes in one go.
fn deliver(slot: u32, mut turns: &[Turn], out: &mut Vec<Effect>) {
    while !turns.is_empty() {
        let mut bytes = 0;
        let fit = turns
            .iter()
            .take_while(|turn| {
                bytes += turn.frame.wire().len();
                bytes <= JOINED_BYTES
            })
            .count();
        let (now, later) = turns.split_at(fit.max(1));
        let frame = match now {
            [one] => one.frame.clone(),
            many => Frame::joined(many.iter().map(|turn| &turn.frame)),
        };
        let marks = now.iter().map(|turn| turn.mark).collect();
        out.push(Effect::Deliver { slot, frame, marks });
        turns = later;
    }
}
