//! Faults of what lies between processes: the weather of the proxies, for a while.

use std::time::Duration;

use tokio::time::sleep;

use super::Fault;
use crate::chance::Chance;
use crate::cluster::{Cluster, NODES, REDIS};
use crate::proxy::{Proxy, Weather};

pub(super) async fn strike(fault: Fault, cluster: &Cluster, chance: &mut Chance) -> String {
    let node = chance.one_of(&NODES);
    let while_ = chance.millis(1_000, 10_000);
    let (name, weather) = weather(fault, chance);
    let told = match fault {
        Fault::NodeCut => {
            cluster.proxy(node).cut();
            return node.to_owned();
        }
        Fault::ClientsCut => {
            cluster.proxy("haproxy").cut();
            return "all at once".to_owned();
        }
        Fault::RedisParted | Fault::StoreParted => {
            let servers: &[&str] = if fault == Fault::RedisParted {
                &REDIS
            } else {
                &["mongodb"]
            };
            let proxies: Vec<&Proxy> = servers.iter().map(|server| cluster.proxy(server)).collect();
            for proxy in &proxies {
                proxy.set_for(node, weather);
            }
            sleep(while_).await;
            for proxy in &proxies {
                proxy.heal();
            }
            format!("{node}, {name}")
        }
        Fault::RedisDelayed => {
            for server in REDIS {
                cluster.proxy(server).set(weather);
            }
            sleep(while_).await;
            for server in REDIS {
                cluster.proxy(server).heal();
            }
            name
        }
        Fault::ClientsDelayed => {
            for_a_while(cluster.proxy("haproxy"), weather, while_).await;
            name
        }
        Fault::StoreBlackhole | Fault::StoreCutMidway | Fault::StoreDelayed => {
            for_a_while(cluster.proxy("mongodb"), weather, while_).await;
            name
        }
        Fault::MailCutMidway => {
            for_a_while(cluster.proxy("smtp"), weather, while_).await;
            name
        }
        _ => {
            for_a_while(cluster.proxy(node), weather, while_).await;
            format!("{node}, {name}")
        }
    };
    format!("{told}, for {:.1} s", while_.as_secs_f32())
}

async fn for_a_while(proxy: &Proxy, weather: Weather, while_: Duration) {
    proxy.set(weather);
    sleep(while_).await;
    proxy.heal();
}

/// The weather of a fault, drawn, and its name.
fn weather(fault: Fault, chance: &mut Chance) -> (String, Weather) {
    match fault {
        Fault::NodeBlackhole | Fault::StoreBlackhole | Fault::RedisParted | Fault::StoreParted => {
            let (up, down, word) = chance.one_of(&[
                (true, true, "both ways"),
                (true, false, "to it"),
                (false, true, "from it"),
            ]);
            (format!("lost {word}"), Weather::blackhole(up, down))
        }
        Fault::NodeDelayed | Fault::ClientsDelayed | Fault::RedisDelayed | Fault::StoreDelayed => {
            let (delay, jitter) = (chance.millis(5, 250), chance.millis(0, 250));
            (
                format!("{} ms + {}", delay.as_millis(), jitter.as_millis()),
                Weather::delayed(delay, jitter),
            )
        }
        Fault::NodeThrottled => {
            let rate = chance.one_of(&[4_000, 16_000, 64_000]);
            (format!("{rate} B/s a connection"), Weather::throttled(rate))
        }
        Fault::NodeCutMidway | Fault::StoreCutMidway | Fault::MailCutMidway => {
            let bytes = 1 + chance.draw() % 6_000;
            (format!("cut after {bytes} B"), Weather::cut_after(bytes))
        }
        _ => ("fair".to_owned(), Weather::default()),
    }
}
