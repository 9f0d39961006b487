//! Everything that the store has about the caller, for the caller: streamed page by page, never as a whole in memory.
//!
//! The logs of all rooms that somebody ever was in are read, so it is kept from being a burden: a person may ask a few
//! times a day (`throttle.rs`); a node writes [`AT_ONCE_MAX`] at once, which read one page at a time, in turn; none goes
//! on for longer than [`DEADLINE`] or after its device was signed out. Whoever reads slowly keeps a page waiting and
//! nothing else. The work is done on the backend runtime: a body is polled by a shard, which must not be held up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use archive::{Devices, Person};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{once, try_unfold};
use futures_util::{StreamExt as _, future};
use protocol::problem::{Code, Problem};
use store::StoreError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::answer::{Kept, Result, Streamed};
use super::caller::Caller;
use super::refusals::{Busy, Keyed, Signed};
use crate::ports::Ports;

/// Exports that a node writes at the same time; each holds at most one page of the store, which is about 1 MiB of text.
pub const AT_ONCE_MAX: usize = 8;
/// How long one may take. A person with a million entries in their rooms needs a minute or two.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// What the exports of a node share.
#[derive(Clone, Debug)]
pub struct Exports {
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Everything that is stored about you, and nothing about others.
///
/// One JSON object a line (`application/x-ndjson`): `profile`, a `device` for each that is signed in, a `room` for each
/// that you are in, then from the log of every room that you are or were in what you `did` yourself: each version of
/// what you wrote, deletions, reactions, coming and going. The last line is `{"end": {"lines": N}}`, itself counted; without
/// it the answer was cut off, as it is when the device is signed out meanwhile. Ask again then.
///
/// It is not kept under an `Idempotency-Key`: a repeat reads anew. A few a day are granted.
#[utoipa::path(
    post, path = "/v1/users/me/export", operation_id = "exportMe", tag = "people",
    responses(
        (status = 200, description = "Your data, line by line.", body = String, content_type = "application/x-ndjson"),
        Signed, Keyed, Busy
    )
)]
pub(crate) async fn export_me(State(ports): State<Arc<Ports>>, caller: Caller) -> Result<Response> {
    let place = Arc::clone(&ports.exports.places).try_acquire_owned();
    let place = place.map_err(|_| {
        let detail = format!("{AT_ONCE_MAX} exports are being written");
        Problem::because(Code::Overloaded, detail).retry_after(10_000)
    })?;
    let mut export = Export {
        person: Person::new(caller.user, Devices::SignedIn),
        ends: Instant::now() + DEADLINE,
        ports,
        caller,
        _place: place,
    };
    // Before the status: somebody who is not there, or a store that is away, is told so.
    let first = export.page().await.or_absent(Code::UserNotFound)?;
    let first = Ok::<_, io::Error>(Bytes::from(first.unwrap_or_default()));

    let backend = Handle::current();
    let rest = try_unfold(export, move |export| {
        let page = backend.spawn(export.step());
        async move { page.await.map_err(io::Error::other)? }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"chatify-export.ndjson\"",
        ),
    ];
    let body = Body::from_stream(once(future::ready(first)).chain(rest));
    let mut response = (headers, body).into_response();
    response.extensions_mut().insert(Streamed);
    Ok(response)
}

/// An export that is under way.
struct Export {
    person: Person,
    ends: Instant,
    ports: Arc<Ports>,
    caller: Caller,
    _place: OwnedSemaphorePermit,
}

impl Export {
    /// The next lines, and the export that goes on behind them; `None` after the last.
    async fn step(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            let page = timeout_at(self.ends, self.page()).await;
            let why = match page {
                _ if self.ports.revoked.contains(self.caller.session) => "signed out".to_owned(),
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(lines))) if lines.is_empty() => continue,
                Ok(Ok(Some(lines))) => return Ok(Some((lines.into(), self))),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "too long".to_owned(),
            };
            warn!(why, "an export was cut off");
            return Err(io::Error::other(why));
        }
    }

    /// One page, when it is this one's turn.
    async fn page(&mut self) -> std::result::Result<Option<String>, StoreError> {
        let turn = self.ports.exports.turn.acquire().await;
        let _turn = turn.map_err(|_| StoreError::Unavailable("the node ends".to_owned()))?;
        self.person.next(self.ports.store.as_ref()).await
    }
}
