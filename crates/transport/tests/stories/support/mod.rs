//! What the stories share: a small application, a server around it, and two clients that know no more than they
//! are told.

mod app;
mod http;
mod server;
mod ws;

pub(crate) use app::{Heard, Mail};
pub(crate) use http::{Http, get, post, request};
pub(crate) use server::{Setup, TestServer};
pub(crate) use ws::{Told, Ws, frame};

use std::time::Duration;

/// How long a story waits for what must come. Only a failing test ever waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
