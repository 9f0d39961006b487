//! The Socket.IO node: shards, REST, presence.

pub mod api;
pub mod cluster;
mod config;
pub mod contract;
mod metrics;
pub mod ports;
pub mod reads;
pub mod revoked;
mod server;
mod shard;
mod web;

pub use config::NodeConfig;
pub use metrics::NodeMetrics;
pub use server::{Listen, Node};
pub use shard::Doors;
