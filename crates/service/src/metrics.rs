//! Metrics: declared once with [`metrics!`](crate::metrics), rendered for Prometheus by the admin listener. Labels are
//! fixed words of the program, never anything a client sent: the number of series is bounded by the code.
//!
//! ```
//! service::metrics! {
//!     /// What a node counts.
//!     pub struct NodeMetrics {
//!         /// Connections that are open now.
//!         connections: Gauge = "chatify_connections",
//!         /// Drafts refused because the room's lane was full.
//!         refused_full: Counter = "chatify_drafts_refused_total" { "reason" = "full" },
//!         /// From a draft's arrival to its acknowledgement.
//!         ack_seconds: Histogram = "chatify_ack_seconds",
//!         /// Problems told to clients, by code.
//!         problems: CounterBy = "chatify_problems_total" { "code" = "" },
//!     }
//! }
//! let metrics = NodeMetrics::register();
//! metrics.connections.increment(1.0);
//! metrics.problems.with("rate_limited").increment(1);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

pub use metrics::{Counter, Gauge, Histogram};
use metrics::{Label, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::drain::Drain;

/// Bounds of every `…_seconds` histogram: from a function call to a client's patience.
const SECONDS: [f64; 15] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds of every `…_age_seconds` histogram: from an instant to the life of a code.
const AGES: [f64; 12] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
/// Bounds of every `…_bytes` histogram: from an empty frame to the greatest outbox.
const BYTES: [f64; 8] = [
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
];
/// Bounds of every `…_size` histogram, which count things: a batch, a room, a backlog.
const SIZES: [f64; 10] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0,
];
/// How often old histogram samples are folded; bounds their memory while nobody scrapes.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// The metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Metrics could not be installed; the text says why.
#[derive(Debug)]
pub struct MetricsError(BuildError);

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics could not be installed: {}", self.0)
    }
}

impl std::error::Error for MetricsError {}

/// Installs the recorder of this process, before any metric is registered.
///
/// # Errors
/// On a second call.
pub fn install() -> Result<Metrics, MetricsError> {
    let handle = builder()
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(MetricsError)?;
    register_process(env!("CARGO_PKG_VERSION"));
    Ok(Metrics { handle })
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let suffix = |text: &str| Matcher::Suffix(text.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(suffix("_age_seconds"), &AGES)?
        .set_buckets_for_metric(suffix("_seconds"), &SECONDS)?
        .set_buckets_for_metric(suffix("_bytes"), &BYTES)?
        .set_buckets_for_metric(suffix("_size"), &SIZES)
}

impl Metrics {
    /// Everything in the text format of Prometheus.
    pub fn render(&self) -> String {
        measure_process();
        let mut page = self.handle.render();
        page.push_str(&cpu_page());
        let spreads = SPREADS.lock().unwrap_or_else(PoisonError::into_inner);
        for spread in spreads.values() {
            spread.render(&mut page);
        }
        page
    }

    /// Keeps the memory of histograms bounded, until the process stops.
    pub fn spawn_upkeep(&self, drain: &Drain) {
        let handle = self.handle.clone();
        drain.spawn_background("metrics upkeep", async move {
            loop {
                tokio::time::sleep(UPKEEP_PERIOD).await;
                handle.run_upkeep();
            }
        });
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

/// A metric as the docs show it.
#[derive(Clone, Copy, Debug)]
pub struct Documented {
    /// Its name for Prometheus.
    pub name: &'static str,
    /// The kind as it was declared, such as `CounterBy`.
    pub kind: &'static str,
    /// Labels and their values; an empty value stands for many.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it says.
    pub doc: &'static str,
}

/// What every process tells of itself.
pub const PROCESS: &[Documented] = &[
    Documented {
        name: "chatify_build_info",
        kind: "Gauge",
        labels: &[("version", "")],
        doc: "Always 1; the label names the version.",
    },
    Documented {
        name: "process_resident_memory_bytes",
        kind: "Gauge",
        labels: &[],
        doc: "Memory of the process in RAM.",
    },
    Documented {
        name: "process_open_fds",
        kind: "Gauge",
        labels: &[],
        doc: "File descriptors that are open.",
    },
    Documented {
        name: CPU,
        kind: "Counter",
        labels: &[],
        doc: "CPU time used, user and system.",
    },
];

const CPU: &str = "process_cpu_seconds_total";

const INTRODUCTION: &str = "\
# Metrics

<!-- Generated by `chatify metrics --reference`. Do not edit: change the declaration beside the code. -->

`/metrics` on the admin listener, in the text format of Prometheus. Labels are fixed words of the program and never hold
anything that a client sent, so the number of series is bounded by the code.

Histograms of `…_seconds` have the bounds 0.1, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250 and 500 ms, 1, 2.5, 5 and 10 s: from one
write to a client's patience. Those of `…_age_seconds` go from 50 ms to 5 min, the life of a code.
";

/// The whole of docs/metrics.md, from the title and the metrics of each part.
pub fn reference(parts: &[(&str, &[Documented])]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (title, metrics) in parts {
        page += &format!("\n## {title}\n\n| name | kind | labels | |\n|---|---|---|---|\n");
        let mut told = Vec::new();
        for metric in *metrics {
            // Declared once for each value of a label: one row.
            if told.contains(&metric.name) {
                continue;
            }
            told.push(metric.name);
            let same = || metrics.iter().filter(|other| other.name == metric.name);
            let labels: Vec<String> = metric
                .labels
                .iter()
                .map(|(label, _)| {
                    let values: Vec<&str> = same()
                        .flat_map(|other| other.labels)
                        .filter(|(of, value)| of == label && !value.is_empty())
                        .map(|(_, value)| *value)
                        .collect();
                    let of = if values.is_empty() { "" } else { ": " };
                    format!("{label}{of}{}", values.join(", "))
                })
                .collect();
            let kind = match metric.kind {
                "Spread" => "histogram".to_owned(),
                kind => kind.trim_end_matches("By").to_lowercase(),
            };
            page += &format!(
                "| `{}` | {kind} | {} | {} |\n",
                metric.name,
                labels.join("; "),
                metric.doc
            );
        }
    }
    page
}

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

/// Declares a service's metrics: `/// doc \n field: Kind = "name" { "label" = "value" },`, with `register()` to get them.
/// `DOCUMENTED` gives docs/metrics.md its rows; a test finds the metric that is missing there.
#[macro_export]
macro_rules! metrics {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $kind:ident = $metric:literal
                    $({ $($label:literal = $value:literal),+ $(,)? })?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone)]
        $visibility struct $name {
            $(
                $(#[doc = $doc])+
                pub $field: $crate::metrics::$kind,
            )*
        }

        impl $name {
            /// Every one of them as the docs show it.
            #[allow(dead_code, reason = "only the composition of the docs asks for it")]
            $visibility const DOCUMENTED: &'static [$crate::metrics::Documented] = &[$(
                $crate::metrics::Documented {
                    name: $metric,
                    kind: stringify!($kind),
                    labels: &[$($(($label, $value)),+)?],
                    doc: concat!($($doc),+).trim_ascii(),
                },
            )*];

            /// Registers all of them with the recorder of this process.
            $visibility fn register() -> Self {
                Self {
                    $($field: <$crate::metrics::$kind as $crate::metrics::Metric>::register(
                        $metric,
                        &[$($(($label, $value)),+)?],
                        concat!($($doc),+).trim(),
                    ),)*
                }
            }
        }
    };
}

fn register_process(version: &'static str) {
    // That one is written by hand.
    for metric in PROCESS.iter().filter(|metric| metric.name != CPU) {
        match metric.kind {
            "Counter" => metrics::describe_counter!(metric.name, metric.doc),
            _ => metrics::describe_gauge!(metric.name, metric.doc),
        }
    }
    gauge!("chatify_build_info", "version" => version).set(1.0);
}

/// Linux' own accounting, read at each scrape. What cannot be read is left as it was.
fn measure_process() {
    if let Some(kib) = fs::read_to_string("/proc/self/status")
        .ok()
        .as_deref()
        .and_then(resident_kib)
    {
        gauge!("process_resident_memory_bytes").set(kib * 1024.0);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Without the one that reads the folder.
        let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
        gauge!("process_open_fds").set(f64::from(open));
    }
}

/// The CPU time by hand: the recorder counts whole numbers alone, and of a process that idles a rate over a minute would be
/// 0 or twice too much. Nothing where it cannot be read.
fn cpu_page() -> String {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let Some(hundredths) = stat.as_deref().and_then(cpu_hundredths) else {
        return String::new();
    };
    let doc = PROCESS.iter().find(|one| one.name == CPU);
    let doc = doc.map_or("", |metric| metric.doc);
    let (seconds, rest) = (hundredths / 100, hundredths % 100);
    format!("# HELP {CPU} {doc}\n# TYPE {CPU} counter\n{CPU} {seconds}.{rest:02}\n\n")
}

fn resident_kib(status: &str) -> Option<f64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// User and system time, which stand 12 and 13 fields behind the command's closing bracket, in hundredths.
fn cpu_hundredths(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::metrics! {
        /// Metrics of the tests.
        struct Demo {
            /// Connections that are
            /// open now.
            open: Gauge = "demo_open",
            /// Sends refused.
            full: Counter = "demo_refused_total" { "reason" = "full" },
            /// Sends refused.
            slow: Counter = "demo_refused_total" { "reason" = "slow" },
            /// Problems by code.
            problems: CounterBy = "demo_problems_total" { "code" = "" },
            /// Time to the ack.
            ack: Histogram = "demo_ack_seconds",
            /// Time to the sockets.
            reached: Spread = "demo_reached_seconds",
        }
    }

    #[test]
    fn declared_metrics_are_rendered_with_their_documentation() {
        let recorder = builder().expect("bounds").build_recorder();
        let metrics = Metrics {
            handle: recorder.handle(),
        };
        let page = metrics::with_local_recorder(&recorder, || {
            let demo = Demo::register();
            register_process("1.2.3");
            demo.open.set(3.0);
            demo.full.increment(1);
            demo.slow.increment(2);
            demo.problems.with("rate_limited").increment(5);
            demo.ack.record(0.02);
            demo.reached.record_many(Duration::from_millis(1), 500);
            demo.reached.record_many(Duration::from_secs(60), 2);
            metrics.render()
        });
        for line in [
            "# HELP demo_open Connections that are open now.",
            "demo_open 3",
            "demo_refused_total{reason=\"full\"} 1",
            "demo_refused_total{reason=\"slow\"} 2",
            "demo_problems_total{code=\"rate_limited\"} 5",
            "demo_ack_seconds_bucket{le=\"0.01\"} 0",
            "demo_ack_seconds_bucket{le=\"0.025\"} 1",
            "chatify_build_info{version=\"1.2.3\"} 1",
            "# TYPE demo_reached_seconds histogram",
            "demo_reached_seconds_bucket{le=\"0.0005\"} 0",
            "demo_reached_seconds_bucket{le=\"0.001\"} 500",
            "demo_reached_seconds_bucket{le=\"10\"} 500",
            "demo_reached_seconds_bucket{le=\"+Inf\"} 502",
            "demo_reached_seconds_sum 120.5",
            "demo_reached_seconds_count 502",
        ] {
            assert!(
                page.lines().any(|given| given == line),
                "{line}\nis not in\n{page}"
            );
        }
        assert!(page.contains("process_resident_memory_bytes "), "{page}");
    }

    #[test]
    fn the_reference_has_one_row_a_name_with_all_its_label_values() {
        let page = reference(&[("Every process", PROCESS), ("Demo", Demo::DOCUMENTED)]);
        for row in [
            "## Demo",
            "| `demo_open` | gauge |  | Connections that are open now. |",
            "| `demo_refused_total` | counter | reason: full, slow | Sends refused. |",
            "| `demo_problems_total` | counter | code | Problems by code. |",
            "| `demo_reached_seconds` | histogram |  | Time to the sockets. |",
            "| `process_open_fds` | gauge |  | File descriptors that are open. |",
        ] {
            assert_eq!(
                page.lines().filter(|line| *line == row).count(),
                1,
                "{row}\n{page}"
            );
        }
    }

    #[test]
    fn the_kernels_accounting_is_read_right() {
        assert_eq!(
            resident_kib("Name:\tx\nVmRSS:\t    1234 kB\n"),
            Some(1234.0)
        );
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 253 0 0";
        assert_eq!(cpu_hundredths(stat), Some(403));
        assert_eq!(cpu_hundredths("garbage"), None);
    }

    #[test]
    fn cpu_time_is_told_in_parts_of_a_second_and_once() {
        let page = cpu_page();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix("process_cpu_seconds_total "))
            .expect("it is there");
        let (_, parts) = value.split_once('.').expect("parts of a second");
        assert_eq!(parts.len(), 2, "{value}");
        assert!(value.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0));
        assert!(page.contains("# TYPE process_cpu_seconds_total counter"));
        assert_eq!(page.matches("\nprocess_cpu_seconds_total ").count(), 1);
    }
}
