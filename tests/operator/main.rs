//! What an operator runs beside the server, against the real binary: `chatify verify` and `chatify doctor`.

mod doctor;
mod house;
mod http;
mod proxy;
mod silence;
mod smuggling;
mod verify;
