//! What one connection was given of one room: strictly the next entry at each step.

use protocol::ids::UserId;
use protocol::message::Seq;
use protocol::room::Epoch;

/// A stretch of entries that a connection was given without a break.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) conn: u64,
    pub(crate) user: UserId,
    pub(crate) epoch: Epoch,
    /// The last entry that it was not given.
    pub(crate) after: Seq,
    /// The last one that it was given; equal to `after` when there was none.
    pub(crate) to: Seq,
    /// When it began.
    pub(crate) began: u64,
}

/// How a delivery fits to a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Next,
    Skipped,
    Repeated,
}

impl Run {
    /// Takes the next entry. After a break it goes on from there, so that one hole is told once.
    pub(crate) fn take(&mut self, seq: Seq) -> Step {
        let step = match seq {
            seq if seq == self.to + 1 => Step::Next,
            seq if seq > self.to => Step::Skipped,
            _ => Step::Repeated,
        };
        self.to = self.to.max(seq);
        step
    }
}
