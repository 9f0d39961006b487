//! The checker: takes events in the order of the file, and says at the end what was wrong.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::BufRead;

use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;

use crate::event::{Content, Event, Line};
use crate::log::{Acked, Log, Membership};
use crate::sends::{Attempt, End, Sends};
use crate::stream::{Run, Step};
use crate::verdict::{Anomaly, Verdict};

/// Bounds to hold the history to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// How long an acknowledged entry may take to a connection whose stream is up, in milliseconds; `None` is unbounded.
    pub delivery_millis: Option<u64>,
}

/// A history file that cannot be judged.
#[derive(Debug)]
pub struct Unreadable {
    /// Which line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// Checks a history file. Empty lines are passed over; anything else that is no event is an error, not an anomaly.
pub fn check(file: impl BufRead, bounds: Bounds) -> Result<Verdict, Unreadable> {
    let mut checker = Checker::new(bounds);
    for (index, line) in file.lines().enumerate() {
        let unreadable = |reason: String| Unreadable {
            line: index as u64 + 1,
            reason,
        };
        let line = line.map_err(|error| unreadable(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let Line { at, event } =
            serde_json::from_str(&line).map_err(|error| unreadable(error.to_string()))?;
        checker.observe(at, &event);
    }
    Ok(checker.finish())
}

struct Room {
    log: Log,
    sends: Sends,
    /// Stretches that have ended.
    runs: Vec<Ended>,
}

struct Ended {
    run: Run,
    at: u64,
}

struct Connection {
    user: UserId,
    streams: BTreeMap<RoomId, Run>,
}

/// Checks a history event by event.
pub struct Checker {
    bounds: Bounds,
    rooms: BTreeMap<RoomId, Room>,
    connections: BTreeMap<u64, Connection>,
    attempts: HashMap<u64, (RoomId, Attempt)>,
    settled: bool,
    /// The time of the latest event.
    now: u64,
    verdict: Verdict,
}

impl Checker {
    /// Nothing seen yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            rooms: BTreeMap::new(),
            connections: BTreeMap::new(),
            attempts: HashMap::new(),
            settled: false,
            now: 0,
            verdict: Verdict::default(),
        }
    }

    /// What was found so far; checks that need the whole log come with [`Checker::finish`].
    pub fn so_far(&self) -> &Verdict {
        &self.verdict
    }

    /// Takes the next event.
    pub fn observe(&mut self, at: u64, event: &Event) {
        self.verdict.totals.lines += 1;
        self.now = self.now.max(at);
        match *event {
            Event::Invoke {
                id,
                conn,
                user,
                room,
                key,
                body,
            } => {
                self.verdict.totals.sends += 1;
                let its = self.room(room);
                let mut attempt = its.sends.invoked(conn, user, key, body);
                attempt.stored = its.log.has_seen(user, key, body);
                self.attempts.insert(id, (room, attempt));
            }
            Event::Ok { id, seq, duplicate } => self.acked(at, id, seq, duplicate),
            Event::Fail { id, retry } => self.refused(id, retry),
            Event::Info { id } => {
                if let Some((room, attempt)) = self.attempts.remove(&id) {
                    self.verdict.totals.unknown += 1;
                    self.room(room).sends.ended(attempt, End::Unknown, 0, false);
                }
            }
            Event::Connect { conn, user, .. } => {
                self.verdict.totals.connections += 1;
                self.connections.insert(
                    conn,
                    Connection {
                        user,
                        streams: BTreeMap::new(),
                    },
                );
            }
            Event::Start {
                conn,
                room,
                epoch,
                after,
            } => {
                self.stop(at, conn, room);
                let Some(connection) = self.connections.get_mut(&conn) else {
                    return;
                };
                let run = Run {
                    conn,
                    user: connection.user,
                    epoch,
                    after,
                    to: after,
                    began: at,
                };
                connection.streams.insert(room, run);
            }
            Event::Deliver {
                conn,
                room,
                seq,
                content,
            } => self.delivered(at, conn, room, (seq, content)),
            Event::Stop { conn, room } => self.stop(at, conn, room),
            Event::Disconnect { conn } => self.disconnected(at, conn),
            Event::Log {
                room,
                epoch,
                seq,
                content,
                passage,
                committed,
            } => {
                self.verdict.totals.entries += 1;
                let log = &mut room_of(&mut self.rooms, room).log;
                log.epoch = Some(epoch);
                log.logged(seq, content, &mut self.verdict);
                if let Some(passage) = passage {
                    log.passed(seq, passage, committed);
                }
            }
            Event::Restored { room, epoch, seq } => {
                let room = self.room(room);
                // Their right to what they heard can no longer be read off the log: it was cut off, or the return was that
                // gave it.
                let log = &room.log;
                room.runs
                    .retain(|ended| ended.run.to <= seq && !log.comes_after(ended.run.user, seq));
                room.log.restored(epoch, seq);
                room.sends.restored(seq);
            }
            Event::Settled => self.settled = true,
        }
    }

    /// The verdict over everything.
    pub fn finish(mut self) -> Verdict {
        let open: Vec<u64> = self.connections.keys().copied().collect();
        let membership: BTreeMap<RoomId, Membership> = self
            .rooms
            .iter()
            .map(|(id, room)| (*id, room.log.membership()))
            .collect();
        if self.settled {
            self.check_complete(&membership);
        }
        for conn in open {
            self.disconnected(self.now, conn);
        }
        self.verdict.totals.unknown += self.attempts.len() as u64;
        let verdict = &mut self.verdict;
        verdict.totals.entries = self.rooms.values().map(|room| room.log.entries()).sum();
        for (id, room) in &self.rooms {
            room.log.finish(verdict);
            for (seq, user, key, body) in room.log.messages() {
                if room.sends.denied(user, key, body) {
                    verdict.note(Anomaly::Denied, || {
                        format!("{id} at {seq}: {key} of {user} was refused each time")
                    });
                }
            }
            check_runs(*id, room, &membership[id], (self.bounds, verdict));
        }
        self.verdict
    }

    fn room(&mut self, room: RoomId) -> &mut Room {
        room_of(&mut self.rooms, room)
    }

    fn refused(&mut self, id: u64, retry: bool) {
        let Some((room, attempt)) = self.attempts.remove(&id) else {
            return;
        };
        self.verdict.totals.refused += 1;
        self.room(room).sends.ended(attempt, End::Refused, 0, false);
        if attempt.stored && !retry {
            let Attempt { user, key, .. } = attempt;
            self.verdict.note(Anomaly::Denied, || {
                format!("{room}: {key} of {user} was refused for good, and had been seen before")
            });
        }
    }

    fn acked(&mut self, at: u64, id: u64, seq: Seq, duplicate: bool) {
        let Some((id, attempt)) = self.attempts.remove(&id) else {
            return;
        };
        self.verdict.totals.acked += 1;
        let room = room_of(&mut self.rooms, id);
        let (reordered, inverted) = room.sends.ended(attempt, End::Acked, seq, duplicate);
        let Attempt {
            conn,
            user,
            key,
            body,
            ..
        } = attempt;
        room.log.acked(
            seq,
            Acked {
                user,
                key,
                body,
                at,
            },
            &mut self.verdict,
        );
        if reordered {
            self.verdict.note(Anomaly::Reordered, || {
                format!("{id} at {seq}: {key} of {user}, sent on connection {conn}")
            });
        }
        if inverted {
            self.verdict.note(Anomaly::Inverted, || {
                format!(
                    "{id} at {seq}: {key} of {user} was sent after a higher place was acknowledged"
                )
            });
        }
    }

    fn delivered(&mut self, at: u64, conn: u64, id: RoomId, (seq, content): (Seq, Content)) {
        self.verdict.totals.delivered += 1;
        let room = room_of(&mut self.rooms, id);
        room.log.seen(seq, content, &mut self.verdict);
        let Some(run) = self
            .connections
            .get_mut(&conn)
            .and_then(|connection| connection.streams.get_mut(&id))
        else {
            self.verdict.note(Anomaly::Unstarted, || {
                format!("connection {conn}: {id} at {seq}")
            });
            return;
        };
        let before = run.to;
        match run.take(seq) {
            Step::Next => {}
            Step::Skipped => {
                self.verdict.note(Anomaly::Skipped, || {
                    format!("connection {conn}: {id} at {seq} after {before}")
                });
            }
            Step::Repeated => {
                self.verdict.note(Anomaly::Repeated, || {
                    format!("connection {conn}: {id} at {seq} after {before}")
                });
            }
        }
        if room.log.epoch.is_some_and(|epoch| epoch != run.epoch) {
            self.verdict.note(Anomaly::Phantom, || {
                format!("connection {conn}: {id} at {seq} of an incarnation that is gone")
            });
        }
        if let Some(acked) = room.log.acked_at(seq) {
            let waited = at.saturating_sub(acked.max(run.began));
            self.verdict.totals.latest_millis = self.verdict.totals.latest_millis.max(waited);
            if self
                .bounds
                .delivery_millis
                .is_some_and(|bound| waited > bound)
            {
                self.verdict.note(Anomaly::Late, || {
                    format!("connection {conn}: {id} at {seq} after {waited} ms")
                });
            }
        }
    }

    fn stop(&mut self, at: u64, conn: u64, room: RoomId) {
        let run = self
            .connections
            .get_mut(&conn)
            .and_then(|connection| connection.streams.remove(&room));
        if let Some(run) = run {
            self.room(room).runs.push(Ended { run, at });
        }
    }

    fn disconnected(&mut self, at: u64, conn: u64) {
        let Some(connection) = self.connections.remove(&conn) else {
            return;
        };
        for (room, run) in connection.streams {
            let room = self.room(room);
            room.runs.push(Ended { run, at });
            room.sends.disconnected(conn);
        }
    }

    /// After everything was quiet: every connection of every member stands at the head.
    fn check_complete(&mut self, membership: &BTreeMap<RoomId, Membership>) {
        for (conn, connection) in &self.connections {
            let user = connection.user;
            for (id, room) in &self.rooms {
                let (members, head) = (&membership[id], room.log.head);
                let stream = connection.streams.get(id);
                let belongs = if members.known() {
                    members.member_after(user, head)
                } else {
                    stream.is_some()
                };
                let position = stream.map(|run| run.to);
                if belongs && position.is_none_or(|position| position < head) {
                    self.verdict.note(Anomaly::Incomplete, || {
                        format!(
                            "connection {conn} of {user}: {id} ends at {head}, it has {position:?}"
                        )
                    });
                }
            }
        }
    }
}

fn room_of(rooms: &mut BTreeMap<RoomId, Room>, room: RoomId) -> &mut Room {
    rooms.entry(room).or_insert_with(|| Room {
        log: Log::new(room),
        sends: Sends::default(),
        runs: Vec::new(),
    })
}

/// What each stretch was given, against who was a member and what was acknowledged when.
fn check_runs(
    id: RoomId,
    room: &Room,
    members: &Membership,
    (bounds, verdict): (Bounds, &mut Verdict),
) {
    let owed = bounds
        .delivery_millis
        .map(|bound| (bound, earliest_acks(&room.log)));
    for Ended { run, at } in &room.runs {
        let Run {
            conn,
            user,
            after,
            to,
            began,
            ..
        } = *run;
        if members.known()
            && let Some(seq) = members.heard_outside(user, after, to, began)
        {
            verdict.note(Anomaly::HeardOutside, || {
                format!("{id}: connection {conn} of {user} was given {seq}")
            });
        }
        let Some((bound, earliest)) = &owed else {
            continue;
        };
        let Some(acked) = earliest.get(to as usize + 1).copied().flatten() else {
            continue;
        };
        let belongs = !members.known() || members.member_after(user, room.log.head);
        if belongs && at.saturating_sub(acked.max(began)) > *bound {
            verdict.note(Anomaly::Late, || {
                format!("connection {conn}: {id} after {to} was still owed when it ended")
            });
        }
    }
}

/// For each place, when the first place from there on was acknowledged.
fn earliest_acks(log: &Log) -> Vec<Option<u64>> {
    let mut earliest = vec![None; log.head as usize + 2];
    for seq in (1..=log.head).rev() {
        let later = earliest[seq as usize + 1];
        let own = log.acked_at(seq);
        earliest[seq as usize] = own.into_iter().chain(later).min();
    }
    earliest
}
