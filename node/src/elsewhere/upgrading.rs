//! Upgrades for sessions of other nodes: one connection to the owner for each, opened on the shard's own thread, since
//! the shard carries its bytes from then on.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;
use transport::{Body, BodyError, Line, Passed};

use super::{CONNECT_DEADLINE, headers};

/// A refusal is a line of JSON.
const REFUSAL_BYTES_MAX: usize = 4 * 1024;

/// Asks the owner for the upgrade.
pub(super) async fn upgrade(request: Request<Body>) -> Passed {
    match asked(request).await {
        Ok(passed) => passed,
        Err(error) => {
            debug!(%error, "the owner of a session cannot be reached for an upgrade");
            Passed::Unknown
        }
    }
}

async fn asked(request: Request<Body>) -> Result<Passed, BodyError> {
    let stream = timeout(CONNECT_DEADLINE, connect(request.uri())).await??;
    let (mut sender, mut connection) = http1::handshake(TokioIo::new(stream)).await?;
    // An upgrade has no body, and its target names no host.
    let mut request = request.map(|_| Empty::<Bytes>::new());
    if let Some(target) = request.uri().path_and_query() {
        *request.uri_mut() = Uri::from(target.clone());
    }
    headers::ask_for_upgrade(request.headers_mut());

    let exchange = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok::<_, BodyError>(None);
        }
        let body = Limited::new(body, REFUSAL_BYTES_MAX).collect().await?;
        Ok(Some(Response::from_parts(parts, body.to_bytes())))
    };
    tokio::pin!(exchange);
    let mut has_ended = false;
    let answer = tokio::select! {
        answer = &mut exchange => answer?,
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => {
            ended?;
            has_ended = true;
            exchange.await?
        }
    };
    if let Some(refusal) = answer {
        let mut refusal =
            refusal.map(|body| Full::new(body).map_err(|no| match no {}).boxed_unsync());
        headers::end_to_end(refusal.headers_mut());
        return Ok(Passed::Answered(refusal));
    }
    if !has_ended {
        poll_fn(|context| connection.poll_without_shutdown(context)).await?;
    }
    let parts = connection.into_parts();
    Ok(Passed::Switched(Line {
        owner: parts.io.into_inner(),
        leftover: parts.read_buf,
    }))
}

async fn connect(uri: &Uri) -> io::Result<TcpStream> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(80);
    TcpStream::connect((host, port)).await
}
