//! Latencies in microseconds, exact to three digits (HdrHistogram), that travel as what was counted.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Ten minutes: what takes longer is counted as that.
const MAX_MICROS: u64 = 600_000_000;

/// Counts by microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet. With fixed bounds: one that grows by itself clamps before it grows.
    pub(crate) fn new() -> Latencies {
        Latencies::with_digits(3)
    }

    /// Coarser and small, for one of many slots of time.
    pub(crate) fn coarse() -> Latencies {
        Latencies::with_digits(2)
    }

    fn with_digits(digits: u8) -> Latencies {
        Latencies(
            Histogram::new_with_bounds(1, MAX_MICROS, digits).expect("the bounds are in order"),
        )
    }

    /// One more.
    pub(crate) fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros);
    }

    /// One more, of nanoseconds.
    pub(crate) fn record_nanos(&mut self, nanos: u64) {
        self.record(nanos / 1_000);
    }

    /// Those of another as well.
    pub(crate) fn add(&mut self, other: &Latencies) {
        for (micros, count) in other.pairs() {
            self.0.saturating_record_n(micros, count);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds, at a quantile of 0..=1.
    pub(crate) fn millis_at(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    /// The longest, milliseconds.
    pub(crate) fn millis_max(&self) -> f64 {
        self.0.max() as f64 / 1e3
    }

    fn pairs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs: Vec<_> = self.pairs().collect();
        (self.0.sigfig(), pairs).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Latencies, D::Error> {
        let (digits, pairs) = <(u8, Vec<(u64, u64)>)>::deserialize(deserializer)?;
        let mut latencies = Latencies::with_digits(digits.clamp(1, 4));
        for (micros, count) in pairs {
            latencies.0.saturating_record_n(micros, count);
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_what_was_recorded_from_microseconds_to_minutes() {
        for micros in [1, 2_000, 5_000, 90_000_000] {
            let mut latencies = Latencies::new();
            latencies.record(micros);
            assert!((latencies.millis_max() * 1e3 - micros as f64).abs() <= micros as f64 / 1e3);
        }
    }

    #[test]
    fn what_travels_is_what_was_counted() {
        let mut latencies = Latencies::new();
        (0..5_000_u64).for_each(|at| latencies.record(at * at));
        let json = serde_json::to_string(&latencies).unwrap();
        let back: Latencies = serde_json::from_str(&json).unwrap();
        assert_eq!(
            back.pairs().collect::<Vec<_>>(),
            latencies.pairs().collect::<Vec<_>>()
        );
        for quantile in [0.5, 0.99, 0.999] {
            assert_eq!(back.millis_at(quantile), latencies.millis_at(quantile));
        }
    }
}
