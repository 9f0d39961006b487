//! The name of an Engine.IO session: 128 random bits, and where the session lives, so that any shard and
//! any node can pass a stray request on without a table. Knowing the place without the secret opens nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes before base64; 32 characters after it.
const SID_BYTES: usize = 24;
/// Slots of a shard that a sid can name.
pub(crate) const INDEX_MAX: u32 = (1 << 24) - 1;

/// A session's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sid {
    /// What only the client and the server know.
    pub(crate) secret: [u8; 16],
    /// The node that owns it, as `ServerConfig::node` says.
    pub(crate) node: u32,
    /// The shard of that node.
    pub(crate) shard: u8,
    /// The slot on that shard.
    pub(crate) index: u32,
}

impl Sid {
    /// Reads the text form; `None` for anything that no server of ours has written.
    pub(crate) fn parse(text: &str) -> Option<Sid> {
        let mut raw = [0; SID_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut raw).ok()?;
        if length != SID_BYTES || text.len() != 32 {
            return None;
        }
        let (secret, place) = raw.split_first_chunk::<16>()?;
        let (node, place) = place.split_first_chunk::<4>()?;
        let &[shard, index @ ..] = place.first_chunk::<4>()?;
        Some(Sid {
            secret: *secret,
            node: u32::from_be_bytes(*node),
            shard,
            index: u32::from_be_bytes([0, index[0], index[1], index[2]]),
        })
    }

    pub(crate) fn text(&self) -> String {
        let mut raw = [0; SID_BYTES];
        raw[..16].copy_from_slice(&self.secret);
        raw[16..20].copy_from_slice(&self.node.to_be_bytes());
        raw[20..].copy_from_slice(&self.index.to_be_bytes());
        raw[20] = self.shard;
        URL_SAFE_NO_PAD.encode(raw)
    }
}

/// 128 bits from the operating system's generator.
///
/// # Panics
/// When it has none: no secret can be made then, and going on would be worse.
pub(crate) fn random_secret() -> [u8; 16] {
    let mut secret = [0; 16];
    aws_lc_rs::rand::fill(&mut secret).expect("the random generator answers");
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sid_comes_back_as_it_went(secret: [u8; 16], node: u32, shard: u8, index in 0..=INDEX_MAX) {
            let sid = Sid { secret, node, shard, index };
            prop_assert_eq!(sid.text().len(), 32);
            prop_assert_eq!(Sid::parse(&sid.text()), Some(sid));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Some(sid) = Sid::parse(&text) { prop_assert_eq!(sid.text(), text); }
        }
    }
}
