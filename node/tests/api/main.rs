//! Stories of the REST API through its router, on a real store and with a real hub deciding.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod admin;
mod contract;
mod conventions;
mod export;
mod idempotency;
mod matrix;
mod members;
mod messages;
mod pages;
mod people;
mod rooms;
mod shell;
mod world;
