//! New ids for REST calls, and ids that a repeated call finds again.

use aws_lc_rs::digest::{SHA256, digest};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::time::Timestamp;
use uuid::Uuid;

/// An id for a message said now.
pub(crate) fn message_id(at: Timestamp) -> MessageId {
    let random = Uuid::new_v4().into_bytes();
    let mut tail = [0; 10];
    tail[..6].copy_from_slice(&random[..6]);
    tail[6..].copy_from_slice(&random[12..]);
    let millis = u64::try_from(at.0).unwrap_or(0);
    MessageId(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
}

/// What names one call: its `Idempotency-Key` when it has one, so that everything that the call makes is found again
/// when it is repeated; else chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallName(Option<[u8; 32]>);

impl CallName {
    /// A person's call under this key.
    pub(crate) fn of(user: UserId, key: Option<&str>) -> Self {
        Self(key.map(|key| {
            let mut named = user.0.as_bytes().to_vec();
            named.extend_from_slice(key.as_bytes());
            hash(&named)
        }))
    }

    /// The key of the `nth` draft of this call.
    pub(crate) fn draft_key(self, nth: u32) -> ClientId {
        ClientId(self.uuid("draft", nth))
    }

    /// The id of the room that this call makes.
    pub(crate) fn room_id(self) -> RoomId {
        RoomId(self.uuid("room", 0))
    }

    fn uuid(self, purpose: &str, nth: u32) -> Uuid {
        let Some(name) = self.0 else {
            return Uuid::new_v4();
        };
        let mut named = name.to_vec();
        named.extend_from_slice(purpose.as_bytes());
        named.extend_from_slice(&nth.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash(&named)[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// SHA-256.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_call_makes_the_same_ids_and_another_person_makes_others() {
        let (ann, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let call = CallName::of(ann, Some("k"));
        assert_eq!(call.draft_key(0), CallName::of(ann, Some("k")).draft_key(0));
        assert_eq!(call.room_id(), CallName::of(ann, Some("k")).room_id());
        assert_ne!(call.draft_key(0), call.draft_key(1));
        assert_ne!(call.draft_key(0), CallName::of(bob, Some("k")).draft_key(0));
        assert_ne!(
            CallName::of(ann, None).draft_key(0),
            CallName::of(ann, None).draft_key(0)
        );
        assert_eq!(call.room_id().0.get_version_num(), 4);
    }

    #[test]
    fn a_message_id_begins_with_its_time() {
        let (early, late) = (message_id(Timestamp(1_000)), message_id(Timestamp(2_000)));
        assert!(early < late && early.0.get_version_num() == 7);
    }
}
