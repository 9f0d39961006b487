//! Names of things: every id is its own type, so that a room can never stand where a user belongs.
//!
//! On the wire an id is a prefix and a UUID (`usr_0190…`); in memory 16 bytes, `Copy` and ordered.
//! Nothing here makes ids from chance: the caller brings the UUID, so that a simulation can repeat itself.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The text is not an id of the asked kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId {
    /// What an id of this kind starts with.
    pub prefix: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected an id of the form {}UUID", self.prefix)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The id as a number, for hashing over shards and partitions.
            pub fn as_u128(self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix($prefix)
                    // Only the one canonical spelling: two spellings of one id would be two keys in a cache.
                    .filter(|rest| rest.len() == 36 && !rest.bytes().any(|b| b.is_ascii_uppercase()))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or(NotAnId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

id!(
    /// A person (UUIDv7).
    UserId, "usr_"
);
id!(
    /// A room (UUIDv4, so that a store sharded by ranges of `room` spreads new rooms).
    RoomId, "room_"
);
id!(
    /// A message (UUIDv7).
    MessageId, "msg_"
);
id!(
    /// A signed-in device (UUIDv7); access tokens carry it as `sid`.
    SessionId, "ses_"
);
id!(
    /// One request for a code by mail (UUIDv4).
    ChallengeId, "otp_"
);

/// What a client calls its own message or change: a bare UUID.
///
/// With room and sender it is the key under which a repeated send finds the first one. Anything but a UUID is
/// refused, so that two tabs that count 1, 2, 3 can never swallow each other's messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = "uuid")]
pub struct ClientId(pub Uuid);

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        if text.len() != 36 {
            return Err(D::Error::custom("expected a UUID"));
        }
        Uuid::try_parse(&text)
            .map(Self)
            .map_err(|_| D::Error::custom("expected a UUID"))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A node of a cluster: random at each start of the process and never 0, so that a node that comes back is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0190a5c4-7b1e-7c3a-9a51-3f0c2f6c1a2b";

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let text = format!("usr_{UUID}");
        let id: UserId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(
            serde_json::from_str::<UserId>(&format!("\"{text}\"")).unwrap(),
            id
        );
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        for text in [
            format!("room_{UUID}"),
            UUID.to_string(),
            format!("usr_{}", UUID.to_uppercase()),
            format!("usr_{}", UUID.replace('-', "")),
            format!("usr_{{{UUID}}}"),
            "usr_".to_string(),
        ] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_client_id_must_be_a_uuid() {
        assert!(serde_json::from_str::<ClientId>("\"1\"").is_err());
        assert!(serde_json::from_str::<ClientId>(&format!("\"{UUID}\"")).is_ok());
    }
}
