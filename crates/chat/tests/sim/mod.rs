//! Whole clusters in one thread: real hubs, a model store, a faulty bus, clients as stock ones behave, a virtual clock.

mod audit;
pub(crate) mod bugs;
mod bus;
mod client;
mod fate;
mod link;
mod perform;
mod plan;
mod questions;
mod rng;
mod roster;
pub(crate) mod run;
mod seen;
mod store;
mod tamper;
mod wire;
mod world;

/// The machine's bound when a hint is lost and its publisher is dead (`hub::SWEEP_MILLIS`).
const SWEEP_MILLIS: u64 = 10_000;
/// The machine's bound when only hints are lost, and its publisher lives (`home::ANNOUNCE_MILLIS`).
const ANNOUNCED_MILLIS: u64 = 2_000;
/// What the model's store, wires and hubs add to a bound.
const SLACK_MILLIS: u64 = 400;
