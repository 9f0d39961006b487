//! What is drawn in a run: from one seed, so that the same seed draws the same faults in the same order.

use std::time::Duration;

/// splitmix64.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// All draws follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % (bound.max(1) as u64)) as usize
    }

    /// One of them. An empty slice is a mistake of the caller.
    pub fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Between two numbers of milliseconds, the second excluded.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.draw() % (to.saturating_sub(from)).max(1))
    }

    /// In an order that is drawn.
    pub fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn the_same_seed_draws_the_same() {
        let (mut one, mut other) = (Chance::new(7), Chance::new(7));
        let all: Vec<usize> = (0..20).collect();
        assert_eq!(one.shuffled(all.clone()), other.shuffled(all));
        assert_ne!(Chance::new(7).draw(), Chance::new(8).draw());
        assert!((0..100).all(|_| one.below(3) < 3));
    }
}
