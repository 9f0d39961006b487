//! The documents say what the code does: structurally sound, complete, and true to what is serialised.

use std::collections::BTreeSet;

use node::contract::events::{client_event_names, type_name};
use node::contract::{contract, pages};
use protocol::event::{ClientEvent, ServerEvent};
use protocol::problem::Code;
use serde_json::Value;

use crate::world::{World, call};

/// Visits every value of a document.
fn each<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| each(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| each(field, visit)),
        _ => {}
    }
}

#[test]
fn every_reference_of_both_documents_leads_somewhere() {
    let (openapi, asyncapi) = contract([]);
    for document in [&openapi, &asyncapi] {
        let mut references = 0;
        each(document, &mut |value| {
            if let Some(place) = value["$ref"].as_str() {
                references += 1;
                let pointer = place
                    .strip_prefix('#')
                    .unwrap_or_else(|| panic!("{place} leaves the document"));
                assert!(document.pointer(pointer).is_some(), "{place} leads nowhere");
            }
        });
        assert!(references > 50);
    }
}

#[test]
fn no_schema_is_named_and_never_used() {
    let (openapi, asyncapi) = contract([]);
    for document in [&openapi, &asyncapi] {
        let mut used = BTreeSet::new();
        each(document, &mut |value| {
            used.extend(value["$ref"].as_str());
        });
        for name in document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
        {
            assert!(
                used.contains(format!("#/components/schemas/{name}").as_str()),
                "{name} is used nowhere"
            );
        }
    }
}

#[test]
fn every_call_is_described_in_full() {
    let (openapi, _) = contract([]);
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap()),
                "{name}: its id is another's"
            );
            assert!(
                !operation["summary"].as_str().unwrap_or_default().is_empty(),
                "{name} has no summary"
            );
            let tags: Vec<_> = openapi["tags"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tag| &tag["name"])
                .collect();
            assert!(tags.contains(&&operation["tags"][0]), "{name} has no tag");
            let told: BTreeSet<_> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let named: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
            assert_eq!(told, named, "{name}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(status.len() == 3, "{name}: {status}");
                assert!(
                    !response["description"].as_str().unwrap().is_empty(),
                    "{name}: {status}"
                );
            }
            if operation.get("security").is_some() {
                assert!(
                    operation["responses"]["401"]["content"]["application/problem+json"]
                        .is_object(),
                    "{name}"
                );
            }
            if operation.get("requestBody").is_some() {
                assert!(
                    operation["requestBody"]["content"]["application/json"]["example"].is_object(),
                    "{name}"
                );
            }
        }
    }
}

#[tokio::test]
async fn every_call_of_the_document_is_served_and_nothing_else_answers() {
    let world = World::new().await;
    let (openapi, _) = contract([]);
    for (path, item) in openapi["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let reply = world.send(call(method, &path)).await;
            let described = item.get(method.to_ascii_lowercase()).is_some();
            if described {
                assert!(reply.status != 405, "{method} {path}: {reply:?}");
                assert!(
                    reply.status != 404 || path.starts_with("/docs/errors/"),
                    "{method} {path}: {reply:?}"
                );
            } else {
                assert_eq!(
                    reply.status, 405,
                    "{method} {path} is not described: {reply:?}"
                );
                assert!(!reply.header("allow").is_empty(), "{method} {path}");
            }
        }
    }
}

#[test]
fn every_event_is_described_with_a_payload_and_an_example() {
    let (_, asyncapi) = contract([]);
    assert_eq!(asyncapi["asyncapi"], "3.0.0");
    let messages = &asyncapi["components"]["messages"];
    for (name, _) in ServerEvent::ALL {
        let message = &messages[type_name(name)];
        assert_eq!(message["name"], *name);
        let payload = message["payload"]["$ref"].as_str().unwrap();
        assert_eq!(
            payload,
            format!("#/components/schemas/{}Event", type_name(name))
        );
        let schema = asyncapi.pointer(&payload[1..]).unwrap();
        let example = &message["examples"][0]["payload"];
        let fields = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(
            fields(&schema["properties"]),
            fields(example),
            "{name}: schema and wire differ"
        );
    }
    assert_eq!(client_event_names(), ClientEvent::NAMES);
    for name in ClientEvent::NAMES {
        let message = &messages[type_name(name)];
        assert_eq!(message["name"], *name);
        let ack = &messages[format!("{}Ack", type_name(name))];
        assert!(
            ack["x-data"]["$ref"].is_string()
                && ack["payload"]["oneOf"].as_array().unwrap().len() == 2,
            "{name}"
        );
    }
}

#[test]
fn an_event_carries_a_seq_exactly_when_it_is_called_durable() {
    let (_, asyncapi) = contract([]);
    for (name, _) in ServerEvent::ALL {
        let message = &asyncapi["components"]["messages"][type_name(name)];
        let example = &message["examples"][0]["payload"];
        assert_eq!(message["x-durable"], example.get("seq").is_some(), "{name}");
    }
}

/// Whether a value has the form that a schema gives it; as much of JSON Schema as our schemas use.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {value} for {schema}"));
    if let Some(place) = schema["$ref"].as_str() {
        return fits(document, document.pointer(&place[1..]).unwrap(), value);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().try_for_each(|part| fits(document, part, value));
    }
    if let Some(any) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return if any.iter().any(|part| fits(document, part, value).is_ok()) {
            Ok(())
        } else {
            wrong("no branch")
        };
    }
    if let Some(values) = schema["enum"].as_array() {
        return if values.contains(value) {
            Ok(())
        } else {
            wrong("not one of these")
        };
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("a type of its own: {other}"),
    };
    let fits_type = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        _ => true,
    };
    if !fits_type {
        return wrong("another type");
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                return wrong(&format!("{name} is missing"));
            }
        }
        for (name, field) in object {
            let property = &schema["properties"][name];
            if property.is_object() {
                fits(document, property, field)?;
            } else if schema["additionalProperties"].is_object() {
                fits(document, &schema["additionalProperties"], field)?;
            }
        }
    }
    value
        .as_array()
        .into_iter()
        .flatten()
        .try_for_each(|item| fits(document, &schema["items"], item))
}

#[test]
fn every_example_fits_its_schema() {
    let (openapi, asyncapi) = contract([]);
    for message in asyncapi["components"]["messages"]
        .as_object()
        .unwrap()
        .values()
    {
        for example in message["examples"].as_array().into_iter().flatten() {
            fits(&asyncapi, &message["payload"], &example["payload"]).unwrap();
        }
    }
    each(&openapi, &mut |value| {
        if let (Some(_), Some(example)) = (value.get("schema"), value.get("example")) {
            fits(&openapi, &value["schema"], example).unwrap();
        }
        for example in value["examples"].as_object().into_iter().flatten() {
            fits(&openapi, &value["schema"], &example.1["value"]).unwrap();
        }
    });
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let mut written = pages::written_errors();
    let mut known: Vec<_> = Code::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    written.sort();
    known.sort();
    assert_eq!(written, known);
    for code in Code::ALL {
        let page = pages::error(code.as_str()).unwrap();
        assert!(
            page.contains("<h2>What to do"),
            "{code} does not say what to do"
        );
        assert!(
            page.contains(&format!("<h1><code>{code}</code></h1>")),
            "{code} is not its page's title"
        );
    }
}

#[test]
fn the_guide_names_every_event() {
    let guide = include_str!("../../../docs/protocol.md");
    for name in ServerEvent::ALL
        .iter()
        .map(|(name, _)| *name)
        .chain(ClientEvent::NAMES.iter().copied())
    {
        assert!(
            guide.contains(&format!("`{name}`")),
            "docs/protocol.md does not name {name}"
        );
    }
}

#[tokio::test]
async fn what_the_api_answers_fits_what_the_document_says() {
    let world = World::new().await;
    let (openapi, _) = contract([]);
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("public", &ada, &[&ben]).await;
    let id = world.said(&ada, room, "hello").await;
    for (template, path) in [
        ("/v1/users/me", "/v1/users/me".to_owned()),
        ("/v1/users/{id}", format!("/v1/users/{}", ben.id)),
        ("/v1/users", "/v1/users?q=be".to_owned()),
        ("/v1/rooms", "/v1/rooms".to_owned()),
        ("/v1/rooms/{id}", format!("/v1/rooms/{room}")),
        ("/v1/directory", "/v1/directory".to_owned()),
        (
            "/v1/rooms/{id}/members",
            format!("/v1/rooms/{room}/members"),
        ),
        (
            "/v1/rooms/{id}/messages",
            format!("/v1/rooms/{room}/messages"),
        ),
        (
            "/v1/rooms/{id}/messages/{msgId}",
            format!("/v1/rooms/{room}/messages/{id}"),
        ),
        (
            "/v1/rooms/{id}/presence",
            format!("/v1/rooms/{room}/presence"),
        ),
        ("/v1/unread", "/v1/unread".to_owned()),
        ("/v1/presence", format!("/v1/presence?users={}", ben.id)),
        ("/v1/limits", "/v1/limits".to_owned()),
    ] {
        let reply = world.get(&ada, &path).await.expect(200);
        let schema = &openapi["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        assert!(schema.is_object(), "{template}");
        fits(&openapi, schema, &reply.json()).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
    }
    let body = serde_json::json!({"rooms": {room.to_string(): 0}});
    let synced = world
        .ask(&ben, "POST", "/v1/sync", body)
        .await
        .expect(200)
        .json();
    let schema = &openapi["paths"]["/v1/sync"]["post"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    fits(&openapi, schema, &synced).unwrap();
}
