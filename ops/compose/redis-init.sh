#!/bin/sh
# Makes a cluster of the Redis servers at ADDRESS...: half of them masters, each with a replica. Does nothing when they
# are one. The password comes as REDISCLI_AUTH.
# usage: redis-init.sh ADDRESS...
set -eu
port=${REDIS_PORT:-6379}
if redis-cli -h "$1" -p "$port" cluster info | grep -q cluster_state:ok; then exit; fi
for address in "$@"; do
  shift
  set -- "$@" "$address:$port"
done
redis-cli --cluster create "$@" --cluster-replicas 1 --cluster-yes
