//! JSON schemas of Rust types, gathered into one set of components.

use std::collections::BTreeMap;

use protocol::message::SEQ_MAX;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// Schemas by name.
#[derive(Default)]
pub(super) struct Components(BTreeMap<String, Value>);

impl Components {
    /// Takes a type in, with all that it refers to, and returns the reference to it.
    pub(super) fn add<T: ToSchema>(&mut self) -> Value {
        let mut found = vec![(T::name().into_owned(), <T as PartialSchema>::schema())];
        T::schemas(&mut found);
        self.take(found);
        reference(&T::name())
    }

    /// Takes the types in that a type refers to, but not itself.
    pub(super) fn add_parts_of<T: ToSchema>(&mut self) {
        let mut found = Vec::new();
        T::schemas(&mut found);
        self.take(found);
    }

    /// Takes a schema in under a name.
    pub(super) fn insert(&mut self, name: String, schema: Value) -> Value {
        let reference = reference(&name);
        self.0.insert(name, schema);
        reference
    }

    /// All of them.
    pub(super) fn into_value(self) -> Value {
        json!(self.0)
    }

    fn take(&mut self, found: Vec<(String, RefOr<Schema>)>) {
        let values = found
            .into_iter()
            .map(|(name, schema)| (name, json!(schema)));
        self.0.extend(values);
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Puts a schema in the place of the one of this name.
pub(super) fn insert(document: &mut Value, name: &str, schema: Value) {
    document["components"]["schemas"][name] = schema;
}

/// `Seq` is an alias in Rust, which derived schemas call by what it stands for; clients see its own name and bound.
pub(super) fn name_places(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    if schemas.remove("u64").is_some() {
        let schema = json!({
            "type": "integer",
            "minimum": 0,
            "maximum": SEQ_MAX,
            "description": "A place in a room's log: dense from 1, below 2^53 so that JavaScript keeps it exact.",
        });
        schemas.insert("Seq".to_owned(), schema);
    }
    rename(
        document,
        "#/components/schemas/u64",
        "#/components/schemas/Seq",
    );
}

fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text == from => to.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, from, to)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| rename(field, from, to)),
        _ => {}
    }
}

/// Refusals are problem documents in every service: their media type says so.
pub(super) fn name_problems(openapi: &mut Value) {
    let items = openapi["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(|paths| paths.values_mut());
    let operations = items
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut());
    for operation in operations {
        let Some(responses) = operation["responses"].as_object_mut() else {
            continue;
        };
        for (_, response) in responses
            .iter_mut()
            .filter(|(status, _)| status.starts_with(['4', '5']))
        {
            if let Some(content) = response["content"].as_object_mut()
                && let Some(problem) = content.remove("application/json")
            {
                content.insert("application/problem+json".to_owned(), problem);
            }
        }
    }
}
