//! A histogram for what happens to many at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use super::Metric;

/// Bounds of every `…_seconds` histogram: from a function call to a client's patience.
pub(super) const SECONDS: [f64; 15] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Every spread of this process, by name.
static SPREADS: LazyLock<Mutex<BTreeMap<&'static str, Spread>>> = LazyLock::new(Mutex::default);

/// A histogram of seconds for what happens to many at once: any number of equal observations is one search among 15
/// bounds and two additions, without a lock and without memory that grows. Other histograms keep every single observation
/// until it is folded, which is too much for one a delivery. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spread(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    name: &'static str,
    doc: String,
    /// Observations up to each bound and above the one before; the last is for what is beyond them all.
    buckets: [AtomicU64; SECONDS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Spread {
    /// So many of them took so long.
    pub fn record_many(&self, took: Duration, count: u64) {
        let seconds = took.as_secs_f64();
        let bucket = SECONDS.partition_point(|bound| *bound < seconds);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.buckets[bucket].fetch_add(count, Relaxed);
        let sum = nanos.saturating_mul(count);
        self.0.sum_nanos.fetch_add(sum, Relaxed);
    }

    /// Observations so far.
    pub fn count(&self) -> u64 {
        let counts = self.0.buckets.iter();
        counts.map(|bucket| bucket.load(Relaxed)).sum()
    }

    fn render(&self, page: &mut String) {
        let Counts {
            name, doc, buckets, ..
        } = &*self.0;
        let mut text = format!("# HELP {name} {doc}\n# TYPE {name} histogram\n");
        let mut count = 0;
        let bounds = SECONDS.iter().map(f64::to_string);
        for (bucket, bound) in buckets.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            count += bucket.load(Relaxed);
            text += &format!("{name}_bucket{{le=\"{bound}\"}} {count}\n");
        }
        let sum = Duration::from_nanos(self.0.sum_nanos.load(Relaxed)).as_secs_f64();
        text += &format!("{name}_sum {sum}\n{name}_count {count}\n\n");
        page.push_str(&text);
    }
}

impl Metric for Spread {
    fn register(
        name: &'static str,
        _labels: &'static [(&'static str, &'static str)],
        doc: &str,
    ) -> Self {
        let mut spreads = SPREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            Self(Arc::new(Counts {
                name,
                doc: doc.to_owned(),
                buckets: Default::default(),
                sum_nanos: AtomicU64::new(0),
            }))
        };
        spreads.entry(name).or_insert_with(made).clone()
    }
}

/// All of them, as the page of metrics shows them.
pub(super) fn render(page: &mut String) {
    let spreads = SPREADS.lock().unwrap_or_else(PoisonError::into_inner);
    for spread in spreads.values() {
        spread.render(page);
    }
}
