//! The all-in-one: node, auth and mailer in one process on an embedded store, with queues that live in the process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use auth::Auth;
use bus::limits::Limiter;
use bus::limits_local::LocalLimiter;
use bus::mail::MailQueue;
use bus::mail_local::LocalMailQueue;
use mailer::{MailConfig, Outlet};
use node::contract::Documents;
use node::ports::{Hubs, Ports};
use node::revoked::RevokedSessions;
use node::{Doors, Listen, Node, NodeConfig};
use protocol::ids::SessionId;
use protocol::time::Timestamp;
use service::admin::Admin;
use service::clock::Clock;
use service::config::Settings;
use service::drain::Drain;
use service::process::ProcessConfig;
use service::readiness::{Check, Readiness};
use store::Store;
use tracing::{info, warn};

use crate::Failure;
use crate::config::TopConfig;

/// How often readiness asks the store whether it takes writes.
const HEALTH_PERIOD: Duration = Duration::from_secs(1);
/// Sessions revoked up to this long ago are refused after a start: longer than any access token lives.
const REVOKED_MILLIS: i64 = 15 * 60_000;
/// Threads for REST, mail and long reads; the sockets have their own.
const BACKEND_THREADS: usize = 2;

/// Everything that the settings say.
struct Config {
    top: TopConfig,
    process: ProcessConfig,
    node: NodeConfig,
    auth: auth::AuthConfig,
    mail: MailConfig,
}

/// Serves until the process is told to stop.
pub(crate) fn serve(settings: &Settings) -> Result<String, Failure> {
    let config = Config {
        top: settings.read()?,
        process: settings.read()?,
        node: settings.read()?,
        auth: settings.read()?,
        mail: settings.read()?,
    };
    service::telemetry::start_logs(&config.process).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKEND_THREADS)
        .thread_name("backend")
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(live(config))?;
    Ok(String::new())
}

/// The life of the process: backends, services, wait, drain.
async fn live(config: Config) -> Result<(), Failure> {
    let drain = Drain::new();
    drain.obey_signals().map_err(failed)?;
    let metrics = service::metrics::install().map_err(failed)?;
    metrics.spawn_upkeep(&drain);
    let readiness = Readiness::new(drain.clone());

    let store = open_store(&config.top).await?;
    drain.spawn_background(
        "store health",
        watch_store(store.clone(), readiness.register("store")),
    );
    let clock = Clock::System;
    let limiter: Arc<dyn Limiter> = Arc::new(LocalLimiter::new());
    let queue: Arc<dyn MailQueue> = Arc::new(LocalMailQueue::new());
    let doors = Doors::default();
    let revoked = Arc::new(RevokedSessions::default());
    let now = clock.unix_ms() as i64;
    let recent = store
        .revoked_since(Timestamp(now - REVOKED_MILLIS))
        .await
        .map_err(failed)?;
    revoked.add(&recent, clock.unix_seconds());

    let auth_ports = auth::Ports {
        store: store.clone(),
        mail: queue.clone(),
        limiter: limiter.clone(),
        cut: cut(doors.clone(), revoked.clone(), clock.clone()),
        clock: clock.clone(),
        data: Some(config.top.data.clone()),
        limits: config.top.limits,
    };
    let auth = Auth::open(config.auth, auth_ports).await.map_err(failed)?;
    auth::run(&auth, &drain);

    let outlet = Outlet::open(&config.mail).map_err(failed)?;
    let mailbox = outlet.dev_mailbox().cloned();
    let mail = mailer::Ports {
        queue,
        outlet,
        clock: clock.clone(),
        parallel: config.mail.parallel,
    };
    drain.spawn("mailer", mailer::run(mail, drain.clone()));

    let ports = Arc::new(Ports {
        store: store.clone(),
        hubs: Arc::new(doors.clone()),
        keys: auth.keys(),
        revoked,
        limiter,
        clock,
        settings: config.top.public(mailbox.is_some()),
        documents: Documents::with([auth::openapi()]),
    });
    let others = auth::router(auth).merge(
        mailbox
            .as_ref()
            .map(mailer::DevMailbox::router)
            .unwrap_or_default(),
    );
    let router = node::api::router_with(ports.clone(), others);
    let listen = Listen {
        address: config.top.listen,
        drain_deadline: config.process.drain_deadline,
    };
    let node =
        Node::start(&config.node, &listen, ports, &doors, router, None).map_err(|error| {
            Failure::Failed(format!(
                "cannot listen on {} (`listen`): {error}",
                listen.address
            ))
        })?;
    let address = node.local_addr();
    let admin_address = config.process.admin_listen;
    let admin = service::admin::serve(admin_address, Admin { readiness, metrics }, &drain)
        .await
        .map_err(|error| {
            Failure::Failed(format!(
                "cannot listen on {admin_address} (`admin-listen`): {error}"
            ))
        })?;
    if !config.top.limits {
        warn!("rate limits are off: for load tests on a machine of your own");
    }
    info!(%address, %admin, mailbox = mailbox.is_some(), "chatify is up: open http://{address}");

    drain.spawn(
        "node",
        node.run(drain.clone(), config.process.drain_deadline.mul_f32(0.8)),
    );
    drain.stop(config.process.patience()).await;
    store.close().await;
    Ok(())
}

/// Opens the store that the settings name, with its folder.
pub(crate) async fn open_store(top: &TopConfig) -> Result<Arc<dyn Store>, Failure> {
    make_folder(&top.data)?;
    let url = top
        .store
        .clone()
        .unwrap_or_else(|| format!("sqlite:{}", top.data.join("chatify.db").display()));
    store::open(&url).await.map_err(failed)
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::Failed(format!(
            "the folder {} (`data`) cannot be made: {error}",
            path.display()
        ))
    })
}

/// How auth's sign-outs reach this process's sockets.
fn cut(doors: Doors, revoked: Arc<RevokedSessions>, clock: Clock) -> auth::Cut {
    Arc::new(move |sessions: &[SessionId], reason| {
        revoked.add(sessions, clock.unix_seconds());
        doors.revoked(sessions.to_vec(), reason);
    })
}

async fn watch_store(store: Arc<dyn Store>, check: Check) {
    loop {
        if store.healthy() {
            check.pass();
        } else {
            check.fail("the store takes no writes");
        }
        tokio::time::sleep(HEALTH_PERIOD).await;
    }
}

/// What went wrong, as one line.
pub(crate) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
