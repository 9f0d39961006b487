//! The admin listener: `/healthz` (alive), `/readyz` (send traffic here?), `/metrics`. On its own address, never on the
//! public one; it serves to the last moment of a drain. It holds no secret and changes nothing.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::drain::Drain;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// Probes and scrapers are few; more than this is a mistake or an attack.
const CONNECTIONS_MAX: usize = 64;
/// A probe that has not sent its request by then is cut.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the admin listener shows.
#[derive(Clone)]
pub struct Admin {
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// Binds the address and serves until the process stops. Returns the bound address (port 0 picks one).
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(address: SocketAddr, admin: Admin, drain: &Drain) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    info!(address = %bound, "admin listener");
    drain.spawn_background("admin", accept(listener, admin, drain.clone()));
    Ok(bound)
}

async fn accept(listener: TcpListener, admin: Admin, drain: Drain) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "accepting on the admin listener failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // No place: dropping the stream tells the caller at once.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let admin = admin.clone();
        drain.spawn_aside(async move {
            let _place = place;
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIMEOUT)
                .serve_connection(
                    TokioIo::new(stream),
                    service_fn(|request| {
                        let answer = answer(&admin, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    }),
                )
                .await;
            if let Err(error) = served {
                debug!(%error, "admin connection ended early");
            }
        });
    }
}

fn answer<B>(admin: &Admin, request: &Request<B>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "only GET\n".to_owned(),
        );
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => readyz(&admin.readiness),
        "/metrics" => text(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            admin.metrics.render(),
        ),
        _ => text(
            StatusCode::NOT_FOUND,
            "text/plain",
            "/healthz /readyz /metrics\n".to_owned(),
        ),
    }
}

fn readyz(readiness: &Readiness) -> Response<Full<Bytes>> {
    let report = readiness.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    match serde_json::to_string(&report) {
        Ok(body) => text(status, "application/json", body + "\n"),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain",
            error.to_string(),
        ),
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::drain::Patience;

    /// Sends one request over a real socket and returns the whole answer.
    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        answer
    }

    #[tokio::test]
    async fn probes_and_scrapers_get_their_answers_until_the_very_end() {
        let drain = Drain::new();
        let readiness = Readiness::new(drain.clone());
        let metrics = crate::metrics::install().expect("once in this process");
        let admin = Admin {
            readiness: readiness.clone(),
            metrics,
        };
        let address = serve("127.0.0.1:0".parse().expect("an address"), admin, &drain)
            .await
            .expect("bound");

        let store = readiness.register("store");
        let unready = ask(address, "GET /readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
        assert!(
            unready.contains(r#"{"check":"store","why":"starting"}"#),
            "{unready}"
        );
        store.pass();
        assert!(
            ask(address, "GET /readyz")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        assert!(ask(address, "GET /healthz").await.ends_with("\r\n\r\nok\n"));
        assert!(
            ask(address, "GET /metrics")
                .await
                .contains("chatify_build_info{")
        );
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404 "));
        assert!(
            ask(address, "POST /healthz")
                .await
                .starts_with("HTTP/1.1 405 ")
        );

        drain.leave("a test");
        assert!(
            ask(address, "GET /readyz")
                .await
                .contains(r#""phase":"leaving""#)
        );
        assert!(
            ask(address, "GET /healthz")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        let patience = Patience {
            grace: Duration::ZERO,
            deadline: Duration::from_secs(60),
        };
        assert!(drain.stop(patience).await.is_clean());
    }
}
