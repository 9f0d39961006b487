//! Nodes whose lease has ended: dead, frozen, or parted from Redis and well. Each is asked itself, by the way that requests
//! for its sessions take; while it answers it is found as before, and when it does not, it is gone.
//!
//! Without this a node that Redis has lost for ten seconds loses every client that polls: two of three of their requests
//! come to other nodes, which would know no such session (decision 12).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::roster::NodeCard;
use protocol::ids::NodeId;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::line::Line;

/// How long a node in doubt may take to say that it is there.
const DEADLINE: Duration = Duration::from_secs(2);
/// The pause before it is asked again.
const PERIOD: Duration = Duration::from_secs(1);
/// Silences in a row after which it is gone: one may be a lost packet or a busy moment. With both times above, a frozen node
/// is waited for 5 s longer than its lease.
const SILENCES_MAX: u32 = 2;

/// Asks a node itself.
pub trait Reach: Send + Sync + 'static {
    /// Whether exactly this node (not another one at its address) answers. The caller bounds the time.
    fn is_there(&self, card: &NodeCard) -> store::Future<'static, bool>;
}

/// Until it is dropped.
pub(super) async fn settle(line: Arc<Line>, reach: Arc<dyn Reach>) {
    let mut books = line.peers.subscribe();
    let mut silences: HashMap<NodeId, u32> = HashMap::new();
    loop {
        let doubted = match books.wait_for(|book| !book.doubted().is_empty()).await {
            Ok(book) => book.doubted().to_vec(),
            Err(_) => return,
        };
        silences.retain(|node, _| doubted.iter().any(|card| card.id == *node));
        let mut asked = JoinSet::new();
        for card in doubted {
            let answer = reach.is_there(&card);
            asked.spawn(async move {
                let there = timeout(DEADLINE, answer).await.unwrap_or(false);
                (card.id, there)
            });
        }
        while let Some(answer) = asked.join_next().await {
            let Ok((node, there)) = answer else { continue };
            let known = silences.contains_key(&node);
            let silent = silences.entry(node).or_default();
            if there {
                *silent = 0;
                if !known {
                    info!(%node, "a node without a lease answers: requests for its sessions still go to it");
                }
                continue;
            }
            *silent += 1;
            if *silent >= SILENCES_MAX && line.peers.send_if_modified(|book| book.forget(node)) {
                info!(%node, "a node without a lease does not answer: it is gone");
            }
        }
        sleep(PERIOD).await;
    }
}
