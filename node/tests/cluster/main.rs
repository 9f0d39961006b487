//! Several nodes in one process: on one store, one bus and one roster, each with its own shards and its own port, spoken
//! to through real sockets. What is broken between them is broken by [`faults`]; what must hold is what clients see.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends at the first thing that should not be, and shows how long a repair took"
)]

mod faults;
mod ghost;
mod matrix;
mod messages;
mod parted;
mod people;
#[path = "../../../crates/bus/tests/broker/proxy.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the bus, which use all of it"
)]
mod proxy;
mod sessions;
mod socket;
mod strays;
mod town;
mod trace;
