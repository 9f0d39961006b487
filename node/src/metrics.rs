//! What a node counts. Labels are words of the program; no user, room or address is one.

service::metrics! {
    /// What a node counts.
    pub struct NodeMetrics {
        /// Events put into outboxes of sockets in rooms.
        deliveries: Counter = "chatify_deliveries_total",
        /// From the acceptance of a change by this node (its frame or call was read) to the write of its event to sockets
        /// of this node, weighted by the number of sockets. Written means: the turn that put it into the outboxes has
        /// called `writev` for all of them; a client that takes nothing, or has no poll open, gets it later. Changes of
        /// other nodes, what was read from the log and what is given to a socket that catches up are not in it.
        delivery: Spread = "chatify_delivery_seconds",
        /// From the acceptance of a change by another node, by its wall clock in milliseconds, to the same write on this
        /// node, weighted by the number of sockets. As wrong as the two clocks differ; below 0 counts as 0.
        remote_delivery: Spread = "chatify_remote_delivery_seconds",
        /// From handing a batch to the store to taking up its acknowledgement; batches that failed are not in it.
        commit: Histogram = "chatify_commit_seconds",
        /// Batches handed to the store, each try of the same batch counted.
        append_tries: Counter = "chatify_append_tries_total",
        /// Batches that the store has acknowledged.
        append_batches: Counter = "chatify_append_batches_total",
        /// Entries in those batches.
        append_entries: Counter = "chatify_append_entries_total",
        /// Changes of rooms that somebody waited for (messages, edits, reactions, members, settings), by outcome: `acked`,
        /// `duplicate` (a repeat that found the first), `refused` (for sure not stored), `unknown` (may be stored: repeat
        /// it with the same `clientId`).
        sends_acked: Counter = "chatify_sends_total" { "outcome" = "acked" },
        /// See above.
        sends_duplicate: Counter = "chatify_sends_total" { "outcome" = "duplicate" },
        /// See above.
        sends_refused: Counter = "chatify_sends_total" { "outcome" = "refused" },
        /// See above.
        sends_unknown: Counter = "chatify_sends_total" { "outcome" = "unknown" },
        /// What was refused since it was too much: `send` (a sender's pace in a room), `call` (a caller's budget of REST
        /// calls), `frames` (a connection that was cut for it), `codes` (auth: codes and guesses).
        limited_sends: Counter = "chatify_rate_limited_total" { "what" = "send" },
        /// See above.
        limited_calls: Counter = "chatify_rate_limited_total" { "what" = "call" },
        /// See above.
        limited_frames: Counter = "chatify_rate_limited_total" { "what" = "frames" },
        /// Holes in a room's log on this node for which the store was read: news was lost or late.
        gaps_found: Counter = "chatify_gaps_found_total",
        /// From the first entry that was missed to the last one that filled the hole; only of holes that were read for.
        gap_repair: Histogram = "chatify_gap_repair_seconds",
        /// Bytes that wait in outboxes of clients.
        outbox_bytes: Gauge = "chatify_outbox_bytes",
        /// Sockets that are not where one of their rooms is and are being given what they missed; each one that connects
        /// is so for a moment.
        lagging_sockets: Gauge = "chatify_lagging_sockets",
        /// People with a socket on this node, those who left within the last 5 s included. Somebody on two nodes counts on
        /// both.
        online_people: Gauge = "chatify_online_people",
        /// 1 while this node closes its connections, else 0.
        draining: Gauge = "chatify_draining",
        /// Drains that came to their end: `clean`, or `cut` when connections were left at the deadline.
        drains_clean: Counter = "chatify_drains_total" { "outcome" = "clean" },
        /// See above.
        drains_cut: Counter = "chatify_drains_total" { "outcome" = "cut" },
        /// From this node's word to itself on the bus to its hearing it, each second, by the way that hints take.
        canary: Histogram = "chatify_canary_seconds",
        /// 1 while this node has not heard itself on the bus for 3 s, else 0.
        canary_stalled: Gauge = "chatify_canary_stalled",
        /// Times that the subscriptions were made anew since the canary was not heard.
        canary_heals: Counter = "chatify_canary_heals_total",
        /// Traces that were not exported: the collector was away or slow.
        traces_dropped: Counter = "chatify_traces_dropped_total",
        /// Mail between shards that was dropped because the other shard did not keep up.
        mail_dropped: Counter = "chatify_shard_mail_dropped_total",
        /// News for other nodes that was given to the bus.
        hints_published: Counter = "chatify_hints_published_total",
        /// News of other nodes, and own news that came back, heard from the bus; own hints of rooms are not in it.
        hints_received: Counter = "chatify_hints_received_total",
        /// News of other nodes that a shard's full mailbox did not take; the shard compares heads instead.
        hints_dropped: Counter = "chatify_hints_dropped_total",
        /// Times that the bus may have lost something.
        bus_lost: Counter = "chatify_bus_lost_total",
        /// Reads of a room's log for a gap, or for a socket that lags.
        gap_reads: Counter = "chatify_gap_reads_total",
        /// Operations of the store that read for many at once: `rooms` of people who connect, `logs` for gaps and lagging
        /// sockets, `heads` of rooms to compare.
        reads: CounterBy = "chatify_reads_total" { "of" = "" },
        /// For how many people or rooms those were.
        reads_for: CounterBy = "chatify_reads_for_total" { "of" = "" },
        /// Nodes that are alive, this one included; 0 while the roster is away.
        peers_alive: Gauge = "chatify_peers_alive",
        /// Requests for sessions of other nodes, by what came of passing them on: `answered`, `switched` (an upgrade that
        /// is carried), `unknown` (no such node), `unreachable`, `too_large`.
        strays: CounterBy = "chatify_strays_total" { "outcome" = "" },
        /// What nodes hand to each other to write in rooms that several of them write: `handed` messages to another node,
        /// `taken` ones from another node, `sent_back` ones that made no entry here; and `unanswered`: times that the
        /// log said nothing of them in time and this node wrote by itself.
        handed: CounterBy = "chatify_handed_total" { "what" = "" },
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
