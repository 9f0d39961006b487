//! What an operator runs beside the server, against the real binary: `chatify verify` and `chatify doctor`.

mod doctor;
#[path = "../../crates/bus/tests/servers/guarded.rs"]
#[allow(dead_code, reason = "shared with the tests of the bus")]
mod guarded;
mod house;
mod http;
mod proxy;
mod silence;
mod smuggling;
mod verify;
