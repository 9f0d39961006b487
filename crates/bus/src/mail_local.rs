//! The mail queue within one process: bounded, at least once, nothing on disk. It confirms a job when it is settled, so
//! the publisher's record in the store is what survives a crash.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::mail_job::MailJob;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;

use crate::Future;
use crate::mail::{
    DeadMail, Delivery, MailConsumer, MailQueue, MailReport, MailReports, QueueError, Settle,
    Settlement,
};

/// Jobs that wait or are under way: an hour of a busy deployment's sign-ins, some 10 MB.
pub const JOBS_MAX: usize = 10_000;
/// Dead letters that are kept for an operator to look at.
const DEAD_MAX: usize = 1_000;
/// Reports that a slow reader may be behind; older ones are lost to it.
const REPORTS_MAX: usize = 1_024;

/// The queue of one process. Cheap to clone; clones are the same queue.
#[derive(Clone)]
pub struct LocalMailQueue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Something became ready, or the next delayed job has changed.
    changed: Notify,
    reports: broadcast::Sender<MailReport>,
    jobs_max: usize,
}

#[derive(Default)]
struct State {
    jobs: HashMap<String, Held>,
    ready: VecDeque<String>,
    /// When → which; the number keeps equal times apart.
    delayed: BTreeMap<(Instant, u64), String>,
    counted: u64,
    dead: VecDeque<DeadMail>,
}

struct Held {
    job: MailJob,
    attempts: u32,
    /// Turns true when the job is settled for good; publishers wait for it.
    settled: watch::Sender<bool>,
}

impl LocalMailQueue {
    /// A queue of at most [`JOBS_MAX`] jobs.
    pub fn new() -> Self {
        Self::with_jobs_max(JOBS_MAX)
    }

    /// A queue of at most so many jobs, waiting and under way together.
    pub fn with_jobs_max(jobs_max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Notify::new(),
                reports: broadcast::Sender::new(REPORTS_MAX),
                jobs_max,
            }),
        }
    }
}

impl Default for LocalMailQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        // No call in between can panic, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job, or finds it queued.
    fn accept(&self, job: MailJob) -> Result<watch::Receiver<bool>, QueueError> {
        let mut state = self.locked();
        if let Some(held) = state.jobs.get(&job.id) {
            return Ok(held.settled.subscribe());
        }
        if state.jobs.len() >= self.jobs_max {
            return Err(QueueError::Full);
        }
        let (settled, waiting) = watch::channel(false);
        state.ready.push_back(job.id.clone());
        state.jobs.insert(
            job.id.clone(),
            Held {
                job,
                attempts: 0,
                settled,
            },
        );
        drop(state);
        self.changed.notify_one();
        Ok(waiting)
    }

    /// The next job that is ready, or when to look again.
    fn pop(&self, now: Instant) -> Result<(MailJob, u32), Option<Instant>> {
        let mut state = self.locked();
        while let Some(entry) = state.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let id = entry.remove();
            state.ready.push_back(id);
        }
        while let Some(id) = state.ready.pop_front() {
            if let Some(held) = state.jobs.get_mut(&id) {
                held.attempts += 1;
                let found = (held.job.clone(), held.attempts - 1);
                if !state.ready.is_empty() {
                    self.changed.notify_one();
                }
                return Ok(found);
            }
        }
        Err(state.delayed.first_key_value().map(|((at, _), _)| *at))
    }

    fn settle(&self, id: &str, settlement: Settlement) {
        let mut state = self.locked();
        let end = match settlement {
            Settlement::Ack => true,
            Settlement::Dead(why) => {
                state.dead.push_front(DeadMail {
                    id: id.to_owned(),
                    why,
                });
                state.dead.truncate(DEAD_MAX);
                true
            }
            Settlement::Retry(after) if after.is_zero() => {
                state.ready.push_back(id.to_owned());
                false
            }
            Settlement::Retry(after) => {
                state.counted += 1;
                let number = state.counted;
                state
                    .delayed
                    .insert((Instant::now() + after, number), id.to_owned());
                false
            }
        };
        if end && let Some(held) = state.jobs.remove(id) {
            held.settled.send_replace(true);
        }
        drop(state);
        self.changed.notify_one();
    }
}

impl MailQueue for LocalMailQueue {
    fn publish(&self, job: MailJob) -> Future<'_, Result<(), QueueError>> {
        Box::pin(async move {
            let mut settled = self.shared.accept(job)?;
            match settled.wait_for(|settled| *settled).await {
                Ok(_) => Ok(()),
                Err(_) => Err(QueueError::Unavailable("closed".to_owned())),
            }
        })
    }

    fn consume(&self, prefetch: usize) -> Box<dyn MailConsumer> {
        Box::new(Consumer {
            shared: Arc::clone(&self.shared),
            room: Arc::new(Semaphore::new(prefetch.max(1))),
        })
    }

    fn report(&self, report: MailReport) -> Future<'_, Result<(), QueueError>> {
        // Nobody listens: then nobody wants to know.
        if self.shared.reports.send(report).is_err() {
            tracing::debug!("mail report without a reader");
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn reports(&self) -> Box<dyn MailReports> {
        Box::new(Reports(self.shared.reports.subscribe()))
    }

    fn dead(&self, limit: usize) -> Future<'_, Result<Vec<DeadMail>, QueueError>> {
        let dead = self
            .shared
            .locked()
            .dead
            .iter()
            .take(limit)
            .cloned()
            .collect();
        Box::pin(std::future::ready(Ok(dead)))
    }
}

struct Consumer {
    shared: Arc<Shared>,
    /// One permit for each delivery that may be unsettled.
    room: Arc<Semaphore>,
}

impl MailConsumer for Consumer {
    fn next(&mut self) -> Future<'_, Option<Delivery>> {
        Box::pin(async move {
            // The semaphore is never closed.
            let permit = Arc::clone(&self.room).acquire_owned().await.ok()?;
            loop {
                // Registered before looking, so that a job which comes in between wakes us.
                let changed = self.shared.changed.notified();
                let look_again = match self.shared.pop(Instant::now()) {
                    Ok((job, attempts)) => {
                        let settle = LocalSettle {
                            shared: Arc::clone(&self.shared),
                            id: Some(job.id.clone()),
                            _permit: permit,
                        };
                        return Some(Delivery::new(job, attempts, Box::new(settle)));
                    }
                    Err(at) => at,
                };
                match look_again {
                    Some(at) => tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    },
                    None => changed.await,
                }
            }
        })
    }
}

struct LocalSettle {
    shared: Arc<Shared>,
    /// `None` once it is settled.
    id: Option<String>,
    _permit: OwnedSemaphorePermit,
}

impl Settle for LocalSettle {
    fn settle(
        mut self: Box<Self>,
        settlement: Settlement,
    ) -> Future<'static, Result<(), QueueError>> {
        if let Some(id) = self.id.take() {
            self.shared.settle(&id, settlement);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Drop for LocalSettle {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared
                .settle(&id, Settlement::Retry(std::time::Duration::ZERO));
        }
    }
}

struct Reports(broadcast::Receiver<MailReport>);

impl MailReports for Reports {
    fn next(&mut self) -> Future<'_, Option<MailReport>> {
        Box::pin(async move {
            loop {
                match self.0.recv().await {
                    Ok(report) => return Some(report),
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        tracing::warn!(lost, "mail reports were lost; their states stay queued");
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }
}
