//! Which headers of a request or an answer go on to the next hop, and which were about the last one.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers about one connection (RFC 9110, 7.6.1), and an expectation that was answered already.
const OF_ONE_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Leaves what is for whoever is at the other end.
pub(super) fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in OF_ONE_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether the client wants a WebSocket; the transport has checked the rest.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

/// Asks for a WebSocket in our own name.
pub(super) fn ask_for_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_about_the_last_connection_does_not_go_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "Upgrade, X-Mine"),
            ("upgrade", "websocket"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("origin", "https://chat.example"),
            ("host", "chat.example"),
            ("sec-websocket-key", "k"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        end_to_end(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["host", "origin", "sec-websocket-key"]);
    }
}
