//! Traces for a collector: OTLP over HTTP in JSON, in batches, never waited for. What a queue that is full or a collector
//! that is away does not take is dropped and counted; nothing is tried twice.
//!
//! A trace's id is its entry's `key`, so that every node exports into the same trace without telling each other. Its root
//! span is named by the key too, so that others can hang theirs below it before it was ever seen.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::ids::{ClientId, RoomId};
use protocol::message::Seq;
use serde_json::{Value, json};
use service::metrics::Counter;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::debug;

/// Spans that may wait: some seconds of a busy node.
const SPANS_MAX: usize = 8_192;
/// Spans of one request: some 300 KB.
const BATCH_MAX: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long a collector may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// What of an entry's way is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From its acceptance to its commit, on its sender's node: the root.
    Send,
    /// From its handing to the store to its commit.
    Append,
    /// From its acceptance, wherever that was, to its write to so many sockets of one shard.
    Deliver(u32),
}

/// A span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) key: ClientId,
    pub(crate) part: Part,
    pub(crate) shard: u8,
    /// Microseconds since 1970.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) place: Option<(RoomId, Seq)>,
}

/// Where shards put spans. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Spans {
    queue: mpsc::Sender<Span>,
    dropped: Counter,
}

/// What sends them.
pub(crate) struct Exporter {
    url: String,
    node: String,
    queue: mpsc::Receiver<Span>,
    dropped: Counter,
}

/// Both ends, for a collector at `url` (`http://HOST:PORT`).
pub(crate) fn exporter(url: &str, node: String, dropped: Counter) -> (Spans, Exporter) {
    let (sender, queue) = mpsc::channel(SPANS_MAX);
    let spans = Spans {
        queue: sender,
        dropped: dropped.clone(),
    };
    let exporter = Exporter {
        url: format!("{}/v1/traces", url.trim_end_matches('/')),
        node,
        queue,
        dropped,
    };
    (spans, exporter)
}

impl Spans {
    /// Takes a span, or drops and counts it. Never waits.
    pub(crate) fn add(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.increment(1);
        }
    }
}

impl Exporter {
    /// Until every shard has ended.
    pub(crate) async fn run(mut self) {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let mut batch = Vec::new();
        loop {
            tokio::time::sleep(GATHER).await;
            while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
                self.send(&client, &batch).await;
                let full = batch.len() == BATCH_MAX;
                batch.clear();
                if !full {
                    break;
                }
            }
            if self.queue.is_closed() && self.queue.is_empty() {
                return;
            }
        }
    }

    async fn send(&self, client: &Client<HttpConnector, Full<Bytes>>, batch: &[Span]) {
        let body = document(&self.node, batch).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body));
        let why = match request {
            Ok(request) => match timeout(ANSWER_DEADLINE, client.request(request)).await {
                Ok(Ok(answer)) if answer.status().is_success() => return,
                Ok(Ok(answer)) => answer.status().to_string(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        debug!(why, spans = batch.len(), "traces were not exported");
        self.dropped.increment(batch.len() as u64);
    }
}

/// The request's body.
fn document(node: &str, batch: &[Span]) -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let spans: Vec<Value> = batch.iter().map(|span| written(span, node)).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "chatify-node"), text("service.instance.id", node)]},
        "scopeSpans": [{"scope": {"name": "chatify"}, "spans": spans}],
    }]})
}

fn written(span: &Span, node: &str) -> Value {
    let number =
        |key: &str, value: u64| json!({"key": key, "value": {"intValue": value.to_string()}});
    let (name, salt) = match span.part {
        Part::Send => ("send", None),
        Part::Append => ("append", Some(format!("append {node}"))),
        Part::Deliver(_) => ("deliver", Some(format!("deliver {node} {}", span.shard))),
    };
    let mut attributes = vec![number("chatify.shard", u64::from(span.shard))];
    if let Some((room, seq)) = span.place {
        attributes.push(json!({"key": "chatify.room", "value": {"stringValue": room.to_string()}}));
        attributes.push(number("chatify.seq", seq));
    }
    if let Part::Deliver(sockets) = span.part {
        attributes.push(number("chatify.sockets", u64::from(sockets)));
    }
    let nanos = |micros: i64| (i128::from(micros.max(0)) * 1_000).to_string();
    let root = root_of(span.key);
    let mut value = json!({
        "traceId": span.key.0.simple().to_string(),
        "spanId": format!("{root:016x}"),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": nanos(span.from.min(span.to)),
        "endTimeUnixNano": nanos(span.to),
        "attributes": attributes,
    });
    if let Some(salt) = salt {
        value["parentSpanId"] = value["spanId"].take();
        value["spanId"] = format!("{:016x}", mixed(root, salt.as_bytes())).into();
    }
    value
}

/// The id of a trace's root span, the same on every node; never 0, which stands for none.
fn root_of(key: ClientId) -> u64 {
    mixed(0xcbf2_9ce4_8422_2325, key.0.as_bytes())
}

/// FNV-1a.
fn mixed(start: u64, bytes: &[u8]) -> u64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(start, hash).max(1)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use uuid::Uuid;

    use super::*;
    use crate::NodeMetrics;

    fn span(part: Part) -> Span {
        Span {
            key: ClientId(Uuid::from_u128(7)),
            part,
            shard: 1,
            from: 5,
            to: 9,
            place: Some((RoomId(Uuid::from_u128(1)), 3)),
        }
    }

    #[test]
    fn every_node_hangs_its_spans_below_one_root() {
        let root = written(&span(Part::Send), "a");
        let (here, there) = (
            written(&span(Part::Deliver(12)), "a"),
            written(&span(Part::Deliver(12)), "b"),
        );
        assert_eq!(root["traceId"], format!("{:032x}", 7));
        assert!(root["parentSpanId"].is_null());
        assert_eq!(here["parentSpanId"], root["spanId"]);
        assert_eq!(there["parentSpanId"], root["spanId"]);
        assert_ne!(here["spanId"], there["spanId"]);
        assert_eq!(here["startTimeUnixNano"], "5000");
        let sockets = json!({"key": "chatify.sockets", "value": {"intValue": "12"}});
        assert!(here["attributes"].as_array().unwrap().contains(&sockets));
    }

    #[tokio::test]
    async fn a_batch_is_posted_as_json_to_the_collector() {
        let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", collector.local_addr().unwrap());
        let dropped = NodeMetrics::register().traces_dropped;
        let (spans, exporter) = exporter(&url, "a".to_owned(), dropped);
        spans.add(span(Part::Send));
        drop(spans);
        let took = async {
            let (mut line, _) = collector.accept().await.unwrap();
            let mut request = String::new();
            let mut buffer = [0; 4_096];
            while !request.contains("chatify.seq") {
                let count = line.read(&mut buffer).await.unwrap();
                request += std::str::from_utf8(&buffer[..count]).unwrap();
            }
            line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await
                .unwrap();
            request
        };
        let ((), request) = tokio::join!(exporter.run(), took);
        assert!(
            request.starts_with("POST /v1/traces HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("content-type: application/json"),
            "{request}"
        );
    }

    #[test]
    fn a_full_queue_drops() {
        let (spans, exporter) = exporter("http://x", "a".to_owned(), Counter::noop());
        for _ in 0..SPANS_MAX + 5 {
            spans.add(span(Part::Send));
        }
        assert_eq!(exporter.queue.len(), SPANS_MAX);
    }
}
