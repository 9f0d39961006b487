"""What is on the dashboards, and why. Every panel has data when a cluster is well, or says in `quiet` why not;
`make dashboards` asks a running Prometheus. Expressions name metrics of docs/metrics.md and series of ops/prometheus/rules."""

from kit import CHOSEN, GREEN, RED, YELLOW, Board, Panel, Row, heat, of, quantiles, rate, total

RISES_FROM_ZERO = ((None, GREEN), (1e-9, RED))
NOBODY_REFUSED = "nobody is refused"
BY_NODE, INSTANCE = "{{instance}}", "instance"


def minutely(metric, by="", more=""):
    return f"60 * {rate(metric, by, more)}"


def stat(title, about, query, unit="short", steps=(), **more):
    return Panel(title, about, [(query, "")], unit, "stat", more.pop("width", 4), 4, steps, **more)


def budget(slo):
    return f'100 * clamp_min(1 - sum_over_time(chatify:slo_bad:rate5m{{slo="{slo}"}}[$__range]) / (sum_over_time(chatify:slo_all:rate5m{{slo="{slo}"}}[$__range]) > 0), 0)'


BURN = ((None, GREEN), (1, YELLOW), (14.4, RED))
OBJECTIVES = Row("Objectives: what users feel", [
    stat("Sends acknowledged", "Of the sends in the chosen time; the objective is 99.9 %.", budget("sends"), "percent",
         ((None, RED), (99.9, GREEN)), decimals=3, top=100, width=6),
    stat("Delivered within a second", "From acceptance, or from the commit on another node, to the write to the socket; the objective is 99 %.",
         budget("deliveries"), "percent", ((None, RED), (99, GREEN)), decimals=2, top=100, width=6),
    stat("Codes within ten seconds", "From asking for a code to the mail server's yes; the objective is 99 %.",
         budget("mails"), "percent", ((None, RED), (99, GREEN)), decimals=2, top=100, width=6),
    stat("Alerts that page", "How many alerts of severity page fire now.",
         'count(ALERTS{alertname=~"Chatify.*",alertstate="firing",severity="page"}) or vector(0)', steps=RISES_FROM_ZERO, width=6),
    Panel("How fast the budgets burn", "1 is the pace that uses a budget up in 30 days; 14.4 for an hour wakes somebody.",
          [("chatify:slo_burn:ratio5m", "{{slo}}")], steps=BURN, width=24, height=7),
])

OVERVIEW = Board("overview", "overview", "Do messages flow? Start here; the other dashboards explain.", [
    OBJECTIVES,
    Row("Now", [
        stat("Processes up", "The share of processes that Prometheus reaches.", "100 * avg(chatify:up)", "percent",
             ((None, RED), (50, YELLOW), (100, GREEN)), top=100),
        stat("People online", "With at least one device, by the node that counts most of them.", f"max({of('chatify_online_people')})"),
        stat("Sockets", "Open sockets of all nodes.", total("chatify_sockets")),
        stat("Bus topics not confirmed", "Not 0 for long means that the bus is away.", total("chatify_bus_unconfirmed"),
             steps=((None, GREEN), (1, YELLOW), (50, RED))),
        stat("Canaries that stall", "Nodes that do not hear themselves through the bus.", total("chatify_canary_stalled"), steps=RISES_FROM_ZERO),
        stat("Rooms that diverged", "Two bodies for one place: anything but 0 is an alarm.", total("chatify_room_diverged_total"), steps=RISES_FROM_ZERO),
    ]),
    Row("Traffic", [
        Panel("Sends a second", "By what came of them. `unknown` is repeated by the client and is never stored twice.",
              [(rate("chatify_sends_total", "outcome"), "{{outcome}}")], "ops", stacked=True),
        Panel("Deliveries a second", "Events put into outboxes of sockets in rooms.", [(rate("chatify_deliveries_total", INSTANCE), BY_NODE)], "ops", stacked=True),
        Panel("Delivery delay", "From acceptance to the write on the same node, and from the commit to the write on another one.",
              [(expr, f"here {legend}") for expr, legend in quantiles("chatify_delivery_seconds", 0.5, 0.99)]
              + [(expr, f"elsewhere {legend}") for expr, legend in quantiles("chatify_remote_delivery_seconds", 0.5, 0.99)],
              "s", steps=((None, GREEN), (1, RED))),
        Panel("Sockets", "By node. With random balancing they are about equal.", [(total("chatify_sockets", INSTANCE), BY_NODE)], stacked=True),
        Panel("Refused a second", "Socket events and connects that were refused, by problem code; docs/errors explains each.",
              [(rate("chatify_socket_problems_total", "code"), "{{code}}"), (rate("chatify_connects_refused_total", "code"), "connect: {{code}}")],
              "ops", quiet=NOBODY_REFUSED),
        Panel("Sign-ins and mails a minute", "Codes asked for, devices signed in, mails that a server took.",
              [(minutely('chatify_auth_codes_asked_total'), "codes asked"), (minutely('chatify_auth_sessions_total'), "signed in"),
               (minutely('chatify_mail_jobs_total', more='fate="sent"'), "mails sent")]),
    ]),
    Row("The edge", [
        Panel("From outside", "1 when the probe of the front door and of the backends gets its answer.",
              [('probe_success', "{{job}} {{instance}}")], top=1, steps=((None, RED), (1, GREEN)), quiet="without a blackbox exporter"),
        Panel("Servers behind the balancer", "That HAProxy sends new connections to.", [("haproxy_backend_active_servers", "{{proxy}}")], quiet="behind another balancer"),
        Panel("Versions", "Processes by version; two for long means that a rollout stands still.", [(f"count by (version) ({of('chatify_build_info')})", "{{version}}")], stacked=True),
    ]),
])

NODE = Board("node", "node", "One node, or several beside each other: choose the instance above.", [
    Row("Connections", [
        Panel("Connections and sockets", "A connection without a socket has not sent its token yet.",
              [(total("chatify_connections", INSTANCE), "connections {{instance}}"), (total("chatify_sockets", INSTANCE), "sockets {{instance}}")]),
        Panel("Handshakes a second", "A storm of them is a restart, a network, or an attack.", [(rate("chatify_handshakes_total", INSTANCE), BY_NODE)], "ops"),
        Panel("Closed a second", "Why connections end. A drain shows as a paced wave.", [(rate("chatify_connections_closed_total", "reason"), "{{reason}}")], "ops", stacked=True),
        Panel("Frames a second", "From clients, and to them.",
              [(rate("chatify_frames_in_total", INSTANCE), "in {{instance}}"), (rate("chatify_frames_out_total", INSTANCE), "out {{instance}}")], "ops"),
        Panel("Bytes out a second", "That the kernel took.", [(rate("chatify_bytes_out_total", INSTANCE), BY_NODE)], "Bps"),
        Panel("Frames a write", "How many frames share one write to a socket: grows with load, which is what turns are for.",
              [(f"{rate('chatify_frames_out_total', INSTANCE)} / ({rate('chatify_socket_writes_total', INSTANCE)} > 0)", BY_NODE)], quiet="only while something is written"),
    ]),
    Row("Shards", [
        Panel("Mail that waits", "For the shards of a node. Depth for long is a thread that does not keep up.", [(total("chatify_shard_mailbox_depth", INSTANCE), BY_NODE)]),
        Panel("Outbox bytes", "That wait for slow sockets.", [(total("chatify_outbox_bytes", INSTANCE), BY_NODE)], "bytes"),
        Panel("Dropped a second", "Mail between shards, hints that a mailbox did not take, envelopes that came too fast: the log is read instead.",
              [(rate("chatify_shard_mail_dropped_total", INSTANCE), "mail {{instance}}"), (rate("chatify_hints_dropped_total", INSTANCE), "hints {{instance}}"),
               (rate("chatify_bus_overflowed_total", INSTANCE), "envelopes {{instance}}")], "ops"),
    ]),
    Row("Between nodes", [
        Panel("Nodes alive", "As each node counts them; they should agree.", [(total("chatify_peers_alive", INSTANCE), BY_NODE)]),
        Panel("Hints a second", "News given to the bus and heard from it.",
              [(rate("chatify_hints_published_total", INSTANCE), "published {{instance}}"), (rate("chatify_hints_received_total", INSTANCE), "received {{instance}}")], "ops"),
        Panel("Stray requests a second", "Of sessions of other nodes, by what came of passing them on. Only clients that poll cause them.",
              [(rate("chatify_strays_total", "outcome"), "{{outcome}}")], "ops", quiet="only clients that poll or upgrade cause them"),
        Panel("Handed over a second", "Messages that nodes hand to each other in rooms that several of them write, and times that nothing was heard of them.",
              [(rate("chatify_handed_total", "what"), "{{what}}")], "ops", quiet="only nodes that contend for a room cause them"),
    ]),
    Row("The process", [
        Panel("Memory", "In RAM.", [(of("process_resident_memory_bytes"), "{{job}} {{instance}}")], "bytes"),
        Panel("CPU", "Cores that it uses.", [(f"rate({of('process_cpu_seconds_total')}[$__rate_interval])", "{{job}} {{instance}}")], "none"),
        Panel("Open files", "Sockets and files, against the limit of the process (`ulimit -n`).", [(of("process_open_fds"), "{{job}} {{instance}}")]),
        Panel("Draining", "1 from SIGTERM to the end.", [(total("chatify_draining", INSTANCE), BY_NODE)], top=1),
        Panel("Drains an hour", "By how they ended. Prometheus may miss the last word of a process that ends.",
              [(f"sum by (outcome) (increase({of('chatify_drains_total')}[1h]))", "{{outcome}}")], quiet="no process has drained"),
        Panel("Traces dropped a second", "Spans that no collector took.", [(rate("chatify_traces_dropped_total", INSTANCE), BY_NODE)], "ops"),
    ]),
])

GUARANTEE = Board("guarantee", "delivery guarantee", "Acknowledged means never lost, doubled or reordered: what could delay it, and what must be 0.", [
    Row("Must be 0", [
        stat("Rooms that diverged", "Two bodies for one place in a room.", total("chatify_room_diverged_total"), steps=RISES_FROM_ZERO, width=6),
        stat("Guarantee degraded", "Processes that promise less.", f'sum(chatify_guarantee{{{CHOSEN},level="degraded"}}) or vector(0)', steps=RISES_FROM_ZERO, width=6),
        stat("Forged envelopes", "Not sealed with the cluster's key, in the chosen time.", f"sum(increase({of('chatify_bus_forged_total')}[$__range]))", steps=RISES_FROM_ZERO, width=6, decimals=0),
        stat("Canaries that stall", "Nodes that do not hear themselves.", total("chatify_canary_stalled"), steps=RISES_FROM_ZERO, width=6),
    ]),
    Row("Delay", [
        Panel("Delivery on the same node", "From acceptance to the write.", heat("chatify_delivery_seconds"), "s", "heatmap", 12),
        Panel("Delivery on another node", "From the commit, by the sender's clock, to the write: clocks that differ show here.", heat("chatify_remote_delivery_seconds"), "s", "heatmap", 12),
        Panel("99 of 100 are faster", "Of deliveries on the same and on another node.",
              [("chatify:delivery_seconds:p99_5m", "here"), ("chatify:remote_delivery_seconds:p99_5m", "elsewhere")], "s", steps=((None, GREEN), (1, RED))),
        Panel("The canary's round trip", "A node's word to itself through the bus.", quantiles("chatify_canary_seconds", 0.5, 0.99), "s", steps=((None, GREEN), (1, RED))),
        Panel("Commit", "From a batch's start to the store's acknowledgement.", quantiles("chatify_commit_seconds", 0.5, 0.99, by="instance"), "s", steps=((None, GREEN), (1, RED))),
    ]),
    Row("Repairs", [
        Panel("Gaps found a second", "Places that were missing when a later one came; each is read from the log.", [(rate("chatify_gaps_found_total", INSTANCE), BY_NODE)], "ops"),
        Panel("Gap to repair", "How long a gap stood open.", quantiles("chatify_gap_repair_seconds", 0.5, 0.99), "s", quiet="no gap was found"),
        Panel("Log reads a second", "For a gap, or for a socket that lags.", [(rate("chatify_gap_reads_total", INSTANCE), BY_NODE)], "ops"),
        Panel("Reads for many a second", "Operations of the store for all who connect, lag, or compare heads at that moment.", [(rate("chatify_reads_total", "of"), "{{of}}")], "ops"),
        Panel("Sockets that lag", "They are given what they miss from the log.", [(total("chatify_lagging_sockets", INSTANCE), BY_NODE)]),
        Panel("Subscriptions healed", "By the canary, in the chosen time.", [(f"sum by (instance) (increase({of('chatify_canary_heals_total')}[$__range]))", BY_NODE)]),
        Panel("Bus losses a second", "Times that the bus may have lost something: a connection, a failover, a moved slot.", [(rate("chatify_bus_losses_total", INSTANCE), BY_NODE)], "ops"),
    ]),
    Row("The store", [
        Panel("Tries a batch", "1 is best; more means answers that did not come, and batches sent again.", [("chatify:append_tries:ratio5m", BY_NODE)], quiet="only while something is said", steps=((None, GREEN), (1.2, RED))),
        Panel("Operations that run", "And orphans: given up by us, and still running in the driver.",
              [(total("chatify_store_operations", INSTANCE), "running {{instance}}"), (total("chatify_store_orphans", INSTANCE), "orphans {{instance}}")]),
        Panel("Entries a batch", "How many share one write: grows with load.",
              [(f"{rate('chatify_append_entries_total', INSTANCE)} / ({rate('chatify_append_batches_total', INSTANCE)} > 0)", BY_NODE)], quiet="only while something is said"),
    ]),
    Row("The bus", [
        Panel("Topics", "Watched, and not confirmed.", [(total("chatify_bus_watched", INSTANCE), "watched {{instance}}"), (total("chatify_bus_unconfirmed", INSTANCE), "unconfirmed {{instance}}")]),
        Panel("Envelopes a second", "Taken by a server, heard, and taken by none.",
              [(rate("chatify_bus_published_total"), "published"), (rate("chatify_bus_heard_total"), "heard"), (rate("chatify_bus_publish_dropped_total"), "dropped")], "ops"),
        Panel("Connections made", "To Redis, in the chosen time.", [(f"sum by (instance) (increase({of('chatify_bus_connections_total')}[$__range]))", BY_NODE)]),
    ]),
])

SIGN_IN = Board("sign-in", "auth and mail", "The way of a code, from the question to the mail server, and who abuses it.", [
    Row("The way of a code", [
        Panel("A minute", "Each step should follow the one before it.",
              [(minutely('chatify_auth_codes_asked_total'), "asked"), (minutely('chatify_auth_mails_total', more='fate="queued"'), "queued"),
               (minutely('chatify_mail_jobs_total', more='fate="sent"'), "sent"), (minutely('chatify_auth_guesses_total', more='outcome="right"') + ' or vector(0)', "right guesses"),
               (minutely('chatify_auth_sessions_total'), "signed in")], width=12),
        Panel("Age of mails", "From asking for a code to the mail server's yes.", quantiles("chatify_mail_age_seconds", 0.5, 0.99), "s", steps=((None, GREEN), (10, RED)), width=12),
        Panel("Not confirmed by the queue", "Codes that RabbitMQ has not taken yet. Not 0 for long: it is away.", [(total("chatify_mail_pending", INSTANCE), BY_NODE)]),
        Panel("Mails a minute", "By what came of them. `doubled` were deliveries of a mail that had been sent: no second mail.",
              [(minutely('chatify_mail_jobs_total', 'fate'), "{{fate}}")], stacked=True),
        Panel("In the queue", "Ready and taken but not confirmed, by RabbitMQ's own count.",
              [("sum(rabbitmq_queue_messages_ready)", "ready"), ("sum(rabbitmq_queue_messages_unacked)", "taken")], quiet="without RabbitMQ's own metrics"),
    ]),
    Row("Sessions", [
        Panel("Renewals a second", "By outcome; each device renews once in access-ttl.", [(rate("chatify_auth_renewals_total", "outcome"), "{{outcome}}")], "ops", quiet="devices renew once in ten minutes"),
        Panel("Signed in a minute", "Devices.", [(minutely('chatify_auth_sessions_total'), "signed in")]),
        Panel("Signed out a minute", "By reason. `refresh_reused` is an old token that came back.", [(minutely('chatify_auth_revoked_total', 'reason'), "{{reason}}")], quiet="nobody has signed out"),
    ]),
    Row("Abuse", [
        Panel("Guesses a minute", "Five for a code, then it is void.", [(minutely('chatify_auth_guesses_total', 'outcome'), "{{outcome}}")], quiet="nobody has typed a code"),
        Panel("Owners told a minute", "Of many wrong codes for their mailbox, or who could not be told, by outcome; each at most once a day.", [(minutely('chatify_auth_notices_total', 'outcome'), "{{outcome}}")], quiet="nobody was guessed at"),
        Panel("Mails withheld a minute", "Since the budget of their mailbox was spent; the asker is not told.", [(minutely('chatify_auth_mails_total', more='fate="withheld"'), "withheld")]),
        Panel("Refused by a limit", "A second, by what was limited.", [(rate("chatify_rate_limited_total", "what"), "{{what}}")], "ops", quiet=NOBODY_REFUSED),
        Panel("Verdicts of the local limiter", "A second: the shared one was away or slow.", [(rate("chatify_limits_local_total", INSTANCE), BY_NODE)], "ops"),
    ]),
])

CAPACITY = Board("capacity", "capacity", "How full it is, and what one more user costs. Look at a day or a week.", [
    Row("How full", [
        Panel("Connections", "By node; `node.connections` is the bound.", [(total("chatify_connections", INSTANCE), BY_NODE)], stacked=True, width=12),
        Panel("People online", "With at least one device.", [(f"max({of('chatify_online_people')})", "people")], width=12),
        Panel("CPU of nodes", "Cores, by instance; a node can use as many as it has shards.", [(f"sum by (instance) (rate({of('process_cpu_seconds_total')}[$__rate_interval]))", BY_NODE)], "none"),
        Panel("Memory", "In RAM, by instance.", [(f"sum by (instance) ({of('process_resident_memory_bytes')})", BY_NODE)], "bytes"),
        Panel("Open files", "Against `ulimit -n`.", [(f"sum by (instance) ({of('process_open_fds')})", BY_NODE)]),
    ]),
    Row("What one costs", [
        Panel("Memory a connection", "All memory of the node by its connections: high while there are few.", [("chatify:memory_per_connection:bytes", BY_NODE)], "bytes", quiet="without connections"),
        Panel("Deliveries a core and second", "What a core of a node does at this load.",
              [(f"{rate('chatify_deliveries_total', INSTANCE)} / (sum by (instance) (rate({of('process_cpu_seconds_total')}[$__rate_interval])) > 0)", BY_NODE)], "ops", quiet="without CPU time"),
        Panel("Fan-out", "Deliveries for each entry that is stored: how large the rooms are that people talk in.",
              [(f"{rate('chatify_deliveries_total')} / ({rate('chatify_append_entries_total')} > 0)", "deliveries an entry")], quiet="only while something is said"),
    ]),
    Row("Growth", [
        Panel("Entries stored a second", "Messages and other changes of rooms: what fills the store.", [(rate("chatify_append_entries_total", INSTANCE), BY_NODE)], "ops", stacked=True),
        Panel("Entries a day", "At the pace of the last hour.", [(f"86400 * sum(rate({of('chatify_append_entries_total')}[1h]))", "entries")]),
        Panel("Store operations that run", "Against the bound of the driver's pool.", [(total("chatify_store_operations", INSTANCE), BY_NODE)]),
    ]),
])

BOARDS = (OVERVIEW, NODE, GUARANTEE, SIGN_IN, CAPACITY)
