//! The published documents and the readable reference under `/docs`: pages without a script, from one origin.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use protocol::problem::Code;
use serde::Deserialize;
use service::http::{Content, protect};
use utoipa::IntoParams;

use super::answer::Result;
use super::read::Named;
use super::refusals::Nothing;
use crate::contract::pages;
use crate::ports::Ports;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// Documents change with a deploy and not within one.
const FRESH: &str = "public, max-age=300";

/// The description of the REST calls (OpenAPI 3.1).
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenApi", tag = "about",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json"))
)]
pub(crate) async fn openapi(State(ports): State<Arc<Ports>>) -> Response {
    document(ports.documents.openapi.clone(), JSON)
}

/// The description of the Socket.IO events (AsyncAPI 3.0).
#[utoipa::path(
    get, path = "/asyncapi.json", operation_id = "getAsyncApi", tag = "about",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json"))
)]
pub(crate) async fn asyncapi(State(ports): State<Arc<Ports>>) -> Response {
    document(ports.documents.asyncapi.clone(), JSON)
}

/// The readable reference of calls and events.
#[utoipa::path(
    get, path = "/docs", operation_id = "readReference", tag = "about",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
pub(crate) async fn reference(State(ports): State<Arc<Ports>>) -> Response {
    page(&ports, ports.documents.reference.clone())
}

/// The guide: connecting, resuming, the guarantee, errors.
#[utoipa::path(
    get, path = "/docs/guide", operation_id = "readGuide", tag = "about",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
pub(crate) async fn guide(State(ports): State<Arc<Ports>>) -> Response {
    page(&ports, pages::guide().into())
}

/// Every code of a refusal.
#[utoipa::path(
    get, path = "/docs/errors", operation_id = "listErrors", tag = "about",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
pub(crate) async fn errors(State(ports): State<Arc<Ports>>) -> Response {
    page(&ports, pages::errors().into())
}

/// Which code.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ErrorPath {
    /// A problem's `code`.
    #[param(example = "room_not_found")]
    code: String,
}

/// What a code means and what to do about it.
#[utoipa::path(
    get, path = "/docs/errors/{code}", operation_id = "readError", tag = "about", params(ErrorPath),
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"), Nothing)
)]
pub(crate) async fn error(
    State(ports): State<Arc<Ports>>,
    Named(path): Named<ErrorPath>,
) -> Result<Response> {
    let text = pages::error(&path.code).ok_or(Code::NotFound)?;
    Ok(page(&ports, text.into()))
}

/// How the pages look.
#[utoipa::path(
    get, path = "/docs/style.css", operation_id = "getStyle", tag = "about",
    responses((status = 200, description = "A style sheet.", body = String, content_type = "text/css"))
)]
pub(crate) async fn style() -> Response {
    document(
        Bytes::from_static(pages::STYLE.as_bytes()),
        "text/css; charset=utf-8",
    )
}

fn page(ports: &Ports, text: Bytes) -> Response {
    let mut response = document(text, HTML);
    protect(response.headers_mut(), Content::Page, ports.settings.https);
    response
}

fn document(text: Bytes, kind: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(FRESH)),
    ];
    (headers, text).into_response()
}
