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
            self.write_u64(u64::from_le_bytes(word));
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
        // The table takes its bucket from the low bits; the multiplication leaves its best ones high.
        self.0.rotate_left(26)
    }
}
