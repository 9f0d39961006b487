//! Engine.IO v4 and Socket.IO v5 over hyper and WebSocket, on single-threaded shards; knows nothing of chat.
//! [`Server::start`] runs an [`Application`] on each shard; the way in is `http`, then `shard::incoming`, then
//! `shard::packets`; the way out is [`Sockets`], then one flush a turn. No lock and no channel per connection.

mod application;
mod budget;
mod close;
mod config;
mod counters;
mod http;
mod outbox;
mod ready;
mod server;
mod shard;
mod sid;
mod wheel;

pub use application::{
    Admission, Answer, Application, Body, BodyError, ConnectRequest, Event, HttpFallback,
    RawMessage, ResponseFuture, SocketId,
};
pub use budget::Rate;
pub use close::CloseReason;
pub use config::{Endpoint, Limits, Mode, ServerConfig};
pub use counters::Counters;
pub use http::{
    elsewhere::{Elsewhere, Line, PASSED_ON, Passed, PassedFuture, Stray},
    origin::Origins,
    peer::{NoSubnet, Subnet},
};
pub use server::{DrainPlan, Drained, MailboxFull, Server, ShardHandle};
pub use shard::sockets::{Sent, Sockets};
