//! The pages under `/docs`: the guide, the errors, and the frame that all pages share. No script, no foreign origin.

use protocol::problem::Code;
use pulldown_cmark::{Options, Parser, html};

/// How the pages look.
pub const STYLE: &str = include_str!("style.css");

const GUIDE: &str = include_str!("../../../docs/protocol.md");

/// One page of text for each code.
#[derive(rust_embed::RustEmbed)]
#[folder = "../docs/errors"]
struct ErrorTexts;

/// The codes that have a page.
pub fn written_errors() -> Vec<String> {
    ErrorTexts::iter()
        .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
        .collect()
}

/// The guide for client developers.
pub fn guide() -> String {
    frame(
        "Guide",
        "guide",
        &format!("<article class=\"prose\">{}</article>", markdown(GUIDE)),
    )
}

/// The page of one code; `None` when there is no such code.
pub fn error(code: &str) -> Option<String> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
    let text = ErrorTexts::get(&format!("{code}.md"))?;
    let text = std::str::from_utf8(&text.data).ok()?;
    let body = format!(
        "<article class=\"prose\"><p class=\"crumbs\"><a href=\"/docs/errors\">Errors</a> · HTTP {}</p>{}</article>",
        code.status(),
        markdown(text)
    );
    Some(frame(code.as_str(), "errors", &body))
}

/// All codes on one page.
pub fn errors() -> String {
    let row = |code: &Code| {
        format!(
            "<tr><td class=\"status s{}\">{}</td><td><a href=\"/docs/errors/{code}\"><code>{code}</code></a></td><td>{}</td></tr>",
            code.status() / 100,
            code.status(),
            escape(code.title())
        )
    };
    let rows: String = Code::ALL.iter().map(row).collect();
    let intro = "<h1>Errors</h1><p>Every refusal is a problem document (RFC 9457): the body of a REST answer, the \
                 <code>error</code> of a socket ack, the <code>data</code> of a connect error. Act on its \
                 <code>code</code>; the list is closed.</p>";
    let table = format!(
        "<table><thead><tr><th>Status</th><th>Code</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
    );
    frame(
        "Errors",
        "errors",
        &format!("<article class=\"prose\">{intro}{table}</article>"),
    )
}

/// Markdown as HTML.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut out, Parser::new_ext(text, Options::ENABLE_TABLES));
    out
}

/// Text that stands in HTML as it is.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The frame of every page.
pub(super) fn frame(title: &str, here: &str, body: &str) -> String {
    let link = |place: &str, name: &str, id: &str| {
        let current = if id == here {
            " aria-current=\"page\""
        } else {
            ""
        };
        format!("<a href=\"{place}\"{current}>{name}</a>")
    };
    let links = [
        link("/docs", "Reference", "reference"),
        link("/docs/guide", "Guide", "guide"),
        link("/docs/errors", "Errors", "errors"),
        link("/openapi.json", "OpenAPI", ""),
        link("/asyncapi.json", "AsyncAPI", ""),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{} · chatify</title>\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body>\
         <a class=\"skip\" href=\"#content\">Skip to the content</a>\
         <header class=\"bar\"><a class=\"brand\" href=\"/docs\">chatify</a><nav aria-label=\"Documents\">{links}</nav></header>\
         <main id=\"content\">{body}</main></body></html>\n",
        escape(title)
    )
}
