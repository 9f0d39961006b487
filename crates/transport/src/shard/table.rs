//! The slots of a shard. A slot's generation rises with each life, so that an old name finds nobody.

use super::connection::Connection;
use crate::{application::SocketId, sid::INDEX_MAX};

/// Generations wrap here: the bits a `SocketId` has for them.
const GENERATION_MASK: u32 = (1 << 24) - 1;

#[derive(Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// `make` is told the slot and the generation.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u32, u32) -> Connection) -> Option<u32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                if index > INDEX_MAX {
                    return None;
                }
                self.slots.push(Slot::default());
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.connection = Some(make(index, slot.generation));
        Some(index)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Connection> {
        let slot = self.slots.get_mut(index as usize)?;
        let connection = slot.connection.take()?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        self.free.push(index);
        Some(connection)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Connection> {
        self.slots.get(index as usize)?.connection.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Connection> {
        self.slots.get_mut(index as usize)?.connection.as_mut()
    }

    pub(crate) fn of(&self, socket: SocketId) -> Option<&Connection> {
        let slot = self.slots.get(socket.index as usize)?;
        slot.connection
            .as_ref()
            .filter(|_| slot.generation == socket.generation())
    }

    pub(crate) fn of_mut(&mut self, socket: SocketId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(socket.index as usize)?;
        let is_same = slot.generation == socket.generation();
        slot.connection.as_mut().filter(|_| is_same)
    }

    pub(crate) fn generation(&self, index: u32) -> u32 {
        self.slots
            .get(index as usize)
            .map_or(0, |slot| slot.generation)
    }

    /// Slots there are, whether used or not: a bound for walks over all of them.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }
}
