//! What a run was: the checker's verdict over the history, and for each kind of fault how often it struck and the worst
//! that anybody felt of it. Delays are told, never judged; what is judged is the guarantee.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use history::{Anomaly, Bounds, Checker, Line, Verdict};

use crate::cluster::Failure;
use crate::crew::Done;
use crate::delays::Delays;
use crate::fault::Fault;

/// One fault that struck, on the clock of the history.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Which kind.
    pub fault: Fault,
    /// What was hit, and how.
    pub what: String,
    /// When it began.
    pub from: u64,
    /// When everything was put right again.
    pub mended: u64,
    /// When the crew felt nothing of it any more; none when its patience ended before.
    pub recovered: Option<u64>,
}

/// The worst that was felt while one kind of fault was felt, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    /// How often it struck.
    pub count: u64,
    /// From a first send to its acknowledgement.
    pub ack: u64,
    /// From an acknowledgement to a delivery on a connection that stood.
    pub delivery: u64,
    /// From an acknowledgement until a member had it, reconnecting included.
    pub arrival: u64,
    /// From the moment when all was put right until nobody felt it any more.
    pub recovery: u64,
}

/// A run and what it showed.
#[derive(Debug)]
pub struct Report {
    /// How one gets the same again.
    pub seed: u64,
    /// The checker's word.
    pub verdict: Verdict,
    /// What the crew said at its end.
    pub done: Done,
    /// What struck.
    pub strikes: Vec<Strike>,
    /// By kind; `None` is fair weather.
    pub worst: BTreeMap<Option<Fault>, Worst>,
    /// How long it took, milliseconds.
    pub lasted: u64,
    /// Why the run did not come to its end; none is right.
    pub failures: Vec<String>,
}

impl Report {
    /// Reads the history and judges. An error is a file that cannot be read, never a verdict.
    pub fn of(
        history: &Path,
        seed: u64,
        strikes: Vec<Strike>,
        done: Done,
    ) -> Result<Self, Failure> {
        let mut checker = Checker::new(Bounds::default());
        let mut delays = Delays::new(&strikes);
        for line in BufReader::new(File::open(history)?).lines() {
            let Line { at, event } = serde_json::from_str(&line?)?;
            checker.observe(at, &event);
            delays.observe(at, &event);
        }
        let (worst, lasted) = (delays.worst, delays.now);
        Ok(Self {
            seed,
            verdict: checker.finish(),
            done,
            strikes,
            worst,
            lasted,
            failures: Vec::new(),
        })
    }

    /// Whether nothing speaks against the guarantee, and everything recovered.
    pub fn holds(&self) -> bool {
        self.objections().is_empty()
    }

    /// Everything that speaks against it, a line each.
    pub fn objections(&self) -> Vec<String> {
        let mut all = self.failures.clone();
        if !self.verdict.holds() {
            all.push(self.verdict.to_string());
        }
        if self.verdict.totals.acked == 0 {
            all.push("nothing was acknowledged: this shows nothing".to_owned());
        }
        all.extend(
            self.done
                .given_up
                .iter()
                .map(|one| format!("refused for good: {one}")),
        );
        all.extend(
            self.done
                .breaks
                .iter()
                .map(|one| format!("out of order: {one}")),
        );
        if let Some(mails) = self.done.mails.as_ref().filter(|mails| mails.missing > 0) {
            all.push(format!(
                "{} of {} codes were never mailed",
                mails.missing, mails.asked
            ));
        }
        let never = self
            .strikes
            .iter()
            .filter(|strike| strike.recovered.is_none());
        all.extend(
            never
                .map(|strike| format!("no recovery from {}: {}", strike.fault.name(), strike.what)),
        );
        all
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: u64| format!("{:.1}", millis as f64 / 1_000.0);
        let row = |name: &str, worst: &Worst| {
            format!(
                "{name:<22} {:>5} {:>9} {:>9} {:>9} {:>9}",
                worst.count,
                seconds(worst.ack),
                seconds(worst.delivery),
                seconds(worst.arrival),
                seconds(worst.recovery)
            )
        };
        writeln!(
            f,
            "{:<22} {:>5} {:>9} {:>9} {:>9} {:>9}",
            "fault", "count", "ack", "delivery", "arrival", "recovery"
        )?;
        for (fault, worst) in &self.worst {
            let name = fault.map_or("(none)".to_owned(), Fault::name);
            writeln!(f, "{}", row(&name, worst))?;
        }
        writeln!(
            f,
            "worst seconds: first send to ack; ack to delivery on a standing connection; ack until a member had it; mended to well\n"
        )?;
        let (totals, count) = (&self.verdict.totals, |anomaly| self.verdict.count(anomaly));
        writeln!(
            f,
            "{} minutes, seed {}, {} faults of {} kinds; {} times let in, {} rooms read back whole",
            self.lasted / 60_000,
            self.seed,
            self.strikes.len(),
            self.worst.keys().flatten().count(),
            self.done.readies,
            self.done.rooms,
        )?;
        if let Some(mails) = &self.done.mails {
            writeln!(
                f,
                "codes asked for {}, mailed {}, missing {}, mailed more than once {}",
                mails.asked, mails.delivered, mails.missing, mails.doubled
            )?;
        }
        writeln!(
            f,
            "{} sends, {} unknown, {} refused, all sent again; {} deliveries on {} connections",
            totals.sends, totals.unknown, totals.refused, totals.delivered, totals.connections
        )?;
        writeln!(
            f,
            "acknowledged and checked {}, lost {}, doubled {}, reordered {}, gaps {}",
            totals.acked,
            count(Anomaly::Lost),
            count(Anomaly::Doubled) + count(Anomaly::Repeated),
            count(Anomaly::Reordered) + count(Anomaly::Inverted),
            count(Anomaly::Hole) + count(Anomaly::Skipped) + count(Anomaly::Incomplete)
        )?;
        for objection in self.objections() {
            writeln!(f, "NOT RIGHT: {}", objection.trim_end())?;
        }
        Ok(())
    }
}
