//! The kinds of metrics that can be declared.

pub use metrics::{Counter, Gauge, Histogram};
use metrics::{Label, counter, gauge, histogram};

/// What [`metrics!`](crate::metrics) can declare.
pub trait Metric {
    /// Describes and registers it with the recorder of this process.
    fn register(
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
        doc: &str,
    ) -> Self;
}

fn fixed(labels: &'static [(&'static str, &'static str)]) -> Vec<Label> {
    labels
        .iter()
        .map(|(label, value)| Label::from_static_parts(label, value))
        .collect()
}

impl Metric for Counter {
    fn register(
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
        doc: &str,
    ) -> Self {
        metrics::describe_counter!(name, doc.to_owned());
        counter!(name, fixed(labels))
    }
}

impl Metric for Gauge {
    fn register(
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
        doc: &str,
    ) -> Self {
        metrics::describe_gauge!(name, doc.to_owned());
        gauge!(name, fixed(labels))
    }
}

impl Metric for Histogram {
    fn register(
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
        doc: &str,
    ) -> Self {
        metrics::describe_histogram!(name, doc.to_owned());
        histogram!(name, fixed(labels))
    }
}

impl Metric for CounterBy {
    fn register(
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
        doc: &str,
    ) -> Self {
        metrics::describe_counter!(name, doc.to_owned());
        Self {
            name,
            label: labels.first().map_or("value", |(label, _)| label),
        }
    }
}

/// A counter with one label whose values are fixed words.
#[derive(Clone, Debug)]
pub struct CounterBy {
    name: &'static str,
    label: &'static str,
}

impl CounterBy {
    /// The counter for one value of the label. Looks it up each time: keep it where that happens often.
    pub fn with(&self, value: &'static str) -> Counter {
        counter!(self.name, vec![Label::from_static_parts(self.label, value)])
    }
}
