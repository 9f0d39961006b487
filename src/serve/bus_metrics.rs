//! What the bus counts, as metrics: the bus itself knows no metrics.

use std::sync::Arc;
use std::time::Duration;

use bus::counters::BusCounters;

/// How often the counts are copied.
const PERIOD: Duration = Duration::from_secs(1);

service::metrics! {
    /// What a process of a cluster tells of its bus.
    pub struct BusMetrics {
        /// Envelopes that a server has taken.
        published: Counter = "chatify_bus_published_total",
        /// Envelopes that no server took: a full queue, or a server that is away. Receivers find the news in the store.
        publish_dropped: Counter = "chatify_bus_publish_dropped_total",
        /// Envelopes that came, were genuine and were understood.
        heard: Counter = "chatify_bus_heard_total",
        /// What came and was not sealed with the cluster's key.
        forged: Counter = "chatify_bus_forged_total",
        /// Genuine envelopes of a kind that this version does not know.
        unreadable: Counter = "chatify_bus_unreadable_total",
        /// Envelopes that were dropped since this process was too far behind.
        overflowed: Counter = "chatify_bus_overflowed_total",
        /// How often envelopes may have been lost: a connection, a failover, a moved slot.
        losses: Counter = "chatify_bus_losses_total",
        /// Connections to servers that were made.
        bus_connections: Counter = "chatify_bus_connections_total",
        /// Topics that are wanted now.
        watched: Gauge = "chatify_bus_watched",
        /// Topics that are wanted and not confirmed now; not 0 for long means that the bus is away.
        unconfirmed: Gauge = "chatify_bus_unconfirmed",
        /// Verdicts of the stricter local limiter, since the shared one was away or slow.
        limits_local: Counter = "chatify_limits_local_total",
        /// Questions to the roster that found it away.
        roster_away: Counter = "chatify_roster_away_total",
    }
}

/// Copies the counts for as long as it runs.
pub(super) async fn count(counters: Arc<BusCounters>) {
    let metrics = BusMetrics::register();
    loop {
        for (metric, count) in [
            (&metrics.published, &counters.published),
            (&metrics.publish_dropped, &counters.publish_dropped),
            (&metrics.heard, &counters.heard),
            (&metrics.forged, &counters.forged),
            (&metrics.unreadable, &counters.unreadable),
            (&metrics.overflowed, &counters.overflowed),
            (&metrics.losses, &counters.losses),
            (&metrics.bus_connections, &counters.connections),
            (&metrics.limits_local, &counters.limits_local),
            (&metrics.roster_away, &counters.roster_away),
        ] {
            metric.absolute(count.get());
        }
        metrics.watched.set(counters.watched.get() as f64);
        metrics.unconfirmed.set(counters.unconfirmed.get() as f64);
        tokio::time::sleep(PERIOD).await;
    }
}
