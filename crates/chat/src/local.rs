//! The rooms that sockets of this hub are in: which sockets are live in each, and which still lag behind.
//!
//! A live socket costs eight bytes a room here and eight at the socket. Removal is O(rooms of the moved socket).

use std::collections::VecDeque;

use protocol::ids::RoomId;
use protocol::message::Seq;

use crate::Turn;
use crate::map::Map;

/// Turns kept while somebody lags, so that a busy room can be caught up with.
const RECENT_MAX: usize = 256;

/// One room, as far as this hub's sockets are in it.
#[derive(Debug)]
pub(crate) struct LocalRoom {
    pub(crate) room: RoomId,
    /// The last entry that live sockets were given; `None` until the home has taken this hub in.
    pub(crate) position: Option<Seq>,
    /// Slots of the live sockets.
    pub(crate) live: Vec<u32>,
    /// Slots of the sockets that lag; empty in almost every room at almost every time.
    pub(crate) lagging: Vec<u32>,
    /// The latest turns, while somebody lags.
    pub(crate) recent: VecDeque<Turn>,
}

impl LocalRoom {
    /// Keeps a turn for those who lag.
    pub(crate) fn remember(&mut self, turn: &Turn) {
        if self.lagging.is_empty() {
            return;
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(turn.clone());
    }

    /// A socket has caught up or left. The kept turns go with the last one: later they would have a hole.
    pub(crate) fn no_longer_lags(&mut self, index: u32) {
        self.lagging.retain(|other| *other != index);
        if self.lagging.is_empty() {
            self.recent = VecDeque::new();
        }
    }

    /// The turns from a place on, if they are kept.
    pub(crate) fn recent_from(&self, seq: Seq) -> Option<Vec<Turn>> {
        let first = self.recent.front()?.seq;
        (seq >= first).then(|| {
            self.recent
                .iter()
                .skip((seq - first) as usize)
                .cloned()
                .collect()
        })
    }
}

/// The rooms of this hub, by slot and by id. A slot that was given back is used again only after the effects of the
/// input that gave it back were carried out.
#[derive(Debug, Default)]
pub(crate) struct LocalRooms {
    slots: Vec<Option<LocalRoom>>,
    by_id: Map<RoomId, u32>,
    free: Vec<u32>,
    vacated: Vec<u32>,
}

impl LocalRooms {
    /// The slot of a room, if sockets of this hub are in it.
    pub(crate) fn find(&self, room: RoomId) -> Option<u32> {
        self.by_id.get(&room).copied()
    }

    /// The slot of a room, made if it is new here. The flag says whether it is.
    pub(crate) fn find_or_make(&mut self, room: RoomId) -> (u32, bool) {
        if let Some(slot) = self.find(room) {
            return (slot, false);
        }
        let fresh = LocalRoom {
            room,
            position: None,
            live: Vec::new(),
            lagging: Vec::new(),
            recent: VecDeque::new(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(fresh);
                slot
            }
            None => {
                self.slots.push(Some(fresh));
                (self.slots.len() - 1) as u32
            }
        };
        self.by_id.insert(room, slot);
        (slot, true)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&LocalRoom> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut LocalRoom> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Gives a room back when no socket is in it; says which room that was.
    pub(crate) fn vacate(&mut self, slot: u32) -> Option<RoomId> {
        let room = self
            .get(slot)
            .filter(|room| room.live.is_empty() && room.lagging.is_empty())?
            .room;
        self.slots[slot as usize] = None;
        self.by_id.remove(&room);
        self.vacated.push(slot);
        Some(room)
    }

    /// The effects of the last input were carried out: given-back slots may be used again.
    pub(crate) fn settle(&mut self) {
        self.free.append(&mut self.vacated);
    }

    /// All rooms.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
