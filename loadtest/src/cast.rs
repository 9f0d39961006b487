//! Who takes part: people and rooms as small numbers, from the file that `chatify seed` wrote or made up from a
//! scenario's shape. Rooms take people in turn, as `chatify seed` does, so that both ways give the same shape.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::scenario::Scenario;

/// A person with one device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    /// Stands in what they say; unique over all agents.
    pub(crate) number: u32,
    /// As the server calls them.
    pub(crate) id: Box<str>,
    /// Signs in.
    pub(crate) token: Box<str>,
    /// Numbers of rooms in [`Cast::rooms`].
    pub(crate) rooms: Box<[u32]>,
    /// Those of them in which they write.
    pub(crate) writes: Box<[u32]>,
    /// Reads slowly.
    pub(crate) slow: bool,
}

/// All of them, or an agent's part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Cast {
    /// Each room's name, by number.
    pub(crate) rooms: Vec<Box<str>>,
    /// The people.
    pub(crate) people: Vec<Person>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    user_id: Box<str>,
    token: Box<str>,
    rooms: Vec<Box<str>>,
}

impl Cast {
    /// The first people of the file (or those of its largest room), in their rooms.
    pub(crate) fn read(path: &Path, scenario: &Scenario) -> Result<Cast, Failure> {
        let wrong = |why: String| Failure(format!("{} (`--people`): {why}", path.display()));
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let wanted = scenario.people.connections as usize;
        let most = if scenario.people.only_largest {
            usize::MAX
        } else {
            wanted
        };
        let (mut cast, mut numbers) = (Cast::default(), HashMap::new());
        for (index, line) in BufReader::new(file).lines().enumerate().take(most) {
            let line = line.map_err(|error| wrong(error.to_string()))?;
            let line: Line = serde_json::from_str(&line)
                .map_err(|error| wrong(format!("line {}: {error}", index + 1)))?;
            let rooms = line.rooms.into_iter().map(|room| {
                *numbers.entry(room.clone()).or_insert_with(|| {
                    cast.rooms.push(room);
                    cast.rooms.len() as u32 - 1
                })
            });
            let rooms = rooms.collect();
            cast.people
                .push(person(index as u32, line.user_id, line.token, rooms));
        }
        if scenario.people.only_largest {
            cast.keep_largest(wanted).map_err(wrong)?;
        }
        if cast.people.len() < wanted {
            return Err(wrong(format!(
                "{wanted} connections need as many people, and there are {}",
                cast.people.len()
            )));
        }
        cast.give_roles(scenario);
        Ok(cast)
    }

    /// People and rooms that the server has never heard of.
    pub(crate) fn invented(scenario: &Scenario) -> Cast {
        let connections = scenario.people.connections as usize;
        let mut rooms_of: Vec<Vec<u32>> = vec![Vec::new(); connections];
        let (mut first, mut rooms) = (0, Vec::new());
        for shape in &scenario.rooms {
            for _ in 0..shape.count {
                let members = shape.members as usize;
                (0..members)
                    .for_each(|at| rooms_of[(first + at) % connections].push(rooms.len() as u32));
                first += members;
                rooms.push(format!("r{}", rooms.len()).into());
            }
        }
        let people = rooms_of.into_iter().enumerate().map(|(number, rooms)| {
            person(
                number as u32,
                format!("u{number}").into(),
                format!("t{number}").into(),
                rooms.into(),
            )
        });
        let mut cast = Cast {
            people: people.collect(),
            rooms,
        };
        cast.give_roles(scenario);
        cast
    }

    fn keep_largest(&mut self, wanted: usize) -> Result<(), String> {
        let sizes = self.sizes();
        let largest = (0..sizes.len())
            .rev()
            .max_by_key(|room| sizes[*room])
            .ok_or("there are no rooms")?;
        if sizes[largest] < wanted {
            return Err(format!(
                "no room has {wanted} members: the largest has {}",
                sizes[largest]
            ));
        }
        let room = largest as u32;
        self.people.retain(|person| person.rooms.contains(&room));
        self.people.truncate(wanted);
        // Their other rooms are silent.
        self.people
            .iter_mut()
            .for_each(|person| person.rooms = Box::new([0]));
        self.rooms = vec![self.rooms[largest].clone()];
        Ok(())
    }

    /// Slow readers are the last people, and the first members of a room write in it.
    fn give_roles(&mut self, scenario: &Scenario) {
        let slow = scenario
            .slow
            .as_ref()
            .map_or(0, |slow| slow.readers as usize);
        let fast = self.people.len().saturating_sub(slow);
        let most = match scenario.talk.as_ref().map_or(0, |talk| talk.writers) {
            0 => u32::MAX,
            some => some,
        };
        let mut writers = vec![0; self.rooms.len()];
        for (index, person) in self.people.iter_mut().enumerate() {
            person.slow = index >= fast;
            if person.slow {
                continue;
            }
            let mut may_write = |room: &&u32| {
                let count: &mut u32 = &mut writers[**room as usize];
                *count += 1;
                *count <= most
            };
            person.writes = person
                .rooms
                .iter()
                .filter(|room| may_write(room))
                .copied()
                .collect();
        }
    }

    /// Members of each room who take part.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.rooms.len()];
        self.people
            .iter()
            .flat_map(|person| &person.rooms)
            .for_each(|room| sizes[*room as usize] += 1);
        sizes
    }

    /// How many people write.
    pub(crate) fn writers(&self) -> usize {
        self.people
            .iter()
            .filter(|person| !person.writes.is_empty())
            .count()
    }

    /// Each so-manieth person for one agent; all rooms.
    pub(crate) fn part(&self, index: usize, of: usize) -> Cast {
        Cast {
            rooms: self.rooms.clone(),
            people: self
                .people
                .iter()
                .skip(index)
                .step_by(of)
                .cloned()
                .collect(),
        }
    }
}

fn person(number: u32, id: Box<str>, token: Box<str>, rooms: Box<[u32]>) -> Person {
    Person {
        number,
        id,
        token,
        rooms,
        writes: Box::default(),
        slow: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(text: &str, sets: &[&str]) -> Cast {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        let scenario =
            Scenario::parse(text, "x", &sets).unwrap_or_else(|Failure(why)| panic!("{why}"));
        Cast::invented(&scenario)
    }

    const TEXT: &str = "rooms = []\n[people]\nconnections = 10\n";

    #[test]
    fn rooms_take_people_in_turn_by_their_sizes() {
        let cast = cast(TEXT, &["rooms=2x5,1x10"]);
        assert_eq!(cast.sizes(), [5, 5, 10]);
        assert!(cast.people.iter().all(|person| person.rooms.len() == 2));
    }

    #[test]
    fn slow_readers_do_not_write_and_writers_are_as_many_as_asked_for() {
        let cast = cast(
            TEXT,
            &[
                "rooms=1x10",
                "rate=1.0",
                "writers=3",
                "readers=2",
                "bytes-per-second=1000",
            ],
        );
        assert_eq!(cast.writers(), 3);
        assert_eq!(cast.people.iter().filter(|person| person.slow).count(), 2);
        assert!(cast.people[9].slow && cast.people[9].writes.is_empty());
    }

    #[test]
    fn the_parts_of_the_agents_are_the_whole() {
        let cast = cast(TEXT, &["rooms=1x10"]);
        let mut numbers: Vec<_> = (0..3)
            .flat_map(|index| cast.part(index, 3).people)
            .map(|person| person.number)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    }
}
