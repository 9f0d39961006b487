//! The settings of a node.

use std::time::Duration;

service::settings! {
    /// Sockets and the shards that own them.
    pub struct NodeConfig in "node" {
        /// The node's name, shown to clients in `session:ready`; unset takes the host's name.
        name: Option<String> = "",
        /// Threads that own connections; 0 takes one for each core.
        shards: u32 = "0" in "0"..="64",
        /// Live connections of the whole node; beyond it handshakes get 503 with `Retry-After`.
        connections: usize = "1000000" in "1"..="100000000",
        /// Bytes that may wait for one client; beyond it the connection is cut and the client resumes.
        outbox_bytes: usize = "262144" in "16384"..="16777216",
        /// From a pong to the next ping.
        ping_interval: Duration = "25s" in "1s"..="5m",
        /// How long a pong may take.
        ping_timeout: Duration = "20s" in "1s"..="5m",
        /// How long a connection may stay without a token.
        connect_timeout: Duration = "10s" in "1s"..="1m",
        /// Frames that one connection may send in a second, with ten seconds of burst; lifted by `limits=off`.
        frames_per_second: u32 = "100" in "1"..="1000000",
        /// Connections that a drain closes in each 100 ms: the pace at which other nodes get them.
        drain_closes: usize = "200" in "1"..="1000000",
        /// Reads for sockets (history, sync) under way at once; beyond it sockets are told to try again.
        reads: usize = "1024" in "1"..="100000",
    }
}

impl NodeConfig {
    /// The node's name, for people: its own, or the host's.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(host_name)
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "node".to_owned(),
        name => name.to_owned(),
    }
}
