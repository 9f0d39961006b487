//! What is to be said and not yet acknowledged: one message of a room at a time, each repeated under its own name until
//! it is answered for good. Pure: the time is an argument.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use protocol::ids::{ClientId, RoomId};
use protocol::message::Seq;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Refusals after which the same send is to be repeated (docs/protocol.md).
const AGAIN: [&str; 6] = [
    "outcome_unknown",
    "unavailable",
    "overloaded",
    "rate_limited",
    "draining",
    "internal",
];
/// The pause before a repeat when the server names none; doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// An acknowledged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place in the room's log.
    pub seq: Seq,
    /// How many attempts it took.
    pub attempts: u32,
}

/// A message that was refused for good, or will never be answered: the code of `docs/errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// Where the answer goes.
pub(crate) type Answer = oneshot::Sender<Result<Sent, Refused>>;

struct Said {
    key: ClientId,
    text: String,
    answer: Answer,
    tries: u32,
    /// The attempt under way, and when it is given up.
    flying: Option<(u64, Instant)>,
    not_before: Instant,
}

/// An attempt to be made now.
pub(crate) struct Attempt {
    pub(crate) id: u64,
    pub(crate) room: RoomId,
    pub(crate) key: ClientId,
    pub(crate) text: String,
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Acknowledged.
    Acked,
    /// Certainly not stored by it, and told to try again.
    Later,
    /// Nobody knows.
    Unknown,
    /// Certainly not stored, and never will be.
    Never,
}

/// Everything that is to be said.
#[derive(Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<RoomId, VecDeque<Said>>,
    flying: HashMap<u64, RoomId>,
}

impl Outbox {
    pub(crate) fn push(&mut self, (room, key): (RoomId, ClientId), text: String, answer: Answer) {
        self.lanes.entry(room).or_default().push_back(Said {
            key,
            text,
            answer,
            tries: 0,
            flying: None,
            not_before: Instant::now(),
        });
    }

    /// The next attempt that may be made, if there is one; it is under way then until `give_up`.
    pub(crate) fn next(&mut self, id: u64, now: Instant, give_up: Instant) -> Option<Attempt> {
        let (room, said) = self.lanes.iter_mut().find_map(|(room, lane)| {
            let front = lane.front_mut()?;
            (front.flying.is_none() && front.not_before <= now).then_some((*room, front))
        })?;
        said.flying = Some((id, give_up));
        said.tries += 1;
        self.flying.insert(id, room);
        Some(Attempt {
            id,
            room,
            key: said.key,
            text: said.text.clone(),
        })
    }

    /// When something is to be done next.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        let fronts = self.lanes.values().filter_map(VecDeque::front);
        fronts
            .map(|front| front.flying.map_or(front.not_before, |(_, until)| until))
            .min()
    }

    /// Attempts that have waited for too long for an answer: nobody knows what became of them.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<u64> {
        self.abandon(|until| until <= now)
    }

    /// The connection ended: nobody knows what became of what was under way.
    pub(crate) fn cut(&mut self) -> Vec<u64> {
        self.abandon(|_| true)
    }

    fn abandon(&mut self, which: impl Fn(Instant) -> bool) -> Vec<u64> {
        let mut ids = Vec::new();
        for front in self.lanes.values_mut().filter_map(VecDeque::front_mut) {
            if let Some((id, _)) = front.flying.take_if(|(_, until)| which(*until)) {
                self.flying.remove(&id);
                ids.push(id);
            }
        }
        ids
    }

    /// An answer came. `None` when the attempt was given up before: the repeat will tell.
    pub(crate) fn answered(
        &mut self,
        id: u64,
        accepted: Result<Seq, (&str, Option<Duration>)>,
        now: Instant,
    ) -> Option<Ended> {
        let lane = self.lanes.get_mut(&self.flying.remove(&id)?)?;
        let front = lane.front_mut()?;
        front.flying = None;
        let (answer, ended) = match accepted {
            Ok(seq) => {
                let attempts = front.tries;
                (Ok(Sent { seq, attempts }), Ended::Acked)
            }
            Err((code, after)) if AGAIN.contains(&code) => {
                let doubled = PAUSE_FIRST * 2_u32.pow(front.tries.min(6) - 1);
                front.not_before = now + after.unwrap_or(doubled.min(PAUSE_MAX));
                return Some(match code {
                    "outcome_unknown" => Ended::Unknown,
                    _ => Ended::Later,
                });
            }
            Err((code, _)) => (Err(Refused(code.to_owned())), Ended::Never),
        };
        if let Some(said) = lane.pop_front() {
            // Whoever sent and went away wants no answer.
            drop(said.answer.send(answer));
        }
        Some(ended)
    }

    /// Nothing more will be sent: everybody who waits is told so.
    pub(crate) fn refuse_all(&mut self, code: &str) {
        for said in std::mem::take(&mut self.lanes).into_values().flatten() {
            drop(said.answer.send(Err(Refused(code.to_owned()))));
        }
        self.flying.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ACK_MAX: Duration = Duration::from_secs(10);

    fn room(number: u128) -> RoomId {
        RoomId(Uuid::from_u128(number))
    }

    fn say(outbox: &mut Outbox, number: u128) -> oneshot::Receiver<Result<Sent, Refused>> {
        let (answer, answered) = oneshot::channel();
        let key = ClientId(Uuid::new_v4());
        outbox.push((room(number), key), "x".into(), answer);
        answered
    }

    fn attempt(outbox: &mut Outbox, id: u64, now: Instant) -> Option<ClientId> {
        outbox
            .next(id, now, now + ACK_MAX)
            .map(|attempt| attempt.key)
    }

    #[test]
    fn a_room_has_one_message_under_way_and_rooms_do_not_wait_for_each_other() {
        let mut outbox = Outbox::default();
        let mut answers = [1, 1, 2].map(|number| say(&mut outbox, number));
        let now = Instant::now();
        let first = attempt(&mut outbox, 1, now);
        assert!(first.is_some() && attempt(&mut outbox, 2, now).is_some());
        assert!(attempt(&mut outbox, 3, now).is_none());
        assert_eq!(outbox.answered(1, Ok(7), now), Some(Ended::Acked));
        let sent = Sent {
            seq: 7,
            attempts: 1,
        };
        assert_eq!(answers[0].try_recv(), Ok(Ok(sent)));
        assert!(attempt(&mut outbox, 3, now).is_some());
    }

    #[test]
    fn what_was_cut_off_is_repeated_under_the_same_name() {
        let mut outbox = Outbox::default();
        let mut answer = say(&mut outbox, 1);
        let now = Instant::now();
        let key = attempt(&mut outbox, 1, now);
        assert_eq!(outbox.cut(), [1]);
        assert_eq!(attempt(&mut outbox, 2, now), key);
        assert_eq!(outbox.answered(1, Ok(3), now), None, "an answer too late");
        assert_eq!(outbox.overdue(now + ACK_MAX), [2]);
        assert_eq!(attempt(&mut outbox, 3, now), key);
        outbox.answered(3, Ok(3), now);
        let sent = Sent {
            seq: 3,
            attempts: 3,
        };
        assert_eq!(answer.try_recv(), Ok(Ok(sent)));
    }

    #[test]
    fn a_refusal_that_says_later_waits_as_long_as_it_says() {
        let mut outbox = Outbox::default();
        let mut answer = say(&mut outbox, 1);
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        attempt(&mut outbox, 1, now);
        let refused = outbox.answered(1, Err(("rate_limited", Some(second))), now);
        assert_eq!(refused, Some(Ended::Later));
        assert!(attempt(&mut outbox, 2, now).is_none());
        assert_eq!(outbox.wakes(), Some(now + second));
        assert!(attempt(&mut outbox, 2, now + second).is_some());
        let refused = outbox.answered(2, Err(("room_not_found", None)), now);
        assert_eq!(refused, Some(Ended::Never));
        assert_eq!(
            answer.try_recv(),
            Ok(Err(Refused("room_not_found".to_owned())))
        );
    }
}
