#!/usr/bin/env bash
# What people notice of a deployment: CONNECTIONS=20000 of them talk on a cluster of three nodes on this machine while the
# nodes are restarted one after the other (WHAT=restart), or one is killed and started again (WHAT=kill). The load
# generator checks all that they receive; its report and the nodes' own counts are written to target/rolling/.
# People go to the nodes directly, each to the next one when cut off: one balancer could not hold so many files here.
# BINARIES=DIR takes `chatify` and `chatify-loadtest` from there.
source "$(dirname "$0")/lib.sh"
source ops/dev/process.sh
CONNECTIONS=${CONNECTIONS:-20000} WHAT=${WHAT:-restart} RATE=${RATE:-100}
STATE=$ROOT/target/rolling
export CLUSTER=rolling-cluster
case $WHAT in restart | kill) ;; *) die "WHAT is restart or kill" ;; esac
need_rust
mkdir -p "$STATE"
rm -f "$STATE"/calm-* "$STATE"/before-* "$STATE"/last-* "$STATE"/after-*
ulimit -n "$(ulimit -H -n)"
built=${BINARIES:-}
if [ -z "$built" ]; then
  web_build
  cargo build --locked --release -p loadtest -p chatify
  built=$TARGET_DIR/release
fi
loadtest=$built/chatify-loadtest
export CLUSTER_BINARY=$built/chatify
trap 'kill $(jobs -p) 2>/dev/null; ops/dev/cluster.sh down >/dev/null' EXIT
ops/dev/cluster.sh down >/dev/null || true
rm -rf "$ROOT/target/$CLUSTER"
LIMITS=off ops/dev/cluster.sh start >"$STATE/cluster.log"
say "$CONNECTIONS people"
"$built/chatify" --config "target/$CLUSTER/auth/chatify.toml" seed --users "$CONNECTIONS" \
  --rooms $((CONNECTIONS / 10)) --members 10 --out "$STATE/people.jsonl"

of() { python3 -c 'import json, sys; e = json.load(open(sys.argv[1])); print(eval(sys.argv[2], {"e": e}))' "target/$CLUSTER/endpoints.json" "$1"; }
# counts LABEL [NODE]: what the nodes say of themselves, one file each; a node that starts anew counts from 0.
counts() {
  local name url
  while read -r name url; do
    if [ -n "${2:-}" ] && [ "$name" != "$2" ]; then continue; fi
    curl -sf "$url/metrics" | grep -E '^chatify_(gap_reads|reads|connects|handshakes|deliveries|append)' >"$STATE/$1-$name" || true
  done < <(of '"\n".join(n["name"] + " " + n["admin"] for n in e["nodes"])')
}

agents=() n=$(((CONNECTIONS + 14999) / 15000)) base=$(ports_for rolling)
for ((i = 0; i < n; i++)); do
  "$loadtest" agent --listen "127.0.0.1:$((base + i))" 2>"$STATE/agent-$i.log" &
  agents+=("127.0.0.1:$((base + i))")
done
sleep 1
"$loadtest" run loadtest/scenarios/deploy.toml --people "$STATE/people.jsonl" \
  --target "$(of '",".join(n["url"] for n in e["nodes"])')" --agents "$(IFS=,; echo "${agents[*]}")" --settle 30 \
  --set connections="$CONNECTIONS" --set rooms=$((CONNECTIONS / 10))x10 --set connect-rate=1000 --set rate="$RATE" \
  --set duration="${SECONDS_MEASURED:-180}" --json "$STATE/$WHAT.json" --html "$STATE/$WHAT.html" >"$STATE/$WHAT.md" 2>"$STATE/$WHAT.err" &
run=$!
# All are connected after as many seconds as there are thousands, and have talked for ten. What the nodes then read while
# nobody comes or goes (the sweep of heads) they read for no return.
sleep $((CONNECTIONS / 1000 + 15))
counts calm
calm=$(date +%s.%N)
sleep 30
counts before
began=$(date +%s.%N)
if [ "$WHAT" = kill ]; then
  counts last node-b
  ops/dev/cluster.sh kill node-b
  sleep 20
  ops/dev/cluster.sh restart node-b
else
  for node in node-a node-b node-c; do
    counts last $node
    ops/dev/cluster.sh restart $node
    printf '%s is back after %.1f s\n' $node "$(echo "$(date +%s.%N) - $began" | bc)"
  done
fi
wait $run && verdict=0 || verdict=$?
counts after
ended=$(date +%s.%N)
cat "$STATE/$WHAT.md"
say "reads of the store"
python3 ops/dev/rolling_reads.py "$STATE" "$STATE/$WHAT.json" "$calm" "$began" "$ended"
exit "$verdict"
