//! The backends that a service is given: opened by URL, waited for when they may come up later, watched for readiness.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use bus::hints::Bus;
use bus::mail::MailQueue;
use bus::{Cluster, ClusterKey};
use protocol::ids::UserId;
use service::config::Url;
use service::readiness::Check;
use service::secret::Secret;
use store::{Store, StoreError};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use uuid::Uuid;

use super::store_metrics::StoreMetrics;
use super::{Ending, Life, bus_metrics};
use crate::Failure;
use crate::config::{ClusterConfig, TopConfig};

/// How often readiness asks a backend whether it works.
const HEALTH_PERIOD: Duration = Duration::from_secs(1);
/// The pause between two tries to reach what may come up later.
const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// What the mail key is made for.
const MAIL_KEY_PURPOSE: &[u8] = b"chatify: mail jobs between auth and mailer, 1";

/// Why a backend is not open.
enum NotOpen {
    /// As it is set up it never will be.
    Ever(String),
    /// It cannot be reached now.
    Yet(String),
}

/// The store of a process by itself, with its folder.
pub(crate) async fn own_store(top: &TopConfig) -> Result<Arc<dyn Store>, Failure> {
    make_folder(&top.data)?;
    match &top.store {
        Some(url) => {
            let opened = store::open(url.expose()).await;
            opened.map_err(|error| cannot("store", url, error))
        }
        None => store::open(&format!("sqlite:{}", top.data.join("chatify.db").display()))
            .await
            .map_err(Failure::of),
    }
}

/// The store of a cluster; waited for.
pub(super) async fn shared_store(
    life: &Life,
    top: &TopConfig,
    config: &ClusterConfig,
) -> Result<Arc<dyn Store>, Failure> {
    let url = top.store.as_ref();
    let url = url.ok_or_else(|| Failure::of("`store` is not set"))?;
    let store = waited_for(life, ("store", url), config, async || {
        store::open(url.expose())
            .await
            .map_err(|error| match error {
                StoreError::Unavailable(why) | StoreError::Unknown(why) => NotOpen::Yet(why),
                error => NotOpen::Ever(error.to_string()),
            })
    });
    let store = store.await?;
    watch_store(life, &store);
    Ok(store)
}

/// Keeps readiness up to date with the store.
pub(super) fn watch_store(life: &Life, store: &Arc<dyn Store>) {
    let (check, store) = (life.readiness.register("store"), store.clone());
    life.drain.spawn_background("store health", async move {
        let metrics = StoreMetrics::register();
        let is_well = || {
            metrics.show(store.stats());
            store.healthy()
        };
        watch(check, "the store takes no writes", is_well).await;
    });
}

/// What all processes of a cluster share beside the store; waited for. Later it may go away and come back.
pub(super) async fn bus(
    life: &Life,
    config: &ClusterConfig,
    key: &Secret,
) -> Result<Cluster, Failure> {
    let url = &config.bus;
    let key = ClusterKey::new(key.expose()).map_err(Failure::of)?;
    let opened = bus::open(url.expose(), &key).map_err(|error| cannot("bus", url, error))?;
    let nobody = UserId(Uuid::nil());
    waited_for(life, ("bus", url), config, async || {
        let reached = opened.roster.standings(vec![nobody]).await;
        reached.map(drop).map_err(|away| NotOpen::Yet(away.0))
    })
    .await?;
    let counting = bus_metrics::count(opened.counters.clone());
    life.drain.spawn_background("bus counters", counting);
    Ok(opened)
}

/// The queue of mails; waited for. Later it may go away and come back.
pub(super) async fn mail_queue(
    life: &Life,
    config: &ClusterConfig,
    key: &Secret,
) -> Result<Arc<dyn MailQueue>, Failure> {
    let url = &config.mail_queue;
    let opened = bus::mail::open(url.expose(), &mail_key(key));
    let queue = opened.map_err(|error| cannot("mail-queue", url, error))?;
    waited_for(life, ("mail-queue", url), config, async || {
        queue
            .dead(1)
            .await
            .map(drop)
            .map_err(|error| NotOpen::Yet(error.to_string()))
    })
    .await?;
    Ok(queue)
}

/// The key that mails are sealed with on their way, made from the cluster's and from nothing else.
fn mail_key(key: &Secret) -> [u8; 32] {
    let root = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let mut made = [0; 32];
    made.copy_from_slice(hmac::sign(&root, MAIL_KEY_PURPOSE).as_ref());
    made
}

/// The bus says what waits and ends.
pub(super) fn closing_bus(bus: Arc<dyn Bus>) -> Ending {
    Box::pin(async move { bus.close().await })
}

/// The store ends after what it has accepted is durable.
pub(super) fn closing_store(store: Arc<dyn Store>) -> Ending {
    Box::pin(async move { store.close().await })
}

/// Tries to open a backend until it can be reached, it turns out that it never will, or patience ends. Once reached it
/// counts for readiness no more: a bus or a queue that goes away does so for every process, and each does without.
async fn waited_for<T>(
    life: &Life,
    (setting, url): (&'static str, &Url),
    config: &ClusterConfig,
    open: impl AsyncFn() -> Result<T, NotOpen>,
) -> Result<T, Failure> {
    let check = life.readiness.register(setting);
    let began = Instant::now();
    loop {
        let why = match open().await {
            Ok(opened) => {
                info!(%url, "`{setting}` is reached");
                check.pass_for_good();
                return Ok(opened);
            }
            Err(NotOpen::Ever(why)) => return Err(cannot(setting, url, why)),
            Err(NotOpen::Yet(why)) => why,
        };
        if began.elapsed() >= config.start_patience {
            return Err(cannot(setting, url, why));
        }
        check.fail(format!("`{setting}` cannot be reached yet: {why}"));
        warn!(%url, why, "`{setting}` cannot be reached yet; tried again");
        sleep(RETRY_PERIOD).await;
    }
}

fn cannot(setting: &str, url: &Url, why: impl Display) -> Failure {
    // A driver's words may go over several lines.
    let why = why.to_string();
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::Failed(format!("`{setting}` ({url}) cannot be used: {why}"))
}

async fn watch(check: Check, why: &str, is_well: impl Fn() -> bool) {
    loop {
        if is_well() {
            check.pass();
        } else {
            check.fail(why);
        }
        sleep(HEALTH_PERIOD).await;
    }
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::Failed(format!(
            "the folder {} (`data`) cannot be made: {error}",
            path.display()
        ))
    })
}
