//! How every operation reaches the server: in a task of its own, with a deadline, within a bound.
//!
//! The driver's futures are never dropped (that may leave a connection in the middle of a message), and it has no
//! timeout of its own for an answer. So an operation runs in a task to its end; at the deadline its caller is told and
//! the task goes on alone, an orphan, counted and within the same bound as all others. When the bound is reached, or
//! while the circuit is open, nothing is begun: `Away`, at once, and memory stays flat.
//!
//! The tasks run where the store was opened, as the driver's own do: a caller is woken once for an answer, and not for
//! each step on the way to it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::circuit::Circuit;
use super::failure::Failure;
use crate::StoreError;

/// How long the prober waits between two questions to a server that is away.
const PROBE_PAUSE: Duration = Duration::from_millis(250);
/// Questions that may be without an answer at once: a frozen server keeps them all until it thaws.
const PROBES_MAX: usize = 4;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ops(Arc<Shared>);

struct Shared {
    client: Client,
    tracker: TaskTracker,
    runtime: Handle,
    slots: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    circuit: Circuit,
    closed: AtomicBool,
    running: AtomicUsize,
    begun: AtomicU64,
    orphans: AtomicUsize,
    deadline: Duration,
}

impl Ops {
    pub(super) fn new(client: Client, operations_max: usize, deadline: Duration) -> Self {
        Self(Arc::new(Shared {
            client,
            tracker: TaskTracker::new(),
            runtime: Handle::current(),
            slots: Arc::new(Semaphore::new(operations_max)),
            probes: Arc::new(Semaphore::new(PROBES_MAX)),
            circuit: Circuit::default(),
            closed: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            orphans: AtomicUsize::new(0),
            deadline,
        }))
    }

    /// Begins a call of the store: all its operations share one deadline.
    pub(super) fn call(&self) -> Call {
        Call {
            ops: self.clone(),
            until: Instant::now() + self.0.deadline,
        }
    }

    pub(super) fn healthy(&self) -> bool {
        !self.0.closed.load(Ordering::Relaxed) && !self.0.circuit.is_open()
    }

    /// Operations whose task has not ended, and those of them that nobody waits for any more.
    pub(super) fn counts(&self) -> (usize, usize) {
        (
            self.0.running.load(Ordering::Relaxed),
            self.0.orphans.load(Ordering::Relaxed),
        )
    }

    pub(super) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Takes nothing more, waits for what was begun (not for orphans beyond the deadline), and lets the driver go.
    pub(super) async fn close(&self) {
        let first = !self.0.closed.swap(true, Ordering::Relaxed);
        self.0.tracker.close();
        let patience = Instant::now() + self.0.deadline;
        if timeout_at(patience, self.0.tracker.wait()).await.is_err() {
            let (running, orphans) = self.counts();
            tracing::warn!(
                running,
                orphans,
                "mongodb gave no answer to the last operations"
            );
        }
        if first {
            self.0.client.clone().shutdown().immediate(true).await;
        }
    }

    async fn run<T, F>(&self, until: Instant, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = mongodb::error::Result<T>> + Send + 'static,
    {
        let shared = &self.0;
        if shared.closed.load(Ordering::Relaxed) {
            return Err(Failure::Away("the store is closed".into()));
        }
        if shared.circuit.is_open() {
            return Err(Failure::Away("mongodb does not answer".into()));
        }
        if Instant::now() >= until {
            return Err(Failure::Away("no time was left for it".into()));
        }
        let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
            return Err(Failure::Away("too much is waiting for mongodb".into()));
        };
        let mut begun = Begun::new(self);
        let task = self.begin({
            let ops = self.clone();
            let over = begun.over();
            async move {
                let outcome = work.await.map_err(Failure::from);
                match &outcome {
                    Ok(_) | Err(Failure::Duplicate | Failure::Corrupt(_)) => ops.0.circuit.heard(),
                    Err(Failure::Away(_) | Failure::Lost(_)) => ops.silent(),
                }
                drop((slot, over));
                outcome
            }
        });
        let outcome = match timeout_at(until, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(cut)) => Err(Failure::Lost(format!("the operation was cut off: {cut}"))),
            Err(_) => {
                self.silent();
                return Err(Failure::Lost("mongodb gave no answer in time".into()));
            }
        };
        begun.heard();
        outcome
    }

    /// Runs what belongs to the store beside its callers; a close waits for it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.begin(work));
    }

    fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.tracker.spawn_on(work, &self.0.runtime)
    }

    /// Counts a silence; if that opened the circuit, somebody asks until there is an answer.
    fn silent(&self) {
        if self.0.circuit.silent() {
            let ops = self.clone();
            self.spawn(async move { ops.probe().await });
        }
    }

    async fn probe(&self) {
        let shared = &self.0;
        while shared.circuit.is_open() && !shared.closed.load(Ordering::Relaxed) {
            tokio::time::sleep(PROBE_PAUSE).await;
            let Ok(turn) = Arc::clone(&shared.probes).try_acquire_owned() else {
                continue;
            };
            let ops = self.clone();
            self.spawn(async move {
                let database = ops.0.client.database("admin");
                // No answer is the expected answer here.
                if database.run_command(doc! { "ping": 1 }).await.is_ok() {
                    ops.0.circuit.heard();
                }
                drop(turn);
            });
        }
    }
}

/// Counts an operation from its beginning to the end of its task, and as an orphan from the moment on at which its
/// caller has gone, by the deadline or of their own will.
struct Begun {
    ops: Ops,
    over: Arc<AtomicBool>,
    heard: bool,
}

struct Over {
    ops: Ops,
    orphan: Arc<AtomicBool>,
}

impl Begun {
    fn new(ops: &Ops) -> Self {
        ops.0.running.fetch_add(1, Ordering::Relaxed);
        ops.0.begun.fetch_add(1, Ordering::Relaxed);
        Self {
            ops: ops.clone(),
            over: Arc::new(AtomicBool::new(false)),
            heard: false,
        }
    }

    fn over(&self) -> Over {
        Over {
            ops: self.ops.clone(),
            orphan: Arc::clone(&self.over),
        }
    }

    fn heard(&mut self) {
        self.heard = true;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Whoever of the two comes second, caller or task, finds the flag set: the pair is counted once and uncounted once.
        if !self.heard && !self.over.swap(true, Ordering::AcqRel) {
            self.ops.0.orphans.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.ops.0.running.fetch_sub(1, Ordering::Relaxed);
        if self.orphan.swap(true, Ordering::AcqRel) {
            self.ops.0.orphans.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One call of the store and the moment by which it must have answered.
#[derive(Clone)]
pub(super) struct Call {
    ops: Ops,
    until: Instant,
}

impl Call {
    /// When it must have answered.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// An operation that changes nothing.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = mongodb::error::Result<T>> + Send + 'static,
    {
        self.ops
            .run(self.until, work)
            .await
            .map_err(Failure::of_read)
    }

    /// An operation that changes something; the caller decides what its failure means.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = mongodb::error::Result<T>> + Send + 'static,
    {
        self.ops.run(self.until, work).await
    }

    /// Waits a little for what somebody else is doing, or says that there is no time left.
    pub(super) async fn pause(&self, pause: Duration) -> Result<(), StoreError> {
        if Instant::now() + pause >= self.until {
            return Err(StoreError::Unavailable(
                "too many others change the same".into(),
            ));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
