//! The readable reference: one page rendered from the two documents, and from nothing else.

use serde_json::Value;

use super::pages::{escape, frame, markdown};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page.
pub(super) fn page(openapi: &Value, asyncapi: &Value) -> String {
    let tags = tags(openapi);
    let mut index = String::from("<nav class=\"index\" aria-label=\"Contents\">");
    let mut body = format!(
        "<div class=\"content\"><section class=\"prose\"><h1>Reference</h1>{}</section>",
        markdown(str_of(&openapi["info"]["description"]))
    );
    for tag in &tags {
        let calls = calls(openapi, &tag.name);
        index.push_str(&format!(
            "<p><a href=\"#{}\">{}</a></p><ul>",
            anchor(&tag.name),
            escape(&tag.name)
        ));
        body.push_str(&format!(
            "<h2 id=\"{}\">{}</h2><p>{}</p>",
            anchor(&tag.name),
            escape(&title_case(&tag.name)),
            escape(&tag.about)
        ));
        for call in &calls {
            index.push_str(&call.entry());
            body.push_str(&call.section());
        }
        index.push_str("</ul>");
    }
    body.push_str(&format!(
        "<section class=\"prose\"><h2 id=\"events\">Events</h2>{}</section>",
        markdown(str_of(&asyncapi["info"]["description"]))
    ));
    index.push_str("<p><a href=\"#events\">events</a></p>");
    for (action, title) in [("send", "From the server"), ("receive", "From the client")] {
        index.push_str(&format!("<p class=\"minor\">{title}</p><ul>"));
        body.push_str(&format!("<h3>{title}</h3>"));
        for (name, section) in events(asyncapi, action) {
            index.push_str(&format!(
                "<li><a href=\"#event-{}\"><code>{}</code></a></li>",
                anchor(&name),
                escape(&name)
            ));
            body.push_str(&section);
        }
        index.push_str("</ul>");
    }
    body.push_str("<h2 id=\"schemas\">Schemas</h2>");
    index.push_str("<p><a href=\"#schemas\">schemas</a></p></nav>");
    body.push_str(&schemas(openapi, asyncapi));
    body.push_str("</div>");
    frame(
        "Reference",
        "reference",
        &format!("<div class=\"two\">{index}{body}</div>"),
    )
}

struct Tag {
    name: String,
    about: String,
}

/// The tags in their order; calls of other services bring theirs along.
fn tags(openapi: &Value) -> Vec<Tag> {
    let declared = openapi["tags"].as_array().into_iter().flatten();
    let mut tags: Vec<Tag> = declared
        .map(|tag| Tag {
            name: str_of(&tag["name"]).to_owned(),
            about: str_of(&tag["description"]).to_owned(),
        })
        .collect();
    for (_, _, operation) in operations(openapi) {
        let name = tag_of(operation);
        if !tags.iter().any(|tag| tag.name == name) {
            tags.insert(
                0,
                Tag {
                    name: name.to_owned(),
                    about: String::new(),
                },
            );
        }
    }
    tags
}

fn tag_of(operation: &Value) -> &str {
    operation["tags"][0].as_str().unwrap_or("other")
}

fn operations(openapi: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = openapi["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            item.get(*method)
                .map(|operation| (path.as_str(), *method, operation))
        })
    })
}

struct Call<'a> {
    path: &'a str,
    method: &'a str,
    operation: &'a Value,
}

fn calls<'a>(openapi: &'a Value, tag: &str) -> Vec<Call<'a>> {
    operations(openapi)
        .filter(|(_, _, operation)| tag_of(operation) == tag)
        .map(|(path, method, operation)| Call {
            path,
            method,
            operation,
        })
        .collect()
}

impl Call<'_> {
    fn anchor(&self) -> String {
        anchor(&format!("{}-{}", self.method, self.path))
    }

    fn entry(&self) -> String {
        format!(
            "<li><a href=\"#{}\"><span class=\"verb {1}\">{1}</span><span>{2}</span></a></li>",
            self.anchor(),
            self.method,
            escape(self.path)
        )
    }

    fn section(&self) -> String {
        let mut out = format!(
            "<section class=\"call\" id=\"{}\"><h3><span class=\"verb {1}\">{1}</span> <code>{2}</code></h3><div class=\"prose\">{3}</div>",
            self.anchor(),
            self.method,
            escape(self.path),
            markdown(&self.about()),
        );
        out.push_str(&self.parameters());
        if let Some(body) = self.operation["requestBody"]["content"].as_object() {
            for (kind, content) in body {
                out.push_str(&format!(
                    "<h4>Body <small>{}</small></h4><p>{}</p>",
                    escape(kind),
                    kind_of(&content["schema"])
                ));
                out.push_str(&example(&content["example"]));
            }
        }
        out.push_str(&self.responses());
        out.push_str("</section>");
        out
    }

    fn about(&self) -> String {
        let summary = str_of(&self.operation["summary"]);
        let more = str_of(&self.operation["description"]);
        if more.starts_with(summary) {
            more.to_owned()
        } else {
            format!("{summary}\n\n{more}")
        }
    }

    fn parameters(&self) -> String {
        let Some(parameters) = self.operation["parameters"]
            .as_array()
            .filter(|all| !all.is_empty())
        else {
            return String::new();
        };
        let row = |parameter: &Value| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(str_of(&parameter["name"])),
                escape(str_of(&parameter["in"])),
                kind_of(&parameter["schema"]),
                inline(str_of(&parameter["description"]))
            )
        };
        let rows: String = parameters.iter().map(row).collect();
        format!(
            "<table><thead><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
        )
    }

    fn responses(&self) -> String {
        let all = self.operation["responses"].as_object();
        let of = |refusal: bool| {
            let rows = all.into_iter().flatten();
            rows.filter(|(status, _)| status.starts_with(['4', '5']) == refusal)
                .map(row)
                .collect::<String>()
        };
        let (granted, refused) = (of(false), of(true));
        let mut out = format!("<table><tbody>{granted}</tbody></table>");
        if !refused.is_empty() {
            out.push_str(&format!(
                "<details><summary>Refusals</summary><table><tbody>{refused}</tbody></table></details>"
            ));
        }
        out
    }
}

/// One status of a call; that a refusal is a `Problem` goes without saying.
fn row((status, response): (&String, &Value)) -> String {
    let contents = response["content"].as_object().into_iter().flatten();
    let kinds: Vec<_> = contents
        .filter(|(media, _)| *media != "application/problem+json")
        .map(|(_, content)| kind_of(&content["schema"]))
        .collect();
    format!(
        "<tr><td class=\"status s{}\">{}</td><td><div class=\"prose\">{}</div>{}</td></tr>",
        &status[..1.min(status.len())],
        escape(status),
        markdown(str_of(&response["description"])),
        kinds.join(", ")
    )
}

/// Each event of one direction, in the order of the document.
fn events(asyncapi: &Value, action: &str) -> Vec<(String, String)> {
    let messages = &asyncapi["components"]["messages"];
    let of_action = |operation: &&Value| operation["action"] == action;
    let operations = asyncapi["operations"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, operation)| operation);
    let last = |reference: &Value| {
        str_of(&reference["$ref"])
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let section = |operation: &Value| {
        let message = &messages[last(&operation["messages"][0])];
        let name = str_of(&message["name"]).to_owned();
        let mut out = format!(
            "<section class=\"call\" id=\"event-{}\"><h3><code>{}</code>{}</h3><p>{}</p><p>Payload: {}</p>",
            anchor(&name),
            escape(&name),
            if message["x-durable"] == true {
                " <span class=\"badge\">durable</span>"
            } else {
                ""
            },
            escape(str_of(&message["summary"])),
            kind_of(&message["payload"])
        );
        let ack = &messages[last(&operation["reply"]["messages"][0])];
        if ack.is_object() {
            out.push_str(&format!(
                "<p>Ack <code>data</code>: {}</p>",
                kind_of(&ack["x-data"])
            ));
        }
        out.push_str(&example(&message["examples"][0]["payload"]));
        out.push_str("</section>");
        (name, out)
    };
    operations.filter(of_action).map(section).collect()
}

/// The schemas of both documents, each once.
fn schemas(openapi: &Value, asyncapi: &Value) -> String {
    let mut out = String::new();
    let first = openapi["components"]["schemas"].as_object();
    let second = asyncapi["components"]["schemas"].as_object();
    let new = second
        .into_iter()
        .flatten()
        .filter(|(name, _)| first.is_none_or(|known| !known.contains_key(*name)));
    for (name, schema) in first.into_iter().flatten().chain(new) {
        out.push_str(&format!(
            "<section class=\"call\" id=\"schema-{0}\"><h3>{0}</h3><div class=\"prose\">{1}</div>{2}</section>",
            escape(name),
            markdown(str_of(&schema["description"])),
            structure(schema)
        ));
    }
    out
}

/// A schema in full: a table of its properties, or what it is.
fn structure(schema: &Value) -> String {
    let parts: Vec<&Value> = schema["allOf"]
        .as_array()
        .map_or_else(|| vec![schema], |all| all.iter().collect());
    let mut out = String::new();
    for part in parts {
        let Some(properties) = part["properties"].as_object() else {
            out.push_str(&format!("<p>{}</p>", kind_of(part)));
            continue;
        };
        let required: Vec<&str> = part["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(str_of)
            .collect();
        out.push_str("<table><thead><tr><th>Field</th><th>Type</th><th></th></tr></thead><tbody>");
        for (name, property) in properties {
            let optional = if required.contains(&name.as_str()) {
                ""
            } else {
                " <small>optional</small>"
            };
            out.push_str(&format!(
                "<tr><td><code>{}</code>{optional}</td><td>{}</td><td>{}</td></tr>",
                escape(name),
                kind_of(property),
                inline(str_of(&property["description"]))
            ));
        }
        out.push_str("</tbody></table>");
    }
    out
}

/// A schema in a few words, with links to what it names.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|place| place.rsplit('/').next())
    {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    for (key, sign) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        if let Some(parts) = schema[key].as_array() {
            return parts.iter().map(kind_of).collect::<Vec<_>>().join(sign);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let quoted: Vec<_> = values
            .iter()
            .map(|value| format!("<code>{}</code>", escape(&value.to_string())))
            .collect();
        return quoted.join(" | ");
    }
    match &schema["type"] {
        Value::String(kind) => named(kind, schema),
        Value::Array(kinds) => kinds
            .iter()
            .map(|kind| named(str_of(kind), schema))
            .collect::<Vec<_>>()
            .join(" | "),
        _ => "anything".to_owned(),
    }
}

fn named(kind: &str, schema: &Value) -> String {
    match kind {
        "array" => format!("{}[]", kind_of(&schema["items"])),
        "object" => match (
            &schema["additionalProperties"],
            schema["properties"].as_object(),
        ) {
            (Value::Object(_), _) => format!("map of {}", kind_of(&schema["additionalProperties"])),
            (_, Some(properties)) => {
                let fields = properties
                    .iter()
                    .map(|(name, property)| format!("{}: {}", escape(name), kind_of(property)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            _ => "object".to_owned(),
        },
        kind => match schema["format"].as_str() {
            Some(format) => format!("{} <small>{}</small>", escape(kind), escape(format)),
            None => escape(kind),
        },
    }
}

/// Markdown of one line, without the paragraph around it.
fn inline(text: &str) -> String {
    let html = markdown(text);
    let html = html.trim();
    html.strip_prefix("<p>")
        .and_then(|rest| rest.strip_suffix("</p>"))
        .unwrap_or(html)
        .to_owned()
}

fn example(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("<pre><code>{}</code></pre>", escape(&text))
}

fn anchor(text: &str) -> String {
    let parts = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn title_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn str_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
