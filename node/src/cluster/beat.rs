//! This node's lease, renewed every [`BEAT_PERIOD`], and who else has one: for the hubs, which ignore what dead nodes
//! said, and for whoever passes requests on.

use std::sync::Arc;
use std::time::Duration;

use bus::roster::{Away, BEAT_PERIOD, NodeCard};
use chat::Input;
use protocol::ids::NodeId;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use transport::ShardHandle;

use super::line::{CALL_DEADLINE, Line};
use crate::shard::{Mail, post_all};

/// After so long without a beat that was taken, nothing may be concluded from the last list.
const AWAY_AFTER: Duration = Duration::from_secs(7);

/// Until it is dropped.
pub(super) async fn beat(line: Arc<Line>, shards: Vec<ShardHandle<Mail>>) {
    let mut period = tokio::time::interval(BEAT_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut taken_at = Instant::now();
    // What the hubs were told last; they begin with knowing nobody.
    let mut told: Option<Arc<[NodeId]>> = None;
    loop {
        period.tick().await;
        let alive = match list(&line).await {
            Ok(alive) => {
                taken_at = Instant::now();
                let me = line.me();
                line.canary
                    .judge(alive.iter().any(|card| card.id != me && card.hears));
                line.metrics.peers_alive.set(alive.len() as f64);
                let ids = alive.iter().map(|card| card.id).collect();
                publish(&line, alive);
                Some(ids)
            }
            Err(away) => {
                warn!(%away, "this node's lease was not renewed");
                line.canary.judge(false);
                if taken_at.elapsed() < AWAY_AFTER {
                    continue;
                }
                line.metrics.peers_alive.set(0.0);
                None
            }
        };
        if alive == told {
            continue;
        }
        if told.is_none() {
            // It may have forgotten what it was told.
            line.desk.keep_all();
        }
        let peers = || Input::Peers {
            alive: alive.clone(),
        };
        // What a shard did not take is told again with the next beat.
        if post_all(&shards, peers).await {
            told = alive;
        }
    }
}

/// All that are alive, by number.
async fn list(line: &Line) -> Result<Vec<NodeCard>, Away> {
    let card = NodeCard {
        hears: !line.canary.is_stalled(),
        ..line.card.clone()
    };
    let beat = timeout(CALL_DEADLINE, line.roster.beat(card)).await;
    let mut alive = beat.map_err(|_| Away("no answer".to_owned()))??;
    alive.sort_unstable_by_key(|card| card.id);
    Ok(alive)
}

/// The list for those who pass requests on, if it is another.
fn publish(line: &Line, alive: Vec<NodeCard>) {
    let nodes = alive.len();
    let doubt = line.reach.is_some();
    if line.peers.send_if_modified(|book| book.list(alive, doubt)) {
        info!(nodes, "other nodes are alive now");
    }
}
