//! Routes on a public listener of their own, for a service without sockets.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use service::http::{ClientAddress, Network, client_address};
use service::public::{Answer, Incoming};
use tower::ServiceExt as _;

use super::{Life, cannot_listen};
use crate::Failure;
use crate::config::TopConfig;

/// Routes that learn from whom a request is.
#[derive(Clone)]
struct Routes {
    router: Router,
    trusted_proxies: Vec<Network>,
}

impl Answer<Body> for Routes {
    async fn answer(&self, request: http::Request<Incoming>, peer: SocketAddr) -> Response {
        let client = client_address(peer.ip(), request.headers(), &self.trusted_proxies);
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ClientAddress(client));
        let answered: Result<Response, Infallible> = self.router.clone().oneshot(request).await;
        let Ok(response) = answered;
        response
    }
}

/// Serves these routes until the process leaves; where.
pub(super) async fn serve(
    life: &Life,
    top: &TopConfig,
    router: Router,
) -> Result<SocketAddr, Failure> {
    let routes = Routes {
        router,
        trusted_proxies: top.trusted_proxies.clone(),
    };
    service::public::serve(top.listen, routes, &life.drain)
        .await
        .map_err(|error| cannot_listen("listen", top.listen, error))
}
