//! The fault harness: a cluster of real processes on one machine, faults in and between them, stock clients that talk
//! through all of it, and the verdict of `history` over what they saw. Everything that is drawn is drawn from one seed.
//! It knows the product only from outside: its settings, its signals, its public contract.

pub mod chance;
pub mod cluster;
pub mod crew;
mod delays;
pub mod fault;
pub mod otp;
pub mod proxy;
pub mod report;
pub mod run;
