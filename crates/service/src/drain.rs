//! An orderly end: Serving → Leaving → Stopped. Every task of the process is spawned here, so that the end can wait for
//! it, name what it waited for in vain, and still come: a deadline bounds it, and a second signal ends it at once.
//!
//! The way out: [`Drain::leave`] → readiness turns false → the balancer's grace → [`Drain::leaving`] resolves (stop
//! accepting, say goodbye, flush) → all tracked tasks have ended or the deadline is over → [`Drain::stopped`] resolves
//! for background work such as the admin listener, which serves to the last.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{error, info, warn};

/// Where the process stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Takes work.
    Serving,
    /// Not ready any more: first still accepting for the balancer's grace, then finishing what it has.
    Leaving,
    /// Only the last words are left.
    Stopped,
}

impl Phase {
    /// The word that `/readyz` and the logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Leaving => "leaving",
            Self::Stopped => "stopped",
        }
    }
}

/// The process's life and its tasks. Cheap to clone; all clones are the same life.
#[derive(Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

struct Shared {
    phase: watch::Sender<Phase>,
    leaving: CancellationToken,
    stopped: CancellationToken,
    tracker: TaskTracker,
    /// How many tasks of each name are alive: the last line names them.
    alive: Mutex<BTreeMap<&'static str, usize>>,
}

/// How long the two halves of leaving may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From "not ready" to "accepts nothing more": long enough for a balancer to notice.
    pub grace: Duration,
    /// From there to the end, whatever is left then.
    pub deadline: Duration,
}

/// What was left when the process stopped; empty after a clean end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Names and numbers of the tasks that had not ended by the deadline.
    pub left: Vec<(&'static str, usize)>,
}

impl Farewell {
    /// Whether everything had ended in time.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

impl fmt::Display for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left.is_empty() {
            return f.write_str("nothing left");
        }
        let parts: Vec<String> = self
            .left
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        write!(f, "left: {}", parts.join(", "))
    }
}

/// Keeps the drain waiting while it lives: for work that is not a task of the main runtime, such as a shard's thread
/// or a task spawned on it.
pub struct Guard {
    name: &'static str,
    shared: Arc<Shared>,
    _token: TaskTrackerToken,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!(name = self.name, "task panicked");
        }
        let mut alive = self
            .shared
            .alive
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = alive.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                alive.remove(self.name);
            }
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// A process that serves.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                phase: watch::Sender::new(Phase::Serving),
                leaving: CancellationToken::new(),
                stopped: CancellationToken::new(),
                tracker: TaskTracker::new(),
                alive: Mutex::new(BTreeMap::new()),
            }),
        }
    }

    /// Where the process stands now.
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Resolves when the process has been told to leave, before the grace; for what is still starting then.
    pub async fn told_to_leave(&self) {
        let mut phase = self.shared.phase.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        drop(phase.wait_for(|phase| *phase >= Phase::Leaving).await);
    }

    /// Resolves when new work must no longer be accepted (after the grace).
    pub fn leaving(&self) -> WaitForCancellationFutureOwned {
        self.shared.leaving.clone().cancelled_owned()
    }

    /// The token behind [`Drain::leaving`], for code that hands children on.
    pub fn leaving_token(&self) -> CancellationToken {
        self.shared.leaving.clone()
    }

    /// Resolves when the drain is over; for background work that serves to the last.
    pub fn stopped(&self) -> WaitForCancellationFutureOwned {
        self.shared.stopped.clone().cancelled_owned()
    }

    /// Spawns a task that the end waits for. It should end soon after [`Drain::leaving`] resolves. A panic in it is
    /// logged under its name; the handle tells it to whoever must react.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let guard = self.guard(name);
        self.shared.tracker.spawn(async move {
            let _alive_until_done = guard;
            task.await
        })
    }

    /// Spawns work that nobody waits for and that is meant to go on: it is dropped when the drain is over.
    pub fn spawn_background<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_aside(async move {
            task.await;
            warn!(name, "background task ended before the process");
        });
    }

    /// Spawns work that nobody waits for and that ends by itself: it is dropped when the drain is over.
    pub fn spawn_aside<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Not through the tracker: the end must not wait for what itself waits for the end.
        #[allow(
            clippy::disallowed_methods,
            reason = "bounded by the `stopped` token instead"
        )]
        tokio::spawn(self.shared.stopped.clone().run_until_cancelled_owned(task));
    }

    /// Makes the end wait until the guard is dropped.
    pub fn guard(&self, name: &'static str) -> Guard {
        let mut alive = self
            .shared
            .alive
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *alive.entry(name).or_insert(0) += 1;
        Guard {
            name,
            shared: Arc::clone(&self.shared),
            _token: self.shared.tracker.token(),
        }
    }

    /// Begins to leave; a second call changes nothing. Readiness turns false at once.
    pub fn leave(&self, why: &str) {
        let began = self.shared.phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serving;
            if serving {
                *phase = Phase::Leaving;
            }
            serving
        });
        if began {
            info!(why, "leaving");
        }
    }

    /// Waits until somebody calls [`Drain::leave`], then sees the process out within `patience` and says what was left.
    pub async fn stop(&self, patience: Patience) -> Farewell {
        let mut phase = self.shared.phase.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        if phase
            .wait_for(|phase| *phase >= Phase::Leaving)
            .await
            .is_err()
        {
            error!("phase was lost");
        }
        let began = Instant::now();
        tokio::time::sleep(patience.grace).await;
        self.shared.leaving.cancel();
        self.shared.tracker.close();
        let ended = tokio::time::timeout(patience.deadline, self.shared.tracker.wait()).await;
        let farewell = Farewell {
            left: if ended.is_ok() {
                Vec::new()
            } else {
                self.alive()
            },
        };
        self.shared.phase.send_replace(Phase::Stopped);
        self.shared.stopped.cancel();
        let took_ms = began.elapsed().as_millis();
        if farewell.is_clean() {
            info!(took_ms, "stopped, {farewell}");
        } else {
            warn!(took_ms, "stopped by the deadline, {farewell}");
        }
        farewell
    }

    /// SIGTERM or SIGINT once: leave. Twice: end the process now, with status 130.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn obey_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let drain = self.clone();
        self.spawn_background("signals", async move {
            for time in 0.. {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if time == 0 {
                    drain.leave(name);
                } else {
                    let left = Farewell {
                        left: drain.alive(),
                    };
                    warn!(signal = name, "second signal: ending now, {left}");
                    std::process::exit(130);
                }
            }
        });
        Ok(())
    }

    /// Names and numbers of the tracked tasks that are alive.
    pub fn alive(&self) -> Vec<(&'static str, usize)> {
        let alive = self
            .shared
            .alive
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        alive.iter().map(|(name, count)| (*name, *count)).collect()
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("phase", &self.phase())
            .field("alive", &self.alive())
            .finish()
    }
}

#[cfg(test)]
#[path = "drain_tests.rs"]
mod tests;
