//! The roster within one process, for the all-in-one and for clusters in a test. Clones are the same roster. Time is
//! tokio's, so that a test can pause it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::envelope::Standing;
use protocol::ids::{NodeId, UserId};
use tokio::time::Instant;

use crate::Future;
use crate::roster::{Away, ByNode, LEASE, NodeCard, Roster, STANDING_TTL};

/// A roster in memory.
#[derive(Clone, Default)]
pub struct LocalRoster(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeId, (NodeCard, Instant)>,
    people: HashMap<UserId, BTreeMap<NodeId, (Standing, Instant)>>,
}

impl LocalRoster {
    /// An empty roster.
    pub fn new() -> Self {
        Self::default()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // No call in between can panic, so the state is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn beat(&mut self, me: NodeCard, now: Instant) -> Vec<NodeCard> {
        self.nodes.retain(|_, (_, until)| *until > now);
        self.nodes.insert(me.id, (me, now + LEASE));
        self.nodes.values().map(|(card, _)| card.clone()).collect()
    }

    fn put(&mut self, me: NodeId, user: UserId, standing: Option<Standing>, now: Instant) {
        let by_node = self.people.entry(user).or_default();
        by_node.retain(|_, (_, until)| *until > now);
        match standing {
            Some(standing) => {
                by_node.insert(me, (standing, now + STANDING_TTL));
            }
            None => {
                by_node.remove(&me);
            }
        }
        if by_node.is_empty() {
            self.people.remove(&user);
        }
    }

    fn standing(&self, user: UserId, now: Instant) -> ByNode {
        let by_node = self.people.get(&user).into_iter().flatten();
        by_node
            .filter(|(_, (_, until))| *until > now)
            .map(|(node, (standing, _))| (*node, standing.clone()))
            .collect()
    }
}

impl Roster for LocalRoster {
    fn beat(&self, me: NodeCard) -> Future<'_, Result<Vec<NodeCard>, Away>> {
        let alive = self.locked().beat(me, Instant::now());
        Box::pin(std::future::ready(Ok(alive)))
    }

    fn leave(&self, me: NodeId) -> Future<'_, Result<(), Away>> {
        self.locked().nodes.remove(&me);
        Box::pin(std::future::ready(Ok(())))
    }

    fn put(
        &self,
        me: NodeId,
        people: Vec<(UserId, Option<Standing>)>,
    ) -> Future<'_, Result<(), Away>> {
        let mut state = self.locked();
        for (user, standing) in people {
            state.put(me, user, standing, Instant::now());
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn standings(&self, people: Vec<UserId>) -> Future<'_, Result<Vec<ByNode>, Away>> {
        let state = self.locked();
        let now = Instant::now();
        let found = people.iter().map(|user| state.standing(*user, now));
        let found = found.collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_not_put_again_is_forgotten_and_takes_no_memory() {
        let roster = LocalRoster::new();
        let user = UserId(Uuid::from_u128(1));
        let standing = Standing {
            status: protocol::user::PresenceStatus::Online,
            text: None,
            said_at: 1,
        };
        roster
            .put(NodeId(1), vec![(user, Some(standing))])
            .await
            .unwrap();
        tokio::time::advance(STANDING_TTL + Duration::from_secs(1)).await;
        assert_eq!(
            roster.standings(vec![user]).await.unwrap(),
            vec![Vec::new()]
        );
        roster.put(NodeId(2), vec![(user, None)]).await.unwrap();
        assert!(roster.locked().people.is_empty());
    }
}
