//! The keys of auth, as a node believes them: fetched from auth's `/.well-known/jwks.json`, kept, and looked at again
//! every minute; or simply auth's own, when it lives in this process.
//!
//! Auth publishes a key long before it signs, so a rotation refuses nobody. While auth is away the keys that are held
//! stay in force. A node that holds none, or meets a key that it could not look up yet, says "try again": only a node
//! that has just looked may call a token invalid for its key.

mod fetch;
mod keep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use protocol::problem::{Code, Problem};
use protocol::token::{Claims, KeySet, verify};
use service::clock::Clock;
use tokio::sync::{Notify, watch};

pub use keep::KeyKeeper;

/// For so long after a look the answer stands, however many tokens name a key that was not in it.
const LOOK_STANDS: Duration = Duration::from_secs(30);
/// When somebody with a token whose key is being looked up should come back.
const RETRY_MILLIS: u64 = 1_000;

/// Whose tokens this process believes. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct Keys {
    set: watch::Receiver<Arc<KeySet>>,
    /// The look-ups, when the keys are another process's.
    looks: Option<Arc<Looks>>,
}

/// What is known of the last look at the published keys.
#[derive(Debug)]
struct Looks {
    clock: Clock,
    wanted: Notify,
    /// When it began, by the monotonic clock.
    began_ms: AtomicU64,
    is_under_way: AtomicBool,
    has_failed: AtomicBool,
}

impl From<watch::Receiver<Arc<KeySet>>> for Keys {
    /// Auth is in this process: a key that is not here is nobody's.
    fn from(set: watch::Receiver<Arc<KeySet>>) -> Self {
        Self { set, looks: None }
    }
}

impl Keys {
    /// Believes a token, or says why not. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// `token_missing`, `token_invalid`, `token_expired`; `overloaded` when the keys to judge by are not here yet.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, Problem> {
        let keys = self.set.borrow().clone();
        verify(token, &keys, now).map_err(|refused| match &self.looks {
            Some(looks) if keys.lacks_key_of(token) => looks.unknown_key(keys.kids().count()),
            _ => Code::from(refused).into(),
        })
    }
}

impl Looks {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            wanted: Notify::new(),
            began_ms: AtomicU64::new(0),
            is_under_way: AtomicBool::new(true),
            has_failed: AtomicBool::new(false),
        }
    }

    /// What to say to a token whose key is not among the `held` ones.
    fn unknown_key(&self, held: usize) -> Problem {
        if self.is_due() {
            self.wanted.notify_one();
        } else if held > 0 && !self.is_under_way.load(SeqCst) && !self.has_failed.load(SeqCst) {
            return Code::TokenInvalid.into();
        }
        Problem::because(Code::Overloaded, "the key of this token is being looked up")
            .retry_after(RETRY_MILLIS)
    }

    /// Whether the last look is over, and old enough for another.
    fn is_due(&self) -> bool {
        let age = self
            .clock
            .monotonic_ms()
            .saturating_sub(self.began_ms.load(SeqCst));
        !self.is_under_way.load(SeqCst) && u128::from(age) >= LOOK_STANDS.as_millis()
    }

    fn begins(&self) {
        self.began_ms.store(self.clock.monotonic_ms(), SeqCst);
        self.is_under_way.store(true, SeqCst);
    }

    fn ends(&self, failed: bool) {
        self.has_failed.store(failed, SeqCst);
        self.is_under_way.store(false, SeqCst);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
