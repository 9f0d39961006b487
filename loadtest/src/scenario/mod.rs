//! A scenario: what a file of `loadtest/scenarios/` says, with its bounds. Refusals name the key and its line.
//! It knows nothing of servers: the same file is run against every kind of target.

mod change;

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::Failure;
use crate::chance::Process;

/// What is to be done to a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The file's name without its ending.
    #[serde(default)]
    pub(crate) name: String,
    /// One line for people.
    #[serde(default)]
    pub(crate) about: String,
    /// Arrivals and choices repeat with it.
    #[serde(default = "one")]
    pub(crate) seed: u64,
    /// Who connects, and how fast.
    pub(crate) people: People,
    /// Rooms by size.
    pub(crate) rooms: Vec<Rooms>,
    /// How long.
    #[serde(default)]
    pub(crate) time: Time,
    /// What is said; nothing when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) talk: Option<Talk>,
    /// Readers that take their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slow: Option<Slow>,
    /// Everybody's network fails at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) storm: Option<Storm>,
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct People {
    /// How many.
    pub(crate) connections: u32,
    /// In a second; 0: as fast as the server takes them.
    #[serde(default = "thousand")]
    pub(crate) connect_rate: f64,
    /// Handshakes under way at once, over all agents.
    #[serde(default = "in_flight")]
    pub(crate) in_flight: u32,
    /// With a seed file: only the members of its largest room.
    #[serde(default)]
    pub(crate) only_largest: bool,
    /// Whoever the server cuts off comes back as the official client does, and says again what was not answered.
    #[serde(default)]
    pub(crate) come_back: bool,
}

/// So many rooms of so many members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rooms {
    /// How many rooms.
    pub(crate) count: u32,
    /// People in each.
    pub(crate) members: u32,
}

/// Seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Time {
    /// Before anything counts.
    pub(crate) warm_up: f64,
    /// That count.
    pub(crate) duration: f64,
}

impl Default for Time {
    fn default() -> Time {
        Time {
            warm_up: 5.0,
            duration: 30.0,
        }
    }
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Talk {
    /// Actions in a second, over all people.
    pub(crate) rate: f64,
    /// How they lie in time.
    #[serde(default)]
    pub(crate) process: Process,
    /// Of a message's text.
    #[serde(default = "bytes")]
    pub(crate) bytes: u16,
    /// Members of a room who write; 0: all.
    #[serde(default)]
    pub(crate) writers: u32,
    /// Weights.
    #[serde(default)]
    pub(crate) actions: Actions,
}

/// How often which action is drawn, relative to the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Actions {
    /// A message.
    #[serde(default)]
    pub(crate) send: f64,
    /// `typing:start`.
    #[serde(default)]
    pub(crate) typing: f64,
    /// A read receipt.
    #[serde(default)]
    pub(crate) read: f64,
    /// `presence:set`.
    #[serde(default)]
    pub(crate) presence: f64,
    /// A page of the history.
    #[serde(default)]
    pub(crate) history: f64,
}

impl Default for Actions {
    fn default() -> Actions {
        Actions {
            send: 1.0,
            typing: 0.0,
            read: 0.0,
            presence: 0.0,
            history: 0.0,
        }
    }
}

impl Actions {
    /// In the order of [`crate::words::Action`].
    pub(crate) fn weights(&self) -> [f64; 5] {
        [
            self.send,
            self.typing,
            self.read,
            self.presence,
            self.history,
        ]
    }
}

/// Readers that take their time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Slow {
    /// How many of the people; they do not write.
    pub(crate) readers: u32,
    /// That one of them reads.
    pub(crate) bytes_per_second: u32,
}

/// Everybody's network fails at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Storm {
    /// Seconds into the measured time.
    pub(crate) after: f64,
    /// Seconds until all come back at once.
    pub(crate) away: f64,
    /// People who stay and go on talking.
    #[serde(default = "one_u32")]
    pub(crate) keep: u32,
}

fn one() -> u64 {
    1
}
fn one_u32() -> u32 {
    1
}
fn thousand() -> f64 {
    1_000.0
}
fn in_flight() -> u32 {
    256
}
fn bytes() -> u16 {
    128
}

impl Scenario {
    /// Reads a file and changes what `sets` (`key=value`) say.
    pub(crate) fn read(path: &Path, sets: &[String]) -> Result<Scenario, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure(format!("{}: {error}", path.display())))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Scenario::parse(&text, &name, sets)
            .map_err(|Failure(why)| Failure(format!("{}: {why}", path.display())))
    }

    /// As [`Scenario::read`], from the file's text.
    pub(crate) fn parse(text: &str, name: &str, sets: &[String]) -> Result<Scenario, Failure> {
        // Once as it stands: a refusal then shows the line.
        let told: Scenario = toml::from_str(text)?;
        let mut scenario = if sets.is_empty() {
            told
        } else {
            let mut table: Table = toml::from_str(text)?;
            for set in sets {
                change::change(&mut table, set)?;
            }
            Scenario::deserialize(Value::Table(table))
                .map_err(|error| Failure(format!("`--set`: {}", error.message())))?
        };
        if scenario.name.is_empty() {
            scenario.name = name.to_owned();
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// Seconds of warm-up and measurement.
    pub(crate) fn seconds(&self) -> f64 {
        self.time.warm_up + self.time.duration
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |key: &str, why: String| Err(Failure(format!("`{key}` {why}")));
        let within = |key: &str, value: f64, low: f64, high: f64| {
            if value.is_finite() && (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Failure(format!(
                "`{key}` must be in {low}..={high}, not {value}"
            )))
        };
        let people = &self.people;
        within("people.connections", people.connections.into(), 1.0, 1e6)?;
        within("people.connect-rate", people.connect_rate, 0.0, 1e6)?;
        within("people.in-flight", people.in_flight.into(), 1.0, 20_000.0)?;
        within("time.warm-up", self.time.warm_up, 0.0, 86_400.0)?;
        within("time.duration", self.time.duration, 1.0, 7.0 * 86_400.0)?;
        for rooms in &self.rooms {
            if rooms.members == 0 || rooms.members > people.connections {
                return refuse(
                    "rooms.members",
                    format!(
                        "must be in 1..={} (people.connections), not {}",
                        people.connections, rooms.members
                    ),
                );
            }
        }
        if let Some(talk) = &self.talk {
            within("talk.rate", talk.rate, 0.0, 1e7)?;
            within("talk.bytes", talk.bytes.into(), 64.0, 4_000.0)?;
            let weights = talk.actions.weights();
            if weights.iter().any(|weight| !(0.0..=1e9).contains(weight))
                || weights.iter().sum::<f64>() <= 0.0
            {
                return refuse(
                    "talk.actions",
                    "are weights: none below 0, and one above".to_owned(),
                );
            }
            if self.rooms.is_empty() {
                return refuse("rooms", "must not be empty where people talk".to_owned());
            }
        }
        if let Some(slow) = &self.slow {
            within(
                "slow.readers",
                slow.readers.into(),
                1.0,
                f64::from(people.connections.saturating_sub(1)),
            )?;
            within(
                "slow.bytes-per-second",
                slow.bytes_per_second.into(),
                100.0,
                1e9,
            )?;
        }
        if let Some(storm) = &self.storm {
            within("storm.after", storm.after, 0.0, self.time.duration)?;
            within(
                "storm.away",
                storm.away,
                0.0,
                self.time.duration - storm.after,
            )?;
            within(
                "storm.keep",
                storm.keep.into(),
                0.0,
                people.connections.into(),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "
[people]
connections = 10
[[rooms]]
count = 1
members = 10
[talk]
rate = 5.0
";

    fn refused(text: &str, sets: &[&str]) -> String {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        Scenario::parse(text, "x", &sets)
            .map(|told| panic!("{told:?}"))
            .unwrap_or_else(|Failure(why)| why)
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let why = refused(&format!("{SMALL}writer = 3\n"), &[]);
        assert!(why.contains("line 9") && why.contains("`writer`"), "{why}");
        let why = refused("speed = 3\n", &[]);
        assert!(why.contains("line 1") && why.contains("`speed`"), "{why}");
    }

    #[test]
    fn a_value_out_of_bounds_is_refused_by_name() {
        let why = refused(&SMALL.replace("5.0", "-1.0"), &[]);
        assert!(why.contains("`talk.rate`"), "{why}");
        assert!(refused(SMALL, &["members=11", "rooms=1x11"]).contains("members"));
    }

    #[test]
    fn what_is_set_on_the_command_line_wins() {
        let sets = [
            "rate=200",
            "process=constant",
            "talk.actions.typing=2",
            "rooms=2x3,1x10",
            "away=1",
            "after=2",
        ];
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        let told = Scenario::parse(SMALL, "x", &sets).unwrap();
        let talk = told.talk.unwrap();
        assert_eq!(
            (talk.rate, talk.process, talk.actions.typing),
            (200.0, Process::Constant, 2.0)
        );
        assert_eq!(
            told.rooms,
            [
                Rooms {
                    count: 2,
                    members: 3
                },
                Rooms {
                    count: 1,
                    members: 10
                }
            ]
        );
        assert_eq!(told.storm.unwrap().away, 1.0);
        assert_eq!(told.name, "x");
    }

    #[test]
    fn an_unknown_name_on_the_command_line_is_refused_with_those_that_are_known() {
        let why = refused(SMALL, &["speed=1"]);
        assert!(
            why.contains("`speed`") && why.contains("connect-rate"),
            "{why}"
        );
        assert!(refused(SMALL, &["rate"]).contains("key=value"));
    }

    #[test]
    fn every_scenario_that_is_shipped_is_right_and_says_what_it_is() {
        let files: Vec<_> = std::fs::read_dir("scenarios")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= 9);
        for file in files {
            let told = Scenario::read(&file, &[]).unwrap_or_else(|Failure(why)| panic!("{why}"));
            assert!(!told.about.is_empty(), "{}", file.display());
        }
    }
}
