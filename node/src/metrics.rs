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
