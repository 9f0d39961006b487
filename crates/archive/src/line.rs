//! One line of an archive. JSON, so that any tool can count and cut; entries carry the bytes that the stores keep, which
//! every later binary reads and which are the same wherever they come from.
//!
//! A field is never given a second meaning; a line of another shape is a new format.

use aws_lc_rs::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::{Epoch, Role, RoomType};
use protocol::time::Timestamp;
use protocol::user::User;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use store::{KeyRow, PackedEntry, SessionRow};

use crate::Summary;

/// See the module. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first line.
    Archive(Header),
    /// A room begins; its entries, members and bans follow.
    Room(RoomLine),
    Entry(EntryLine),
    Member(MemberLine),
    Ban(BanLine),
    /// SHA-256 of the room's lines as if its epoch were 0.
    RoomEnd(Bytes),
    User(UserLine),
    Session(SessionLine),
    Key(KeyLine),
    Secret(SecretLine),
    /// SHA-256 of all bytes before this line.
    Check(Bytes),
    /// The last line.
    End(End),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) by: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoomLine {
    pub(crate) id: RoomId,
    pub(crate) epoch: Epoch,
    pub(crate) kind: RoomType,
    pub(crate) name: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) created_by: UserId,
    pub(crate) created_at: i64,
    pub(crate) members: u32,
    pub(crate) dm: Option<(UserId, UserId)>,
    /// The last entry.
    pub(crate) head: Seq,
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EntryLine {
    seq: Seq,
    n: u64,
    at: i64,
    actor: UserId,
    key: ClientId,
    digest: u64,
    kind: u8,
    body: Bytes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemberLine {
    pub(crate) user: UserId,
    pub(crate) role: Role,
    pub(crate) joined_at: i64,
    pub(crate) muted_until: Option<i64>,
    pub(crate) read: Seq,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BanLine {
    pub(crate) user: UserId,
    pub(crate) until: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UserLine {
    pub(crate) id: UserId,
    /// Absent when erased.
    pub(crate) email: Option<String>,
    pub(crate) name: String,
    pub(crate) avatar: Option<String>,
    pub(crate) created_at: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionLine {
    id: SessionId,
    user: UserId,
    device: Option<String>,
    created_at: i64,
    last_used_at: i64,
    revoked_at: Option<i64>,
    generation: u64,
    refresh_hash: Bytes,
    previous_hash: Option<Bytes>,
    rotated_at: i64,
    refresh_expires: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyLine {
    kid: String,
    sealed: Bytes,
    public: Bytes,
    created_at: i64,
    retires_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretLine {
    pub(crate) name: String,
    pub(crate) value: Bytes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) holds: Summary,
    /// SHA-256 of all bytes before this line.
    pub(crate) sha256: Bytes,
}

/// Bytes, in base64.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn of(digest: &Digest) -> Self {
        Self(digest.as_ref().to_vec())
    }

    fn hash(&self) -> Result<[u8; 32], &'static str> {
        let bytes = self.0.as_slice();
        bytes.try_into().map_err(|_| "a hash is not 32 bytes")
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// SHA-256 in hex.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl EntryLine {
    pub(crate) fn of(packed: PackedEntry) -> Self {
        Self {
            seq: packed.seq,
            n: packed.n,
            at: packed.at.0,
            actor: packed.actor,
            key: packed.key,
            digest: packed.digest,
            kind: packed.kind,
            body: Bytes(packed.body),
        }
    }

    pub(crate) fn packed(self) -> PackedEntry {
        PackedEntry {
            seq: self.seq,
            n: self.n,
            at: Timestamp(self.at),
            actor: self.actor,
            key: self.key,
            digest: self.digest,
            kind: self.kind,
            body: self.body.0,
        }
    }
}

impl UserLine {
    pub(crate) fn of(row: store::UserRow) -> Self {
        Self {
            id: row.user.id,
            email: row.email,
            name: row.user.display_name,
            avatar: row.user.avatar_url,
            created_at: row.user.created_at.0,
        }
    }

    pub(crate) fn row(self) -> store::UserRow {
        store::UserRow {
            user: User {
                id: self.id,
                display_name: self.name,
                avatar_url: self.avatar,
                created_at: Timestamp(self.created_at),
            },
            email: self.email,
        }
    }
}

impl SessionLine {
    pub(crate) fn of(row: SessionRow) -> Self {
        Self {
            id: row.id,
            user: row.user,
            device: row.device,
            created_at: row.created_at.0,
            last_used_at: row.last_used_at.0,
            revoked_at: row.revoked_at.map(|at| at.0),
            generation: row.generation,
            refresh_hash: Bytes(row.refresh_hash.to_vec()),
            previous_hash: row.previous_hash.map(|hash| Bytes(hash.to_vec())),
            rotated_at: row.rotated_at.0,
            refresh_expires: row.refresh_expires.0,
        }
    }

    pub(crate) fn row(self) -> Result<SessionRow, &'static str> {
        Ok(SessionRow {
            id: self.id,
            user: self.user,
            device: self.device,
            created_at: Timestamp(self.created_at),
            last_used_at: Timestamp(self.last_used_at),
            revoked_at: self.revoked_at.map(Timestamp),
            generation: self.generation,
            refresh_hash: self.refresh_hash.hash()?,
            previous_hash: self.previous_hash.map(|hash| hash.hash()).transpose()?,
            rotated_at: Timestamp(self.rotated_at),
            refresh_expires: Timestamp(self.refresh_expires),
        })
    }
}

impl KeyLine {
    pub(crate) fn of(row: KeyRow) -> Self {
        Self {
            kid: row.kid,
            sealed: Bytes(row.sealed),
            public: Bytes(row.public),
            created_at: row.created_at.0,
            retires_at: row.retires_at.map(|at| at.0),
        }
    }

    pub(crate) fn row(self) -> KeyRow {
        KeyRow {
            kid: self.kid,
            sealed: self.sealed.0,
            public: self.public.0,
            created_at: Timestamp(self.created_at),
            retires_at: self.retires_at.map(Timestamp),
        }
    }
}
