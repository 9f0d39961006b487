//! The servers through a run: everything at the ends of a measurement, and a glance at every slot between.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;
use crate::order::Counts;
use crate::process::{self, Sample, Watched};

/// What is looked at.
pub(crate) struct Watch {
    watched: Vec<Watched>,
    last: BTreeMap<String, u64>,
    bar: ProgressBar,
    /// One a slot, from the run's start.
    pub(crate) glances: Vec<Glance>,
}

/// The servers in one slot.
#[derive(Debug, Default, Clone)]
pub(crate) struct Glance {
    /// Where on the run's clock the slot ends, nanoseconds.
    pub(crate) at: u64,
    /// People connected.
    pub(crate) ready: u64,
    /// By label: CPU used in it, milliseconds, and RSS, bytes.
    pub(crate) servers: BTreeMap<String, (u64, u64)>,
    /// Memory of all TCP sockets of the machine, bytes.
    pub(crate) sockets: u64,
}

/// Everything about every label, and `all` of them when they are several.
pub(crate) type Samples = Vec<(String, Sample)>;

impl Watch {
    pub(crate) fn of(watched: Vec<Watched>) -> Watch {
        // Nothing is drawn where standard error is no terminal.
        let bar = ProgressBar::new_spinner();
        let bar = match ProgressStyle::with_template("{elapsed_precise} {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Watch {
            watched,
            last: BTreeMap::new(),
            bar,
            glances: Vec::new(),
        }
    }

    /// Looks at everything.
    pub(crate) fn samples(&self) -> Result<Samples, Failure> {
        let mut all = Samples::new();
        for watched in &self.watched {
            all.push((watched.label.clone(), watched.sample()?));
        }
        if all.len() > 1 {
            let mut sum = Sample::default();
            for (_, sample) in &all {
                sum.rss += sample.rss;
                sum.pss += sample.pss;
                sum.anonymous += sample.anonymous;
                sum.files += sample.files;
                sum.cpu_millis += sample.cpu_millis;
            }
            all.push(("all".to_owned(), sum));
        }
        Ok(all)
    }

    /// Ends a slot.
    pub(crate) fn glance(&mut self, at: u64, ready: u64) -> Result<(), Failure> {
        let mut glance = Glance {
            at,
            ready,
            sockets: process::socket_memory(),
            ..Glance::default()
        };
        for watched in &self.watched {
            let (cpu, rss) = watched.glance()?;
            let before = self.last.insert(watched.label.clone(), cpu).unwrap_or(cpu);
            glance
                .servers
                .insert(watched.label.clone(), (cpu - before, rss));
        }
        self.glances.push(glance);
        Ok(())
    }

    /// The line on the terminal.
    pub(crate) fn show(&self, what: &str, left: f64, counts: &Counts) {
        self.bar.set_message(format!(
            "{what}: {} connected, {} sent, {} acknowledged, {} delivered, {} refused; {:.0} s left",
            counts.ready,
            counts.sent,
            counts.acked,
            counts.delivered,
            counts.refused,
            left.max(0.0)
        ));
        self.bar.tick();
    }

    /// Takes the line away.
    pub(crate) fn hide(&self) {
        self.bar.finish_and_clear();
    }
}
