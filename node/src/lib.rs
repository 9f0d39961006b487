//! The Socket.IO node: shards, REST, presence.

pub mod api;
pub mod cluster;
mod config;
pub mod contract;
mod elsewhere;
mod files;
pub mod jwks;
mod metrics;
mod otlp;
pub mod ports;
pub mod reads;
pub mod revoked;
mod server;
mod shard;
pub mod trail;
mod url;
mod web;

pub use config::NodeConfig;
pub use elsewhere::Passage;
pub use metrics::NodeMetrics;
pub use server::{Listen, Node};
pub use shard::Doors;
pub use url::plain_url;
