#!/usr/bin/env bash
# Counts what a message and a connection cost (allocations, instructions, system calls, bytes), never how long they take,
# and fails where a count is above what loadtest/baseline.toml allows. UPDATE=1 writes the counts there. About three
# minutes after the build; other work on the machine does not change the counts.
source "$(dirname "$0")/lib.sh"
STATE=$ROOT/target/count LOGS=$STATE/logs
export PYTHONPATH=$ROOT/ops/dev/bench
source ops/dev/bench/prepare.sh
need valgrind valgrind
need strace strace
ours
say "what is counted: building, --release"
# bench_of PACKAGE: where cargo put its bench `counted`. Symbols are wanted, so nothing is stripped.
bench_of() {
  cargo build --release --locked --quiet -p "$1" --bench counted --message-format=json |
    python3 -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["target"]["name"] == "counted"][-1])'
}
COUNT_HUB=$(bench_of chat)
COUNT_SOCKETS=$(bench_of transport)
export COUNT_HUB COUNT_SOCKETS COUNT_CHATIFY=$BENCH_CHATIFY COUNT_DIR=$STATE
UPDATE=${UPDATE:-} python3 ops/dev/bench/count.py loadtest/baseline.toml
