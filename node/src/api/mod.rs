//! The REST API. A handler reads the call, asks the store or a room's home, and writes the answer; it decides nothing.
//!
//! Every route is registered together with its description, so that none can be missing in the document. Changes of a
//! room go through its home and never straight to the store.

pub mod admin;
mod answer;
mod caller;
mod documents;
mod export;
mod farewell;
mod front;
mod limits;
mod making;
mod members;
mod messages;
mod mint;
mod once;
mod paging;
mod presence;
mod read;
mod refusals;
mod rooms;
mod sync;
mod throttle;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use export::{AT_ONCE_MAX as EXPORTS_AT_ONCE_MAX, Exports};

use crate::ports::{Ports, Settings};

/// The REST API and the documents, ready to be served.
pub fn router(ports: Arc<Ports>) -> Router {
    router_with(ports, Router::new())
}

/// The same with the routes of other services behind the same front: trace ids, CORS and protective headers.
///
/// The front puts `x-trace-id` into each request for whoever writes a problem document of its own.
pub fn router_with(ports: Arc<Ports>, others: Router) -> Router {
    let https = ports.settings.https;
    let layered = |router: Router<Arc<Ports>>| {
        router
            .route_layer(from_fn_with_state(ports.clone(), once::once))
            .route_layer(from_fn_with_state(ports.clone(), throttle::throttle))
            .route_layer(from_fn_with_state(ports.clone(), caller::identify))
    };
    let (calls, _) = calls().split_for_parts();
    let (open, _) = open().split_for_parts();
    let routes = layered(calls)
        .merge(open)
        .with_state(ports.clone())
        .merge(others)
        .fallback(move |request| front::nowhere(request, https));
    fronted(&ports.settings, routes)
}

/// The routes of another service alone, behind the same front.
pub fn fronted_alone(settings: &Settings, routes: Router) -> Router {
    fronted(settings, routes.fallback(front::nothing))
}

fn fronted(settings: &Settings, routes: Router) -> Router {
    routes
        .method_not_allowed_fallback(front::not_so)
        .layer(from_fn_with_state(Arc::new(settings.clone()), front::front))
}

/// The description of every route here.
pub fn openapi() -> OpenApi {
    let (_, mut document) = OpenApiRouter::<Arc<Ports>>::with_openapi(Frame::openapi())
        .merge(open())
        .split_for_parts();
    let (_, mut calls) = calls().split_for_parts();
    for item in calls.paths.paths.values_mut() {
        for operation in refusals::operations(item) {
            operation.security = Some(vec![SecurityRequirement::new(
                "bearer",
                Vec::<String>::new(),
            )]);
        }
    }
    document.merge(calls);
    let bearer = SecurityScheme::Http(
        Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build(),
    );
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("bearer", bearer);
    refusals::fold(&mut document);
    document
}

/// What needs a signed-in person.
fn calls() -> OpenApiRouter<Arc<Ports>> {
    OpenApiRouter::new()
        .routes(routes!(users::me, users::change_me, users::delete_me))
        .routes(routes!(export::export_me))
        .routes(routes!(users::user))
        .routes(routes!(users::find))
        .routes(routes!(rooms::list, making::create))
        .routes(routes!(making::open_dm))
        .routes(routes!(rooms::room, rooms::change, rooms::delete))
        .routes(routes!(rooms::directory))
        .routes(routes!(members::list))
        .routes(routes!(members::add, members::change, members::remove))
        .routes(routes!(messages::list, messages::send))
        .routes(routes!(messages::message, messages::edit, messages::delete))
        .routes(routes!(messages::react, messages::unreact))
        .routes(routes!(sync::sync))
        .routes(routes!(sync::mark_read))
        .routes(routes!(sync::unread))
        .routes(routes!(presence::people))
        .routes(routes!(presence::room))
}

/// What anybody may read.
fn open() -> OpenApiRouter<Arc<Ports>> {
    OpenApiRouter::new()
        .routes(routes!(limits::limits))
        .routes(routes!(documents::openapi))
        .routes(routes!(documents::asyncapi))
        .routes(routes!(documents::reference))
        .routes(routes!(documents::guide))
        .routes(routes!(documents::errors))
        .routes(routes!(documents::error))
        .routes(routes!(documents::style))
}

/// What stands around the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "chatify",
        description = include_str!("about.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "people", description = "You and others."),
        (name = "rooms", description = "Making, finding, changing rooms."),
        (name = "members", description = "Who is in a room, and what they may do."),
        (name = "messages", description = "What is said."),
        (name = "catching up", description = "What was missed and what is unread."),
        (name = "presence", description = "Who is there."),
        (name = "about", description = "Limits and documents."),
    ),
    components(schemas(protocol::problem::Problem, protocol::problem::FieldError, protocol::problem::Code))
)]
struct Frame;
