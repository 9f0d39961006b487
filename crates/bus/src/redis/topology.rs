//! Who owns what in a Redis Cluster: asked of every known node each few seconds and whenever something is odd. The
//! answer of the highest epoch counts, since a node that was away or is cut off tells old news.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};

use crate::redis::fleet::Fleet;
use crate::redis::map::{Told, read_slots};

/// How often the owners are looked at when nothing is odd.
const PERIOD: Duration = Duration::from_secs(5);
/// The pause after a look that brought news; doubled after each that did not, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause before a doubt is looked into.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long a node may take to answer.
const DEADLINE: Duration = Duration::from_millis(700);
/// Nodes that are remembered to ask.
const NODES_MAX: usize = 64;

/// Keeps the fleet's map until it is over.
pub(crate) async fn keep(fleet: Arc<Fleet>) {
    let keeping = async {
        let (mut nodes, mut known, mut in_doubt) = (fleet.seeds.clone(), None, true);
        let mut pause = PAUSE_MIN;
        loop {
            let told = look(&fleet, &nodes, in_doubt).await;
            // A doubt that lasts (a shard without a master) must not keep everybody busy.
            pause = if told == known {
                (pause * 2).min(PAUSE_MAX)
            } else {
                PAUSE_MIN
            };
            in_doubt = true;
            if let Some(told) = &told {
                fleet.adopt(told);
                nodes = to_ask(&fleet.seeds, told);
                tokio::select! {
                    () = fleet.doubt.notified() => {}
                    () = tokio::time::sleep(PERIOD) => in_doubt = false,
                }
            }
            known = told;
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = keeping => {}
        () = fleet.over.cancelled() => {}
    }
}

/// The seeds stay: they may be a name that finds whoever is left.
fn to_ask(seeds: &[String], told: &Told) -> Vec<String> {
    let mut nodes: Vec<String> = told.nodes.iter().take(NODES_MAX).cloned().collect();
    for seed in seeds {
        if !nodes.contains(seed) {
            nodes.push(seed.clone());
        }
    }
    nodes
}

/// What the best informed node tells. Without doubt only those are asked that there is a line to: the masters.
async fn look(fleet: &Fleet, nodes: &[String], in_doubt: bool) -> Option<Told> {
    let layout = fleet.layout();
    let line_to = |node: &str| {
        let station = layout
            .stations
            .iter()
            .find(|station| station.server == node);
        station.and_then(|station| station.line.now())
    };
    let asked = nodes.iter().map(|node| (node, line_to(node)));
    let asked = asked.filter(|(_, line)| in_doubt || line.is_some());
    let asked = asked.map(|(node, line)| async move {
        match tokio::time::timeout(DEADLINE, ask(fleet, node, line)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(node, %error, "a node does not tell who owns what");
                None
            }
            Err(_) => None,
        }
    });
    let told = join_all(asked).await.into_iter().flatten();
    told.max_by_key(|(rank, _)| *rank).map(|(_, told)| told)
}

/// Whether the node sees its cluster whole, and its epoch; and what it tells.
async fn ask(
    fleet: &Fleet,
    node: &str,
    line: Option<MultiplexedConnection>,
) -> Result<Option<((bool, u64), Told)>, RedisError> {
    let mut connection = match line {
        Some(line) => line,
        None => {
            let connected = fleet.access.connect(node, None).await;
            // Who owns what is known from any of them: then one that cannot be reached is no trouble.
            if fleet.layout().stations.is_empty() {
                fleet.tried(node, &connected);
            }
            connected?
        }
    };
    let mut pipeline = Pipeline::new();
    pipeline
        .cmd("CLUSTER")
        .arg("INFO")
        .cmd("CLUSTER")
        .arg("SLOTS");
    let answers = connection.send_packed_commands(&pipeline, 0, 2).await?;
    let [info, slots] = &answers[..] else {
        return Ok(None);
    };
    Ok(rank(info).zip(read_slots(slots, node)))
}

fn rank(info: &Value) -> Option<(bool, u64)> {
    let text = match info {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?,
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        _ => return None,
    };
    let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name));
    let epoch = field("cluster_current_epoch:")?.parse().ok()?;
    Some((field("cluster_state:")? == "ok", epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_sees_the_cluster_whole_counts_before_a_later_epoch() {
        let info = |state, epoch| {
            let text = format!(
                "cluster_state:{state}\r\ncluster_slots:1\r\ncluster_current_epoch:{epoch}\r\n"
            );
            rank(&Value::BulkString(text.into_bytes())).unwrap()
        };
        assert!(info("ok", 3) > info("fail", 9));
        assert!(info("ok", 4) > info("ok", 3));
        assert_eq!(rank(&Value::Okay), None);
    }
}
