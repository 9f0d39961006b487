//! Stories through real sockets: a server of two shards, clients that write bytes by hand.
#![allow(
    clippy::unwrap_used,
    reason = "a story that cannot go on is a failed test"
)]

mod acks;
mod drain;
mod handshake;
mod heartbeat;
mod limits;
mod namespaces;
mod polling;
mod slow_consumer;
mod stray;
mod support;
mod upgrade;
mod websocket;
