//! Stories that are told to one hub by hand, step by step.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that should not be"
)]

mod alone;
mod found;
mod handed;
mod races;
