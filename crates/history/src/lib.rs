//! A history says what clients asked for, what they were answered and what they heard; the checker says whether the
//! guarantee held in it (G1 to G8 of `docs/decisions/0004-simulation.md`).
//!
//! The same checker reads simulated clusters, load tests, cluster tests and recordings of real ones. One pass, hash
//! maps only: time is linear in the lines, memory in the entries and connections, never in the deliveries.

mod check;
mod event;
mod log;
mod sends;
mod stream;
mod verdict;

#[cfg(test)]
mod tests;

pub use check::{Bounds, Checker, Unreadable, check};
pub use event::{Content, Event, Line, Passage, digest};
pub use verdict::{Anomaly, Totals, Verdict};
