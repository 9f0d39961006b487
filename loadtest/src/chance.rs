//! Chance that repeats: one seed gives the same arrivals and the same choices in every run. Pure.

use serde::{Deserialize, Serialize};

/// A stream of numbers from a seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream number `stream` of a seed: agents must not say the same at the same time.
    pub(crate) fn new(seed: u64, stream: u64) -> Chance {
        Chance(mix(seed ^ mix(stream.wrapping_add(1))))
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// One of `0..count`; `count` is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // 64 bits by a multiplication: the bias is far below what a run could see.
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// In `0.0..1.0`.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index by its weight; the sum of the weights is above zero.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut at = self.share() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            at -= weight;
            if at < 0.0 {
                return index;
            }
        }
        weights
            .iter()
            .rposition(|weight| *weight > 0.0)
            .unwrap_or(0)
    }
}

/// Spreads the bits of a number.
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// How arrivals lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Process {
    /// As many independent people make them: bursts and pauses.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

/// The times at which something is to happen, whatever the server does.
pub(crate) struct Arrivals {
    process: Process,
    between: f64,
    next: f64,
    chance: Chance,
}

impl Arrivals {
    /// From `from` nanoseconds on, `rate` a second.
    pub(crate) fn new(process: Process, rate: f64, from: u64, mut chance: Chance) -> Arrivals {
        let between = 1e9 / rate;
        // A start of its own for each agent: together they are evenly spread too.
        let next = from as f64 + chance.share() * between;
        Arrivals {
            process,
            between,
            next,
            chance,
        }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let at = self.next;
        self.next += match self.process {
            Process::Constant => self.between,
            Process::Poisson => -(1.0 - self.chance.share()).ln() * self.between,
        };
        Some(at as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_processes_keep_their_rate() {
        for process in [Process::Constant, Process::Poisson] {
            let arrivals = Arrivals::new(process, 1_000.0, 0, Chance::new(1, 0));
            let in_hundred_seconds = arrivals.take_while(|at| *at < 100_000_000_000).count();
            assert!(
                in_hundred_seconds.abs_diff(100_000) < 1_500,
                "{process:?}: {in_hundred_seconds}"
            );
        }
    }

    #[test]
    fn a_seed_repeats_and_streams_differ() {
        let five = |seed, stream| {
            let mut chance = Chance::new(seed, stream);
            [(); 5].map(|()| chance.next())
        };
        assert_eq!(five(7, 0), five(7, 0));
        assert_ne!(five(7, 0), five(7, 1));
        assert_ne!(five(7, 0), five(8, 0));
    }

    #[test]
    fn weights_are_kept_and_zero_is_never() {
        let mut chance = Chance::new(3, 0);
        let mut drawn = [0_u32; 3];
        (0..10_000).for_each(|_| drawn[chance.weighted(&[3.0, 0.0, 1.0])] += 1);
        assert_eq!(drawn[1], 0);
        assert!(drawn[0].abs_diff(7_500) < 300, "{drawn:?}");
    }
}
