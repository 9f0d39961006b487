//! A public HTTP/1 listener for services without sockets: bounded in connections, head and time, and drained in order.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Body;
pub use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::drain::Drain;

/// Connections at the same time; beyond it a new one is closed at once, and the balancer tries another process.
const CONNECTIONS_MAX: usize = 10_000;
/// For the head of a request, and for how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole answer, the body of the request included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Headers of a request: more gets 431.
const HEADERS_MAX: usize = 64;
/// Bytes of a request's head: more gets 431.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers one request; the address is the peer's.
pub trait Answer<B>: Clone + Send + Sync + 'static {
    /// The answer.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<B>> + Send;
}

/// Binds the address and serves until the process leaves: then nothing new is accepted, and what is under way is
/// finished. Returns the bound address (port 0 picks one).
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve<B, A>(address: SocketAddr, answer: A, drain: &Drain) -> io::Result<SocketAddr>
where
    A: Answer<B>,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Default
        + Send
        + 'static,
{
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    drain.spawn("listener", accept(listener, answer, drain.clone()));
    Ok(bound)
}

async fn accept<B, A>(listener: TcpListener, answer: A, drain: Drain)
where
    A: Answer<B>,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Default
        + Send
        + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut leaving = pin!(drain.leaving());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut leaving => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "accepting failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (answer, life) = (answer.clone(), drain.clone());
        drain.spawn("http connection", async move {
            let _place = place;
            connection(stream, peer, answer, &life).await;
        });
    }
}

async fn connection<B, A>(stream: TcpStream, peer: SocketAddr, answer: A, drain: &Drain)
where
    A: Answer<B>,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Default
        + Send
        + 'static,
{
    // An answer is small and wanted at once.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the connection has ended already");
        return;
    }
    let service = service_fn(|request| {
        let answered = timeout(ANSWER_TIMEOUT, answer.answer(request, peer));
        async move {
            Ok::<_, Infallible>(answered.await.unwrap_or_else(|_| {
                let mut late = Response::new(B::default());
                *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                late
            }))
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let served = tokio::select! {
        served = &mut connection => served,
        () = drain.leaving() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "a connection ended early");
    }
}
