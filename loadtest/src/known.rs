//! Frames that were decoded lately. A broadcast is the same bytes for every receiver, so an agent decodes it once and
//! knows it again by comparing: that keeps the generator lighter than the server.

use std::collections::HashMap;

use crate::words::{self, Heard, Kind};

/// Frames remembered by an agent, as a power of two.
const SLOTS: usize = 1 << 12;

/// The frames that this agent has decoded lately.
pub(crate) struct Known {
    slots: Vec<(Vec<u8>, Heard)>,
}

impl Known {
    pub(crate) fn new() -> Known {
        Known {
            slots: vec![(Vec::new(), Heard::Other); SLOTS],
        }
    }

    /// What an event's frame says; the flag tells that this agent has not met it lately. `None`: no packet.
    pub(crate) fn read(
        &mut self,
        kind: Kind,
        body: &[u8],
        rooms: &HashMap<Box<str>, u32>,
        run: u32,
    ) -> Option<(Heard, bool)> {
        let slot = &mut self.slots[hash(body) as usize % SLOTS];
        if slot.0 == body {
            return Some((slot.1, false));
        }
        let heard = words::hear(kind, body, rooms, run)?;
        slot.0.clear();
        slot.0.extend_from_slice(body);
        slot.1 = heard;
        Some((heard, true))
    }
}

/// Any mixing will do: a collision costs one decode.
fn hash(body: &[u8]) -> u64 {
    let mut words = body.chunks_exact(8);
    let mut hash = body.len() as u64;
    for word in &mut words {
        if let Ok(word) = <[u8; 8]>::try_from(word) {
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    for byte in words.remainder() {
        hash = (hash.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_decoded_once_and_then_known() {
        let (mut known, rooms) = (Known::new(), HashMap::new());
        let frame =
            br#"42["typing",{"roomId":"room_00000000-0000-4000-8000-000000000000","active":true}]"#;
        let mut read = |frame: &[u8]| known.read(Kind::Chatify, frame, &rooms, 0);
        assert_eq!(read(frame), Some((Heard::Other, true)));
        assert_eq!(read(frame), Some((Heard::Other, false)));
        assert_eq!(read(b"42["), None, "no packet");
    }
}
