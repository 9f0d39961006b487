//! Every event there is, in two enums: what clients say and what servers say.

pub mod client;
pub mod server;

pub use client::ClientEvent;
pub use server::ServerEvent;
