//! The cluster key, and what it makes: names that nobody steers, and seals that nobody forges.
//!
//! Who can write to Redis and has no key can neither say anything to a node nor tell which room a channel belongs to.
//! They can repeat what they have seen: receivers must bear twins and old news anyway.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use protocol::envelope::Topic;

/// Bytes of a seal: half of HMAC-SHA256, as RFC 2104 allows.
pub(crate) const SEAL_BYTES: usize = 16;
/// The fewest characters of a cluster key.
const KEY_CHARS_MIN: usize = 32;
const NAME_BYTES: usize = 42;

/// What all processes of one cluster share and nobody else knows. Two clusters with two keys may share one Redis.
#[derive(Clone)]
pub struct ClusterKey(hmac::Key);

/// What stands before a sealed body.
pub(crate) type Seal = [u8; SEAL_BYTES];

/// The cluster key is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakKey;

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the cluster key must have at least {KEY_CHARS_MIN} characters: `openssl rand -hex 32` makes one"
        )
    }
}

impl std::error::Error for WeakKey {}

/// The name of a channel or a key in Redis: a fixed prefix and a fixed-length hash, so no `{}` and no pattern can come
/// in from a client, and an ACL can be limited to `chatify:*`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name([u8; NAME_BYTES]);

/// What a name stands for; the same thing in two kinds has two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The channel of a topic.
    Hints = b'h' as isize,
    /// The channel on which a connection hears itself.
    Beat = b'b' as isize,
    /// The nodes of the cluster.
    Nodes = b'n' as isize,
    /// How one person stands.
    Person = b'p' as isize,
    /// One budget.
    Limit = b'l' as isize,
}

impl ClusterKey {
    /// A key of a secret text.
    pub fn new(secret: &str) -> Result<Self, WeakKey> {
        if secret.chars().count() < KEY_CHARS_MIN {
            return Err(WeakKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// The channel of a topic.
    pub(crate) fn channel(&self, topic: Topic) -> Name {
        match topic {
            Topic::Room(room) => self.name(Kind::Hints, &[b"room", room.0.as_bytes()]),
            Topic::People(slice) => self.name(Kind::Hints, &[b"people", &[slice]]),
            Topic::Node(node) => self.name(Kind::Hints, &[b"node", &node.0.to_be_bytes()]),
            Topic::Everyone => self.name(Kind::Hints, &[b"everyone"]),
        }
    }

    /// The name of anything. Parts are told apart by their lengths.
    pub(crate) fn name(&self, kind: Kind, parts: &[&[u8]]) -> Name {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"name");
        context.update(&[kind as u8]);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut name = *b"chatify:?:00000000000000000000000000000000";
        name[8] = kind as u8;
        for (i, byte) in context.sign().as_ref()[..16].iter().enumerate() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            name[10 + 2 * i] = HEX[usize::from(byte >> 4)];
            name[11 + 2 * i] = HEX[usize::from(byte & 15)];
        }
        Name(name)
    }

    /// The body with its seal in front; good under this name alone.
    pub(crate) fn seal(&self, name: &Name, body: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(SEAL_BYTES + body.len());
        sealed.extend_from_slice(&self.tag(name.as_bytes(), body));
        sealed.extend_from_slice(body);
        sealed
    }

    /// The body of something sealed; `None` when it is not ours, or was sealed under another name.
    pub(crate) fn open<'a>(&self, name: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, body) = sealed.split_at_checked(SEAL_BYTES)?;
        constant_time::verify_slices_are_equal(tag, &self.tag(name, body)).ok()?;
        Some(body)
    }

    fn tag(&self, name: &[u8], body: &[u8]) -> Seal {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"seal");
        context.update(&(name.len() as u64).to_be_bytes());
        context.update(name);
        context.update(body);
        let mut tag = [0; SEAL_BYTES];
        tag.copy_from_slice(&context.sign().as_ref()[..SEAL_BYTES]);
        tag
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Name {
    /// As it is written in Redis.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A name that came from a server, if it can be one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// 64 bits of the hash.
    pub(crate) fn number(&self) -> u64 {
        let digits = std::str::from_utf8(&self.0[10..26]).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::ids::RoomId;
    use uuid::Uuid;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    proptest! {
        #[test]
        fn any_words_give_one_plain_name(words in ".{0,200}", other in ".{0,200}") {
            let key = ClusterKey::new(SECRET).unwrap();
            let name = key.name(Kind::Limit, &[words.as_bytes()]);
            let tail = name.as_bytes().strip_prefix(b"chatify:l:").unwrap();
            prop_assert!(tail.len() == 32 && tail.iter().all(u8::is_ascii_hexdigit));
            prop_assert_eq!(name == key.name(Kind::Limit, &[other.as_bytes()]), words == other);
        }
    }

    #[test]
    fn a_seal_is_good_for_its_name_its_body_and_its_key_alone() {
        let key = ClusterKey::new(SECRET).unwrap();
        let [one, other] = [1, 2].map(|n| key.channel(Topic::Room(RoomId(Uuid::from_u128(n)))));
        let sealed = key.seal(&one, b"body");
        assert_eq!(key.open(one.as_bytes(), &sealed), Some(&b"body"[..]));
        assert_eq!(key.open(other.as_bytes(), &sealed), None);
        for byte in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[byte] ^= 1;
            assert_eq!(key.open(one.as_bytes(), &forged), None);
        }
        assert_eq!(key.open(one.as_bytes(), b"short"), None);
        let foreign = ClusterKey::new("another key of thirty-two letters").unwrap();
        assert_eq!(foreign.open(one.as_bytes(), &sealed), None);
    }

    #[test]
    fn parts_cannot_be_shifted() {
        let key = ClusterKey::new(SECRET).unwrap();
        let name = |parts: &[&[u8]]| key.name(Kind::Limit, parts);
        assert!(name(&[b"ab", b"c"]) != name(&[b"a", b"bc"]));
        assert!(key.name(Kind::Person, &[b"a"]) != key.name(Kind::Limit, &[b"a"]));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(ClusterKey::new("secret").is_err());
    }
}
