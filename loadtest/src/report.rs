//! What a run found: Markdown for people, JSON for programs, and the verdict.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::check::Faults;
use crate::latencies::Latencies;
use crate::order::Slot;
use crate::process;
use crate::scenario::Scenario;
use crate::watch::Glance;
use crate::words::Kind;

/// Where the curve of a distribution is drawn: ever closer to 1.
const QUANTILES: [f64; 15] = [
    0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99999,
    1.0,
];

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// Everything that a run found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The scenario's name.
    pub(crate) scenario: String,
    pub(crate) kind: Kind,
    pub(crate) targets: Vec<String>,
    /// By name; `order` is the order of the story.
    pub(crate) values: BTreeMap<String, Measured>,
    pub(crate) order: Vec<String>,
    /// What must be zero.
    pub(crate) findings: BTreeMap<String, u64>,
    /// Refusals by their code: answers, and no faults.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) in_order: bool,
    /// What the numbers do not say.
    pub(crate) notes: Vec<String>,
    pub(crate) series: Series,
    /// Quantile and milliseconds, by what was measured.
    pub(crate) curves: BTreeMap<String, Vec<(f64, f64)>>,
    pub(crate) machine: String,
    pub(crate) version: String,
    /// As it was run, overrides included.
    pub(crate) plan: Scenario,
}

/// What happened when; one entry a slot in each.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Series {
    /// Middle of the slot, seconds from the start of the measured time (before it: negative).
    pub(crate) seconds: Vec<f64>,
    pub(crate) connected: Vec<f64>,
    pub(crate) sends_per_second: Vec<f64>,
    pub(crate) deliveries_per_second: Vec<f64>,
    /// Milliseconds, of what was intended in the slot; empty where nothing was measured.
    pub(crate) p50: Vec<Option<f64>>,
    pub(crate) p99: Vec<Option<f64>>,
    pub(crate) p999: Vec<Option<f64>>,
    /// By label, % of a core.
    pub(crate) cpu: BTreeMap<String, Vec<f64>>,
    /// By label, MiB resident.
    pub(crate) rss: BTreeMap<String, Vec<f64>>,
    /// MiB of all TCP sockets of the machine.
    pub(crate) sockets: Vec<f64>,
}

impl Series {
    /// From what the workers and the watch saw; `slot` in nanoseconds, and where the measured time starts.
    pub(crate) fn of(slots: &[Slot], glances: &[Glance], (slot, measured): (u64, u64)) -> Series {
        let mut series = Series::default();
        let (seconds, nothing) = (slot as f64 / 1e9, Slot::default());
        for (index, glance) in glances.iter().enumerate() {
            let of = slots.get(index).unwrap_or(&nothing);
            let middle = glance.at as f64 - slot as f64 / 2.0 - measured as f64;
            series.seconds.push(middle / 1e9);
            series.connected.push(glance.ready as f64);
            series.sends_per_second.push(of.sent as f64 / seconds);
            series
                .deliveries_per_second
                .push(of.delivered as f64 / seconds);
            let at = |quantile| {
                of.delivery
                    .as_ref()
                    .map(|latencies| latencies.millis_at(quantile))
            };
            series.p50.push(at(0.5));
            series.p99.push(at(0.99));
            series.p999.push(at(0.999));
            for (label, (cpu, rss)) in &glance.servers {
                let cpu = *cpu as f64 / 10.0 / seconds;
                series.cpu.entry(label.clone()).or_default().push(cpu);
                series
                    .rss
                    .entry(label.clone())
                    .or_default()
                    .push(*rss as f64 / 1_048_576.0);
            }
            series.sockets.push(glance.sockets as f64 / 1_048_576.0);
        }
        series
    }
}

impl Report {
    pub(crate) fn new(scenario: &Scenario, kind: Kind, targets: &[String]) -> Report {
        Report {
            scenario: scenario.name.clone(),
            kind,
            targets: targets.to_vec(),
            values: BTreeMap::new(),
            order: Vec::new(),
            findings: BTreeMap::new(),
            refused: BTreeMap::new(),
            in_order: true,
            notes: Vec::new(),
            series: Series::default(),
            curves: BTreeMap::new(),
            machine: process::machine(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: scenario.clone(),
        }
    }

    /// Reads what a run wrote with `--json`.
    pub(crate) fn read(path: &std::path::Path) -> Result<Report, Failure> {
        let wrong = |why: String| Failure(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_str(&text)
            .map_err(|error| wrong(format!("it is no result of a run: {error}")))
    }

    /// A number with its unit.
    pub(crate) fn row(&mut self, name: &str, value: f64, unit: &str) {
        let measured = Measured {
            value,
            unit: unit.to_owned(),
        };
        if self.values.insert(name.to_owned(), measured).is_none() {
            self.order.push(name.to_owned());
        }
    }

    /// A number by its name.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).map(|measured| measured.value)
    }

    /// The rows in the order of the story.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, f64, &str)> {
        self.order.iter().filter_map(|name| {
            let measured = self.values.get(name)?;
            Some((name.as_str(), measured.value, measured.unit.as_str()))
        })
    }

    /// Percentiles in milliseconds; nothing when nothing was measured.
    pub(crate) fn percentiles(&mut self, name: &str, latencies: &Latencies) {
        if latencies.is_empty() {
            return;
        }
        for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            self.row(
                &format!("{name}, {label}"),
                latencies.millis_at(quantile),
                "ms",
            );
        }
        self.row(&format!("{name}, longest"), latencies.millis_max(), "ms");
    }

    /// The whole distribution; nothing when nothing was measured.
    pub(crate) fn curve(&mut self, name: &str, latencies: &Latencies) {
        if latencies.is_empty() {
            return;
        }
        // A quantile of which not even one was counted would be drawn from nothing.
        let finest = 1.0 - 1.0 / latencies.count() as f64;
        let points = QUANTILES
            .iter()
            .filter(|quantile| **quantile <= finest || **quantile == 1.0);
        let points = points
            .map(|quantile| (*quantile, latencies.millis_at(*quantile)))
            .collect();
        self.curves.insert(name.to_owned(), points);
    }

    /// What was broken, what stayed without an answer, connections that the server ended, and refusals.
    pub(crate) fn verdict(
        &mut self,
        faults: Faults,
        unanswered: u64,
        ended: u64,
        refused: BTreeMap<String, u64>,
    ) {
        let findings = [
            ("lost", faults.lost),
            ("doubled", faults.doubled),
            ("reordered", faults.reordered),
            ("gaps", faults.gaps),
            ("of rooms that one is not in", faults.strays),
            ("sends without an answer", unanswered),
            ("connections ended by the server", ended),
        ];
        self.in_order = faults.is_none() && unanswered == 0 && ended == 0;
        self.findings = findings
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        self.refused = refused;
    }

    /// One line: whether all was in order, and what was not.
    pub(crate) fn sentence(&self) -> String {
        if self.in_order {
            return "in order: nothing was lost, doubled, reordered or left out".to_owned();
        }
        let found = self.findings.iter().filter(|(_, count)| **count > 0);
        let found: Vec<_> = found
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        format!("NOT IN ORDER: {}", found.join(", "))
    }

    /// A table in Markdown that is also readable as it stands.
    pub(crate) fn table(&self) -> String {
        let mut out = format!("## {}: {}\n\n", self.scenario, self.sentence());
        let kind = format!("{:?}", self.kind).to_lowercase();
        out.push_str(&format!(
            "{kind} at {}; {}\n\n",
            self.targets.join(", "),
            self.machine
        ));
        out.push_str(&format!(
            "| {:<46} | {:>14} | {:<11} |\n",
            "measured", "value", "unit"
        ));
        out.push_str(&format!("|:{:-<46}-|-{:->14}:|:{:-<11}-|\n", "", "", ""));
        let mut line = |name: &str, value: f64, unit: &str| {
            out.push_str(&format!(
                "| {name:<46} | {:>14} | {unit:<11} |\n",
                figure(value)
            ));
        };
        self.rows()
            .for_each(|(name, value, unit)| line(name, value, unit));
        for (name, count) in &self.findings {
            line(name, *count as f64, "");
        }
        for (code, count) in &self.refused {
            line(&format!("refused: {code}"), *count as f64, "");
        }
        for note in &self.notes {
            out.push_str(&format!("\n{note}.\n"));
        }
        out
    }

    pub(crate) fn json(&self) -> Result<String, Failure> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// A number for people: as many digits as say something.
pub(crate) fn figure(value: f64) -> String {
    let digits = if value.fract() == 0.0 || value.abs() >= 1_000.0 {
        0
    } else if value.abs() >= 100.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report of a scenario with one room.
    pub(crate) fn report() -> Report {
        let text = "[people]\nconnections = 10\n[[rooms]]\ncount = 1\nmembers = 10\n";
        let scenario =
            Scenario::parse(text, "fan-out", &[]).unwrap_or_else(|Failure(why)| panic!("{why}"));
        Report::new(&scenario, Kind::Chatify, &["127.0.0.1:1".to_owned()])
    }

    #[test]
    fn one_fault_is_enough_for_the_verdict() {
        let mut report = report();
        report.row("deliveries", 10.0, "");
        report.verdict(Faults::default(), 0, 0, BTreeMap::new());
        assert!(report.in_order);
        let faults = Faults {
            gaps: 1,
            ..Faults::default()
        };
        report.verdict(faults, 0, 0, BTreeMap::new());
        assert!(report.table().contains("NOT IN ORDER: gaps: 1"));
        let json: serde_json::Value =
            serde_json::from_str(&report.json().unwrap_or_default()).unwrap();
        assert_eq!(json["inOrder"], false);
        assert_eq!(json["findings"]["gaps"], 1);
        assert_eq!(json["values"]["deliveries"]["value"], 10.0);
    }

    #[test]
    fn a_curve_ends_where_there_is_nothing_left_to_count() {
        let (mut report, mut latencies) = (report(), Latencies::new());
        (1..=100).for_each(|micros| latencies.record(micros * 1_000));
        report.curve("delivery", &latencies);
        let last: Vec<f64> = report.curves["delivery"]
            .iter()
            .rev()
            .take(2)
            .map(|(quantile, _)| *quantile)
            .collect();
        assert_eq!(last, [1.0, 0.99]);
    }
}
