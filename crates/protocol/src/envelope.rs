//! What the processes of one cluster tell each other: news that may be lost, come twice or come late. The truth is the
//! store; whoever missed an envelope finds out there.
//!
//! Envelopes are JSON, so that a cluster can run two versions for a while: unknown fields are ignored, and a receiver
//! drops an envelope of a kind that it does not know.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entry::Hint;
use crate::ids::{NodeId, RoomId, SessionId, UserId};
use crate::room::ReadMarker;
use crate::tagged::Tagged;
use crate::user::PresenceStatus;

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "snake_case")]
pub enum Envelope {
    /// A room's log has grown, or ends where it ended: the newest entries, or the head alone.
    Grown {
        /// Where it ends, and what came last.
        hint: Box<Hint>,
    },
    /// Somebody writes in a room, or has stopped.
    Typing {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Writes, or has stopped.
        active: bool,
    },
    /// Somebody has read on in a room; for its members.
    Receipt {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// How far.
        marker: ReadMarker,
    },
    /// Somebody is in a room now; for their own sockets.
    Added {
        /// Who.
        user: UserId,
        /// The room.
        room: RoomId,
    },
    /// Somebody has read on in a room; for their own other sockets.
    ReadOn {
        /// Who.
        user: UserId,
        /// The room.
        room: RoomId,
        /// How far.
        marker: ReadMarker,
        /// Messages not read.
        unread: u64,
        /// Unread messages that name them.
        mentions: u64,
    },
    /// How somebody stands on one node; that node says it whenever it changes.
    Standing {
        /// Who.
        user: UserId,
        /// The node.
        node: NodeId,
        /// How; `None` when they have no connection there.
        standing: Option<Standing>,
    },
    /// A node says something to itself, on a topic of its own that nobody else watches.
    Canary {
        /// A room that does not exist.
        room: RoomId,
        /// When, in microseconds by the node's own clock.
        sent: u64,
    },
    /// Sessions were signed out: their connections end.
    Revoked {
        /// Which.
        sessions: Vec<SessionId>,
        /// `logout`, `revoked` or `refresh_reused`.
        reason: String,
    },
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            hint: Box<Hint>,
        }
        let tagged = Tagged::read(from)?;
        if tagged.kind == "grown" {
            let Fields { hint } = tagged.fields()?;
            return Ok(Self::Grown { hint });
        }
        Self::deserialize(&mut tagged.text()).map_err(D::Error::custom)
    }
}

/// How somebody with a connection to a node says they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// `online`, `away` or `dnd`.
    pub status: PresenceStatus,
    /// A line of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When they said so, by the wall clock of that node in Unix milliseconds; 0 when they never did. Of several nodes
    /// the latest word counts.
    pub said_at: i64,
}

/// Whom an envelope concerns, and so who must hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A room: nodes with members of it on them.
    Room(RoomId),
    /// A slice of all people ([`slice_of`]): nodes that have one of them connected, or watch one.
    People(u8),
    /// Every node.
    Everyone,
}

/// How many slices all people are dealt to. More of them mean less unwanted news a node, and more subscriptions: with
/// 256 a node of a small cluster holds at most 256, and one of a large cluster hears what it has people for.
pub const PEOPLE_SLICES: usize = 256;

/// The slice that a person belongs to; the same on every node and in every version.
pub fn slice_of(user: UserId) -> u8 {
    // Of UUIDs of any version the last byte is random.
    user.0.as_bytes()[15]
}

impl Envelope {
    /// Whom it concerns.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Grown { hint } => Topic::Room(hint.room),
            Self::Typing { room, .. } | Self::Receipt { room, .. } | Self::Canary { room, .. } => {
                Topic::Room(*room)
            }
            Self::Added { user, .. } | Self::ReadOn { user, .. } | Self::Standing { user, .. } => {
                Topic::People(slice_of(*user))
            }
            Self::Revoked { .. } => Topic::Everyone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_of_a_newer_version_is_told_from_a_broken_one() {
        let user = UserId(uuid::Uuid::from_u128(7));
        let envelope = Envelope::Standing {
            user,
            node: NodeId(9),
            standing: None,
        };
        let mut value = serde_json::to_value(&envelope).unwrap();
        value["since"] = 4.into();
        assert_eq!(
            serde_json::from_value::<Envelope>(value.clone()).unwrap(),
            envelope
        );
        value["kind"] = "unheard_of".into();
        assert!(serde_json::from_value::<Envelope>(value).is_err());
        assert_eq!(envelope.topic(), Topic::People(7));
    }
}
