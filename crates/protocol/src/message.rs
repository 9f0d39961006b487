//! A message as every reader sees it: what the store accepted, with its place in the room.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ids::{ClientId, MessageId, RoomId, UserId};
use crate::time::Timestamp;

/// A place in a room's log: dense from 1, below 2^53 so that JavaScript keeps it exact.
pub type Seq = u64;

/// The largest `seq` and `n` that a JavaScript number holds exactly.
pub const SEQ_MAX: Seq = (1 << 53) - 1;

/// An object of the client's own, kept and returned as it was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Meta(pub Box<RawValue>);

impl Meta {
    /// Bytes of its text, if there is one.
    pub fn bytes(meta: Option<&Self>) -> usize {
        meta.map_or(0, |meta| meta.0.get().len())
    }
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl utoipa::PartialSchema for Meta {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Object)
            .into()
    }
}

impl utoipa::ToSchema for Meta {}

/// A message, in its latest version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The room it stands in.
    pub room_id: RoomId,
    /// Its place in the room's log; never changes.
    pub seq: Seq,
    /// How many messages the room had with this one; unread counts are differences of `n`.
    pub n: u64,
    /// What the sender's client called it.
    pub client_id: ClientId,
    /// Who wrote it; set by the server.
    pub sender_id: UserId,
    /// The text, in NFC; empty when deleted.
    pub text: String,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// Members it names.
    pub mentions: Vec<UserId>,
    /// Reactions, oldest emoji first.
    pub reactions: Vec<Reaction>,
    /// 1 for the first text, one more for each edit or deletion.
    pub version: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted; the text is gone then.
    pub deleted_at: Option<Timestamp>,
    /// The client's own object.
    #[schema(value_type = Option<Object>)]
    pub meta: Option<Meta>,
}

impl Message {
    /// Whether a person is named in it.
    pub fn mentions(&self, user: UserId) -> bool {
        self.mentions.contains(&user)
    }

    /// Adds or takes back somebody's reaction; nothing changes when it is so already.
    pub fn set_reaction(&mut self, emoji: &str, user: UserId, add: bool) {
        let at = self
            .reactions
            .iter()
            .position(|reaction| reaction.emoji == emoji);
        match (at, add) {
            (Some(at), true) => {
                let reaction = &mut self.reactions[at];
                if !reaction.user_ids.contains(&user) {
                    reaction.user_ids.push(user);
                    reaction.count += 1;
                }
            }
            (None, true) => {
                self.reactions.push(Reaction {
                    emoji: emoji.to_owned(),
                    count: 1,
                    user_ids: vec![user],
                });
            }
            (Some(at), false) => {
                let reaction = &mut self.reactions[at];
                reaction.user_ids.retain(|other| *other != user);
                reaction.count = reaction.user_ids.len() as u32;
                if reaction.count == 0 {
                    self.reactions.remove(at);
                }
            }
            (None, false) => {}
        }
    }

    /// The tombstone that takes this message's place.
    pub fn deleted(mut self, at: Timestamp) -> Self {
        self.text.clear();
        self.mentions.clear();
        self.reactions.clear();
        self.meta = None;
        self.version += 1;
        self.deleted_at = Some(at);
        self
    }
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// How many people chose it.
    pub count: u32,
    /// Who, in the order in which they did.
    pub user_ids: Vec<UserId>,
}
