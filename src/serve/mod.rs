//! The services that this binary can be, and the life that all of them lead: settings → logs → admin listener →
//! backends and services → a signal → drain → backends closed.
//!
//! Each service is composed in its own file; what two of them need is a function of one of them, or of [`backends`].

mod auth;
pub(crate) mod backends;
pub(crate) mod bus_metrics;
mod embedded;
mod front;
mod mailer;
mod node;
pub(crate) mod store_metrics;
mod wanted;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use service::admin::Admin;
use service::clock::Clock;
use service::config::Settings;
use service::drain::Drain;
use service::process::ProcessConfig;
use service::readiness::{Check, Readiness};
use tracing::{info, warn};

use crate::Failure;
pub(crate) use auth::serve as auth;
pub(crate) use embedded::serve as embedded;
pub(crate) use mailer::serve as mailer;
pub(crate) use node::serve as node;

/// Threads for REST, mail and long reads, at most; the sockets have their own. On one core a second one only changes places
/// with the first.
const BACKEND_THREADS: usize = 2;
/// How long one backend may take to end, after everything that uses it has ended.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How long threads that still resolve a name or read a file are waited for at the very end.
const THREADS_DEADLINE: Duration = Duration::from_secs(1);

/// The process's life, as services see it. Cheap to clone; clones are the same life.
#[derive(Clone)]
struct Life {
    drain: Drain,
    readiness: Readiness,
    clock: Clock,
    config: ProcessConfig,
}

/// Ends a backend.
type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to be ended after the drain, in this order, and what it is called.
type Endings = Vec<(&'static str, Ending)>;

/// Cores that this process may use; one if the system does not say.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Lives: `begin` starts a service and returns when it serves.
fn live<F>(settings: &Settings, begin: impl FnOnce(Life) -> F) -> Result<String, Failure>
where
    F: Future<Output = Result<Endings, Failure>>,
{
    let config: ProcessConfig = settings.read()?;
    service::telemetry::start_logs(&config).map_err(Failure::of)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKEND_THREADS.min(cores()))
        .thread_name("backend")
        .enable_all()
        .build()
        .map_err(Failure::of)?;
    let lived = runtime.block_on(async {
        let (life, started) = Life::start(config).await?;
        let begun = tokio::select! {
            begun = begin(life.clone()) => begun?,
            () = life.drain.told_to_leave() => {
                info!("stopped before everything was started");
                return Ok(String::new());
            }
        };
        started.pass_for_good();
        life.drain.stop(life.config.patience()).await;
        end(begun).await;
        Ok(String::new())
    });
    runtime.shutdown_timeout(THREADS_DEADLINE);
    lived
}

impl Life {
    /// Obeys signals, and shows how it stands from the first moment: a service that waits for its store is alive and not
    /// ready. The check passes when everything has been started and listens.
    async fn start(config: ProcessConfig) -> Result<(Self, Check), Failure> {
        let drain = Drain::new();
        drain.obey_signals().map_err(Failure::of)?;
        let metrics = service::metrics::install().map_err(Failure::of)?;
        metrics.spawn_upkeep(&drain);
        let readiness = Readiness::new(drain.clone());
        // Before anybody can ask.
        let started = readiness.register("start");
        let admin = Admin {
            readiness: readiness.clone(),
            metrics,
        };
        service::admin::serve(config.admin_listen, admin, &drain)
            .await
            .map_err(|error| cannot_listen("admin-listen", config.admin_listen, error))?;
        let life = Self {
            drain,
            readiness,
            clock: Clock::System,
            config,
        };
        Ok((life, started))
    }
}

async fn end(endings: Endings) {
    for (name, ending) in endings {
        if tokio::time::timeout(CLOSE_DEADLINE, ending).await.is_err() {
            warn!(name, "not closed within {CLOSE_DEADLINE:?}; ending without");
        }
    }
}

fn cannot_listen(setting: &str, address: std::net::SocketAddr, error: std::io::Error) -> Failure {
    Failure::Failed(format!("cannot listen on {address} (`{setting}`): {error}"))
}
