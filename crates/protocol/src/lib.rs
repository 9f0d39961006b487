//! Words on the wire: pure types and codecs, no I/O, no clock, no sockets.

pub mod engineio;
pub mod entry;
pub mod envelope;
pub mod event;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod mail_job;
pub mod message;
pub mod problem;
pub mod room;
pub mod socketio;
mod tagged;
pub mod time;
pub mod token;
pub mod user;
pub mod websocket;
