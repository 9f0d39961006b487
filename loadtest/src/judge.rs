//! The comparison: what all workers had acknowledged against what this one's people heard.

use std::collections::HashSet;

use crate::chance::mix;
use crate::check::Faults;
use crate::order::{Logged, Said};
use crate::worker::Worker;

/// Which message stands at which place, as one number; sums of it do not depend on an order.
fn fingerprint(seq: u64, said: u64) -> u64 {
    mix(mix(seq) ^ said)
}

impl Worker {
    /// What our people said, and what its acknowledgements contradict each other in.
    pub(crate) fn said(&self) -> Said {
        let ledger = &mut *self.ledger.borrow_mut();
        let mut said = Said {
            excused: ledger.excused.clone(),
            ..Said::default()
        };
        if !self.setup.kind.has_log() {
            said.lanes = ledger
                .counts
                .iter()
                .map(|((room, sender), count)| (*room, crate::check::number(*sender, *count)))
                .collect();
            return said;
        }
        for (room, acked) in &mut ledger.acked {
            acked.sort_unstable();
            said.faults.add(contradictions(acked));
            said.logged.push(Logged {
                room: *room,
                head: acked.last().map_or(0, |(seq, _)| *seq),
                count: acked.len() as u64,
                digest: digest(acked.iter().copied()),
            });
        }
        said
    }

    /// What our people were owed and did not get, and what they got and nobody was told of.
    pub(crate) fn judge(&self, said: &Said) -> Faults {
        let excused: HashSet<(u32, u64)> = said.excused.iter().copied().collect();
        let ledger = self.ledger.borrow();
        let mut faults = ledger.faults;
        let mut heads = vec![0; self.setup.cast.rooms.len()];
        said.logged
            .iter()
            .for_each(|one| heads[one.room as usize] = one.head);
        let mut lanes: Vec<Vec<u64>> = vec![Vec::new(); heads.len()];
        said.lanes
            .iter()
            .for_each(|(room, last)| lanes[*room as usize].push(*last));
        let mut attended = vec![false; heads.len()];
        for client in self.clients.iter().filter(|client| client.is_ready()) {
            for place in &*client.places() {
                let room = place.room as usize;
                attended[room] = true;
                faults.lost += if self.setup.kind.has_log() {
                    place.lost(heads[room])
                } else {
                    place.lost_lanes(&lanes[room], &excused)
                };
            }
        }
        for one in said.logged.iter().filter(|one| attended[one.room as usize]) {
            let seen = ledger
                .seen
                .get(&one.room)
                .map_or(&[][..], |(_, places)| places);
            let first = ledger.seen.get(&one.room).map_or(0, |(first, _)| *first);
            let seen = (first..)
                .zip(seen.iter().copied())
                .filter(|(_, said)| *said != 0 && !excused.contains(&(one.room, *said)));
            faults.add(differences(
                one,
                (seen.clone().count() as u64, digest(seen)),
            ));
        }
        faults
    }
}

fn digest(entries: impl Iterator<Item = (u64, u64)>) -> u64 {
    entries.fold(0, |sum, (seq, said)| {
        sum.wrapping_add(fingerprint(seq, said))
    })
}

/// In `acked`, sorted by place: two messages at one place, one at two, and a sender's later one before an earlier.
fn contradictions(acked: &[(u64, u64)]) -> Faults {
    let mut faults = Faults::default();
    let mut last = std::collections::HashMap::new();
    for (index, (seq, said)) in acked.iter().enumerate() {
        if index > 0 && acked[index - 1].0 == *seq {
            faults.doubled += 1;
        }
        match last.insert(said >> 32, *said) {
            Some(before) if before == *said => faults.doubled += 1,
            Some(before) if before > *said => faults.reordered += 1,
            _ => {}
        }
    }
    faults
}

/// Between what was acknowledged in a room and what was heard there. A message that is missing altogether is known
/// from the places already, and counted there for each who missed it.
fn differences(acked: &Logged, (count, digest): (u64, u64)) -> Faults {
    let mut faults = Faults::default();
    if count > acked.count {
        faults.doubled += count - acked.count;
    } else if count == acked.count && digest != acked.digest {
        faults.reordered += 1;
    } else {
        faults.lost += acked.count - count;
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(acked: &[(u64, u64)]) -> Logged {
        Logged {
            room: 0,
            head: 9,
            count: acked.len() as u64,
            digest: digest(acked.iter().copied()),
        }
    }

    fn heard(acked: &[(u64, u64)], seen: &[(u64, u64)]) -> Faults {
        differences(
            &logged(acked),
            (seen.len() as u64, digest(seen.iter().copied())),
        )
    }

    #[test]
    fn the_order_of_hearing_does_not_matter_and_the_place_does() {
        let acked = [(5, 1), (6, 2)];
        assert!(heard(&acked, &[(6, 2), (5, 1)]).is_none());
        assert_eq!(heard(&acked, &[(5, 2), (6, 1)]).reordered, 1);
        assert_eq!(
            heard(&acked, &[(5, 1), (6, 3)]).reordered,
            1,
            "another message at an acknowledged place"
        );
    }

    #[test]
    fn more_than_was_acknowledged_is_doubled_and_less_is_lost() {
        assert_eq!(heard(&[(5, 1)], &[(5, 1), (6, 1)]).doubled, 1);
        assert_eq!(heard(&[(5, 1), (6, 2)], &[(5, 1)]).lost, 1);
    }

    #[test]
    fn parts_of_several_agents_sum_up_to_the_whole() {
        let (mut whole, parts) = (Said::default(), [[(5, 1), (8, 4)], [(6, 2), (7, 3)]]);
        for part in &parts {
            whole.logged.push(logged(part));
        }
        whole.put_in_order();
        assert_eq!(whole.logged, [logged(&[(5, 1), (6, 2), (7, 3), (8, 4)])]);
    }

    #[test]
    fn acknowledgements_that_contradict_each_other_are_found() {
        let (first, second) = (1 << 32 | 1, 1 << 32 | 2);
        assert!(contradictions(&[(5, first), (6, second), (7, 2 << 32 | 1)]).is_none());
        assert_eq!(contradictions(&[(5, first), (5, second)]).doubled, 1);
        assert_eq!(contradictions(&[(5, first), (6, first)]).doubled, 1);
        assert_eq!(contradictions(&[(5, second), (6, first)]).reordered, 1);
    }
}
