//! Appends to many rooms as one: who appends while others do shares their questions to the server.
//!
//! Alone, a message costs three operations one after the other (the log, its sender's marker, the room's document), and
//! each of them far more CPU here than the message itself. What gathers for twice as long as groups take just now, and at
//! most [`PACE_MAX`], goes as the next: all of it as one command, or one insert of all batches, one update of the markers,
//! one of the rooms. So this process and the server are busy with groups half of the time, and a slow server gets larger groups and not more of them.
//! Each batch is a document of its own still, so that the argument at the top of the store holds for each by itself:
//! what the server says of one is told to that one, and whoever fails holds up nobody.
//!
//! Only plain talk goes together ([`plain`]). What changes members, versions or mentions, or comes to a room whose
//! place is not simply known, goes its own way ([`Mongo::append_alone`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::entry::{Change, Entry};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Mongo;
use crate::{Append, AppendError};

/// How far apart groups begin, as a multiple of what they take.
const PACE_TIMES: u32 = 2;
/// They begin at least so far apart, whatever they take; who appends after a pause never waits.
const PACE_MIN: Duration = Duration::from_millis(5);
/// And at most: a group that is stuck must not hold up the next one for long.
const PACE_MAX: Duration = Duration::from_millis(50);
/// Groups under way at once, some of them stuck.
const GROUPS_MAX: usize = 8;
/// Batches in one group; what is more waits for the next.
const BATCHES_MAX: usize = 256;
/// Entries in one group, so that its insert is mostly one message to the server; the driver parts what is larger.
const ENTRIES_MAX: usize = 1_024;
/// Appends that may wait. Rooms have one each under way, so that this is a bound on rooms.
const WAITING_MAX: usize = 4_096;

/// Those who wait for a group.
pub(super) struct Together {
    waiting: Mutex<Waiting>,
    turns: Arc<Semaphore>,
}

struct Waiting {
    appends: Vec<Waiter>,
    /// Somebody is on the way to begin the next group.
    called: bool,
    begun: Option<Instant>,
    /// How far apart groups begin now.
    pace: Duration,
    /// How long they took lately.
    took: Duration,
}

/// One append, and who waits for what becomes of it.
pub(super) struct Waiter {
    pub(super) append: Append,
    pub(super) until: Instant,
    reply: oneshot::Sender<Result<(), AppendError>>,
}

impl Waiter {
    pub(super) fn answer(self, stored: Result<(), AppendError>) {
        // Who has gone finds it in the log.
        drop(self.reply.send(stored));
    }
}

impl Default for Together {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                appends: Vec::new(),
                called: false,
                begun: None,
                pace: PACE_MIN,
                took: Duration::ZERO,
            }),
            turns: Arc::new(Semaphore::new(GROUPS_MAX)),
        }
    }
}

impl Together {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next group may begin.
    fn next(&self) -> Instant {
        let waiting = self.lock();
        let begun = waiting.begun.map(|begun| begun + waiting.pace);
        begun.unwrap_or_else(Instant::now)
    }

    /// A group took so long.
    fn took(&self, took: Duration) {
        let mut waiting = self.lock();
        waiting.took = (waiting.took * 3 + took) / 4;
        waiting.pace = (waiting.took * PACE_TIMES).clamp(PACE_MIN, PACE_MAX);
    }

    /// The next group, and whether others wait behind it.
    fn take(&self) -> (Vec<Waiter>, bool) {
        let mut waiting = self.lock();
        let mut entries = 0;
        let fits = waiting
            .appends
            .iter()
            .take(BATCHES_MAX)
            .take_while(|waiter| {
                entries += waiter.append.entries.len();
                entries <= ENTRIES_MAX
            })
            .count();
        let group = waiting.appends.drain(..fits.max(1)).collect();
        waiting.begun = Some(Instant::now());
        waiting.called = !waiting.appends.is_empty();
        (group, waiting.called)
    }
}

impl Mongo {
    /// Appends, together with others where that is possible.
    pub(super) async fn append_batch(&self, append: Append) -> Result<(), AppendError> {
        if plain(&append.entries) {
            self.append_together(append).await
        } else {
            self.append_alone(&self.call(), append).await
        }
    }

    async fn append_together(&self, append: Append) -> Result<(), AppendError> {
        let until = self.call().until();
        let (reply, stored) = oneshot::channel();
        {
            let mut waiting = self.together.lock();
            if waiting.appends.len() >= WAITING_MAX {
                return Err(AppendError::Unavailable(
                    "too much is waiting for mongodb".into(),
                ));
            }
            waiting.appends.push(Waiter {
                append,
                until,
                reply,
            });
            if !waiting.called {
                waiting.called = true;
                let mongo = self.clone();
                self.ops.spawn(mongo.begin_groups());
            }
        }
        match timeout_at(until, stored).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) => Err(AppendError::Unknown("the group was cut off".into())),
            // It may be in a group that is under way.
            Err(_) => Err(AppendError::Unknown(
                "mongodb gave no answer in time".into(),
            )),
        }
    }

    /// Begins one group after the other, until nobody waits.
    async fn begin_groups(self) {
        loop {
            sleep_until(self.together.next()).await;
            let Ok(turn) = Arc::clone(&self.together.turns).acquire_owned().await else {
                return; // never closed
            };
            let (group, more) = self.together.take();
            let mongo = self.clone();
            self.ops.spawn(async move {
                let begun = Instant::now();
                mongo.append_group(group).await;
                mongo.together.took(begun.elapsed());
                drop(turn);
            });
            if !more {
                return;
            }
        }
    }
}

/// Whether a batch is talk that names nobody.
pub(super) fn plain(entries: &[Entry]) -> bool {
    entries.iter().all(
        |entry| matches!(&entry.change, Change::Said { message } if message.mentions.is_empty()),
    )
}
