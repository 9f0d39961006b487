//! The Redis Cluster from an operator's seat, by `redis-cli`: who is a master now, a failover in order, slots that move.
//! Roles are always asked for and never remembered: a killed master comes back as a replica.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{Cluster, Failure, REDIS, run};

/// A server of the Redis Cluster as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// The part: `redis-1` …
    pub part: &'static str,
    /// Its own name in the cluster.
    pub id: String,
    /// Whether it is a master.
    pub master: bool,
    /// Ranges of slots that it serves.
    pub slots: u32,
}

/// What a move of slots was.
#[derive(Clone, Debug)]
pub struct MovedSlots {
    /// From this part.
    pub from: &'static str,
    /// To this one.
    pub to: &'static str,
    /// So many.
    pub count: u32,
}

/// Between two looks at the cluster.
const LOOK: Duration = Duration::from_millis(100);

impl Cluster {
    /// The servers that live and answer, each as it sees itself.
    pub async fn redis_nodes(&self) -> Result<Vec<RedisNode>, Failure> {
        let mut nodes = Vec::new();
        for part in REDIS.into_iter().filter(|part| self.lives(part)) {
            let table = self.redis(part, &["cluster", "nodes"]).await?;
            let own = table.lines().find(|line| line.contains("myself"));
            let words: Vec<&str> = own.unwrap_or_default().split_whitespace().collect();
            let [id, _, flags, ..] = words[..] else {
                continue;
            };
            nodes.push(RedisNode {
                part,
                id: id.to_owned(),
                master: flags.contains("master"),
                slots: words.iter().skip(8).map(|range| width(range)).sum(),
            });
        }
        Ok(nodes)
    }

    /// The masters that serve slots.
    pub async fn redis_masters(&self) -> Result<Vec<RedisNode>, Failure> {
        let nodes = self.redis_nodes().await?;
        Ok(nodes
            .into_iter()
            .filter(|node| node.master && node.slots > 0)
            .collect())
    }

    /// A failover in order: a replica takes over from its living master. Gives the replica, or none when there is none.
    pub async fn redis_failover(&self, chosen: usize) -> Result<Option<&'static str>, Failure> {
        let nodes = self.redis_nodes().await?;
        let replicas: Vec<_> = nodes.iter().filter(|node| !node.master).collect();
        let Some(replica) = replicas.get(chosen % replicas.len().max(1)) else {
            return Ok(None);
        };
        self.redis(replica.part, &["cluster", "failover"]).await?;
        self.redis_until(
            Duration::from_secs(30),
            replica.part,
            "role:master",
            &["info", "replication"],
        )
        .await?;
        Ok(Some(replica.part))
    }

    /// Moves slots from the master that has most of them to the one that has least, key by key.
    pub async fn redis_move_slots(&self, count: u32) -> Result<Option<MovedSlots>, Failure> {
        let masters = self.redis_masters().await?;
        let (Some(from), Some(to)) = (
            masters.iter().max_by_key(|node| node.slots),
            masters.iter().min_by_key(|node| node.slots),
        ) else {
            return Ok(None);
        };
        if from.part == to.part {
            return Ok(None);
        }
        for part in REDIS.into_iter().filter(|part| self.lives(part)) {
            self.redis_close_slots(part).await?;
        }
        let at = format!("127.0.0.1:{}", self.ports[from.part].port);
        let count_word = count.to_string();
        run(Command::new("redis-cli").args([
            "--cluster",
            "reshard",
            &at,
            "--cluster-from",
            &from.id,
            "--cluster-to",
            &to.id,
            "--cluster-slots",
            &count_word,
            "--cluster-yes",
        ]))
        .await?;
        Ok(Some(MovedSlots {
            from: from.part,
            to: to.part,
            count,
        }))
    }

    /// Closes what an earlier move has left open, as an operator does who reads `redis-cli --cluster check`. The new master's
    /// replica is not told that a slot has arrived, and when a failover makes it the master, it still waits for slots that
    /// are its own; a server that finds keys of another's slot at its start waits for that slot. No move begins before that
    /// is mended, and such a server never hears who else has the slot: to it, the cluster is not whole after a failover.
    async fn redis_close_slots(&self, part: &str) -> Result<(), Failure> {
        let table = self.redis(part, &["cluster", "nodes"]).await?;
        let own = table.lines().find(|line| line.contains("myself"));
        for slot in own.into_iter().flat_map(open_slots) {
            self.redis(part, &["cluster", "setslot", slot, "stable"])
                .await?;
        }
        Ok(())
    }

    /// Waits until every server that lives says that all slots are served.
    pub async fn redis_whole(&self, patience: Duration) -> Result<(), Failure> {
        for part in REDIS.into_iter().filter(|part| self.lives(part)) {
            let whole =
                self.redis_until(patience / 2, part, "cluster_state:ok", &["cluster", "info"]);
            if whole.await.is_err() {
                self.redis_close_slots(part).await?;
                self.redis_until(patience / 2, part, "cluster_state:ok", &["cluster", "info"])
                    .await?;
            }
        }
        Ok(())
    }

    async fn redis_until(
        &self,
        patience: Duration,
        part: &str,
        word: &str,
        ask: &[&str],
    ) -> Result<(), Failure> {
        let until = Instant::now() + patience;
        while !self
            .redis(part, ask)
            .await
            .is_ok_and(|told| told.contains(word))
        {
            if Instant::now() > until {
                return Err(Failure(format!(
                    "{part} did not say {word} within {patience:?}"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// One command to one server, past its proxy.
    async fn redis(&self, part: &str, arguments: &[&str]) -> Result<String, Failure> {
        let port = self.ports[part].port.to_string();
        run(Command::new("redis-cli")
            .args(["-p", &port])
            .args(arguments))
        .await
    }
}

/// Slots in a range as `CLUSTER NODES` writes it: `7`, `0-5460`; a slot on its way (`[7->-…]`) counts for nobody.
fn width(range: &str) -> u32 {
    let slot = |word: &str| word.parse::<u32>().ok();
    match range.split_once('-') {
        Some((first, last)) => slot(last)
            .zip(slot(first))
            .map_or(0, |(last, first)| last - first + 1),
        None => u32::from(slot(range).is_some()),
    }
}

/// The slots on their way of a line of `CLUSTER NODES`: `[7->-…]` leaves, `[7-<-…]` comes.
fn open_slots(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace().skip(8);
    words.filter_map(|word| Some(word.strip_prefix('[')?.split_once('-')?.0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn slots_on_their_way_are_seen_in_both_directions() {
        let line = "id 127.0.0.1:1@2 myself,master - 0 0 9 connected 0-9 [130-<-other] [7->-other]";
        assert_eq!(super::open_slots(line).collect::<Vec<_>>(), ["130", "7"]);
        let still = "id 127.0.0.1:1@2 myself,slave other 0 0 9 connected";
        assert_eq!(super::open_slots(still).count(), 0);
    }

    #[test]
    fn slots_are_counted_by_their_ranges() {
        assert_eq!(super::width("0-5460"), 5_461);
        assert_eq!(super::width("7"), 1);
        assert_eq!(super::width("[7->-abc]"), 0);
    }
}
