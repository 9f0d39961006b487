//! `/v1/admin`: for those who run the deployment. Served only where an admin key is set.
//!
//! Every call carries an administrator's own token ([`token`]), and is written into the audit log **before** it does
//! anything: a call that cannot be written down is refused. Nothing here reads or shows what people write to each other.
//! Reading takes the scope `read`, everything else `operate`. Calls are limited before they are written down: neither a
//! script that went wild nor who tries tokens fills the log or burdens the store.

mod caller;
mod looks;
mod nodes;
pub mod token;

use std::sync::Arc;

use axum::Router;
use bus::limits::Limiter;
use protocol::ids::NodeId;
use service::clock::Clock;
use service::drain::Drain;
use store::Store;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::refusals;
use crate::cluster::Peers;
use crate::shard::Doors;
use token::AdminKey;

/// What administrators reach.
pub struct AdminPorts {
    /// Who is one.
    pub key: AdminKey,
    /// What is kept, the audit log included.
    pub store: Arc<dyn Store>,
    /// The hubs of this node.
    pub doors: Doors,
    /// This node's life.
    pub drain: Drain,
    /// Budgets, held over the whole cluster.
    pub limiter: Arc<dyn Limiter>,
    /// The time.
    pub clock: Clock,
    /// This node's name, for people.
    pub name: String,
    /// This node's number, and the other nodes; `None` for a node by itself, whose number is 0.
    pub cluster: Option<(NodeId, Peers)>,
}

impl AdminPorts {
    fn me(&self) -> NodeId {
        self.cluster.as_ref().map_or(NodeId(0), |(me, _)| *me)
    }
}

/// The routes, to stand among those of [`super::router_with`].
pub fn router(ports: AdminPorts) -> Router {
    let (routes, _) = calls().split_for_parts();
    routes.with_state(Arc::new(ports))
}

/// Their description.
pub fn openapi() -> OpenApi {
    let (_, mut document) = OpenApiRouter::<Arc<AdminPorts>>::with_openapi(Frame::openapi())
        .merge(calls())
        .split_for_parts();
    for item in document.paths.paths.values_mut() {
        for operation in refusals::operations(item) {
            let requirement = SecurityRequirement::new("admin", Vec::<String>::new());
            operation.security = Some(vec![requirement]);
        }
    }
    let mut scheme = Http::builder().scheme(HttpAuthScheme::Bearer);
    scheme = scheme.description(Some("Made with `chatify admin token`."));
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("admin", SecurityScheme::Http(scheme.build()));
    refusals::fold(&mut document);
    document
}

fn calls() -> OpenApiRouter<Arc<AdminPorts>> {
    OpenApiRouter::new()
        .routes(routes!(looks::users))
        .routes(routes!(looks::rooms))
        .routes(routes!(looks::sessions))
        .routes(routes!(looks::audit))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::drain))
        .routes(routes!(nodes::trace))
}

/// What stands around the routes.
#[derive(utoipa::OpenApi)]
#[openapi(tags((name = "admin", description = "For those who run the deployment; served where an admin key is set.")))]
struct Frame;
