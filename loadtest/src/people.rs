//! Who takes part: the file that `chatify seed` wrote, with rooms as small numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use protocol::ids::RoomId;
use serde::Deserialize;

use crate::Failure;

/// A seeded person.
#[derive(Debug)]
pub(crate) struct Person {
    /// Signs in.
    pub(crate) token: Box<str>,
    /// Numbers of rooms in [`People::rooms`].
    pub(crate) rooms: Box<[u32]>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// In the file's order.
    pub(crate) persons: Vec<Person>,
    /// Each room once.
    pub(crate) rooms: Vec<RoomId>,
    numbers: HashMap<RoomId, u32>,
}

#[derive(Deserialize)]
struct Line {
    token: Box<str>,
    rooms: Vec<RoomId>,
}

impl People {
    /// Reads the file up to `most` people; those outside `room`, a room's number in the file, are passed over.
    pub(crate) fn read(path: &Path) -> Result<People, Failure> {
        let wrong = |why: String| Failure(format!("{} (`--people`): {why}", path.display()));
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let mut people = People::default();
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|error| wrong(error.to_string()))?;
            let line: Line = serde_json::from_str(&line)
                .map_err(|error| wrong(format!("line {}: {error}", number + 1)))?;
            let rooms = line
                .rooms
                .into_iter()
                .map(|room| people.number(room))
                .collect();
            people.persons.push(Person {
                token: line.token,
                rooms,
            });
        }
        Ok(people)
    }

    fn number(&mut self, room: RoomId) -> u32 {
        let next = self.rooms.len() as u32;
        let number = *self.numbers.entry(room).or_insert(next);
        if number == next {
            self.rooms.push(room);
        }
        number
    }

    /// The number of a room that somebody is in.
    pub(crate) fn room_number(&self, room: RoomId) -> Option<u32> {
        self.numbers.get(&room).copied()
    }

    /// The room with the most people, and those people; the first such room.
    pub(crate) fn largest_room(&self) -> Option<(u32, Vec<u32>)> {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); self.rooms.len()];
        for (index, person) in self.persons.iter().enumerate() {
            for room in &person.rooms {
                members[*room as usize].push(index as u32);
            }
        }
        let most = members.iter().map(Vec::len).max()?;
        let room = members.iter().position(|of_room| of_room.len() == most)?;
        Some((room as u32, members.swap_remove(room)))
    }
}
