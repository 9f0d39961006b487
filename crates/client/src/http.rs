//! HTTP/1.1 requests to one server, one after the other on a connection that is kept.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::words::Problem;
use crate::{Endpoint, Fault};

/// The longest answer that is read: a page of a thousand events is far below.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A long poll is held for less; anything else is answered much sooner.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The body of a success; of anything else the problem as a fault.
    ///
    /// # Errors
    /// When the status is no success, or the body is not of the form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        self.success()?;
        serde_json::from_slice(&self.body)
            .map_err(|error| Fault::of("an answer that is not understood", error))
    }

    /// Whether it is a success.
    ///
    /// # Errors
    /// When it is none: with the problem's code and detail, if there is a problem document.
    pub fn success(&self) -> Result<(), Fault> {
        if self.status.is_success() {
            return Ok(());
        }
        Err(match serde_json::from_slice::<Problem>(&self.body) {
            Ok(Problem { code, detail }) => Fault::of(code, detail.unwrap_or_default()),
            Err(_) => Fault(format!("HTTP {}", self.status)),
        })
    }
}

/// Asks one server.
pub struct Http {
    endpoint: Endpoint,
    kept: Option<SendRequest<Full<Bytes>>>,
    /// Drive the connections; aborted with us.
    drivers: JoinSet<()>,
}

impl Http {
    /// Nothing is opened yet.
    pub fn new(endpoint: Endpoint) -> Http {
        Http {
            endpoint,
            kept: None,
            drivers: JoinSet::new(),
        }
    }

    /// Asks as somebody, with JSON, and reads the whole answer.
    ///
    /// # Errors
    /// When no answer came: nobody knows then whether the server did what was asked.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        (token, body): (Option<&str>, Option<&serde_json::Value>),
    ) -> Result<Reply, Fault> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        self.ask(request, body).await
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Reply, Fault> {
        let request = request
            .header(header::HOST, self.endpoint.authority())
            .body(Full::new(body))
            .map_err(|error| self.wrong(error))?;
        let mut sender = self.sender().await?;
        let answered = tokio::time::timeout(ANSWER_MAX, async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Reply {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        });
        let reply = match answered.await {
            Ok(reply) => reply.map_err(|error| self.wrong(error))?,
            Err(_) => return Err(self.wrong("no answer in time")),
        };
        self.kept = Some(sender);
        Ok(reply)
    }

    async fn sender(&mut self) -> Result<SendRequest<Full<Bytes>>, Fault> {
        if let Some(mut kept) = self.kept.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let stream = TokioIo::new(self.endpoint.dial().await?);
        let (sender, connection) = http1::handshake(stream)
            .await
            .map_err(|error| self.wrong(error))?;
        while self.drivers.try_join_next().is_some() {}
        self.drivers.spawn(async move {
            // Its end is told to whoever waits for an answer on it.
            drop(connection.await);
        });
        Ok(sender)
    }

    fn wrong(&self, why: impl std::fmt::Display) -> Fault {
        Fault::of(&self.endpoint, why)
    }
}
