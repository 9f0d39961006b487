#!/usr/bin/env bash
# Asks a Prometheus that watches a cluster under a little load for every panel of the dashboards and every rule, prints a table
# of what came, and ends with `N passed, N failed`. Takes the cluster of `make cluster PROMETHEUS=on` while that runs; else it
# starts one of its own (in target/dashboards/) and ends it. CLUSTER_BINARY=FILE builds nothing for that.
source "$(dirname "$0")/lib.sh"
need python3 python3
name=cluster
watcher=$(sed -n 's/.*"prometheus":{"url":"\([^"]*\)".*/\1/p' target/cluster/endpoints.json 2>/dev/null || true)
if [ -z "$watcher" ] || ! curl -fso /dev/null "$watcher/-/ready"; then
  name=dashboards
  trap 'CLUSTER=$name ops/dev/cluster.sh down' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  CLUSTER=$name PROMETHEUS=on ops/dev/cluster.sh start
fi
state=target/$name
# Canaries are made in the store, with the secrets of auth.
export CHATIFY_AUTH_KEY_SECRET_FILE=$state/secrets/key-secret
PYTHONDONTWRITEBYTECODE=1 python3 ops/grafana/ask.py "$state/endpoints.json" "$state/bin/chatify" "$state/node-a/chatify.toml"
