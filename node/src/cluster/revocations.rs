//! Sign-outs of other processes: heard by the bus within a moment, and looked for in the store, so that a lost word
//! never leaves a socket open for long.

use std::sync::Arc;
use std::time::Duration;

use chat::Input;
use protocol::ids::SessionId;
use protocol::time::Timestamp;
use tokio::sync::{Notify, mpsc};
use tracing::warn;
use transport::ShardHandle;

use crate::ports::Ports;
use crate::revoked::RevokedSessions;
use crate::shard::{Mail, post_all};

/// How often the store is asked.
const LOOK_PERIOD: Duration = Duration::from_secs(3);
/// How far the clocks of two processes, and a write that is under way, may put a sign-out before the last look.
const OVERLAP_MILLIS: i64 = 60_000;
/// What the first look goes back to: longer than any access token lives.
const FIRST_MILLIS: i64 = 15 * 60_000;
/// Words that may wait; what is beyond is found by the next look.
const WAITING_MAX: usize = 1_024;

type Word = (Vec<SessionId>, &'static str);

/// The hearing end.
#[derive(Clone)]
pub(super) struct Said {
    words: mpsc::Sender<Word>,
    missed: Arc<Notify>,
}

/// The acting end.
pub(super) struct Heard {
    words: mpsc::Receiver<Word>,
    missed: Arc<Notify>,
}

/// Both ends.
pub(super) fn channel() -> (Said, Heard) {
    let (words, heard) = mpsc::channel(WAITING_MAX);
    let missed = Arc::new(Notify::new());
    let said = Said {
        words,
        missed: missed.clone(),
    };
    (
        said,
        Heard {
            words: heard,
            missed,
        },
    )
}

impl Said {
    /// These were signed out. `false` when too many words wait: then the store is looked at next.
    pub(super) fn revoked(&self, sessions: Vec<SessionId>, reason: &str) -> bool {
        let reason = match reason {
            "logout" => "logout",
            "refresh_reused" => "refresh_reused",
            _ => "revoked",
        };
        let taken = self.words.try_send((sessions, reason)).is_ok();
        if !taken {
            self.may_have_missed();
        }
        taken
    }

    /// The store is looked at next.
    pub(super) fn may_have_missed(&self) {
        self.missed.notify_one();
    }
}

/// Until it is dropped.
pub(super) async fn revoke(ports: Arc<Ports>, shards: Vec<ShardHandle<Mail>>, mut heard: Heard) {
    // Whose sockets were closed: the store names a session for a minute, and closing looks at every socket.
    let done = RevokedSessions::default();
    let mut since = now(&ports).saturating_sub(FIRST_MILLIS);
    let mut period = tokio::time::interval(LOOK_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let word = tokio::select! {
            Some(word) = heard.words.recv() => Some(word),
            () = heard.missed.notified() => None,
            _ = period.tick() => None,
        };
        let (sessions, reason) = match word {
            Some(word) => word,
            None => {
                let looked_at = now(&ports);
                match ports.store.revoked_since(Timestamp(since)).await {
                    Ok(found) => {
                        since = looked_at.saturating_sub(OVERLAP_MILLIS);
                        (found, "revoked")
                    }
                    Err(error) => {
                        warn!(%error, "sign-outs could not be looked up; the next look goes back as far");
                        continue;
                    }
                }
            }
        };
        let fresh: Vec<SessionId> = sessions
            .into_iter()
            .filter(|session| !done.contains(*session))
            .collect();
        if fresh.is_empty() {
            continue;
        }
        let seconds = ports.clock.unix_seconds();
        ports.revoked.add(&fresh, seconds);
        let sessions: Arc<[SessionId]> = fresh.into();
        let revoked = || Input::Revoked {
            sessions: sessions.clone(),
            reason,
        };
        // What a shard did not take is found again by the next look.
        if post_all(&shards, revoked).await {
            done.add(&sessions, seconds);
        }
    }
}

fn now(ports: &Ports) -> i64 {
    ports.now().0
}
