//! What the processes of one cluster tell each other: news that may be lost, come twice or come late. The truth is the
//! store; whoever missed an envelope finds out there.
//!
//! Envelopes are JSON, so that a cluster can run two versions for a while: unknown fields are ignored, and a receiver
//! drops an envelope of a kind that it does not know.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entry::{Draft, Hint};
use crate::ids::{ClientId, NodeId, RoomId, SessionId, UserId};
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
    /// A node asks another one to write to a room for it.
    Handed {
        /// What, and to whom.
        over: Box<HandOver>,
    },
    /// A draft that was handed over is sent back: no new entry comes of it there.
    Declined {
        /// Which.
        back: SentBack,
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
        struct Grown {
            hint: Box<Hint>,
        }
        #[derive(Deserialize)]
        struct Handed {
            over: Box<HandOver>,
        }
        let tagged = Tagged::read(from)?;
        match tagged.kind.as_str() {
            "grown" => {
                let Grown { hint } = tagged.fields()?;
                Ok(Self::Grown { hint })
            }
            "handed" => {
                let Handed { over } = tagged.fields()?;
                Ok(Self::Handed { over })
            }
            _ => Self::deserialize(&mut tagged.text()).map_err(D::Error::custom),
        }
    }
}

/// Drafts that one node asks another to write. The log answers; a node that does not know this envelope is one that says
/// nothing, and then the asking node writes by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandOver {
    /// The node that is asked.
    pub to: NodeId,
    /// The node that asks.
    pub from: NodeId,
    /// Larger than that of any hand-over of the room before: one that comes twice or late is none.
    pub number: u64,
    /// The room.
    pub room: RoomId,
    /// In the order of their arrival.
    pub drafts: Vec<Draft>,
}

/// A draft that was handed over and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentBack {
    /// The node that had handed it over.
    pub to: NodeId,
    /// With which hand-over.
    pub number: u64,
    /// The room.
    pub room: RoomId,
    /// Whose it is.
    pub actor: UserId,
    /// Their own name for it.
    pub key: ClientId,
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
    /// One node.
    Node(NodeId),
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
            Self::Handed { over } => Topic::Node(over.to),
            Self::Declined { back } => Topic::Node(back.to),
            Self::Revoked { .. } => Topic::Everyone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Intent;
    use crate::ids::MessageId;
    use crate::time::Timestamp;

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

    #[test]
    fn what_is_handed_over_arrives_as_it_was() {
        let say = Draft {
            actor: UserId(uuid::Uuid::from_u128(7)),
            key: ClientId(uuid::Uuid::from_u128(8)),
            at: Timestamp(9),
            intent: Intent::Say {
                id: MessageId(uuid::Uuid::from_u128(10)),
                text: "to be written elsewhere".to_owned(),
                reply_to: None,
                mentions: vec![UserId(uuid::Uuid::from_u128(11))],
                meta: Some(serde_json::from_str(r#"{"b":1, "a":1e2}"#).unwrap()),
            },
        };
        let react = Draft {
            intent: Intent::React {
                id: MessageId(uuid::Uuid::from_u128(10)),
                emoji: "🦀".to_owned(),
                add: true,
            },
            ..say.clone()
        };
        let over = HandOver {
            to: NodeId(1),
            from: NodeId(2),
            number: 5,
            room: RoomId(uuid::Uuid::from_u128(3)),
            drafts: vec![say.clone(), react],
        };
        let envelope = Envelope::Handed {
            over: Box::new(over),
        };
        let text = serde_json::to_string(&envelope).unwrap();
        let read: Envelope = serde_json::from_str(&text).unwrap();
        assert_eq!(read, envelope);
        let Envelope::Handed { over } = read else {
            panic!("another kind");
        };
        assert_eq!(over.drafts[0].digest(), say.digest());
        let join = Draft {
            intent: Intent::Join,
            ..say
        };
        assert!(
            serde_json::to_string(&join).is_err(),
            "membership is written where it is asked for"
        );
    }
}
