//! The sockets of this hub: whose they are, how far they have come, which rooms they are in.

use protocol::event::client::Cursor;
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::problem::Problem;
use protocol::user::Presence;

use crate::lag::Lag;
use crate::map::Map;
use crate::{ConnId, Who};

/// No slot.
const NONE: u32 = u32::MAX;

/// How far a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its person's home is asked whether it may stay.
    Arriving,
    /// Its rooms are read.
    Loading,
    /// It has had `session:ready`.
    Live,
}

/// One socket. Idle ones are the common case: every byte here is multiplied by all connections.
#[derive(Debug)]
pub(crate) struct Socket {
    generation: u32,
    /// The next socket of the same user in this hub.
    sibling: u32,
    pub(crate) who: Who,
    pub(crate) stage: Stage,
    /// It was told that its token ends soon.
    pub(crate) warned: bool,
    /// The rooms that it is in: slot, and place in the room's list of live sockets (`None` while it lags).
    pub(crate) rooms: Vec<(u32, Option<u32>)>,
    extra: Option<Box<Extra>>,
}

/// What only some sockets need, and most only for a moment.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) cursors: Vec<(RoomId, Cursor)>,
    /// Rooms that its user was added to before its rooms were read.
    pub(crate) added_to: Vec<RoomId>,
    pub(crate) lags: Vec<Lag>,
    /// Whom it watches.
    pub(crate) watches: Vec<UserId>,
    pub(crate) question: Option<Question>,
}

/// A `presence:watch` that is being answered.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) ack: Option<u64>,
    pub(crate) room: bool,
    pub(crate) missing: usize,
    pub(crate) found: Vec<Presence>,
}

impl Socket {
    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn extra_if_any(&mut self) -> Option<&mut Extra> {
        self.extra.as_deref_mut()
    }

    pub(crate) fn is_in(&self, slot: u32) -> bool {
        self.rooms.iter().any(|(at, _)| *at == slot)
    }

    pub(crate) fn is_live_in(&self, slot: u32) -> bool {
        self.rooms
            .iter()
            .any(|(at, place)| *at == slot && place.is_some())
    }

    /// Gives memory back when nothing is pending.
    pub(crate) fn shrink(&mut self) {
        let empty = self.extra.as_ref().is_some_and(|extra| {
            extra.cursors.is_empty()
                && extra.added_to.is_empty()
                && extra.lags.is_empty()
                && extra.watches.is_empty()
                && extra.question.is_none()
        });
        if empty {
            self.extra = None;
        }
        self.rooms.shrink_to_fit();
    }
}

/// All sockets, by slot and by user.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    slots: Vec<Option<Socket>>,
    /// The first socket of each user; the others follow by `sibling`.
    by_user: Map<UserId, u32>,
    count: usize,
}

impl Sockets {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn insert(&mut self, conn: ConnId, who: Who) {
        let index = conn.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        let sibling = self.by_user.insert(who.user, conn.index).unwrap_or(NONE);
        let socket = Socket {
            generation: conn.generation,
            sibling,
            who,
            stage: Stage::Arriving,
            warned: false,
            rooms: Vec::new(),
            extra: None,
        };
        self.slots[index] = Some(socket);
        self.count += 1;
    }

    /// Takes a socket out; its rooms must have been left before.
    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<Socket> {
        self.get(conn)?;
        let socket = self.slots[conn.index as usize].take()?;
        self.count -= 1;
        let user = socket.who.user;
        match self.by_user.get(&user).copied() {
            Some(first) if first == conn.index => {
                if socket.sibling == NONE {
                    self.by_user.remove(&user);
                } else {
                    self.by_user.insert(user, socket.sibling);
                }
            }
            Some(mut at) => {
                while let Some(Some(other)) = self.slots.get_mut(at as usize) {
                    if other.sibling == conn.index {
                        other.sibling = socket.sibling;
                        break;
                    }
                    at = other.sibling;
                }
            }
            None => {}
        }
        Some(socket)
    }

    pub(crate) fn get(&self, conn: ConnId) -> Option<&Socket> {
        self.slots
            .get(conn.index as usize)?
            .as_ref()
            .filter(|socket| socket.generation == conn.generation)
    }

    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Socket> {
        self.slots
            .get_mut(conn.index as usize)?
            .as_mut()
            .filter(|socket| socket.generation == conn.generation)
    }

    /// The socket in a slot.
    pub(crate) fn at(&self, index: u32) -> Option<ConnId> {
        let socket = self.slots.get(index as usize)?.as_ref()?;
        Some(ConnId {
            index,
            generation: socket.generation,
        })
    }

    pub(crate) fn is_live(&self, conn: ConnId) -> bool {
        self.get(conn)
            .is_some_and(|socket| socket.stage == Stage::Live)
    }

    /// A user's sockets in this hub.
    pub(crate) fn of_user(&self, user: UserId) -> Vec<ConnId> {
        let mut found = Vec::new();
        let mut at = self.by_user.get(&user).copied().unwrap_or(NONE);
        while let Some(Some(socket)) = self.slots.get(at as usize) {
            found.push(ConnId {
                index: at,
                generation: socket.generation,
            });
            at = socket.sibling;
        }
        found
    }

    /// All sockets.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ConnId, &Socket)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let socket = slot.as_ref()?;
            Some((
                ConnId {
                    index: index as u32,
                    generation: socket.generation,
                },
                socket,
            ))
        })
    }

    /// The sockets of some sessions.
    pub(crate) fn of_sessions(&self, sessions: &[SessionId]) -> Vec<ConnId> {
        self.all()
            .filter(|(_, socket)| sessions.contains(&socket.who.session))
            .map(|(conn, _)| conn)
            .collect()
    }
}

/// The rooms of a user, or why they could not be read.
pub(crate) type RoomsRead = Result<Vec<protocol::room::RoomSummary>, Problem>;
