//! Polls and posts for sessions of other nodes, over pooled connections on the backend runtime. A client that goes away
//! ends the connection to the owner, which ends the session as if the client had asked it directly.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, LengthLimitError};
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;
use transport::{Body, Passed, PassedFuture};

use super::{CONNECT_DEADLINE, headers};

/// Less than an idle connection is kept open at the other end, so that none is used that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// Idle connections to one node; beyond it they are closed.
const IDLE_CONNECTIONS: usize = 256;

/// See the module.
pub(super) struct Asking {
    client: Client<HttpConnector, Body>,
    backend: Handle,
    deadline: Duration,
}

impl Asking {
    /// Answers later than `deadline` count as none.
    pub(super) fn new(backend: Handle, deadline: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self {
            client,
            backend,
            deadline,
        }
    }

    /// The same pool, for other questions to nodes.
    pub(super) fn client(&self) -> Client<HttpConnector, Body> {
        self.client.clone()
    }

    /// The owner's answer.
    pub(super) fn ask(&self, request: Request<Body>) -> PassedFuture {
        let (client, deadline) = (self.client.clone(), self.deadline);
        let asked = async move { timeout(deadline, client.request(request)).await };
        let mut asked = EndsWithItsWaiter(self.backend.spawn(asked));
        Box::pin(async move {
            match (&mut asked.0).await {
                Ok(Ok(Ok(response))) => Passed::Answered(answered(response)),
                Ok(Ok(Err(error))) if is_too_large(&error) => Passed::TooLarge,
                Ok(Ok(Err(error))) => {
                    debug!(%error, "the owner of a session cannot be reached");
                    Passed::Unknown
                }
                Ok(Err(_)) => {
                    debug!("the owner of a session does not answer");
                    Passed::Unknown
                }
                Err(error) => {
                    debug!(%error, "asking the owner of a session failed");
                    Passed::Unknown
                }
            }
        })
    }
}

/// The request is given up when nobody waits for its answer any more.
struct EndsWithItsWaiter<T>(JoinHandle<T>);

impl<T> Drop for EndsWithItsWaiter<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn answered(response: Response<hyper::body::Incoming>) -> Response<Body> {
    let mut response = response.map(|body| body.map_err(Into::into).boxed_unsync());
    headers::end_to_end(response.headers_mut());
    response
}

/// Whether the request's own body was the reason.
fn is_too_large(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
