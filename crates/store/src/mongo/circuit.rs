//! Whether the server answers: while it does not, calls fail at once instead of waiting for their deadlines one by one.
//!
//! It opens after a few operations in a row without an answer and closes with the first one that gets any. It decides
//! nothing about what was written: an open circuit only keeps new work from being begun.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// So many operations in a row without an answer, and the server counts as away. One is a broken connection.
const SILENCES_MAX: u32 = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    silences: AtomicU32,
    open: AtomicBool,
}

impl Circuit {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// The server answered something.
    pub(super) fn heard(&self) {
        self.silences.store(0, Ordering::Relaxed);
        if self.open.swap(false, Ordering::Relaxed) {
            tracing::info!("mongodb answers again");
        }
    }

    /// It did not. True for the one who must see to it that somebody asks when it is back.
    pub(super) fn silent(&self) -> bool {
        let silences = self
            .silences
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let opened = silences >= SILENCES_MAX && !self.open.swap(true, Ordering::Relaxed);
        if opened {
            tracing::warn!(
                silences,
                "mongodb does not answer; calls are refused until it does"
            );
        }
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_silences_open_it_once_and_one_answer_closes_it() {
        let circuit = Circuit::default();
        let opened: Vec<bool> = (0..6).map(|_| circuit.silent()).collect();
        assert_eq!(opened, [false, false, false, true, false, false]);
        assert!(circuit.is_open());
        circuit.heard();
        assert!(!circuit.is_open());
        assert!(!circuit.silent());
    }

    #[test]
    fn an_answer_in_between_keeps_it_closed() {
        let circuit = Circuit::default();
        for _ in 0..10 {
            assert!(!circuit.silent());
            circuit.heard();
        }
    }
}
