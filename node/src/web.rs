//! The web client, embedded in the binary: its files, compressed at build time, and the page for every other path.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use service::http::{Content, protect};

/// What `make web` built. Nothing of it is needed to build the server.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

/// Files under here are named by their content: they never change.
const IMMUTABLE: &str = "assets/";

/// Shown when the server was built without the client.
const ABSENT: &str = include_str!("web_absent.html");

/// The client's file of that path, or its page for a path that a person opened; `None` when it has neither.
pub(crate) fn answer(request: &Request, https: bool) -> Option<Response> {
    let path = request.uri().path().trim_start_matches('/');
    let found = if path.is_empty() {
        None
    } else {
        file(path, request.headers(), false)
    };
    let mut response = match found {
        Some(response) => response,
        // A program that asks for something else (a probe, a scraper) must not take our page for a yes.
        None if path.starts_with(IMMUTABLE) || !wants_page(path, request.headers()) => return None,
        // The client's own routes: the page finds its way by itself.
        None => file("index.html", request.headers(), true).unwrap_or_else(|| page(ABSENT.into())),
    };
    protect(response.headers_mut(), Content::Page, https);
    Some(response)
}

/// Browsers that open a page name HTML; the front door is shown to everybody who would take it.
fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    match accept {
        Some(accept) => accept.contains("text/html") || path.is_empty() && accept.contains("*/*"),
        None => path.is_empty(),
    }
}

fn page(body: axum::body::Body) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ],
        body,
    )
        .into_response()
}

fn file(path: &str, headers: &HeaderMap, fresh: bool) -> Option<Response> {
    let plain = Files::get(path)?;
    let (file, encoding) = smallest(path, headers).unwrap_or((plain, None));
    let etag = format!(
        "\"{}\"",
        file.metadata
            .sha256_hash()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|held| held.as_bytes() == etag.as_bytes());
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        axum::body::Body::from(file.data.into_owned()).into_response()
    };
    let to = response.headers_mut();
    let lasting = !fresh && path.starts_with(IMMUTABLE);
    let cache = if lasting {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    to.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    to.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(kind_of(path)),
    );
    to.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        to.insert(header::ETAG, etag);
    }
    if let Some(encoding) = encoding {
        to.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
}

/// The best precompressed form that the browser takes.
fn smallest(path: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .find_map(|(encoding, suffix)| {
            let takes = accepted.split(',').any(|one| {
                one.split(';')
                    .next()
                    .is_some_and(|name| name.trim() == encoding)
            });
            let file = Files::get(&format!("{path}{suffix}")).filter(|_| takes)?;
            Some((file, Some(encoding)))
        })
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
