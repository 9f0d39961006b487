//! What all clients of a run saw, in the one order in which it was seen: judged as it grows, measured, and written down.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;
use history::{Bounds, Checker, Event, Line, Verdict};
use protocol::ids::ClientId;

use crate::Fault;

/// Ten minutes: what takes longer is counted as that.
const MICROS_MAX: u64 = 600_000_000;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From the first attempt to the acknowledgement, in microseconds, repeats and outages included.
    pub ack: Histogram<u64>,
    /// From the first attempt to each member that was given the message, in microseconds, reconnects included.
    pub delivery: Histogram<u64>,
    /// Refusals by their code.
    pub refused: BTreeMap<String, u64>,
    /// Connections that did not come about.
    pub connects_failed: u64,
    /// Connections that were up and ended.
    pub ended: u64,
    /// Times that the server said that it leaves something out (`stream:gap`).
    pub gaps: u64,
}

struct Inner {
    checker: Option<Checker>,
    file: Option<BufWriter<File>>,
    /// The first error of the file: everything after it would be a history with a hole.
    broken: Option<String>,
    first_attempts: HashMap<ClientId, u64>,
    flying: HashMap<u64, u64>,
    figures: Figures,
}

/// Takes in what clients saw. Shared by all clients of a run; memory grows with messages, never with deliveries.
pub struct Recorder {
    start: Instant,
    numbers: AtomicU64,
    inner: Mutex<Inner>,
}

impl Recorder {
    /// Nothing seen yet. With a path the history is also written there, a line an event.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(bounds: Bounds, path: Option<&Path>) -> Result<Recorder, Fault> {
        let file = path.map(|path| {
            let file = File::create(path).map_err(|error| Fault::of(path.display(), error))?;
            Ok(BufWriter::new(file))
        });
        Ok(Recorder {
            start: Instant::now(),
            numbers: AtomicU64::new(1),
            inner: Mutex::new(Inner {
                checker: Some(Checker::new(bounds)),
                file: file.transpose()?,
                broken: None,
                first_attempts: HashMap::new(),
                flying: HashMap::new(),
                figures: Figures {
                    ack: histogram(),
                    delivery: histogram(),
                    refused: BTreeMap::new(),
                    connects_failed: 0,
                    ended: 0,
                    gaps: 0,
                },
            }),
        })
    }

    /// A number that is used once in this history: for a connection, or an attempt.
    pub fn fresh(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// Takes the next event.
    pub fn observe(&self, event: Event) {
        let mut inner = self.lock();
        // Under the lock: lines stand in the order of their times.
        let micros = self.start.elapsed().as_micros() as u64;
        inner.measure(micros, &event);
        let at = micros / 1_000;
        if let Some(checker) = &mut inner.checker {
            checker.observe(at, &event);
        }
        inner.write(&Line { at, event });
    }

    /// The server refused a send with this code.
    pub fn refused(&self, code: &str) {
        let mut inner = self.lock();
        *inner.figures.refused.entry(code.to_owned()).or_default() += 1;
    }

    /// The server said that it leaves something out.
    pub fn gap(&self) {
        self.lock().figures.gaps += 1;
    }

    /// A connection did not come about.
    pub fn connect_failed(&self) {
        self.lock().figures.connects_failed += 1;
    }

    /// The verdict over everything, and what was measured. What comes later is passed over.
    ///
    /// # Errors
    /// When the history could not be written to its end.
    pub fn finish(&self) -> Result<(Verdict, Figures), Fault> {
        let mut inner = self.lock();
        if let Some(mut file) = inner.file.take()
            && let Err(error) = file.flush()
        {
            inner.broken.get_or_insert(error.to_string());
        }
        if let Some(broken) = &inner.broken {
            return Err(Fault::of("the history cannot be written", broken));
        }
        let verdict = inner.checker.take().map(Checker::finish);
        Ok((verdict.unwrap_or_default(), inner.figures.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn measure(&mut self, micros: u64, event: &Event) {
        match event {
            Event::Invoke { id, key, .. } => {
                let first = *self.first_attempts.entry(*key).or_insert(micros);
                self.flying.insert(*id, first);
            }
            Event::Ok { id, .. } => {
                if let Some(first) = self.flying.remove(id) {
                    self.figures.ack.saturating_record(micros - first);
                }
            }
            Event::Fail { id, .. } | Event::Info { id } => {
                self.flying.remove(id);
            }
            Event::Deliver { content, .. } => {
                if let Some(first) = content.key.and_then(|key| self.first_attempts.get(&key)) {
                    self.figures.delivery.saturating_record(micros - first);
                }
            }
            Event::Disconnect { .. } => self.figures.ended += 1,
            _ => {}
        }
    }

    fn write(&mut self, line: &Line) {
        let Some(file) = self.file.as_mut().filter(|_| self.broken.is_none()) else {
            return;
        };
        let written = serde_json::to_writer(&mut *file, line).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
            self.broken = Some(error.to_string());
        }
    }
}

/// Microseconds, three digits. With fixed bounds: one that grows by itself clamps before it grows.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("the bounds are in order")
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{RoomId, UserId};
    use uuid::Uuid;

    #[test]
    fn an_ack_is_measured_from_the_first_attempt_and_judged_at_once() {
        let recorder = Recorder::new(Bounds::default(), None).expect("a recorder");
        let (key, room) = (ClientId(Uuid::nil()), RoomId(Uuid::nil()));
        for id in [1, 2] {
            recorder.observe(Event::Invoke {
                id,
                conn: 1,
                user: UserId(Uuid::nil()),
                room,
                key,
                body: 0,
            });
        }
        recorder.observe(Event::Info { id: 1 });
        recorder.observe(Event::Ok {
            id: 2,
            seq: 1,
            duplicate: true,
        });
        let (verdict, figures) = recorder.finish().expect("a verdict");
        assert_eq!(figures.ack.len(), 1);
        assert_eq!((verdict.totals.sends, verdict.totals.acked), (2, 1));
        assert_eq!(
            verdict.count(history::Anomaly::Lost),
            1,
            "no log was read that holds it"
        );
    }
}
