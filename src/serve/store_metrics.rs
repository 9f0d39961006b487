//! How the store is doing, as metrics: the store itself knows no metrics.

use store::Stats;

service::metrics! {
    /// What a process tells of its store.
    pub struct StoreMetrics {
        /// Operations on the database that run now, in the driver; 0 for the embedded one.
        operations: Gauge = "chatify_store_operations",
        /// Operations on the database that were begun; what many say at one time shares them.
        begun: Counter = "chatify_store_operations_total",
        /// Those of them that were given up at their deadline and still run. Not 0 for long: the database does not answer.
        orphans: Gauge = "chatify_store_orphans",
        /// 1 for the level in force: `full` keeps the whole guarantee; `degraded` means that the database's topology is weak
        /// and that it was allowed, so that acknowledged messages may be lost with a server.
        full: Gauge = "chatify_guarantee" { "level" = "full" },
        /// See above.
        degraded: Gauge = "chatify_guarantee" { "level" = "degraded" },
    }
}

impl StoreMetrics {
    /// Shows how it is now.
    pub(super) fn show(&self, stats: Stats) {
        let gauge = |on: bool| if on { 1.0 } else { 0.0 };
        self.operations.set(stats.running as f64);
        self.begun.absolute(stats.begun);
        self.orphans.set(stats.orphans as f64);
        self.full.set(gauge(!stats.degraded));
        self.degraded.set(gauge(stats.degraded));
    }
}
