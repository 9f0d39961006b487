//! Makes ids from a seed: unique over all hubs whose seeds are random, and the same again in a simulation.

use protocol::ids::{ClientId, MessageId};
use protocol::time::Timestamp;
use uuid::Uuid;

/// xoshiro256++: 2^256 - 1 steps, good enough to make unique names; never used for secrets.
#[derive(Debug)]
pub(crate) struct Minter([u64; 4]);

impl Minter {
    pub(crate) fn new(seed: [u64; 4]) -> Self {
        // All zeroes would stay zeroes.
        Self(if seed == [0; 4] { [1, 2, 3, 4] } else { seed })
    }

    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    pub(crate) fn message_id(&mut self, at: Timestamp) -> MessageId {
        MessageId(self.uuid_v7(at))
    }

    pub(crate) fn client_id(&mut self, at: Timestamp) -> ClientId {
        ClientId(self.uuid_v7(at))
    }

    fn uuid_v7(&mut self, at: Timestamp) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next().to_le_bytes());
        random[8..].copy_from_slice(&self.next().to_le_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(at.0.max(0) as u64, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_repeat_from_a_seed_and_never_within_it() {
        let ids = |seed| {
            let mut minter = Minter::new([seed, 0, 0, 0]);
            (0..1_000)
                .map(|_| minter.message_id(Timestamp(1_000)))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(1), ids(1));
        let mut all: Vec<_> = ids(1).into_iter().chain(ids(2)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2_000);
        assert_eq!(all[0].0.get_version_num(), 7);
    }
}
