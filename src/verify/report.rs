//! The verdict: green or red, with figures, as a table for people and as JSON for programs. Pure.

use std::path::PathBuf;

use client::Figures;
use history::{Anomaly, Verdict};
use serde_json::{Value, json};

/// What the run was, and what it saw besides the history.
pub(crate) struct Run {
    pub(crate) addresses: usize,
    pub(crate) people: usize,
    pub(crate) rooms: usize,
    pub(crate) seconds: f64,
    /// Writers whose last message got no answer.
    pub(crate) unanswered: usize,
    /// People who were not connected in the end.
    pub(crate) absent: usize,
    /// Why the logs could not be read to their ends.
    pub(crate) unread: Option<String>,
    pub(crate) broken: Option<Broken>,
    pub(crate) history: Option<PathBuf>,
}

/// A fault that was made.
pub(crate) struct Broken {
    pub(crate) what: String,
    pub(crate) seconds: f64,
}

/// What is told in the end.
pub(crate) struct Report {
    run: Run,
    verdict: Verdict,
    figures: Figures,
    /// Canaries that could not be removed.
    left: Vec<String>,
}

/// In which of the operator's words an anomaly is counted.
fn word(anomaly: Anomaly) -> &'static str {
    match anomaly {
        Anomaly::Lost | Anomaly::Incomplete => "lost",
        Anomaly::Doubled | Anomaly::Repeated => "doubled",
        Anomaly::Reordered | Anomaly::Inverted => "reordered",
        Anomaly::Skipped | Anomaly::Hole => "gaps",
        Anomaly::Late => "late",
        Anomaly::Swallowed
        | Anomaly::Diverged
        | Anomaly::Phantom
        | Anomaly::Unstarted
        | Anomaly::WroteOutside
        | Anomaly::HeardOutside
        | Anomaly::Denied => "other",
    }
}

const WORDS: [&str; 6] = ["lost", "doubled", "reordered", "gaps", "late", "other"];

impl Report {
    pub(crate) fn new(run: Run, verdict: Verdict, figures: Figures) -> Report {
        Report {
            run,
            verdict,
            figures,
            left: Vec::new(),
        }
    }

    /// With canaries that could not be removed; they spoil no verdict, but the operator should know.
    pub(crate) fn with_left(self, left: Vec<String>) -> Report {
        Report { left, ..self }
    }

    /// Whether the guarantee held, over something, to the end, for everybody.
    pub(crate) fn is_green(&self) -> bool {
        self.verdict.holds()
            && self.verdict.totals.acked > 0
            && self.figures.gaps == 0
            && self.run.unanswered == 0
            && self.run.absent == 0
            && self.run.unread.is_none()
    }

    fn findings(&self) -> impl Iterator<Item = (&'static str, u64)> {
        WORDS.into_iter().map(|name| {
            let seen = self.verdict.seen();
            let of_checker: u64 = seen
                .filter(|(anomaly, _)| word(*anomaly) == name)
                .map(|(_, count)| count)
                .sum();
            let said_by_server = if name == "gaps" { self.figures.gaps } else { 0 };
            (name, of_checker + said_by_server)
        })
    }

    /// Milliseconds: half, 99 of 100, and the worst.
    fn delays(&self) -> [(&'static str, [f64; 3]); 2] {
        let of = |micros: &hdrhistogram::Histogram<u64>| {
            let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1e3;
            [at(0.5), at(0.99), micros.max() as f64 / 1e3]
        };
        [
            ("sent to acknowledged", of(&self.figures.ack)),
            ("sent to delivered", of(&self.figures.delivery)),
        ]
    }

    pub(crate) fn table(&self) -> String {
        let totals = &self.verdict.totals;
        let mut out = String::new();
        let mut line = |name: &str, value: String| out.push_str(&format!("  {name:<24} {value}\n"));
        line(
            "run",
            format!(
                "{:.0} s, {} people in {} rooms, through {} address(es)",
                self.run.seconds, self.run.people, self.run.rooms, self.run.addresses
            ),
        );
        if let Some(broken) = &self.run.broken {
            line("fault", format!("{}, {:.1} s", broken.what, broken.seconds));
        }
        line(
            "attempts to send",
            format!(
                "{}: {} acknowledged, {} refused, {} without an answer",
                totals.sends, totals.acked, totals.refused, totals.unknown
            ),
        );
        line(
            "deliveries",
            format!(
                "{} on {} connections, {} entries in the logs",
                totals.delivered, totals.connections, totals.entries
            ),
        );
        for (name, [half, most, worst]) in self.delays() {
            let value = format!("p50 {half:.1} ms, p99 {most:.1} ms, worst {worst:.1} ms");
            line(name, value);
        }
        line(
            "worst on a live stream",
            format!("{} ms after the acknowledgement", totals.latest_millis),
        );
        for (name, count) in self.findings() {
            line(name, count.to_string());
        }
        for (code, count) in &self.figures.refused {
            line(&format!("refused: {code}"), count.to_string());
        }
        for (name, count) in self.troubles() {
            line(name, count);
        }
        if let Some(path) = &self.run.history {
            line("history", path.display().to_string());
        }
        for left in &self.left {
            line("left behind", left.clone());
        }
        for (anomaly, count) in self.verdict.seen() {
            let (rule, name) = anomaly.name();
            out.push_str(&format!("  {rule} {name}: {count}\n"));
            let examples = self.verdict.examples().iter();
            for (_, example) in examples.filter(|(of, _)| *of == anomaly) {
                out.push_str(&format!("     {example}\n"));
            }
        }
        out.push_str(if self.is_green() {
            "GREEN: every acknowledged message reached everybody once and in order\n"
        } else {
            "RED: the guarantee was not kept, or could not be shown\n"
        });
        out
    }

    /// What makes it red besides the history, where there is any.
    fn troubles(&self) -> Vec<(&'static str, String)> {
        let mut troubles = Vec::new();
        if self.run.unanswered > 0 {
            troubles.push(("writers still waiting", self.run.unanswered.to_string()));
        }
        if self.run.absent > 0 {
            troubles.push(("not connected at the end", self.run.absent.to_string()));
        }
        if let Some(why) = &self.run.unread {
            troubles.push(("logs cannot be read", why.clone()));
        }
        if self.verdict.totals.acked == 0 {
            troubles.push(("nothing", "was acknowledged, so nothing is shown".into()));
        }
        troubles
    }

    pub(crate) fn json(&self) -> String {
        let totals = &self.verdict.totals;
        let findings: Value = self
            .findings()
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let anomalies: Vec<Value> = self
            .verdict
            .seen()
            .map(|(anomaly, count)| {
                let (rule, name) = anomaly.name();
                let examples = self.verdict.examples().iter();
                let examples: Vec<_> = examples
                    .filter(|(of, _)| *of == anomaly)
                    .map(|(_, example)| example)
                    .collect();
                json!({ "rule": rule, "name": name, "count": count, "examples": examples })
            })
            .collect();
        let [(_, ack), (_, delivery)] = self.delays();
        let delay = |[p50, p99, worst]: [f64; 3]| json!({ "p50": p50, "p99": p99, "worst": worst });
        let broken = self.run.broken.as_ref();
        let whole = json!({
            "verdict": if self.is_green() { "green" } else { "red" },
            "findings": findings,
            "anomalies": anomalies,
            "sends": totals.sends,
            "acked": totals.acked,
            "refused": self.figures.refused,
            "unknown": totals.unknown,
            "unanswered": self.run.unanswered,
            "delivered": totals.delivered,
            "connections": totals.connections,
            "connectsFailed": self.figures.connects_failed,
            "absent": self.run.absent,
            "unread": self.run.unread,
            "entries": totals.entries,
            "people": self.run.people,
            "rooms": self.run.rooms,
            "addresses": self.run.addresses,
            "seconds": self.run.seconds,
            "ackMillis": delay(ack),
            "deliveryMillis": delay(delivery),
            "worstLiveMillis": totals.latest_millis,
            "fault": broken.map(|broken| json!({ "what": broken.what, "seconds": broken.seconds })),
            "history": self.run.history,
            "leftBehind": self.left,
        });
        format!("{whole:#}\n")
    }
}
