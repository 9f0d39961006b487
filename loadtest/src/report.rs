//! What a run found: a table for people, JSON for programs, and the verdict.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::check::Faults;

/// Rows in the order of the story, and whether all was in order.
pub(crate) struct Report {
    scenario: &'static str,
    rows: Vec<(String, f64, &'static str)>,
    faults: Faults,
    unanswered: u64,
    ended: u64,
    refused: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn new(scenario: &'static str) -> Report {
        Report {
            scenario,
            rows: Vec::new(),
            faults: Faults::default(),
            unanswered: 0,
            ended: 0,
            refused: BTreeMap::new(),
        }
    }

    /// A number with its unit.
    pub(crate) fn row(&mut self, name: &str, value: f64, unit: &'static str) {
        self.rows.push((name.to_owned(), value, unit));
    }

    /// Percentiles of microseconds, shown in milliseconds.
    pub(crate) fn percentiles(&mut self, name: &str, micros: &Histogram<u64>) {
        if micros.is_empty() {
            return;
        }
        for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            self.row(
                &format!("{name}, {label}"),
                micros.value_at_quantile(quantile) as f64 / 1e3,
                "ms",
            );
        }
        self.row(&format!("{name}, longest"), micros.max() as f64 / 1e3, "ms");
    }

    /// What was broken, what stayed without an answer, connections that the server ended, and refusals.
    pub(crate) fn verdict(
        &mut self,
        faults: Faults,
        unanswered: u64,
        ended: u64,
        refused: BTreeMap<String, u64>,
    ) {
        self.faults = faults;
        self.unanswered = unanswered;
        self.ended = ended;
        self.refused = refused;
    }

    /// Whether nothing was lost, doubled, reordered or left out, every send was answered, and nobody was cut off.
    /// A refusal is an answer.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults.is_none() && self.unanswered == 0 && self.ended == 0
    }

    fn findings(&self) -> [(&'static str, u64); 6] {
        [
            ("lost", self.faults.lost),
            ("doubled", self.faults.doubled),
            ("reordered", self.faults.reordered),
            ("gaps", self.faults.gaps),
            ("sends without an answer", self.unanswered),
            ("connections ended by the server", self.ended),
        ]
    }

    pub(crate) fn table(&self) -> String {
        let mut out = format!("{}\n", self.scenario);
        let mut line = |name: &str, value: f64, unit: &str| {
            let digits = if value.fract() == 0.0 || value.abs() >= 1_000.0 {
                0
            } else {
                2
            };
            out.push_str(&format!("  {name:<44} {value:>14.digits$} {unit}\n"));
        };
        for (name, value, unit) in &self.rows {
            line(name, *value, unit);
        }
        for (name, count) in self.findings() {
            line(name, count as f64, "");
        }
        for (code, count) in &self.refused {
            line(&format!("refused: {code}"), *count as f64, "");
        }
        out.push_str(if self.is_clean() {
            "  in order\n"
        } else {
            "  NOT IN ORDER\n"
        });
        out
    }

    pub(crate) fn json(&self) -> String {
        let values: Map<String, Value> = self
            .rows
            .iter()
            .map(|(name, value, unit)| (name.clone(), json!({ "value": value, "unit": unit })))
            .collect();
        let findings: Map<String, Value> = self
            .findings()
            .iter()
            .map(|(name, count)| ((*name).to_owned(), json!(count)))
            .collect();
        let whole = json!({
            "scenario": self.scenario,
            "values": values,
            "findings": findings,
            "refused": self.refused,
            "inOrder": self.is_clean(),
        });
        format!("{whole:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_enough_for_the_verdict() {
        let mut report = Report::new("fanout");
        report.row("deliveries", 10.0, "");
        assert!(report.is_clean());
        report.verdict(
            Faults {
                gaps: 1,
                ..Faults::default()
            },
            0,
            0,
            BTreeMap::new(),
        );
        assert!(!report.is_clean());
        assert!(report.table().contains("NOT IN ORDER"));
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["inOrder"], false);
        assert_eq!(json["values"]["deliveries"]["value"], 10.0);
    }
}
