//! Keeps the published keys: looks at start until it has some, then every minute, and earlier when a token names a key
//! that is not held.

use std::sync::Arc;
use std::time::Duration;

use protocol::token::KeySet;
use service::clock::Clock;
use service::readiness::Check;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::fetch::{Fetcher, Published};
use super::{Keys, Looks};

/// How often keys that are held are looked at: so long a key that auth has taken back may still be believed.
const REFRESH: Duration = Duration::from_secs(60);
/// The pause after a look that failed; it doubles up to [`REFRESH`].
const RETRY: Duration = Duration::from_secs(1);

/// Looks at auth's keys for as long as it runs.
pub struct KeyKeeper {
    fetcher: Fetcher,
    /// Without keys: for whom tokens must be meant.
    empty: (String, String),
    set: watch::Sender<Arc<KeySet>>,
    looks: Arc<Looks>,
    refresh: Duration,
}

impl KeyKeeper {
    /// For the auth at this URL (`http://HOST:PORT`), whose tokens say this issuer and audience. No key is held before
    /// [`KeyKeeper::run`] has fetched some.
    ///
    /// # Errors
    /// When it is no such URL, with the rest of the sentence "`auth-url` …".
    pub fn new(
        auth: &str,
        (issuer, audience): (&str, &str),
        clock: Clock,
    ) -> Result<(Self, Keys), String> {
        let (set, held) = watch::channel(Arc::new(KeySet::new(issuer, audience)));
        let looks = Arc::new(Looks::new(clock));
        let keeper = Self {
            fetcher: Fetcher::new(auth)?,
            empty: (issuer.to_owned(), audience.to_owned()),
            set,
            looks: looks.clone(),
            refresh: REFRESH,
        };
        let keys = Keys {
            set: held,
            looks: Some(looks),
        };
        Ok((keeper, keys))
    }

    /// Never ends. `check` passes once there are keys, and from then on: those that are held stay good without auth.
    pub async fn run(self, check: Check) {
        let mut held = Published::new();
        let mut retry = RETRY;
        loop {
            self.looks.begins();
            let looked = self.fetcher.fetch().await;
            let pause = match looked.and_then(|found| self.hold(&mut held, found)) {
                Ok(()) => {
                    self.looks.ends(false);
                    check.pass();
                    retry = RETRY;
                    self.refresh
                }
                Err(error) => {
                    self.looks.ends(true);
                    let at = self.fetcher.at();
                    warn!(%at, error, held = held.len(), "auth's keys cannot be fetched; tried again");
                    if held.is_empty() {
                        check.fail(format!("no keys from {at} (`auth-url`) yet: {error}"));
                    }
                    let pause = retry;
                    retry = (retry * 2).min(self.refresh);
                    pause
                }
            };
            self.rest(pause).await;
        }
    }

    /// Until it is time to look again, or somebody needs a key that is not here.
    async fn rest(&self, pause: Duration) {
        let wanted = async {
            loop {
                self.looks.wanted.notified().await;
                // The word may be from before the look that has just ended.
                if self.looks.is_due() {
                    return;
                }
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = wanted => {}
        }
    }

    fn hold(&self, held: &mut Published, found: Published) -> Result<(), String> {
        if *held == found {
            return Ok(());
        }
        let (issuer, audience) = &self.empty;
        let mut set = KeySet::new(issuer, audience);
        for (kid, public) in &found {
            set = set
                .with(kid, public)
                .map_err(|error| format!("key {kid} is broken: {error}"))?;
        }
        let kids: Vec<&str> = set.kids().collect();
        info!(keys = kids.join(" "), "auth's keys are these now");
        self.set.send_replace(Arc::new(set));
        *held = found;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn looking_every(mut self, refresh: Duration) -> Self {
        self.refresh = refresh;
        self
    }
}
