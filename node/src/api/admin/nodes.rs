//! The nodes: which there are, draining one, and which way a message went through them. What another node must do or knows
//! is asked of it with the administrator's own token, so that it judges and writes down the call as its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::ids::{ClientId, MessageId, NodeId, RoomId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::{IntoParams, ToSchema};

use super::AdminPorts;
use super::caller::Administrator;
use crate::api::answer::{Result, data, ok};
use crate::api::read::{Named, Query};
use crate::api::refusals::{Administering, NoMessage, Nothing};
use crate::trail::{Taken, Trail, Wanted};

/// How long another node may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
/// More than any trail has.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeView {
    /// Its number, 8 hexadecimal digits: another one at each start.
    id: String,
    /// Its name.
    name: String,
    /// Where the other nodes reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Whether it hears itself on the bus.
    hears: bool,
    /// Whether it is the one that answers.
    this: bool,
}

/// The nodes that are alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct NodeRows {
    /// By number.
    nodes: Vec<NodeView>,
}

/// The nodes that have a lease.
#[utoipa::path(
    get, path = "/v1/admin/nodes", operation_id = "adminNodes", tag = "admin",
    responses((status = 200, description = "All of them.", body = NodeRows), Administering)
)]
pub(super) async fn list(
    State(ports): State<Arc<AdminPorts>>,
    _who: Administrator,
) -> Result<Response> {
    let nodes = match &ports.cluster {
        None => vec![NodeView {
            id: ports.me().to_string(),
            name: ports.name.clone(),
            url: None,
            hears: true,
            this: true,
        }],
        Some((me, peers)) => {
            let view = |card: &bus::roster::NodeCard| NodeView {
                id: card.id.to_string(),
                name: card.name.clone(),
                url: Some(card.url.clone()),
                hears: card.hears,
                this: card.id == *me,
            };
            peers.alive().iter().map(view).collect()
        }
    };
    ok(&NodeRows { nodes })
}

/// Which node.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct NodePath {
    /// Its number, 8 hexadecimal digits.
    id: String,
}

/// A node that leaves.
#[derive(Serialize, ToSchema)]
pub(crate) struct Draining {
    /// Its number.
    node: String,
    /// That it leaves.
    draining: bool,
}

/// Makes a node leave as a signal would: not ready at once, its connections closed at the drain's pace, then its process
/// ends. Whoever started it starts it again, or not.
#[utoipa::path(
    post, path = "/v1/admin/nodes/{id}/drain", operation_id = "adminDrainNode", tag = "admin", params(NodePath),
    responses((status = 202, description = "It leaves.", body = Draining), Administering, Nothing)
)]
pub(super) async fn drain(
    State(ports): State<Arc<AdminPorts>>,
    who: Administrator,
    Named(path): Named<NodePath>,
) -> Result<Response> {
    let node = u32::from_str_radix(&path.id, 16).map(NodeId);
    let unknown = || Problem::because(Code::NotFound, "no such node is alive");
    let node = node.map_err(|_| unknown())?;
    if node == ports.me() {
        ports
            .drain
            .leave(&format!("the administrator {}", who.grant.name));
    } else {
        let url = ports
            .cluster
            .as_ref()
            .and_then(|(_, peers)| peers.url(node));
        let url = format!("{}/v1/admin/nodes/{node}/drain", url.ok_or_else(unknown)?);
        if ask(&Method::POST, &url, &who.token).await.is_none() {
            let why = "that node does not answer, or refuses";
            return Err(Problem::because(Code::Unavailable, why)
                .retry_after(1_000)
                .into());
        }
    }
    let leaves = Draining {
        node: node.to_string(),
        draining: true,
    };
    data(StatusCode::ACCEPTED, &leaves)
}

/// Which message.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TracePath {
    /// Its id.
    id: MessageId,
}

/// How to look.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TraceQuery {
    /// Only what the asked node knows.
    #[serde(default)]
    here: bool,
    /// The trace id, if it is known already: nodes that were only told of the message know it by this.
    trace: Option<ClientId>,
}

/// What one node knows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeTrail {
    /// Its number.
    node: String,
    /// Its name.
    name: String,
    /// Whether it was reached and remembers the message.
    answered: bool,
    /// In the order of time by its own clock.
    steps: Vec<Taken>,
}

/// The way of a message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    /// The sender's `clientId`, which the logs and exported traces name it by.
    trace_id: ClientId,
    /// The message.
    message_id: MessageId,
    /// Its room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    /// Its place in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    /// Node by node; the sender's node says `accepted`.
    nodes: Vec<NodeTrail>,
}

/// Which way a message went: accepted, appended, committed, published, heard by each node, written to sockets, with times
/// by each node's clock. Each shard of a node remembers the last 1,024 entries that it saw.
#[utoipa::path(
    get, path = "/v1/admin/trace/{id}", operation_id = "adminTrace", tag = "admin", params(TracePath, TraceQuery),
    responses((status = 200, description = "Its way.", body = Trace), Administering, NoMessage)
)]
pub(super) async fn trace(
    State(ports): State<Arc<AdminPorts>>,
    who: Administrator,
    Named(path): Named<TracePath>,
    Query(asked): Query<TraceQuery>,
) -> Result<Response> {
    let search = Search {
        ports: &ports,
        token: &who.token,
        message: path.id,
    };
    let found = if asked.here {
        search.here(asked.trace).await
    } else {
        search.everywhere().await
    };
    match found {
        Some(trace) => ok(&trace),
        None => {
            let why = "no node remembers its way: each shard knows its last 1,024 entries";
            Err(Problem::because(Code::MessageNotFound, why).into())
        }
    }
}

struct Search<'a> {
    ports: &'a AdminPorts,
    token: &'a HeaderValue,
    message: MessageId,
}

impl Search<'_> {
    /// What this node knows, by the message or by its trace.
    async fn here(&self, trace: Option<ClientId>) -> Option<Trace> {
        let doors = &self.ports.doors;
        let by_message = doors.trail(Wanted::Message(self.message)).await;
        // A shard that only wrote it to sockets knows it by its trace.
        let trace = by_message.as_ref().map(|trail| trail.trace_id).or(trace)?;
        let trail = doors.trail(Wanted::Trace(trace)).await?;
        let Trail {
            trace_id,
            room_id,
            seq,
            steps,
            ..
        } = trail;
        let node = NodeTrail {
            node: self.ports.me().to_string(),
            name: self.ports.name.clone(),
            answered: true,
            steps,
        };
        Some(Trace {
            trace_id,
            message_id: self.message,
            room_id,
            seq,
            nodes: vec![node],
        })
    }

    /// What all nodes know. Asked twice where the first answer did not know the trace yet: a node that was told by the
    /// log alone knows the message by nothing else.
    async fn everywhere(&self) -> Option<Trace> {
        let mut found = BTreeMap::new();
        let mut trace = None;
        for round in 0..2 {
            if let Some(here) = self.here(trace).await {
                trace = Some(here.trace_id);
                found.insert(self.ports.me(), here);
            }
            for (node, theirs) in self.others(trace).await {
                trace = trace.or(Some(theirs.trace_id));
                found.insert(node, theirs);
            }
            if trace.is_none() || round == 0 && found.len() > self.others_alive() {
                break;
            }
        }
        let mut traces = found.into_values();
        let mut all = traces.next()?;
        for other in traces {
            all.room_id = all.room_id.or(other.room_id);
            all.seq = all.seq.or(other.seq);
            all.nodes.extend(other.nodes);
        }
        self.add_silent(&mut all);
        Some(all)
    }

    fn others_alive(&self) -> usize {
        let alive = self
            .ports
            .cluster
            .as_ref()
            .map(|(_, peers)| peers.alive().len());
        alive.unwrap_or(1).saturating_sub(1)
    }

    async fn others(&self, trace: Option<ClientId>) -> Vec<(NodeId, Trace)> {
        let Some((me, peers)) = &self.ports.cluster else {
            return Vec::new();
        };
        let query = trace.map_or(String::new(), |trace| format!("&trace={trace}"));
        let mut found = Vec::new();
        // One after the other: a handful of nodes, and nobody waits for it but an administrator.
        for card in peers.alive().iter().filter(|card| card.id != *me) {
            let url = format!(
                "{}/v1/admin/trace/{}?here=true{query}",
                card.url, self.message
            );
            let answer = ask(&Method::GET, &url, self.token).await;
            if let Some(trace) = answer.and_then(|body| serde_json::from_slice(&body).ok()) {
                found.push((card.id, trace));
            }
        }
        found
    }

    /// Nodes that know nothing, or did not answer, are named too.
    fn add_silent(&self, trace: &mut Trace) {
        let Some((_, peers)) = &self.ports.cluster else {
            return;
        };
        for card in peers.alive().iter() {
            let id = card.id.to_string();
            if !trace.nodes.iter().any(|node| node.node == id) {
                trace.nodes.push(NodeTrail {
                    node: id,
                    name: card.name.clone(),
                    answered: false,
                    steps: Vec::new(),
                });
            }
        }
    }
}

/// Asks another node with the administrator's token; the body of an answer that grants.
async fn ask(method: &Method, url: &str, token: &HeaderValue) -> Option<Bytes> {
    let asked = async {
        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, token)
            .body(Empty::new())
            .ok()?;
        let answer = client.request(request).await.ok()?;
        let granted = answer.status().is_success();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        granted.then_some(body.await.ok()?.to_bytes())
    };
    let answer = tokio::time::timeout(ANSWER_DEADLINE, asked)
        .await
        .ok()
        .flatten();
    if answer.is_none() {
        warn!(url, "another node did not do what an administrator asked");
    }
    answer
}
