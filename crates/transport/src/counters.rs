//! What a shard counts. The shard adds to plain numbers and publishes them once a turn; anyone may read.

use crate::close::CloseReason;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Declares the counted facts once: the shard's own numbers and their published copy.
macro_rules! counted {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A shard's numbers as anyone may read them; all but the levels only ever grow.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            closed: [AtomicU64; CloseReason::ALL.len()],
            /// Handshakes and requests refused; counted where the request is, which knows no tally.
            pub refused: AtomicU64,
        }

        /// The shard's side: no atomics in the message path.
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            $(pub(crate) $name: u64,)*
            pub(crate) closed: [u64; CloseReason::ALL.len()],
        }

        impl Tally {
            pub(crate) fn publish(&self, counters: &Counters) {
                $(counters.$name.store(self.$name, Relaxed);)*
                for (published, count) in counters.closed.iter().zip(&self.closed) {
                    published.store(*count, Relaxed);
                }
            }
        }
    };
}

counted! {
    /// Level: sessions that are open.
    connections,
    /// Level: sessions whose application accepted at least one namespace.
    sockets,
    /// Sessions opened, by either transport.
    handshakes,
    /// Sessions that changed from polling to WebSocket.
    upgrades,
    /// Messages and packets from clients.
    frames_in,
    /// Their bytes.
    bytes_in,
    /// Level: bytes in outboxes.
    outbox_bytes,
    /// Frames put into outboxes.
    frames_out,
    /// Bytes the kernel took.
    bytes_out,
    /// Writes to sockets: `frames_out / writes` tells how well turns batch.
    writes,
    /// Volatile frames that were dropped.
    volatile_dropped,
    /// Turns of the shard.
    turns,
    /// Level: what waited in the mailbox at the last turn.
    mailbox_depth,
    /// Calls of the application that panicked.
    panics,
}

impl Counters {
    /// Sockets that ended for this reason.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].load(Relaxed)
    }
}
