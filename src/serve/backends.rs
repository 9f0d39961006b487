//! The backends that a service is given: opened by URL, waited for when they may come up later, watched for readiness.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus::mail::MailQueue;
use service::config::Url;
use service::readiness::Check;
use service::secret::Secret;
use store::{Store, StoreError};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Life;
use crate::Failure;
use crate::config::{ClusterConfig, TopConfig};

/// How often readiness asks a backend whether it works.
const HEALTH_PERIOD: Duration = Duration::from_secs(1);
/// The pause between two tries to reach what may come up later.
const RETRY_PERIOD: Duration = Duration::from_secs(1);

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
    url: &Url,
    config: &ClusterConfig,
) -> Result<Arc<dyn Store>, Failure> {
    let store = waited_for(life, ("store", url), config, async || {
        store::open(url.expose()).await.map_err(|error| match error {
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
        watch(check, "the store takes no writes", || store.healthy()).await;
    });
}

/// Tries to open a backend until it can be reached, it turns out that it never will, or patience ends.
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
                check.pass();
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
