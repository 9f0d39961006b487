//! Whether a node is there, asked and answered over its public listener: the way that requests for its sessions take.
//!
//! The question is signed as a request that is passed on, and the answer with the same key: an address that belongs to
//! somebody else by now must not be given requests with people's tokens in them, and a stranger is told nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bus::roster::NodeCard;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use protocol::ids::NodeId;
use transport::{Body, Elsewhere as _, PASSED_ON};
use uuid::Uuid;

use super::Passage;
use crate::cluster::Reach;

/// Where a node answers; its number and something random follow.
const PATH: &str = "/internal/here";
/// More than an answer has.
const ANSWER_BYTES_MAX: usize = 256;
/// There is no client behind the question.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Passage {
    /// The route on which other nodes ask whether this one, `me`, is there. To whom it does not know as a node it is not.
    pub fn router(self: &Arc<Self>, me: NodeId) -> Router {
        let here = format!("{PATH}/{me}/{{chance}}");
        Router::new()
            .route(&here, get(answer))
            .with_state(self.clone())
    }
}

async fn answer(State(passage): State<Arc<Passage>>, uri: Uri, headers: HeaderMap) -> Response {
    match passage.vouched(&Method::GET, &uri, &headers) {
        Some(NOBODY) => passage.voucher.answer(uri.path()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Reach for Passage {
    fn is_there(&self, card: &NodeCard) -> store::Future<'static, bool> {
        let target = format!("{PATH}/{}/{}", card.id, Uuid::new_v4().simple());
        let voucher = self.voucher.clone();
        let vouched = voucher.write((&Method::GET, &target), NOBODY, self.now());
        let client = self.asking.client();
        let url = format!("{}{target}", card.url);
        Box::pin(async move {
            let asked = async {
                let vouched = HeaderValue::from_str(&vouched).ok()?;
                let request = Request::get(url).header(PASSED_ON, vouched);
                let request = request.body(Body::default()).ok()?;
                let response = client.request(request).await.ok()?;
                let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
                Some(body.collect().await.ok()?.to_bytes())
            };
            asked
                .await
                .is_some_and(|said| voucher.is_answer(&target, &said))
        })
    }
}
