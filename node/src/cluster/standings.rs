//! How people stand on this node, kept in the roster: in batches, again until it is taken, and all of it anew well
//! before it would be forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::roster::STANDING_TTL;
use protocol::envelope::Standing;
use protocol::ids::UserId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::warn;

use super::line::{CALL_DEADLINE, Line};

/// Changes are gathered for this long.
const GATHER: Duration = Duration::from_millis(20);
/// People put at once.
const PUT_MAX: usize = 500;
/// The pause before what was not taken is put again.
const PAUSE: Duration = Duration::from_secs(1);
/// Everything is put anew so often: four times within its life.
const RENEW_PERIOD: Duration = Duration::from_secs(STANDING_TTL.as_secs() / 4);

/// What the shards want kept. Bounded by the people who are, or just were, connected to this node: of each only the
/// newest standing waits.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Default)]
struct Waiting {
    changes: BTreeMap<UserId, Option<Standing>>,
    all: bool,
}

impl Desk {
    /// Somebody stands otherwise than before. Never waits.
    pub(super) fn keep(&self, user: UserId, standing: Option<Standing>) {
        self.locked(|waiting| waiting.changes.insert(user, standing));
        self.ready.notify_one();
    }

    /// The roster may have forgotten something.
    pub(super) fn keep_all(&self) {
        self.locked(|waiting| waiting.all = true);
        self.ready.notify_one();
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        // No call in between can panic, so the map is whole.
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Until it is dropped.
pub(super) async fn keep(line: Arc<Line>) {
    let mut ours: HashMap<UserId, Standing> = HashMap::new();
    let mut unkept: BTreeMap<UserId, Option<Standing>> = BTreeMap::new();
    // Changes that the others may not have heard of either: said again when they are kept.
    let mut late: BTreeSet<UserId> = BTreeSet::new();
    let mut renew_at = Instant::now() + RENEW_PERIOD;
    loop {
        let mut all = false;
        if unkept.is_empty() {
            tokio::select! {
                () = line.desk.ready.notified() => sleep(GATHER).await,
                () = sleep_until(renew_at) => all = true,
            }
        } else {
            sleep(PAUSE).await;
        }
        let waiting = line.desk.locked(std::mem::take);
        for (user, standing) in waiting.changes {
            match &standing {
                Some(standing) => drop(ours.insert(user, standing.clone())),
                None => drop(ours.remove(&user)),
            }
            unkept.insert(user, standing);
        }
        if all || waiting.all {
            renew_at = Instant::now() + RENEW_PERIOD;
            for (user, standing) in &ours {
                let newest = unkept.entry(*user);
                newest.or_insert_with(|| Some(standing.clone()));
            }
        }
        put(&line, &mut unkept, &mut late).await;
    }
}

/// Puts what is unkept, until something is not taken.
async fn put(
    line: &Line,
    unkept: &mut BTreeMap<UserId, Option<Standing>>,
    late: &mut BTreeSet<UserId>,
) {
    while !unkept.is_empty() {
        let batch: Vec<_> = unkept
            .iter()
            .take(PUT_MAX)
            .map(|(user, standing)| (*user, standing.clone()))
            .collect();
        let put = timeout(CALL_DEADLINE, line.roster.put(line.me(), batch.clone())).await;
        if !matches!(put, Ok(Ok(()))) {
            warn!(
                people = unkept.len(),
                "the roster keeps nothing now; it is tried again"
            );
            late.extend(unkept.keys());
            return;
        }
        for (user, standing) in batch {
            unkept.remove(&user);
            if late.remove(&user) {
                line.say(user, standing);
            }
        }
    }
}
