//! What the store does with a question: answers late, wrongly never, and sometimes not as soon as it has acted.

use std::sync::Arc;

use chat::{
    AppendFailed, Effect, Input, LogRead, PAGE_ENTRIES, StoreAnswer, StoreQuestion, Together,
};
use protocol::entry::Entry;
use protocol::ids::{RoomId, UserId};
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Head};

use super::bugs::Bug;
use super::store::Placed;
use super::wire::Site;
use super::world::{Happening, World};

/// A driver's deadline: when it gives up on an answer.
const DRIVER_MILLIS: u64 = 3_000;

impl World {
    pub(super) fn store_delay(&mut self) -> u64 {
        if self.strikes(self.plan.store_slow, "store stalls") {
            return self.rng.between(300, 7_000);
        }
        self.rng.between(1, 12)
    }

    pub(super) fn answer(
        &mut self,
        (site, ticket): (Site, u64),
        room: RoomId,
        delay: u64,
        answer: StoreAnswer,
    ) {
        let answer = self.tamper_answer(site, room, answer);
        let input = Box::new(Input::Store {
            room,
            ticket,
            answer,
        });
        self.after(delay, Happening::Input { site, input });
    }

    /// A home's question has arrived at the store.
    pub(crate) fn asked(&mut self, site: Site, room: RoomId, ticket: u64, question: StoreQuestion) {
        let local = self.has(Bug::LocalReads);
        let back = self.store_delay();
        let fails = !matches!(question, StoreQuestion::Append { .. })
            && self.strikes(self.plan.read_fails, "reads failed");
        let away = || "the store is away".to_owned();
        let answer = match question {
            StoreQuestion::Append { epoch, entries } => {
                return self.append((site, ticket), room, epoch, entries);
            }
            StoreQuestion::Open => StoreAnswer::Opened(if fails {
                Err(away())
            } else {
                Ok(self.store.open(room).map(Box::new))
            }),
            StoreQuestion::Lookup { keys } => {
                StoreAnswer::LookedUp(match self.store.lookup(room, &keys, local) {
                    Some(found) if !fails => Ok(found),
                    _ => Err(away()),
                })
            }
            StoreQuestion::Messages { ids } => StoreAnswer::Messages(if fails {
                Err(away())
            } else {
                Ok(self.store.messages(room, &ids))
            }),
        };
        self.answer((site, ticket), room, back, answer);
    }

    pub(super) fn append(
        &mut self,
        asker: (Site, u64),
        room: RoomId,
        epoch: Epoch,
        entries: Arc<[Entry]>,
    ) {
        let late = self.rng.between(10, 2_500);
        if self.strikes(self.plan.append_unavailable, "appends refused") {
            let delay = self.store_delay();
            return self.answer(
                asker,
                room,
                delay,
                StoreAnswer::Appended(Err(AppendFailed::Unavailable)),
            );
        }
        if self.strikes(self.plan.append_never, "appends lost on their way") {
            return self.answer(
                asker,
                room,
                DRIVER_MILLIS.min(late),
                StoreAnswer::Appended(Err(AppendFailed::Unknown)),
            );
        }
        if self.strikes(
            self.plan.append_lands_late,
            "appends that land after their answer",
        ) {
            let answered = self.rng.between(5, 300);
            self.answer(
                asker,
                room,
                answered,
                StoreAnswer::Appended(Err(AppendFailed::Unknown)),
            );
            return self.after(
                answered + late,
                Happening::Lands {
                    room,
                    epoch,
                    entries,
                },
            );
        }
        if self.has(Bug::DedupeWithoutSender)
            && entries
                .iter()
                .any(|entry| self.by_name_alone(room, entry).is_some())
        {
            return self.answer(
                asker,
                room,
                1,
                StoreAnswer::Appended(Err(AppendFailed::Conflict)),
            );
        }
        let mut entries = &entries[..];
        if self.has(Bug::TwoWritesInFlight) && entries.len() > 1 && self.rng.chance(500) {
            // The first of the independent writes is lost on its way.
            entries = &entries[1..];
        }
        let cut = self.plan.prefixes
            && entries.len() > 1
            && self.strikes(self.plan.append_unknown, "batches cut short");
        if cut {
            entries = &entries[..entries.len() - 1];
        }
        let (write, placed) = self.store.place(room, epoch, entries, self.plan.prefixes);
        let commit = self.rng.between(1, 10);
        let delay = self.store_delay();
        match placed {
            Placed::Conflict(taken) => {
                if taken > 0 {
                    self.after(
                        commit,
                        Happening::Commits {
                            room,
                            write,
                            answer: None,
                        },
                    );
                }
                self.tally.count("append conflicts");
                self.answer(
                    asker,
                    room,
                    delay,
                    StoreAnswer::Appended(Err(AppendFailed::Conflict)),
                );
            }
            Placed::All
                if self.strikes(self.plan.append_rolled_back, "elections that roll back") =>
            {
                let (site, ticket) = asker;
                if self.has(Bug::AckOnPrimary) {
                    self.answer(asker, room, 1, StoreAnswer::Appended(Ok(())));
                }
                let lost = self.rng.between(5, 600);
                self.after(
                    lost,
                    Happening::RollsBack {
                        room,
                        site,
                        ticket,
                        write,
                    },
                );
            }
            Placed::All if cut || self.strikes(self.plan.append_unknown, "append answers lost") => {
                self.after(
                    commit,
                    Happening::Commits {
                        room,
                        write,
                        answer: None,
                    },
                );
                self.answer(
                    asker,
                    room,
                    late,
                    StoreAnswer::Appended(Err(AppendFailed::Unknown)),
                );
            }
            Placed::All => {
                let answer = (!self.has(Bug::AckOnPrimary) && !self.has(Bug::AckBeforeCommit))
                    .then_some(asker);
                if self.has(Bug::AckOnPrimary) {
                    self.answer(asker, room, 1, StoreAnswer::Appended(Ok(())));
                }
                self.after(
                    commit,
                    Happening::Commits {
                        room,
                        write,
                        answer,
                    },
                );
            }
        }
    }

    pub(crate) fn lands(&mut self, room: RoomId, epoch: Epoch, entries: &[Entry]) {
        let (write, placed) = self.store.place(room, epoch, entries, self.plan.prefixes);
        if placed != Placed::Conflict(0) {
            self.commits(room, write, None);
        }
    }

    pub(crate) fn commits(&mut self, room: RoomId, write: u64, answer: Option<(Site, u64)>) {
        let news = self.store.commit(room, write, self.now);
        if let Some(log) = self.store.rooms.get(&room) {
            let epoch = log.epoch;
            self.record_log(room, epoch, news.as_deref().unwrap_or_default());
        }
        if let Some(asker) = answer {
            let delay = self.store_delay();
            // Empty: an earlier commit took it along. Gone: an election took it away.
            let result = if news.is_some() {
                Ok(())
            } else {
                Err(AppendFailed::Unknown)
            };
            self.answer(asker, room, delay, StoreAnswer::Appended(result));
        }
    }

    pub(crate) fn rolls_back(&mut self, room: RoomId, asker: (Site, u64), write: u64) {
        // A later write of the room may have been committed meanwhile, and this one with it.
        self.note(|_| {
            format!("an election takes write {write} of {room} away, unless it is committed")
        });
        self.store.roll_back(room);
        if !self.has(Bug::AckOnPrimary) {
            let delay = self.store_delay();
            self.answer(
                asker,
                room,
                delay,
                StoreAnswer::Appended(Err(AppendFailed::Unknown)),
            );
        }
    }

    /// A hub's question about rooms has arrived at the store. What is read for many is answered to each in their turn,
    /// one later than the other.
    pub(crate) fn reads(&mut self, site: Site, effect: Effect) {
        let fails = self.strikes(self.plan.read_fails, "reads failed");
        let local = self.has(Bug::LocalReads);
        let mut delay = self.store_delay();
        let (what, answers) = match effect {
            Effect::LoadRooms { of } => {
                let answer = |(conn, user)| Input::RoomsLoaded {
                    conn,
                    rooms: if fails {
                        Err(Problem::new(Code::Unavailable))
                    } else {
                        Ok(self.store.rooms_of(user))
                    },
                };
                (Together::Rooms, of.into_iter().map(answer).collect())
            }
            Effect::ReadLogs { logs } => {
                for read in logs {
                    let answer = if fails {
                        Err("the store is away".to_owned())
                    } else {
                        self.page(&read)
                    };
                    delay += self.rng.between(0, 2);
                    let (asker, answer) = ((site, read.ticket), StoreAnswer::Entries(answer));
                    self.answer(asker, read.room, delay, answer);
                }
                (Together::Logs, Vec::new())
            }
            Effect::Heads { .. } if fails || self.has(Bug::NoHeadComparison) => {
                (Together::Heads, Vec::new())
            }
            Effect::Heads { rooms } => {
                let heads = self.store.heads(&rooms, local);
                (Together::Heads, vec![Input::Heads { heads }])
            }
            Effect::LoadRoom { user, room } => return self.reads_room(site, fails, (user, room)),
            _ => return,
        };
        let well = !fails;
        for input in answers.into_iter().chain([Input::ReadEnded { what, well }]) {
            delay += self.rng.between(0, 2);
            let input = Box::new(input);
            self.after(delay, Happening::Input { site, input });
        }
    }

    fn page(&mut self, read: &LogRead) -> Result<(Head, Vec<Entry>), String> {
        let local = self.has(Bug::LocalReads);
        let short = self.strikes(self.plan.read_short, "short reads");
        let limit = if short {
            1 + self.rng.index(3)
        } else {
            PAGE_ENTRIES
        };
        let page = self.store.entries(read.room, read.after, limit, local);
        page.ok_or_else(|| "the store is away".to_owned())
    }

    fn reads_room(&mut self, site: Site, fails: bool, (user, room): (UserId, RoomId)) {
        // The shell asks again until it has an answer.
        if fails {
            let effect = Box::new(Effect::LoadRoom { user, room });
            return self.after(100, Happening::Reads { site, effect });
        }
        let log = self.store.rooms.get(&room);
        let summary = log.and_then(|log| log.summary(user)).map(Box::new);
        let input = Box::new(Input::RoomLoaded {
            user,
            room,
            summary,
        });
        let delay = self.store_delay();
        self.after(delay, Happening::Input { site, input });
    }
}
