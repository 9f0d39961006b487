//! The room log: what a client wants (`Draft`) and what a room accepted (`Entry`).
//!
//! Every durable change of a room is one entry with one dense `seq`. An entry holds all that its event needs, so that
//! delivery, resume and history are reads of one log.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ClientId, MessageId, RoomId, UserId};
use crate::message::{Message, Meta, Seq};
use crate::room::{LeaveReason, Member, Role, Room};
use crate::tagged::Tagged;
use crate::time::Timestamp;

/// One accepted change of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place: dense from 1.
    pub seq: Seq,
    /// How many messages there were, this one included.
    pub n: u64,
    /// When it was accepted; never used for order.
    pub at: Timestamp,
    /// Who did it.
    pub actor: UserId,
    /// The actor's own name for it: `(room, actor, key)` is unique, so a repeat finds the first.
    pub key: ClientId,
    /// Fingerprint of what was asked for: the same key with another one is a conflict and never a silent success.
    pub digest: u64,
    /// What happened.
    pub change: Change,
}

impl Entry {
    /// About how many bytes it has as JSON.
    pub fn weight(&self) -> usize {
        const MORE: usize = 400;
        MORE + match &self.change {
            Change::Said { message } | Change::Edited { message } => {
                message.text.len()
                    + 40 * message.mentions.len()
                    + Meta::bytes(message.meta.as_ref())
            }
            _ => 0,
        }
    }
}

/// What an entry did to its room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A message was said.
    Said {
        /// The message, as it was first said.
        message: Message,
    },
    /// A message was edited.
    Edited {
        /// The message in its new version.
        message: Message,
    },
    /// A message was deleted.
    Deleted {
        /// The tombstone.
        message: Message,
    },
    /// Somebody added or took back a reaction.
    Reacted {
        /// The message.
        message: MessageId,
        /// The emoji.
        emoji: String,
        /// Added, or taken back.
        added: bool,
        /// How many chose it, after this.
        count: u32,
    },
    /// Somebody became a member.
    Joined {
        /// The new member.
        member: Member,
    },
    /// Somebody is no longer a member.
    Left {
        /// Who.
        user: UserId,
        /// Why.
        reason: LeaveReason,
        /// A ban lasts until then; `None` with `Banned` means for good.
        until: Option<Timestamp>,
    },
    /// A member's role or mute changed.
    MemberChanged {
        /// The member, as they are now.
        member: Member,
    },
    /// A ban was lifted.
    Unbanned {
        /// Who may come back.
        user: UserId,
    },
    /// The room's settings changed.
    RoomChanged {
        /// The settings, as they are now.
        room: Room,
    },
    /// The room is gone; nothing follows.
    RoomDeleted,
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            message: Message,
        }
        let tagged = Tagged::read(from)?;
        let message = |made: fn(Message) -> Self| {
            let Fields { message } = tagged.fields::<_, D::Error>()?;
            Ok(made(message))
        };
        match tagged.kind.as_str() {
            "said" => message(|message| Self::Said { message }),
            "edited" => message(|message| Self::Edited { message }),
            "deleted" => message(|message| Self::Deleted { message }),
            _ => Self::deserialize(&mut tagged.text()).map_err(D::Error::custom),
        }
    }
}

/// What somebody wants to do to a room; not yet checked, without a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Who wants it.
    pub actor: UserId,
    /// Their own name for it.
    pub key: ClientId,
    /// When it was asked for; becomes the entry's time.
    pub at: Timestamp,
    /// What they want.
    pub intent: Intent,
}

impl Draft {
    /// Fingerprint of the wish without ids and times that the server chose (FNV-1a, 64 bit).
    ///
    /// Not a defence against forgery: it only tells a sender's repeat from the same sender's mistake.
    pub fn digest(&self) -> u64 {
        let mut intent = self.intent.clone();
        if let Intent::Say { id, .. } = &mut intent {
            *id = MessageId(uuid::Uuid::nil());
        }
        format!("{intent:?}")
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
    }
}

/// The kinds of wishes. Those that one node may ask of another ([`crate::envelope::Envelope::Handed`]) can be written as
/// JSON, and the others cannot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Say something.
    Say {
        /// The id that the message will have.
        id: MessageId,
        /// Its text, checked and in NFC.
        text: String,
        /// What it answers.
        reply_to: Option<MessageId>,
        /// Whom it names; those who are no members are dropped.
        mentions: Vec<UserId>,
        /// The client's own object.
        meta: Option<Meta>,
    },
    /// Change a message's text.
    Edit {
        /// Which.
        id: MessageId,
        /// The new text.
        text: String,
        /// Only if this is still its version.
        version: Option<u32>,
    },
    /// Delete a message.
    Delete {
        /// Which.
        id: MessageId,
    },
    /// Add or take back a reaction.
    React {
        /// Under which message.
        id: MessageId,
        /// The emoji.
        emoji: String,
        /// Add, or take back.
        add: bool,
    },
    /// Become a member of a public room.
    #[serde(skip)]
    Join,
    /// Make somebody a member.
    #[serde(skip)]
    Add {
        /// Whom.
        user: UserId,
    },
    /// Leave.
    #[serde(skip)]
    Leave,
    /// Remove somebody, or ban them.
    #[serde(skip)]
    Remove {
        /// Whom.
        user: UserId,
        /// A ban: until when, or for good.
        ban: Option<Option<Timestamp>>,
    },
    /// Lift a ban.
    #[serde(skip)]
    Unban {
        /// Whose.
        user: UserId,
    },
    /// Change a member's role or mute.
    #[serde(skip)]
    ChangeMember {
        /// Whose.
        user: UserId,
        /// The new role, if it changes.
        role: Option<Role>,
        /// The mute, if it changes: until when, or lifted.
        mute: Option<Option<Timestamp>>,
    },
    /// Change the room's settings.
    #[serde(skip)]
    ChangeRoom {
        /// The new name, if it changes.
        name: Option<Option<String>>,
        /// The new topic, if it changes.
        topic: Option<Option<String>>,
    },
    /// Delete the room.
    #[serde(skip)]
    DeleteRoom,
}

/// Somebody who may not enter, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Who.
    pub user: UserId,
    /// Until when; `None` for good.
    pub until: Option<Timestamp>,
}

/// What one node tells the others after a commit: at most once, only ever a hint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hint {
    /// The room.
    pub room: RoomId,
    /// Where its log ends now.
    pub head: crate::room::Head,
    /// The newest batch as it was appended, up to `head.seq`; empty when it is too large to send along.
    pub entries: Vec<Entry>,
}
