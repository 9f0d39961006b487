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

mod kinds;
mod process;
mod reference;
mod spread;

use std::fmt;
use std::time::Duration;

pub use kinds::{Counter, CounterBy, Gauge, Histogram, Metric};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
pub use process::PROCESS;
pub use reference::{Documented, reference};
use spread::SECONDS;
pub use spread::Spread;

use crate::drain::Drain;

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
    process::register(env!("CARGO_PKG_VERSION"));
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
        process::measure();
        let mut page = self.handle.render();
        page.push_str(&process::cpu_page());
        spread::render(&mut page);
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
            process::register("1.2.3");
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
}
