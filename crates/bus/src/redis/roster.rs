//! The roster in Redis: one hash of all nodes, and one hash a person with a field a node. Everything is sealed with the
//! cluster's key, so that nobody who can only write to Redis sends tokens to an address of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::envelope::Standing;
use protocol::ids::{NodeId, UserId};
use redis::Value;
use tokio_util::sync::DropGuard;

use crate::Future;
use crate::redis::ask::{Question, ask};
use crate::redis::fleet::Fleet;
use crate::redis::scripts;
use crate::roster::{Away, ByNode, LEASE, NodeCard, Roster, STANDING_TTL};
use crate::seal::{Kind, Name};

pub(crate) struct RedisRoster {
    pub(crate) fleet: Arc<Fleet>,
    /// The fleet ends with the last of its handles.
    pub(crate) _end: Arc<DropGuard>,
}

impl RedisRoster {
    fn nodes(&self) -> Name {
        self.fleet.key.name(Kind::Nodes, &[])
    }

    fn person(&self, user: UserId) -> Name {
        self.fleet.key.name(Kind::Person, &[user.0.as_bytes()])
    }

    async fn ask(&self, questions: &[Question]) -> Result<Vec<Value>, Away> {
        ask(&self.fleet, questions).await.map_err(|why| {
            self.fleet.counters.roster_away.add(1);
            Away(why)
        })
    }

    async fn beaten(&self, me: NodeCard) -> Result<Vec<NodeCard>, Away> {
        let name = self.nodes();
        let card = serde_json::to_vec(&me).map_err(|error| Away(error.to_string()))?;
        let mut command = scripts::call(&scripts::BEAT, &name);
        command
            .arg(me.id.to_string())
            .arg(self.fleet.key.seal(&name, &card))
            .arg(u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX));
        let answers = self.ask(&[Question { name, command }]).await?;
        let [Value::Array(cards)] = &answers[..] else {
            return Err(Away("an answer that is not a list of nodes".to_owned()));
        };
        let cards: Vec<NodeCard> = cards
            .iter()
            .filter_map(|card| self.opened(&name, card))
            .collect();
        self.fleet.nodes.store(cards.len(), Ordering::Relaxed);
        Ok(cards)
    }

    fn opened<T: serde::de::DeserializeOwned>(&self, name: &Name, value: &Value) -> Option<T> {
        let Value::BulkString(sealed) = value else {
            return None;
        };
        self.opened_bytes(name, sealed)
    }

    fn opened_bytes<T: serde::de::DeserializeOwned>(
        &self,
        name: &Name,
        sealed: &[u8],
    ) -> Option<T> {
        let Some(body) = self.fleet.key.open(name.as_bytes(), sealed) else {
            self.fleet.counters.forged.add(1);
            return None;
        };
        serde_json::from_slice(body).ok()
    }

    fn standing(&self, name: &Name, answer: &Value) -> ByNode {
        let values: Vec<&Value> = match answer {
            Value::Map(pairs) => pairs.iter().map(|(_, value)| value).collect(),
            Value::Array(flat) => flat.iter().skip(1).step_by(2).collect(),
            _ => Vec::new(),
        };
        let of_node = |value: &&Value| {
            let Value::BulkString(bytes) = value else {
                return None;
            };
            // In front stands the moment when the server forgets it.
            let colon = bytes.iter().position(|byte| *byte == b':')?;
            self.opened_bytes(name, &bytes[colon + 1..])
        };
        values.iter().filter_map(of_node).collect()
    }
}

impl Roster for RedisRoster {
    fn beat(&self, me: NodeCard) -> Future<'_, Result<Vec<NodeCard>, Away>> {
        Box::pin(self.beaten(me))
    }

    fn leave(&self, me: NodeId) -> Future<'_, Result<(), Away>> {
        Box::pin(async move {
            let name = self.nodes();
            let mut command = redis::cmd("HDEL");
            command.arg(name.as_bytes()).arg(me.to_string());
            self.ask(&[Question { name, command }]).await?;
            Ok(())
        })
    }

    fn put(
        &self,
        me: NodeId,
        people: Vec<(UserId, Option<Standing>)>,
    ) -> Future<'_, Result<(), Away>> {
        let ttl = u64::try_from(STANDING_TTL.as_millis()).unwrap_or(u64::MAX);
        Box::pin(async move {
            let question = |(user, standing): &(UserId, Option<Standing>)| {
                let name = self.person(*user);
                let sealed = match standing {
                    // Standings are plain data: there is nothing in them that JSON cannot say.
                    Some(standing) => {
                        let body = serde_json::to_vec(&(me, standing)).unwrap_or_default();
                        self.fleet.key.seal(&name, &body)
                    }
                    None => Vec::new(),
                };
                let mut command = scripts::call(&scripts::PUT, &name);
                command.arg(me.to_string()).arg(ttl).arg(sealed);
                Question { name, command }
            };
            let questions: Vec<Question> = people.iter().map(question).collect();
            self.ask(&questions).await?;
            Ok(())
        })
    }

    fn standings(&self, people: Vec<UserId>) -> Future<'_, Result<Vec<ByNode>, Away>> {
        Box::pin(async move {
            let question = |user: &UserId| {
                let name = self.person(*user);
                let mut command = redis::cmd("HGETALL");
                command.arg(name.as_bytes());
                Question { name, command }
            };
            let questions: Vec<Question> = people.iter().map(question).collect();
            let answers = self.ask(&questions).await?;
            let both = questions.iter().zip(&answers);
            Ok(both
                .map(|(question, answer)| self.standing(&question.name, answer))
                .collect())
        })
    }
}
