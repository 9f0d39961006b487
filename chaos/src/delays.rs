//! Delays as a history shows them, each counted for the fault that was felt at the time. Told, never judged.

use std::collections::{BTreeMap, HashMap};

use history::Event;
use protocol::ids::{ClientId, RoomId, UserId};

use crate::fault::Fault;
use crate::report::{Strike, Worst};

/// A message before it has a place.
type Said = (RoomId, UserId, ClientId);

/// Reads them event by event.
pub(crate) struct Delays<'a> {
    strikes: &'a [Strike],
    /// The time of the latest event.
    pub(crate) now: u64,
    /// By kind; `None` is fair weather.
    pub(crate) worst: BTreeMap<Option<Fault>, Worst>,
    attempts: HashMap<u64, Said>,
    first_sent: HashMap<Said, u64>,
    acked: HashMap<(RoomId, u64), u64>,
    /// Connection and room → since when it hears it.
    hears: HashMap<(u64, RoomId), u64>,
}

impl<'a> Delays<'a> {
    /// `strikes` in the order of their beginnings.
    pub(crate) fn new(strikes: &'a [Strike]) -> Self {
        let mut worst = BTreeMap::<_, Worst>::new();
        for strike in strikes {
            let of = worst.entry(Some(strike.fault)).or_default();
            of.count += 1;
            let recovered = strike.recovered.unwrap_or(strike.mended);
            of.recovery = of.recovery.max(recovered.saturating_sub(strike.mended));
        }
        Self {
            strikes,
            now: 0,
            worst,
            attempts: HashMap::new(),
            first_sent: HashMap::new(),
            acked: HashMap::new(),
            hears: HashMap::new(),
        }
    }

    pub(crate) fn observe(&mut self, at: u64, event: &Event) {
        self.now = self.now.max(at);
        match *event {
            Event::Invoke {
                id,
                user,
                room,
                key,
                ..
            } => {
                let said = (room, user, key);
                self.attempts.insert(id, said);
                self.first_sent.entry(said).or_insert(at);
            }
            Event::Ok { id, seq, .. } => {
                if let Some(said) = self.attempts.remove(&id) {
                    self.acked.entry((said.0, seq)).or_insert(at);
                    if let Some(sent) = self.first_sent.remove(&said) {
                        let worst = self.felt(sent, at);
                        worst.ack = worst.ack.max(at - sent);
                    }
                }
            }
            Event::Fail { id, .. } | Event::Info { id } => {
                self.attempts.remove(&id);
            }
            Event::Start { conn, room, .. } => {
                self.hears.insert((conn, room), at);
            }
            Event::Deliver {
                conn, room, seq, ..
            } => {
                if let Some(acked) = self.acked.get(&(room, seq)).copied() {
                    let since = self
                        .hears
                        .get(&(conn, room))
                        .map_or(acked, |since| acked.max(*since));
                    let worst = self.felt(acked, at);
                    worst.arrival = worst.arrival.max(at - acked);
                    worst.delivery = worst.delivery.max(at.saturating_sub(since));
                }
            }
            _ => {}
        }
    }

    /// What was felt between two moments belongs to the latest fault that had begun and was still felt then.
    fn felt(&mut self, from: u64, to: u64) -> &mut Worst {
        let begun = self.strikes.partition_point(|strike| strike.from <= to);
        let latest = begun.checked_sub(1).map(|at| &self.strikes[at]);
        let felt =
            latest.filter(|strike| strike.recovered.is_none_or(|recovered| recovered >= from));
        self.worst
            .entry(felt.map(|strike| strike.fault))
            .or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Delays;
    use crate::fault::Fault;
    use crate::report::Strike;

    const USER: &str = "usr_018f0000-0000-7000-8000-000000000001";
    const ROOM: &str = "room_018f0000-0000-4000-8000-000000000002";
    const KEY: &str = "018f0000-0000-7000-8000-000000000003";

    fn event(json: &str) -> history::Event {
        let json = json
            .replace("USER", USER)
            .replace("ROOM", ROOM)
            .replace("KEY", KEY);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_delay_counts_for_the_fault_that_was_felt() {
        let strikes = [Strike {
            fault: Fault::NodeKilled,
            what: String::new(),
            from: 1_000,
            mended: 2_000,
            recovered: Some(3_000),
        }];
        let mut delays = Delays::new(&strikes);
        let send = |id: u64| {
            event(&format!(
                r#"{{"op":"invoke","id":{id},"conn":1,"user":"USER","room":"ROOM","key":"KEY","body":7}}"#
            ))
        };
        delays.observe(900, &send(1));
        delays.observe(1_500, &event(r#"{"op":"info","id":1}"#));
        delays.observe(1_600, &send(2));
        delays.observe(
            2_400,
            &event(r#"{"op":"ok","id":2,"seq":5,"duplicate":true}"#),
        );
        delays.observe(
            2_500,
            &event(r#"{"op":"start","conn":2,"room":"ROOM","epoch":1,"after":4}"#),
        );
        delays.observe(
            2_650,
            &event(r#"{"op":"deliver","conn":2,"room":"ROOM","seq":5}"#),
        );
        let worst = delays.worst[&Some(Fault::NodeKilled)];
        assert_eq!(
            (worst.ack, worst.delivery, worst.arrival, worst.recovery),
            (1_500, 150, 250, 1_000)
        );
        assert_eq!(delays.worst.len(), 1);
    }
}
