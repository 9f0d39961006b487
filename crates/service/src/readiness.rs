//! Whether this process should get traffic: a set of named checks that its parts register and flip. Ready means: still
//! serving, and every check passes. A part that is dropped without saying so counts as failed, never as fine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::drain::{Drain, Phase};

/// All checks of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readiness {
    drain: Drain,
    /// Name → why it fails; `None` passes.
    checks: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

/// One part's say in it. Starts failing with "starting".
#[derive(Debug)]
pub struct Check {
    name: &'static str,
    readiness: Readiness,
    is_settled: bool,
}

/// What `/readyz` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether traffic should come here.
    pub ready: bool,
    /// Where the process stands in its life.
    pub phase: &'static str,
    /// Names of the checks that pass.
    pub passing: Vec<&'static str>,
    /// The checks that fail.
    pub failing: Vec<Failing>,
}

/// A check that fails.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// The check's name.
    pub check: &'static str,
    /// What its part said.
    pub why: String,
}

impl Readiness {
    /// No checks yet; leaving makes it unready whatever the checks say.
    pub fn new(drain: Drain) -> Self {
        Self {
            drain,
            checks: Arc::default(),
        }
    }

    /// Registers a part under a name of its own. A second registration takes the first one's place.
    pub fn register(&self, name: &'static str) -> Check {
        let check = Check {
            name,
            readiness: self.clone(),
            is_settled: false,
        };
        check.fail("starting");
        check
    }

    /// Where things stand.
    pub fn report(&self) -> Report {
        let phase = self.drain.phase();
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let passing: Vec<_> = checks
            .iter()
            .filter(|(_, why)| why.is_none())
            .map(|(name, _)| *name)
            .collect();
        let failing: Vec<_> = checks
            .iter()
            .filter_map(|(check, why)| why.clone().map(|why| Failing { check, why }))
            .collect();
        Report {
            ready: phase == Phase::Serving && failing.is_empty(),
            phase: phase.as_str(),
            passing,
            failing,
        }
    }

    fn set(&self, name: &'static str, why: Option<String>) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(name, why);
    }
}

impl Check {
    /// This part can work.
    pub fn pass(&self) {
        self.readiness.set(self.name, None);
    }

    /// This part can work, and nothing that may happen later makes traffic elsewhere better: nobody keeps the check.
    pub fn pass_for_good(mut self) {
        self.pass();
        self.is_settled = true;
    }

    /// This part cannot work; `why` is for an operator and must hold no secret.
    pub fn fail(&self, why: impl Into<String>) {
        self.readiness.set(self.name, Some(why.into()));
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        if !self.is_settled {
            self.fail("ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_only_when_every_part_says_so() {
        let readiness = Readiness::new(Drain::new());
        let store = readiness.register("store");
        let bus = readiness.register("bus");
        store.pass();
        let report = readiness.report();
        assert!(!report.ready);
        assert_eq!(
            report.failing,
            [Failing {
                check: "bus",
                why: "starting".into()
            }]
        );
        bus.pass();
        assert!(readiness.report().ready);
        store.fail("disk full");
        assert_eq!(readiness.report().failing[0].why, "disk full");
    }

    #[test]
    fn a_part_that_vanishes_counts_as_failed() {
        let readiness = Readiness::new(Drain::new());
        let store = readiness.register("store");
        store.pass();
        readiness.register("bus").pass_for_good();
        drop(store);
        let failing = readiness.report().failing;
        assert_eq!((failing.len(), failing[0].check), (1, "store"));
    }

    #[test]
    fn a_leaving_process_is_not_ready_though_all_its_parts_are() {
        let drain = Drain::new();
        let readiness = Readiness::new(drain.clone());
        let store = readiness.register("store");
        store.pass();
        drain.leave("a test");
        let report = readiness.report();
        assert!(!report.ready && report.failing.is_empty());
        assert_eq!(report.phase, "leaving");
    }
}
