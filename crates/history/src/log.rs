//! A room's log as the observers saw it: one content a place, and who was a member where.

use std::collections::{BTreeMap, HashMap};

use protocol::ids::{ClientId, RoomId, UserId};
use protocol::message::Seq;
use protocol::room::Epoch;

use crate::event::{Content, Passage};
use crate::verdict::{Anomaly, Verdict};

/// An acknowledgement that names a place.
#[derive(Clone, Copy)]
pub(crate) struct Acked {
    pub(crate) user: UserId,
    pub(crate) key: ClientId,
    pub(crate) body: u64,
    pub(crate) at: u64,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    content: Content,
    logged: bool,
    pub(crate) acked: Option<Acked>,
}

/// From `seq` on somebody is a member, or is none.
#[derive(Clone, Copy)]
struct Turnstile {
    seq: Seq,
    inside: bool,
    committed: Option<u64>,
}

pub(crate) struct Log {
    room: RoomId,
    pub(crate) epoch: Option<Epoch>,
    places: HashMap<Seq, Place>,
    /// Where each message was first seen.
    keys: HashMap<(UserId, ClientId), Seq>,
    /// The last place of the log as it was read; 0 when it was not.
    pub(crate) head: Seq,
    passages: BTreeMap<Seq, (Passage, Option<u64>)>,
}

impl Log {
    pub(crate) fn new(room: RoomId) -> Self {
        Self {
            room,
            epoch: None,
            places: HashMap::new(),
            keys: HashMap::new(),
            head: 0,
            passages: BTreeMap::new(),
        }
    }

    /// An entry of the log itself.
    pub(crate) fn logged(&mut self, seq: Seq, content: Content, verdict: &mut Verdict) {
        self.seen(seq, content, verdict);
        let place = self.places.entry(seq).or_default();
        place.logged = true;
        // The log decides what stands there; who saw something else was told already.
        let kept = place.content;
        place.content = Content {
            whole: content.whole.or(kept.whole),
            actor: content.actor.or(kept.actor),
            key: content.key.or(kept.key),
            body: content.body.or(kept.body),
        };
        self.head = self.head.max(seq);
    }

    pub(crate) fn passed(&mut self, seq: Seq, passage: Passage, committed: Option<u64>) {
        self.passages.insert(seq, (passage, committed));
    }

    /// What some observer saw at a place; compared with what all others saw there.
    pub(crate) fn seen(&mut self, seq: Seq, content: Content, verdict: &mut Verdict) {
        let room = self.room;
        let known = &mut self.places.entry(seq).or_default().content;
        let before = *known;
        let agrees = agree(&mut known.whole, content.whole)
            & agree(&mut known.actor, content.actor)
            & agree(&mut known.key, content.key)
            & agree(&mut known.body, content.body);
        if !agrees {
            verdict.note(Anomaly::Diverged, || {
                format!("{room} at {seq}: {before:?}, then {content:?}")
            });
        }
        if let (Some(actor), Some(key)) = (content.actor, content.key) {
            let first = *self.keys.entry((actor, key)).or_insert(seq);
            if first != seq {
                verdict.note(Anomaly::Doubled, || {
                    format!("{room}: {key} of {actor} stands at {first} and at {seq}")
                });
            }
        }
    }

    pub(crate) fn acked(&mut self, seq: Seq, acked: Acked, verdict: &mut Verdict) {
        let room = self.room;
        let place = self.places.entry(seq).or_default();
        let Some(first) = place.acked else {
            place.acked = Some(acked);
            return;
        };
        if (first.user, first.key) != (acked.user, acked.key) {
            verdict.note(Anomaly::Diverged, || {
                format!(
                    "{room} at {seq}: acknowledged to {} as {} and to {} as {}",
                    first.user, first.key, acked.user, acked.key
                )
            });
        } else if first.body != acked.body {
            verdict.note(Anomaly::Swallowed, || {
                format!(
                    "{room} at {seq}: {} acknowledged with two bodies",
                    acked.key
                )
            });
        }
    }

    /// Whether some observer has seen this message already.
    pub(crate) fn has_seen(&self, user: UserId, key: ClientId, body: u64) -> bool {
        let place = self
            .keys
            .get(&(user, key))
            .and_then(|seq| self.places.get(seq));
        place.is_some_and(|place| place.content.body == Some(body))
    }

    pub(crate) fn acked_at(&self, seq: Seq) -> Option<u64> {
        self.places.get(&seq)?.acked.map(|acked| acked.at)
    }

    /// The operator put the room back: nothing above `seq` is owed to anybody.
    pub(crate) fn restored(&mut self, epoch: Epoch, seq: Seq) {
        self.epoch = Some(epoch);
        self.places.retain(|place, _| *place <= seq);
        self.keys.retain(|_, place| *place <= seq);
        self.passages.retain(|place, _| *place <= seq);
        self.head = self.head.min(seq);
    }

    /// Whether somebody became a member above a place.
    pub(crate) fn comes_after(&self, user: UserId, seq: Seq) -> bool {
        let comes = |passage: &Passage| matches!(passage, Passage::Came(who) if *who == user);
        self.passages
            .range(seq + 1..)
            .any(|(_, (passage, _))| comes(passage))
    }

    /// Entries in the log as it was read.
    pub(crate) fn entries(&self) -> u64 {
        self.places.values().filter(|place| place.logged).count() as u64
    }

    /// Places of the log that carry a message, with its sender, name and body.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (Seq, UserId, ClientId, u64)> {
        self.places
            .iter()
            .filter(|(_, place)| place.logged)
            .filter_map(|(seq, place)| {
                let content = place.content;
                Some((*seq, content.actor?, content.key?, content.body?))
            })
    }

    /// The checks that need the whole log.
    pub(crate) fn finish(&self, verdict: &mut Verdict) {
        let room = self.room;
        let mut seqs: Vec<Seq> = self.places.keys().copied().collect();
        seqs.sort_unstable();
        for seq in 1..=self.head {
            if !self.places.get(&seq).is_some_and(|place| place.logged) {
                verdict.note(Anomaly::Hole, || {
                    format!(
                        "{room}: nothing at {seq}, and the log ends at {}",
                        self.head
                    )
                });
            }
        }
        for seq in seqs {
            let place = self.places[&seq];
            if let Some(acked) = place.acked {
                self.check_ack(seq, place, acked, verdict);
            }
            if !place.logged && seq > self.head && place.content != Content::default() {
                verdict.note(Anomaly::Phantom, || {
                    format!(
                        "{room}: {seq} was delivered, and the log ends at {}",
                        self.head
                    )
                });
            }
        }
        self.check_writers(verdict);
    }

    fn check_ack(&self, seq: Seq, place: Place, acked: Acked, verdict: &mut Verdict) {
        let (room, key, user) = (self.room, acked.key, acked.user);
        if !place.logged {
            verdict.note(Anomaly::Lost, || format!("{room}: {key} of {user} was acknowledged at {seq}, and the log has nothing there"));
        } else if place.content.key.is_some()
            && (place.content.actor, place.content.key) != (Some(user), Some(key))
        {
            verdict.note(Anomaly::Lost, || {
                let elsewhere = self.keys.get(&(user, key));
                format!("{room}: {key} of {user} was acknowledged at {seq}; another stands there, it stands at {elsewhere:?}")
            });
        } else if place.content.key.is_none() && place.content.whole.is_some() {
            verdict.note(Anomaly::Lost, || {
                format!(
                    "{room}: {key} of {user} was acknowledged at {seq}; no message stands there"
                )
            });
        } else if place.content.body.is_some_and(|body| body != acked.body) {
            verdict.note(Anomaly::Swallowed, || {
                format!(
                    "{room}: {key} of {user} was acknowledged at {seq}, where another body stands"
                )
            });
        }
    }

    fn check_writers(&self, verdict: &mut Verdict) {
        let people = self.turnstiles();
        // A log without any membership in it (a load test's) says nothing about who may write.
        if people.is_empty() {
            return;
        }
        for seq in 1..=self.head {
            let Some(actor) = self.places.get(&seq).and_then(|place| place.content.actor) else {
                continue;
            };
            if !self.passages.contains_key(&seq) && !inside(people.get(&actor), seq) {
                verdict.note(Anomaly::WroteOutside, || {
                    format!(
                        "{}: {actor} wrote {seq}, and was no member there",
                        self.room
                    )
                });
            }
        }
    }

    fn turnstiles(&self) -> HashMap<UserId, Vec<Turnstile>> {
        let mut people: HashMap<UserId, Vec<Turnstile>> = HashMap::new();
        for (seq, (passage, committed)) in &self.passages {
            let (seq, committed) = (*seq, *committed);
            match passage {
                Passage::Came(user) => people.entry(*user).or_default().push(Turnstile {
                    seq,
                    inside: true,
                    committed,
                }),
                Passage::Went(user) => people.entry(*user).or_default().push(Turnstile {
                    seq,
                    inside: false,
                    committed,
                }),
                Passage::Closed => {
                    for passed in people.values_mut() {
                        passed.push(Turnstile {
                            seq,
                            inside: false,
                            committed,
                        });
                    }
                }
            }
        }
        people
    }

    /// Who was a member where.
    pub(crate) fn membership(&self) -> Membership {
        Membership {
            people: self.turnstiles(),
        }
    }
}

/// Who was a member where; empty when the log told nothing of members.
pub(crate) struct Membership {
    people: HashMap<UserId, Vec<Turnstile>>,
}

impl Membership {
    pub(crate) fn known(&self) -> bool {
        !self.people.is_empty()
    }

    /// Whether somebody is a member after `seq` was applied.
    pub(crate) fn member_after(&self, user: UserId, seq: Seq) -> bool {
        inside(self.people.get(&user), seq + 1)
    }

    /// The first place in `(after, to]` that somebody was given without a right to it, on a stream begun at `began`.
    ///
    /// What lies before the first coming is history, which members may read; what lies between a removal and a
    /// return was for them only if they were back when the stream began.
    pub(crate) fn heard_outside(
        &self,
        user: UserId,
        after: Seq,
        to: Seq,
        began: u64,
    ) -> Option<Seq> {
        if after >= to {
            return None;
        }
        let Some(passed) = self.people.get(&user) else {
            return Some(after + 1);
        };
        for (index, out) in passed
            .iter()
            .enumerate()
            .filter(|(_, passed)| !passed.inside)
        {
            let back = passed[index + 1..].iter().find(|passed| passed.inside);
            let last = back.map_or(to, |back| to.min(back.seq - 1));
            let first = (after + 1).max(out.seq + 1);
            let forgiven = back.is_some_and(|back| back.committed.is_none_or(|at| at <= began));
            if first <= last && !forgiven {
                return Some(first);
            }
        }
        None
    }
}

/// Whether somebody was a member right before `seq` was applied.
fn inside(passed: Option<&Vec<Turnstile>>, seq: Seq) -> bool {
    passed.is_some_and(|passed| {
        passed
            .iter()
            .rev()
            .find(|turn| turn.seq < seq)
            .is_some_and(|turn| turn.inside)
    })
}

fn agree<T: PartialEq + Copy>(known: &mut Option<T>, seen: Option<T>) -> bool {
    match (*known, seen) {
        (Some(known), Some(seen)) => known == seen,
        (None, seen) => {
            *known = seen;
            true
        }
        (Some(_), None) => true,
    }
}
