//! Both ends of a connection: what goes over it, how it is cut, and what the shell makes of what comes up.

use chat::{Asked, Input, Moved};
use protocol::event::client::WatchPresence;
use protocol::frame::Frame;
use protocol::ids::SessionId;
use protocol::time::Timestamp;

use super::client::Up;
use super::seen::SeenSubscribed;
use super::wire::{Down, Site};
use super::world::{Happening, World};

/// Frames on their way to a socket beyond which it is cut.
const OUTBOX_MAX: usize = 24;
/// After this a half-open connection is noticed by the server.
const PING_MILLIS: u64 = 9_000;

impl World {
    pub(super) fn send_up(&mut self, conn: u64, up: Up) {
        let delay = self.rng.between(1, 20);
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&conn).filter(|wire| wire.client_open) else {
            return;
        };
        wire.up_at = wire.up_at.max(now + delay);
        let at = wire.up_at;
        self.at(at, Happening::Up { conn, up });
    }

    pub(crate) fn send_down(&mut self, conn: u64, down: Down, delay: u64) {
        let slow = self.wires.get(&conn).is_some_and(|wire| wire.slow) && !self.calm;
        let delay = delay
            + if slow {
                self.rng.between(50, 400)
            } else {
                self.rng.between(1, 20)
            };
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        if matches!(down, Down::Frame(_)) {
            if !wire.server_open {
                return;
            }
            wire.queued += 1;
            if wire.queued > OUTBOX_MAX {
                self.tally.count("slow sockets cut");
                self.server_closes(conn, false);
                return self.after(1, Happening::Gone { conn });
            }
        }
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        wire.down_at = wire.down_at.max(now + delay);
        let at = wire.down_at;
        self.at(at, Happening::Down { conn, down });
    }

    /// The client hangs up, and the server sees it at once.
    pub(crate) fn hang_up(&mut self, conn: u64) {
        if self.wires.get(&conn).is_some_and(|wire| wire.client_open) {
            if let Some(wire) = self.wires.get_mut(&conn) {
                wire.client_open = false;
            }
            self.client_lost(conn);
        }
        self.after(1, Happening::Gone { conn });
    }

    /// People who were never told that they were added come upon it when they connect again.
    pub(crate) fn reload_the_unaware(&mut self) {
        let unaware = self.clients.iter().filter(|client| {
            self.store.rooms.iter().any(|(room, log)| {
                log.summary(client.user).is_some() && !client.hears.contains_key(room)
            })
        });
        let links: Vec<u64> = unaware.filter_map(|client| client.link).collect();
        for conn in links {
            self.tally.count("clients never told of a room");
            self.hang_up(conn);
        }
    }

    pub(crate) fn server_notices(&mut self, conn: u64) {
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        wire.server_open = false;
        let (site, id) = (wire.site, wire.conn);
        if !wire.client_open {
            self.wires.remove(&conn);
        }
        let Some(seat) = self.seat(site) else { return };
        let slot = &mut seat.slots[id.index as usize];
        if *slot == Some(conn) {
            *slot = None;
            self.feed(site, Input::Disconnected { conn: id });
        }
    }

    pub(crate) fn cut_a_wire(&mut self) {
        let open: Vec<u64> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.client_open && !wire.zombie)
            .map(|(conn, _)| *conn)
            .collect();
        let Some(conn) = self.rng.pick(&open).copied() else {
            return;
        };
        // The history must know which streams it hears: none begins or ends by an answer that nobody reads.
        let settled = self
            .wires
            .get(&conn)
            .is_some_and(|wire| !self.clients[wire.client].waits_for_streams());
        if settled && self.strikes(self.plan.zombie, "half-open connections") {
            // The client gives up on it and goes elsewhere; the server notices much later, and the old one still hears.
            self.note(|_| format!("{conn} is half-open"));
            let Some(wire) = self.wires.get_mut(&conn) else {
                return;
            };
            wire.zombie = true;
            let index = wire.client;
            if self.clients[index].link == Some(conn) {
                self.let_go(index);
            }
            let noticed = self.rng.between(100, PING_MILLIS);
            return self.after(noticed, Happening::Gone { conn });
        }
        self.tally.count("connections cut");
        self.note(|_| format!("{conn} is cut"));
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.client_open = false;
        }
        self.client_lost(conn);
        let noticed = self.rng.between(0, 300);
        self.after(noticed, Happening::Gone { conn });
    }

    pub(crate) fn revoke_a_session(&mut self) {
        let index = self.rng.index(self.clients.len());
        let old = self.clients[index].session;
        self.clients[index].session = SessionId(self.rng.uuid());
        for node in 0..self.nodes.len() {
            let life = self.nodes[node].life;
            for hub in 0..usize::from(self.plan.hubs) {
                let input = Input::Revoked {
                    sessions: [old].into(),
                    reason: "revoked",
                };
                self.after(
                    2,
                    Happening::Input {
                        site: Site { node, hub, life },
                        input: Box::new(input),
                    },
                );
            }
        }
    }

    /// What a client sent has reached its hub's shell.
    pub(crate) fn up(&mut self, conn: u64, up: Up) {
        let Some(wire) = self.wires.get(&conn).filter(|wire| wire.server_open) else {
            return;
        };
        let (site, id, user) = (wire.site, wire.conn, self.clients[wire.client].user);
        let asked = |ack| Asked {
            conn: id,
            ack: Some(ack),
        };
        let input = match up {
            Up::Connect { who, cursors } => Input::Connected {
                conn: id,
                who,
                cursors,
            },
            Up::Act { ack, room, act } => Input::Act {
                asked: asked(ack),
                room,
                act,
            },
            Up::Typing { room, active } => Input::Typing {
                asked: Asked {
                    conn: id,
                    ack: None,
                },
                room,
                active,
            },
            Up::Set { ack, status } => Input::PresenceSet {
                asked: asked(ack),
                status,
                text: None,
            },
            Up::Unsubscribe { ack, room } => Input::Unsubscribe {
                asked: asked(ack),
                room,
            },
            Up::Refresh { ack } => {
                let expires = Timestamp(self.wall(site.node).0 + 36_000_000);
                Input::AuthRefreshed {
                    asked: asked(ack),
                    expires,
                }
            }
            Up::Watch { ack, users } => {
                let whom = WatchPresence::Users {
                    user_ids: users.clone(),
                };
                Input::PresenceWatch {
                    asked: asked(ack),
                    whom,
                    visible: users,
                }
            }
            Up::Read { ack, room, seq } => {
                let Some(log) = self
                    .store
                    .rooms
                    .get_mut(&room)
                    .filter(|log| log.members.contains_key(&user))
                else {
                    return self.shell_answers(
                        conn,
                        chat::refused(ack, &protocol::problem::Code::RoomNotFound.into()),
                    );
                };
                let moved = Moved {
                    room,
                    user,
                    marker: log.mark_read(user, seq),
                    mentions: 0,
                    head_n: log.n,
                };
                Input::ReadMoved {
                    asked: Some(asked(ack)),
                    moved,
                }
            }
            Up::Subscribe { ack, room, after } => {
                let Some(summary) = self
                    .store
                    .rooms
                    .get(&room)
                    .and_then(|log| log.summary(user))
                else {
                    return self.shell_answers(
                        conn,
                        chat::refused(ack, &protocol::problem::Code::RoomNotFound.into()),
                    );
                };
                let fits = after
                    .filter(|(epoch, seq)| *epoch == summary.epoch && *seq <= summary.head_seq);
                let after = fits.map_or(summary.head_seq, |(_, seq)| seq);
                self.shell_answers(
                    conn,
                    chat::granted(
                        ack,
                        &SeenSubscribed {
                            room,
                            epoch: summary.epoch,
                            after,
                        },
                    ),
                );
                Input::Subscribe {
                    conn: id,
                    summary: Box::new(summary),
                    after,
                }
            }
        };
        self.feed(site, input);
    }

    pub(super) fn shell_answers(&mut self, conn: u64, frame: Frame) {
        self.send_down(conn, Down::Frame(frame), 0);
    }
}
