//! A hash map whose order is the same in every run: a simulation must repeat itself from its seed.
//!
//! Keys are ids that servers made from chance, so that nobody outside can choose colliding ones.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map keyed by ids.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Multiplies and folds; enough for keys that are random already.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            // Ids that differ at all differ in their last bytes: those must be the low bits, which the multiplication spreads.
            self.write_u64(u64::from_be_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, _length: usize) {
        // The length prefix of an id is always the same.
    }

    fn finish(&self) -> u64 {
        // Folded and multiplied once more: ids that differ only in high bits must not share the low ones, from which
        // the table takes its bucket.
        let folded = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x517c_c1b7_2722_0a95);
        folded.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use protocol::ids::UserId;
    use uuid::Uuid;

    use super::*;

    /// How many of 1,024 buckets 1,024 users fall into; with a perfect hash about 647.
    fn buckets(users: impl Iterator<Item = UserId>) -> usize {
        let build = BuildHasherDefault::<Mix>::default();
        let mut taken: Vec<u64> = users.map(|user| build.hash_one(user) % 1_024).collect();
        taken.sort_unstable();
        taken.dedup();
        taken.len()
    }

    #[test]
    fn ids_spread_whichever_bytes_they_differ_in() {
        for shift in [0, 8, 40, 64, 96, 112] {
            let users = (0..1_024u128).map(|n| UserId(Uuid::from_u128(n << shift)));
            let buckets = buckets(users);
            assert!(buckets > 500, "shifted by {shift}: {buckets} of 1,024");
        }
    }
}
