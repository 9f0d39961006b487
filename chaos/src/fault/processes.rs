//! Faults of processes: they die, stand still, are asked to go, or change their roles.

use std::time::Duration;

use tokio::time::sleep;

use super::Fault;
use crate::chance::Chance;
use crate::cluster::{Cluster, Failure, NODES, REDIS};

/// A cluster of Redis that has all its servers agrees on its roles within some seconds.
const REDIS_PATIENCE: Duration = Duration::from_secs(60);
/// Of 16,384: each is moved by some commands.
const SLOTS_MOVED: u32 = 200;

pub(super) async fn strike(
    fault: Fault,
    cluster: &Cluster,
    chance: &mut Chance,
) -> Result<String, Failure> {
    match fault {
        Fault::NodeKilled => killed(cluster, chance.one_of(&NODES), chance.millis(0, 4_000)).await,
        Fault::NodeFrozen => {
            frozen(cluster, chance.one_of(&NODES), chance.millis(500, 12_000)).await
        }
        Fault::NodeDrained => drained(cluster, chance.one_of(&NODES)).await,
        Fault::RollingRestart => {
            let mut told = Vec::new();
            for node in chance.shuffled(NODES.to_vec()) {
                told.push(drained(cluster, node).await?);
            }
            Ok(told.join(", "))
        }
        Fault::BalancerKilled => killed(cluster, "haproxy", chance.millis(0, 2_000)).await,
        Fault::RedisMasterKilled => {
            let master = a_master(cluster, chance).await?;
            // Longer than the others need to choose a new one, or shorter: both happen.
            let told = killed(cluster, master, chance.millis(500, 9_000)).await?;
            cluster.redis_whole(REDIS_PATIENCE).await?;
            Ok(told)
        }
        Fault::RedisMasterFrozen => {
            let master = a_master(cluster, chance).await?;
            let told = frozen(cluster, master, chance.millis(500, 8_000)).await?;
            cluster.redis_whole(REDIS_PATIENCE).await?;
            Ok(told)
        }
        Fault::RedisFailover => {
            let taken = cluster.redis_failover(chance.below(REDIS.len())).await?;
            cluster.redis_whole(REDIS_PATIENCE).await?;
            Ok(taken.map_or("no replica".to_owned(), |replica| {
                format!("{replica} takes over")
            }))
        }
        Fault::RedisSlotsMoved => {
            let moved = cluster.redis_move_slots(SLOTS_MOVED).await?;
            Ok(moved.map_or("one master".to_owned(), |moved| {
                format!("{} from {} to {}", moved.count, moved.from, moved.to)
            }))
        }
        Fault::RedisOutage => no_redis(cluster, chance.millis(5_000, 20_000)).await,
        Fault::RedisGoneForAMinute => no_redis(cluster, Duration::from_secs(60)).await,
        Fault::StoreKilled => killed(cluster, "mongodb", chance.millis(0, 4_000)).await,
        Fault::StoreFrozen => frozen(cluster, "mongodb", chance.millis(500, 12_000)).await,
        Fault::BrokerKilled => killed(cluster, "rabbitmq", chance.millis(0, 3_000)).await,
        Fault::BrokerRestarted => drained(cluster, "rabbitmq").await,
        Fault::BrokerFrozen => frozen(cluster, "rabbitmq", chance.millis(500, 12_000)).await,
        Fault::AuthKilled => killed(cluster, "auth", chance.millis(0, 3_000)).await,
        _ => killed(cluster, "mailer", chance.millis(0, 3_000)).await,
    }
}

async fn a_master(cluster: &Cluster, chance: &mut Chance) -> Result<&'static str, Failure> {
    let masters = cluster.redis_masters().await?;
    let parts: Vec<&'static str> = masters.iter().map(|node| node.part).collect();
    if parts.is_empty() {
        return Err(Failure("the Redis Cluster has no master".to_owned()));
    }
    Ok(chance.one_of(&parts))
}

/// All of Redis goes, with all that it knew, and comes back empty.
async fn no_redis(cluster: &Cluster, gone: Duration) -> Result<String, Failure> {
    for part in REDIS {
        cluster.kill(part).await?;
    }
    sleep(gone).await;
    cluster.start_again(&REDIS).await?;
    Ok(format!("all six gone for {:.1} s", gone.as_secs_f32()))
}

async fn killed(cluster: &Cluster, part: &str, gone: Duration) -> Result<String, Failure> {
    cluster.kill(part).await?;
    sleep(gone).await;
    cluster.start_again(&[part]).await?;
    Ok(format!("{part} gone for {:.1} s", gone.as_secs_f32()))
}

async fn frozen(cluster: &Cluster, part: &str, still: Duration) -> Result<String, Failure> {
    cluster.freeze(part).await?;
    sleep(still).await;
    cluster.thaw(part).await?;
    Ok(format!("{part} for {:.1} s", still.as_secs_f32()))
}

async fn drained(cluster: &Cluster, part: &str) -> Result<String, Failure> {
    let took = cluster.terminate(part).await?;
    cluster.start_again(&[part]).await?;
    Ok(format!("{part} went in {:.1} s", took.as_secs_f32()))
}
