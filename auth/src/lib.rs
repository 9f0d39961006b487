//! E-mail codes, tokens and sessions.
//!
//! A library with a router and a few background tasks; it runs inside any process that gives it [`Ports`]. What happens
//! once — a code is used, a refresh token is rotated, a session is signed out — is decided in the store by
//! compare-and-set (docs/decisions/0003-one-time-facts-in-the-store.md). It never stores or logs a code, a token or an address in clear.
//!
//! The way of a sign-in: [`routes`] → `Auth::ask` ([`challenges`]: budgets, code, challenge and mail in one write) →
//! [`outbox`] → the mail queue … `Auth::redeem` → `Auth::sign_in` ([`sessions`]) → tokens.

mod budgets;
mod challenges;
mod config;
mod keyring;
mod metrics;
mod notice;
mod otp;
mod outbox;
mod refresh;
mod routes;
mod secrets;
mod sessions;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::limits::Limiter;
use bus::mail::MailQueue;
use protocol::ids::SessionId;
use protocol::token::KeySet;
use service::clock::Clock;
use service::drain::Drain;
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

pub use config::AuthConfig;
pub use metrics::AuthMetrics;
pub use routes::{openapi, router};
pub use secrets::SecretError;

use budgets::Budgets;
use keyring::{KeyError, KeyRules, Keyring};
use notice::{Notices, Wrong};
use outbox::{Nudges, Outbox, Publisher};
use secrets::Secrets;

/// How often the keys are looked at. A key is published [`keyring::PUBLISH_AHEAD_MS`] before it signs, so a process that
/// misses some of these rounds still knows it in time.
const KEY_PERIOD: Duration = Duration::from_secs(60);
/// How often what has expired is forgotten.
const FORGET_PERIOD: Duration = Duration::from_secs(600);

/// Closes the live sockets of these sessions, wherever they are, and says why (`logout`, `revoked`,
/// `refresh_reused`). Must not block: the store knows already that they are signed out.
pub type Cut = Arc<dyn Fn(&[SessionId], &'static str) + Send + Sync>;

/// What auth is given from outside.
#[derive(Clone)]
pub struct Ports {
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Where mails go.
    pub mail: Arc<dyn MailQueue>,
    /// Budgets over all processes.
    pub limiter: Arc<dyn Limiter>,
    /// How live sockets learn of a sign-out.
    pub cut: Cut,
    /// The time.
    pub clock: Clock,
    /// Where `auth.key` lies, for a process that may keep its own secret.
    pub data: Option<PathBuf>,
    /// Whether rate limits are on. The five tries of a code are no rate limit and always hold.
    pub limits: bool,
}

/// Why auth cannot start; for the operator.
#[derive(Debug)]
pub enum OpenError {
    /// The store failed.
    Store(StoreError),
    /// A secret is missing or is not the one that the store was made with.
    Secret(SecretError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "auth: {error}"),
            Self::Secret(error) => write!(f, "auth: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<KeyError> for OpenError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => Self::Store(error),
            KeyError::Secret(error) => Self::Secret(error),
        }
    }
}

/// Everything that signs people in. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    config: AuthConfig,
    ports: Ports,
    budgets: Budgets,
    secrets: Arc<Secrets>,
    rules: KeyRules,
    ring: watch::Sender<Arc<Keyring>>,
    keys: watch::Sender<Arc<KeySet>>,
    outbox: Outbox,
    notices: Notices,
    /// Taken by [`run`].
    tasks: Mutex<Option<(Nudges, mpsc::Receiver<Wrong>)>>,
    metrics: AuthMetrics,
}

impl Auth {
    /// Reads or makes the secrets and keys.
    ///
    /// # Errors
    /// When the store fails, or when the key secret is missing, too open or not the one the stored keys were sealed with.
    pub async fn open(config: AuthConfig, ports: Ports) -> Result<Self, OpenError> {
        let root = secrets::root(config.key_secret.as_ref(), ports.data.as_deref())
            .map_err(OpenError::Secret)?;
        let secrets = Arc::new(Secrets::new(&root, config.otp_pepper.as_ref()));
        let rules = KeyRules {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            rotation_ms: millis(config.key_rotation),
        };
        let now = outbox::now(&ports.clock);
        let ring = keyring::bring_up_to_date(ports.store.as_ref(), &secrets, &rules, now).await?;
        let budgets = Budgets::new(Arc::clone(&ports.limiter), ports.limits, &config);
        let (outbox, nudges) = outbox::outbox();
        let (notices, wrong) = notice::notices();
        Ok(Self {
            inner: Arc::new(Inner {
                keys: watch::Sender::new(Arc::clone(&ring.keys)),
                ring: watch::Sender::new(Arc::new(ring)),
                config,
                ports,
                budgets,
                secrets,
                rules,
                outbox,
                notices,
                tasks: Mutex::new(Some((nudges, wrong))),
                metrics: AuthMetrics::register(),
            }),
        })
    }

    /// The keys whose tokens are to be believed; replaced as a whole when they rotate.
    pub fn keys(&self) -> watch::Receiver<Arc<KeySet>> {
        self.inner.keys.subscribe()
    }

    /// Makes, retires and loads signing keys as the time asks for. [`run`] does this every minute.
    ///
    /// # Errors
    /// When the store fails or a key cannot be opened; the keys in force stay in force.
    pub async fn rotate_keys(&self) -> Result<(), OpenError> {
        let inner = &self.inner;
        let now = outbox::now(&inner.ports.clock);
        let store = inner.ports.store.as_ref();
        let ring = keyring::bring_up_to_date(store, &inner.secrets, &inner.rules, now).await?;
        let keys = Arc::clone(&ring.keys);
        if inner.ring.borrow().signer.kid() != ring.signer.kid() {
            info!(kid = ring.signer.kid(), "this key signs now");
        }
        inner.ring.send_replace(Arc::new(ring));
        inner.keys.send_if_modified(|held| {
            let changed = !held.kids().eq(keys.kids());
            if changed {
                *held = keys;
            }
            changed
        });
        Ok(())
    }

    fn now(&self) -> protocol::time::Timestamp {
        outbox::now(&self.inner.ports.clock)
    }

    fn now_ms(&self) -> u64 {
        self.inner.ports.clock.unix_ms()
    }

    fn publisher(&self) -> Publisher {
        let inner = &self.inner;
        Publisher {
            store: Arc::clone(&inner.ports.store),
            queue: Arc::clone(&inner.ports.mail),
            secrets: Arc::clone(&inner.secrets),
            clock: inner.ports.clock.clone(),
            metrics: inner.metrics.clone(),
            taken: Arc::default(),
        }
    }
}

/// Starts the background work: mails on their way to the queue, their fate on its way back, notices, keys, forgetting. A second
/// call does nothing.
pub fn run(auth: &Auth, drain: &Drain) {
    let tasks = auth
        .inner
        .tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some((nudges, wrong)) = tasks else { return };
    if !auth.inner.budgets.are_on() {
        warn!("rate limits are off: anybody may ask for any number of codes");
    }
    let publisher = auth.publisher();
    drain.spawn(
        "mail reports",
        publisher.clone().note_reports(drain.clone()),
    );
    drain.spawn("mail outbox", publisher.run(nudges, drain.clone()));
    drain.spawn_background("notices of wrong codes", notice::run(auth.clone(), wrong));
    drain.spawn_background("signing keys", keep_keys(auth.clone()));
    drain.spawn_background("auth forgetting", forget(auth.clone()));
}

async fn keep_keys(auth: Auth) {
    loop {
        tokio::time::sleep(KEY_PERIOD).await;
        if let Err(error) = auth.rotate_keys().await {
            error!(%error, "signing keys could not be brought up to date; tried again in a minute");
        }
    }
}

async fn forget(auth: Auth) {
    loop {
        tokio::time::sleep(FORGET_PERIOD).await;
        match auth.inner.ports.store.sweep(auth.now()).await {
            Ok(rows) => tracing::debug!(rows, "expired rows were forgotten"),
            Err(error) => warn!(%error, "expired rows could not be forgotten; tried again later"),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
