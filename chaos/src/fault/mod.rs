//! Every fault that the harness knows: what it is called, and how it is done to a cluster and undone again. One at a time:
//! the guarantee speaks of any single failure. What exactly is hit, and for how long, is drawn.

mod lines;
mod processes;

use crate::chance::Chance;
use crate::cluster::{Cluster, Failure};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// kill -9 of a node, started again.
    NodeKilled,
    /// A node stands still for some seconds.
    NodeFrozen,
    /// A node is asked to go, and started again.
    NodeDrained,
    /// All nodes in turn, as a deploy does it.
    RollingRestart,
    /// The lines between the balancer and a node break.
    NodeCut,
    /// They break in the middle of what is said, again and again.
    NodeCutMidway,
    /// They are slow and uneven.
    NodeDelayed,
    /// What goes to a node, comes from it, or both, vanishes.
    NodeBlackhole,
    /// They are narrow.
    NodeThrottled,
    /// All clients lose their connection at once.
    ClientsCut,
    /// All clients are far away.
    ClientsDelayed,
    /// The balancer is killed and started again.
    BalancerKilled,
    /// kill -9 of a Redis master; a replica takes over, the old one comes back.
    RedisMasterKilled,
    /// A Redis master stands still, maybe for long enough to lose its place.
    RedisMasterFrozen,
    /// A failover in order.
    RedisFailover,
    /// Slots move from one master to another.
    RedisSlotsMoved,
    /// All of Redis is gone for some seconds, with what it knew.
    RedisOutage,
    /// The same for a minute.
    RedisGoneForAMinute,
    /// One node is parted from all of Redis.
    RedisParted,
    /// Redis is far away.
    RedisDelayed,
    /// kill -9 of the store, started again.
    StoreKilled,
    /// The store stands still.
    StoreFrozen,
    /// What goes to the store, comes from it, or both, vanishes.
    StoreBlackhole,
    /// One node is parted from the store.
    StoreParted,
    /// The store's answers break off in the middle.
    StoreCutMidway,
    /// The store is far away.
    StoreDelayed,
    /// kill -9 of the broker, started again.
    BrokerKilled,
    /// The broker is stopped in order and started again.
    BrokerRestarted,
    /// The broker stands still.
    BrokerFrozen,
    /// kill -9 of auth, started again.
    AuthKilled,
    /// kill -9 of the mailer, started again.
    MailerKilled,
    /// The line to the mail server breaks in the middle.
    MailCutMidway,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 32] = [
        Fault::NodeKilled,
        Fault::NodeFrozen,
        Fault::NodeDrained,
        Fault::RollingRestart,
        Fault::NodeCut,
        Fault::NodeCutMidway,
        Fault::NodeDelayed,
        Fault::NodeBlackhole,
        Fault::NodeThrottled,
        Fault::ClientsCut,
        Fault::ClientsDelayed,
        Fault::BalancerKilled,
        Fault::RedisMasterKilled,
        Fault::RedisMasterFrozen,
        Fault::RedisFailover,
        Fault::RedisSlotsMoved,
        Fault::RedisOutage,
        Fault::RedisGoneForAMinute,
        Fault::RedisParted,
        Fault::RedisDelayed,
        Fault::StoreKilled,
        Fault::StoreFrozen,
        Fault::StoreBlackhole,
        Fault::StoreParted,
        Fault::StoreCutMidway,
        Fault::StoreDelayed,
        Fault::BrokerKilled,
        Fault::BrokerRestarted,
        Fault::BrokerFrozen,
        Fault::AuthKilled,
        Fault::MailerKilled,
        Fault::MailCutMidway,
    ];

    /// As reports and the command line write it.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// The fault of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Does it and undoes it. What was hit is told; when this returns, everything runs again and the weather is fair.
    pub async fn strike(self, cluster: &Cluster, chance: &mut Chance) -> Result<String, Failure> {
        match self {
            Fault::NodeKilled
            | Fault::NodeFrozen
            | Fault::NodeDrained
            | Fault::RollingRestart
            | Fault::BalancerKilled
            | Fault::RedisMasterKilled
            | Fault::RedisMasterFrozen
            | Fault::RedisFailover
            | Fault::RedisSlotsMoved
            | Fault::RedisOutage
            | Fault::RedisGoneForAMinute
            | Fault::StoreKilled
            | Fault::StoreFrozen
            | Fault::BrokerKilled
            | Fault::BrokerRestarted
            | Fault::BrokerFrozen
            | Fault::AuthKilled
            | Fault::MailerKilled => processes::strike(self, cluster, chance).await,
            _ => Ok(lines::strike(self, cluster, chance).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in Fault::ALL {
            assert_eq!(Fault::named(&fault.name()), Some(fault));
        }
        assert_eq!(Fault::RedisMasterKilled.name(), "redis-master-killed");
        assert_eq!(Fault::named("tea-spilled"), None);
    }
}
