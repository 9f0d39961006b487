//! JSON schemas of Rust types, gathered into one set of components.

use std::collections::BTreeMap;

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
