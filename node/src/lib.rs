//! The Socket.IO node: shards, REST, presence.

pub mod api;
pub mod contract;
pub mod ports;
pub mod reads;
pub mod revoked;
