//! The published contract: OpenAPI of the calls, AsyncAPI of the events, and the pages that people read.
//!
//! Everything is built from the Rust types that travel; nothing is written down twice. The documents of other services
//! come in as values, since this crate does not know them.

pub mod acks;
pub mod events;
pub mod pages;
mod reference;
mod samples;
mod schemas;

use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::OpenApi;

/// The documents as they are served, built once.
#[derive(Clone, Debug)]
pub struct Documents {
    /// OpenAPI 3.1, in JSON.
    pub openapi: Bytes,
    /// AsyncAPI 3.0, in JSON.
    pub asyncapi: Bytes,
    /// The readable reference, in HTML.
    pub reference: Bytes,
}

impl Documents {
    /// The documents, with the calls of other services among ours.
    pub fn with(others: impl IntoIterator<Item = OpenApi>) -> Self {
        let (openapi, asyncapi) = contract(others);
        let reference = reference::page(&openapi, &asyncapi);
        Self {
            openapi: openapi.to_string().into(),
            asyncapi: asyncapi.to_string().into(),
            reference: reference.into(),
        }
    }
}

/// The OpenAPI document (with the calls of other services merged in) and the AsyncAPI document.
pub fn contract(others: impl IntoIterator<Item = OpenApi>) -> (Value, Value) {
    let mut document = crate::api::openapi();
    let ours = document.tags.take().unwrap_or_default();
    for other in others {
        document.merge(other);
    }
    // Signing in comes before everything else, also on the page.
    document.tags.get_or_insert_default().extend(ours);
    let mut openapi = serde_json::to_value(&document).unwrap_or_default();
    let mut asyncapi = events::asyncapi();
    schemas::name_problems(&mut openapi);
    if let Some(schemas) = openapi["components"]["schemas"].as_object_mut() {
        // The answer to `sync` carries events: their schemas belong to both documents.
        for (name, schema) in events::durable_schemas() {
            schemas.entry(name).or_insert(schema);
        }
    }
    for document in [&mut openapi, &mut asyncapi] {
        schemas::insert(document, "StreamEvent", events::stream_event());
        schemas::name_places(document);
    }
    (openapi, asyncapi)
}

/// As it stands in a file: indented, with a line end.
pub fn text(document: &Value) -> Bytes {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text.into()
}
