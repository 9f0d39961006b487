//! What a node counts. Labels are words of the program; no user, room or address is one.

service::metrics! {
    /// What a node counts.
    pub struct NodeMetrics {
        /// Events put into outboxes of sockets in rooms.
        deliveries: Counter = "chatify_deliveries_total",
        /// Batches sent to the store.
        append_batches: Counter = "chatify_append_batches_total",
        /// Entries in those batches.
        append_entries: Counter = "chatify_append_entries_total",
        /// Mail between shards that was dropped because the other shard did not keep up.
        mail_dropped: Counter = "chatify_shard_mail_dropped_total",
        /// News for other nodes that was given to the bus.
        hints_published: Counter = "chatify_hints_published_total",
        /// News of other nodes, and own news that came back, heard from the bus.
        hints_received: Counter = "chatify_hints_received_total",
        /// News of other nodes that a shard's full mailbox did not take; the shard compares heads instead.
        hints_dropped: Counter = "chatify_hints_dropped_total",
        /// Times that the bus may have lost something.
        bus_lost: Counter = "chatify_bus_lost_total",
        /// Reads of a room's log for a gap, or for a socket that lags.
        gap_reads: Counter = "chatify_gap_reads_total",
        /// Nodes that are alive, this one included; 0 while the roster is away.
        peers_alive: Gauge = "chatify_peers_alive",
        /// Requests for sessions of other nodes, by what came of passing them on: `answered`, `switched` (an upgrade that
        /// is carried), `unknown` (no such node), `unreachable`, `too_large`.
        strays: CounterBy = "chatify_strays_total" { "outcome" = "" },
        /// Rooms in which two bodies were seen for one place: never anything but 0.
        diverged: Counter = "chatify_room_diverged_total",
        /// Socket events that were refused, by problem code.
        problems: CounterBy = "chatify_socket_problems_total" { "code" = "" },
        /// Connects that were refused, by problem code.
        refused_connects: CounterBy = "chatify_connects_refused_total" { "code" = "" },
        /// Sockets that are open.
        sockets: Gauge = "chatify_sockets",
        /// Transport sessions that are open, those without a socket included.
        connections: Gauge = "chatify_connections",
        /// Handshakes that made a session, by either transport.
        handshakes: Counter = "chatify_handshakes_total",
        /// Messages and packets from clients.
        frames_in: Counter = "chatify_frames_in_total",
        /// Frames put into outboxes.
        frames_out: Counter = "chatify_frames_out_total",
        /// Bytes that the kernel took.
        bytes_out: Counter = "chatify_bytes_out_total",
        /// Writes to sockets: frames by writes tells how well turns batch.
        writes: Counter = "chatify_socket_writes_total",
        /// Connections that ended, by reason.
        closed: CounterBy = "chatify_connections_closed_total" { "reason" = "" },
        /// Mail that waits for the shards.
        mailbox_depth: Gauge = "chatify_shard_mailbox_depth",
    }
}
