//! One person as their home on this node knows them: who of them is connected here, how they stand on other nodes, who
//! watches, and what follows from all of it.

use protocol::envelope::Standing;
use protocol::ids::{NodeId, UserId};
use protocol::user::{Presence, PresenceStatus};

use super::peers::Peers;
use crate::{ConnId, HubId};

/// A person who is connected here, watched from here, or just gone.
#[derive(Debug, Default)]
pub(super) struct Person {
    /// Live sockets by hub; a person rarely has more than two.
    pub(super) sockets: Vec<(HubId, u16)>,
    /// One bit a hub that wants to hear of them.
    pub(super) watchers: u64,
    /// When they count as gone from this node.
    pub(super) gone_at: Option<u64>,
    /// They have a socket here, or had one a moment ago.
    pub(super) here: bool,
    /// Their own word, while they are here; `None` when they never gave one.
    pub(super) said: Option<Box<Word>>,
    /// What only a node among others needs.
    pub(super) far: Option<Box<Far>>,
}

/// How somebody says they are. Of two words the later counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// By the wall clock of the node that was told, and later than any word that it knew.
    pub(super) said_at: i64,
    pub(super) status: PresenceStatus,
    pub(super) text: Option<String>,
}

/// A person as other nodes stand to them.
#[derive(Debug, Default)]
pub(super) struct Far {
    /// How they stand on other nodes, as last heard or read.
    pub(super) elsewhere: Vec<(NodeId, Standing)>,
    /// The roster was read, and nothing since makes it doubtful.
    pub(super) known: bool,
    /// Since when readings fail.
    pub(super) doubted_since: Option<u64>,
    /// A reading is under way; nodes that spoke meanwhile know better than it.
    pub(super) reading: bool,
    /// It must be read once more afterwards.
    pub(super) stale: bool,
    pub(super) heard: Vec<NodeId>,
    /// Whose question waits for the reading.
    pub(super) askers: Vec<(HubId, ConnId)>,
    pub(super) looks: Vec<u64>,
}

impl Word {
    /// A total order, the same on every node: equal times must not make two nodes disagree for ever.
    fn rank(&self) -> (i64, u8, Option<&str>) {
        rank(self.said_at, self.status, self.text.as_deref())
    }
}

fn rank(said_at: i64, status: PresenceStatus, text: Option<&str>) -> (i64, u8, Option<&str>) {
    let status = match status {
        PresenceStatus::Online => 0,
        PresenceStatus::Away => 1,
        PresenceStatus::Dnd => 2,
        PresenceStatus::Offline => 3,
        PresenceStatus::Unknown => 4,
    };
    (said_at, status, text)
}

impl Person {
    /// Their sockets on this node.
    pub(super) fn count(&self) -> usize {
        self.sockets
            .iter()
            .map(|(_, count)| usize::from(*count))
            .sum()
    }

    /// Whether this node must hear of them.
    pub(super) fn concerns_us(&self) -> bool {
        self.here || self.watchers != 0
    }

    /// Nothing is left that must be kept.
    pub(super) fn is_spent(&self) -> bool {
        let waited_for = self
            .far
            .as_ref()
            .is_some_and(|far| far.reading || !far.askers.is_empty() || !far.looks.is_empty());
        !self.concerns_us() && self.sockets.is_empty() && !waited_for
    }

    /// Whether it is known how they are.
    pub(super) fn is_known(&self, peers: &Peers) -> bool {
        let read = self.far.as_ref().is_some_and(|far| far.known);
        self.here || read || peers.are_none()
    }

    /// How they stand on this node, as the others are told.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.here.then(|| match self.said.as_deref() {
            Some(word) => Standing {
                status: word.status,
                text: word.text.clone(),
                said_at: word.said_at,
            },
            None => Standing {
                status: PresenceStatus::Online,
                text: None,
                said_at: 0,
            },
        })
    }

    /// How they are, all nodes that count taken together.
    pub(super) fn presence(&self, user_id: UserId, peers: &Peers) -> Presence {
        let far = self.far.as_deref();
        let mut there = self.here;
        let mut latest = self
            .said
            .as_deref()
            .filter(|_| self.here)
            .map(|word| (word.rank(), word.status, &word.text));
        for standing in elsewhere(far, peers) {
            there = true;
            let rank = rank(standing.said_at, standing.status, standing.text.as_deref());
            if latest.as_ref().is_none_or(|(other, ..)| rank > *other) {
                latest = Some((rank, standing.status, &standing.text));
            }
        }
        let (status, text) = match latest {
            _ if !there && self.is_known(peers) => (PresenceStatus::Offline, None),
            _ if !there => (PresenceStatus::Unknown, None),
            Some((_, status, text)) => (status, text.clone()),
            None => (PresenceStatus::Online, None),
        };
        Presence {
            user_id,
            status,
            text,
        }
    }

    /// Takes over a later word that was given on another node: it is the person's, and outlives that node.
    pub(super) fn adopt(&mut self, peers: &Peers) {
        if !self.here {
            return;
        }
        let later = elsewhere(self.far.as_deref(), peers)
            .filter(|standing| standing.said_at > 0)
            .map(|standing| Word {
                said_at: standing.said_at,
                status: standing.status,
                text: standing.text.clone(),
            })
            .max_by(|one, other| one.rank().cmp(&other.rank()));
        if let Some(later) = later
            && self
                .said
                .as_deref()
                .is_none_or(|own| later.rank() > own.rank())
        {
            self.said = Some(Box::new(later));
        }
    }

    /// The time of the latest word that is known of them.
    pub(super) fn said_at(&self) -> i64 {
        let own = self.said.as_deref().map_or(0, |word| word.said_at);
        self.far
            .iter()
            .flat_map(|far| &far.elsewhere)
            .map(|(_, standing)| standing.said_at)
            .fold(own, i64::max)
    }
}

impl Person {
    /// What is kept of them because there are other nodes.
    pub(super) fn far(&mut self) -> &mut Far {
        self.far.get_or_insert_default()
    }
}

impl Far {
    /// A node says how they stand on it.
    pub(super) fn hear(&mut self, node: NodeId, standing: Option<Standing>) {
        self.elsewhere.retain(|(other, _)| *other != node);
        if let Some(standing) = standing {
            self.elsewhere.push((node, standing));
        }
        if self.reading && !self.heard.contains(&node) {
            self.heard.push(node);
        }
    }

    /// The roster says how they stand everywhere. Says whether that may be old: a node spoke while it was read, or
    /// something was lost.
    pub(super) fn read(&mut self, me: NodeId, found: Vec<(NodeId, Standing)>) -> bool {
        self.reading = false;
        self.known = true;
        self.doubted_since = None;
        let heard = std::mem::take(&mut self.heard);
        self.elsewhere.retain(|(node, _)| heard.contains(node));
        self.elsewhere.extend(
            found
                .into_iter()
                .filter(|(node, _)| *node != me && !heard.contains(node)),
        );
        std::mem::take(&mut self.stale) || !heard.is_empty()
    }

    /// Nothing may be concluded from what was known.
    pub(super) fn forget(&mut self) {
        self.known = false;
        self.elsewhere.clear();
    }
}

/// How they stand on other nodes that are alive.
fn elsewhere<'a>(
    far: Option<&'a Far>,
    peers: &'a Peers,
) -> impl Iterator<Item = &'a Standing> + 'a {
    far.into_iter()
        .flat_map(|far| &far.elsewhere)
        .filter(|(node, _)| peers.counts(*node))
        .map(|(_, standing)| standing)
}
