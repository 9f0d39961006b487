//! An entry as the backends keep it: the same bytes in each of them, and in an archive.

use protocol::entry::Entry;
use protocol::ids::{ClientId, RoomId, UserId};
use protocol::message::Seq;
use protocol::time::Timestamp;

use crate::StoreError;
use crate::body::{self, Origin};

/// An entry with its change in bytes (`body`); those are read by every later binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedEntry {
    /// Its place.
    pub seq: Seq,
    /// Messages up to it.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: UserId,
    /// Under which name of theirs.
    pub key: ClientId,
    /// Fingerprint of the wish.
    pub digest: u64,
    /// Kind of the change.
    pub kind: u8,
    /// The change.
    pub body: Vec<u8>,
}

impl PackedEntry {
    /// Packs an entry of a room.
    pub fn of(room: RoomId, entry: &Entry) -> Self {
        let mut bytes = Vec::new();
        let kind = body::encode(&entry.change, &Origin::of(room, entry), &mut bytes);
        Self {
            seq: entry.seq,
            n: entry.n,
            at: entry.at,
            actor: entry.actor,
            key: entry.key,
            digest: entry.digest,
            kind,
            body: bytes,
        }
    }

    /// Unpacks it.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are not what a binary up to this one writes.
    pub fn entry(&self, room: RoomId) -> Result<Entry, StoreError> {
        let origin = Origin {
            room,
            seq: self.seq,
            n: self.n,
            at: self.at,
            actor: self.actor,
            key: self.key,
        };
        Ok(Entry {
            seq: self.seq,
            n: self.n,
            at: self.at,
            actor: self.actor,
            key: self.key,
            digest: self.digest,
            change: body::decode(self.kind, &self.body, &origin)
                .map_err(|broken| StoreError::Corrupt(broken.0.into()))?,
        })
    }
}
