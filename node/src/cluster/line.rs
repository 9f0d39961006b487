//! A shard's line to the other nodes: every effect that concerns them, done without waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::hints::{Bus, Events};
use bus::roster::{NodeCard, Roster};
use chat::{Effect, Passing, Told};
use protocol::envelope::{Envelope, Standing, Topic};
use protocol::ids::{NodeId, SessionId, UserId};
use tokio::sync::watch;
use tracing::warn;

use super::canary::Canary;
use super::peers::Book;
use super::standings::Desk;
use super::{Cluster, Reach};
use crate::metrics::NodeMetrics;

/// How long the roster may take for one call; beyond it, it is away.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(2);

/// See the module. One for all shards of a node.
pub(crate) struct Line {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) roster: Arc<dyn Roster>,
    pub(super) card: NodeCard,
    pub(super) peers: watch::Sender<Book>,
    pub(super) reach: Option<Arc<dyn Reach>>,
    pub(super) desk: Desk,
    pub(super) metrics: NodeMetrics,
    pub(super) canary: Canary,
    /// How many hubs of this node want each slice of people. Held while the bus is told, so that two hubs that change
    /// their minds at once leave it right; a hub does so at most twice a minute and slice.
    slices: Mutex<BTreeMap<u8, u8>>,
}

impl Line {
    pub(crate) fn new(cluster: Cluster, metrics: NodeMetrics) -> Self {
        Self {
            bus: cluster.bus,
            roster: cluster.roster,
            card: cluster.card,
            peers: cluster.peers,
            reach: cluster.reach,
            desk: Desk::default(),
            metrics,
            canary: Canary::new(cluster.hearing),
            slices: Mutex::default(),
        }
    }

    /// This node's number.
    pub(crate) fn me(&self) -> NodeId {
        self.card.id
    }

    /// Says something to whoever watches its topic. Never waits.
    pub(crate) fn publish(&self, envelope: Envelope) {
        self.metrics.hints_published.increment(1);
        self.bus.publish(envelope);
    }

    /// Tells somebody's sockets on the other nodes.
    pub(crate) fn tell(&self, user: UserId, told: Told) {
        self.publish(match told {
            Told::AddedTo { room } => Envelope::Added { user, room },
            Told::ReadOn {
                room,
                marker,
                unread,
                mentions,
                except: _,
            } => Envelope::ReadOn {
                user,
                room,
                marker,
                unread,
                mentions,
            },
        });
    }

    /// Tells every node that sessions were signed out.
    pub(crate) fn revoked(&self, sessions: Vec<SessionId>, reason: &str) {
        let reason = reason.to_owned();
        self.publish(Envelope::Revoked { sessions, reason });
    }

    /// Carries out what a hub wants of the bus and the roster; readings are the shard's, by [`Line::standings`].
    pub(crate) fn perform(&self, effect: Effect) {
        match effect {
            Effect::Publish(hint) => self.publish(Envelope::Grown { hint }),
            Effect::Hand(over) => {
                self.count_handed("handed", over.drafts.len());
                self.publish(Envelope::Handed { over });
            }
            Effect::SendBack(back) => {
                self.count_handed("sent_back", 1);
                self.publish(Envelope::Declined { back });
            }
            Effect::NotWritten => self.count_handed("unanswered", 1),
            Effect::PublishPassing { room, passing } => self.publish(match passing {
                Passing::Typing { user, active } => Envelope::Typing { room, user, active },
                Passing::Receipt { user, marker } => Envelope::Receipt { room, user, marker },
            }),
            Effect::PublishTold { user, told } => self.tell(user, told),
            Effect::Watch { room } => self.bus.watch(Topic::Room(room)),
            Effect::Unwatch { room } => self.bus.unwatch(Topic::Room(room)),
            Effect::WatchPeople { slice } => self.watch_people(slice),
            Effect::UnwatchPeople { slice } => self.unwatch_people(slice),
            Effect::Standing {
                user,
                standing,
                again,
            } => {
                self.say(user, standing.clone());
                if !again {
                    self.desk.keep(user, standing);
                }
            }
            _ => {}
        }
    }

    pub(super) fn count_handed(&self, what: &'static str, many: usize) {
        self.metrics.handed.with(what).increment(many as u64);
    }

    /// Says how somebody stands on this node.
    pub(super) fn say(&self, user: UserId, standing: Option<Standing>) {
        let node = self.me();
        self.publish(Envelope::Standing {
            user,
            node,
            standing,
        });
    }

    /// How some people stand on all nodes, in the order asked; `None` when the roster is away. Answers within
    /// [`CALL_DEADLINE`].
    pub(crate) async fn standings(
        &self,
        users: Vec<UserId>,
    ) -> Option<Vec<Vec<(NodeId, Standing)>>> {
        let asked = users.len();
        let read = tokio::time::timeout(CALL_DEADLINE, self.roster.standings(users));
        match read.await {
            Ok(Ok(found)) if found.len() == asked => Some(found),
            Ok(Ok(_)) => None,
            Ok(Err(away)) => {
                warn!(%away, "standings could not be read; they are asked for again");
                None
            }
            Err(_) => None,
        }
    }

    /// What this node hears; taken once.
    pub(super) fn events(&self) -> Events {
        self.bus.watch(Topic::Everyone);
        self.bus.watch(Topic::Node(self.me()));
        self.bus.events()
    }

    /// Ends this node's lease and its part in the bus.
    pub(super) async fn leave(&self) {
        let left = tokio::time::timeout(CALL_DEADLINE, self.roster.leave(self.me())).await;
        if !matches!(left, Ok(Ok(()))) {
            warn!("the roster was not told that this node leaves; its lease ends by itself");
        }
        self.bus.close().await;
    }

    fn watch_people(&self, slice: u8) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        let hubs = slices.entry(slice).or_default();
        *hubs += 1;
        if *hubs == 1 {
            self.bus.watch(Topic::People(slice));
        }
    }

    fn unwatch_people(&self, slice: u8) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(hubs) = slices.get_mut(&slice) else {
            return;
        };
        *hubs -= 1;
        if *hubs == 0 {
            slices.remove(&slice);
            self.bus.unwatch(Topic::People(slice));
        }
    }
}
