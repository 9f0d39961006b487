//! One look at the published keys: a small JSON document over HTTP, bounded in size and time.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use protocol::token::Jwk;
use serde::Deserialize;

/// How long a look may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// A key has about 150 bytes.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Where auth publishes its keys.
const PATH: &str = "/.well-known/jwks.json";

/// Name and public key of each.
pub(super) type Published = BTreeMap<String, Vec<u8>>;

/// Looks at the keys of one auth.
pub(super) struct Fetcher {
    client: Client<HttpConnector, Empty<Bytes>>,
    at: Uri,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl Fetcher {
    /// For the auth that is reached at this URL, `http://HOST:PORT`.
    ///
    /// # Errors
    /// When it is no such URL, with the rest of the sentence "`auth-url` …".
    pub(super) fn new(auth: &str) -> Result<Self, String> {
        let at = crate::plain_url(auth)?;
        let at: Uri = format!("{at}{PATH}")
            .parse()
            .map_err(|error| format!("is no URL: {error}"))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(DEADLINE));
        // A look a minute: a connection that waits that long is as good as none, and may be dead without a word.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self { client, at })
    }

    /// Where it looks.
    pub(super) fn at(&self) -> &Uri {
        &self.at
    }

    /// The keys as they are published now; at least one.
    pub(super) async fn fetch(&self) -> Result<Published, String> {
        let looked = tokio::time::timeout(DEADLINE, self.document()).await;
        let document = looked.map_err(|_| format!("no answer in {} s", DEADLINE.as_secs()))??;
        published(&document)
    }

    async fn document(&self) -> Result<Bytes, String> {
        let request = Request::get(self.at.clone())
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| whole(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer has status {}", response.status()));
        }
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok(body.to_bytes())
    }
}

/// An error with its causes: the client's own text hides why it could not connect.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Keys of kinds that we do not use are passed over: a newer auth may publish some.
fn published(document: &[u8]) -> Result<Published, String> {
    let document: Document =
        serde_json::from_slice(document).map_err(|error| format!("no set of keys: {error}"))?;
    let keys: Published = document.keys.into_iter().filter_map(usable).collect();
    if keys.is_empty() {
        return Err("none of the published keys can be used".to_owned());
    }
    Ok(keys)
}

fn usable(key: serde_json::Value) -> Option<(String, Vec<u8>)> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let ours = Jwk::ed25519("", &[]);
    let of_our_kind = (&key.kty, &key.crv, &key.alg, &key.usage)
        == (&ours.kty, &ours.crv, &ours.alg, &ours.usage);
    let public = URL_SAFE_NO_PAD.decode(&key.x).ok()?;
    of_our_kind.then_some((key.kid, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_kinds_are_passed_over_and_a_set_without_ours_is_none() {
        let ours = serde_json::to_value(Jwk::ed25519("a", &[7; 32])).unwrap();
        let mut other = ours.clone();
        other["alg"] = "RS256".into();
        let set = |keys: &[&serde_json::Value]| serde_json::json!({ "keys": keys }).to_string();
        let found = published(set(&[&other, &ours]).as_bytes()).unwrap();
        assert_eq!(found, Published::from([("a".to_owned(), vec![7; 32])]));
        for broken in [&set(&[&other]), &set(&[]), "{}", "", "<html>"] {
            assert!(published(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
