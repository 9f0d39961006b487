#!/usr/bin/env bash
# A whole cluster on loopback, without a container engine: three nodes, auth and mailer behind HAProxy, on a Redis Cluster,
# RabbitMQ, a MongoDB-wire server and an SMTP sink. Every part is a process of its own that can be killed and restarted.
# usage: cluster.sh start | status | down | restart PART... | kill PART... | revive PART...
# PART: node-a node-b node-c auth mailer haproxy redis-1 … redis-6 mongodb rabbitmq smtp
# LIMITS=off lifts the rate limits, PROFILE=release builds for speed, PROMETHEUS=on watches it all by the rules of
# ops/prometheus (the parts prometheus and blackbox). Everything lies in target/cluster/; programs that
# drive the cluster read endpoints.json there. For the fault harness (chaos/): CLUSTER=NAME makes another one beside it in
# target/NAME/, CLUSTER_BINARY=FILE builds nothing, `cluster.sh ports` tells who will listen where, and the file `doors`
# in its folder (lines `PART PORT`) has the parts talk to each other through those ports.
source "$(dirname "$0")/lib.sh"
CLUSTER=${CLUSTER:-cluster}
STATE=$ROOT/target/$CLUSTER LOGS=$STATE/logs
source ops/dev/process.sh
source ops/dev/backends.sh
# What somebody has exported for a chatify of their own must not steer these.
unset "${!CHATIFY_@}"

NODES=(node-a node-b node-c) SERVICES=(node-a node-b node-c auth mailer)
REDIS=(redis-1 redis-2 redis-3 redis-4 redis-5 redis-6)
BACKENDS=("${REDIS[@]}" mongodb rabbitmq smtp)
NAMED=("${SERVICES[@]}" haproxy "${BACKENDS[@]}")
# Beside it when they are asked for, and from then on until the cluster ends.
WATCHERS=(blackbox prometheus)
CHATIFY=$STATE/bin/chatify

usage() { sed -n '4,8s/^# //p' "$0" >&2; exit 2; }

# Where each part listens: PORT for those who use it, ADMIN for probes and metrics.
ports() {
  local base n
  base=$(ports_for "$CLUSTER" "$@")
  declare -gA PORT=([haproxy]=$base [mongodb]=$((base + 23)) [rabbitmq]=$((base + 20)) [smtp]=$((base + 24)) [auth]=$((base + 28)) [prometheus]=$((base + 31)) [blackbox]=$((base + 33)))
  declare -gA ADMIN=([haproxy]=$((base + 7)) [auth]=$((base + 29)) [mailer]=$((base + 30)) [smtp]=$((base + 27)) [rabbitmq]=$((base + 32)))
  for n in 0 1 2 3 4 5; do PORT[redis-$((n + 1))]=$((base + 1 + n)); done
  for n in 0 1 2; do PORT[${NODES[n]}]=$((base + 8 + n)) ADMIN[${NODES[n]}]=$((base + 17 + n)); done
}

# door PART: the port by which the others reach it.
door() { sed -n "s/^$1 //p" "$STATE/doors" 2>/dev/null | grep . || echo "${PORT[$1]}"; }
# The server names itself by its own address: behind a door the driver must not go and look for that.
topology() { if [ "$(door mongodb)" = "${PORT[mongodb]}" ]; then echo replicaSet=secantus; else echo directConnection=true; fi; }

# secret NAME: the path of a secret of this cluster, drawn when it is first asked for.
secret() {
  local file=$STATE/secrets/$1
  if [ ! -s "$file" ]; then (umask 077 && mkdir -p "$STATE/secrets" && openssl rand -hex 32 >"$file.new" && mv "$file.new" "$file"); fi
  echo "$file"
}

# settings PART: its TOML file.
settings() {
  local part=$1
  cat <<TOML
# Written by \`make cluster\`; \`make cluster-restart\` starts with what stands here.
admin-listen = "127.0.0.1:${ADMIN[$part]}"
cluster-key-file = "$(secret cluster-key)"
mail-queue = "amqp://guest:guest@127.0.0.1:$(door rabbitmq)/%2f"
TOML
  if [ "$part" != mailer ]; then
    cat <<TOML
listen = "127.0.0.1:${PORT[$part]}"
store = "mongodb://127.0.0.1:$(door mongodb)/chatify?$(topology)"
bus = "redis+cluster://127.0.0.1:$(door redis-1),127.0.0.1:$(door redis-2),127.0.0.1:$(door redis-3)"
limits = "${LIMITS:-on}"
trusted-proxies = ["127.0.0.1"]
# HAProxy takes a second to notice.
drain-grace = "2s"
TOML
  fi
  case $part in
    node-*) printf 'auth-url = "http://127.0.0.1:%s"\nadvertise = "http://127.0.0.1:%s"\n[node]\nname = "%s"\n' "$(door auth)" "$(door "$part")" "$part" ;;
    auth) printf '[auth]\nkey-secret-file = "%s"\n' "$(secret key-secret)" ;;
    mailer) printf '[mail]\nsmtp = "smtp://127.0.0.1:%s?tls=none"\nfrom = "chatify <no-reply@chat.test>"\n' "$(door smtp)" ;;
  esac
}

ready() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3 && head -n 1 <&3 | grep -q ' 200 ') 2>/dev/null
}

service_up() {
  local part=$1
  alive "$part" || spawn "$part" "$CHATIFY" "${part%%-*}" --config "$STATE/$part/chatify.toml"
  await 60 "$part" ready "${ADMIN[$part]}" /readyz
}

# Ready is when it would let somebody in: it knows at least one node and auth.
haproxy_up() {
  alive haproxy || spawn haproxy env HAPROXY_SOCKET="$STATE/haproxy/socket" \
    HAPROXY_LISTEN="127.0.0.1:${PORT[haproxy]}" HAPROXY_ADMIN="127.0.0.1:${ADMIN[haproxy]}" \
    NODE_A="127.0.0.1:$(door node-a)" NODE_A_ADMIN="${ADMIN[node-a]}" NODE_B="127.0.0.1:$(door node-b)" NODE_B_ADMIN="${ADMIN[node-b]}" \
    NODE_C="127.0.0.1:$(door node-c)" NODE_C_ADMIN="${ADMIN[node-c]}" AUTH="127.0.0.1:$(door auth)" AUTH_ADMIN="${ADMIN[auth]}" \
    haproxy -db -f ops/haproxy.cfg
  await 20 haproxy ready "${PORT[haproxy]}" /.well-known/jwks.json
}

# up PART: starts one and returns when it can be used.
up() {
  case $1 in
    redis-*) redis_cluster_node_up "$1" "${PORT[$1]}" "$(door "$1")" && redis_cluster_node_ready "$1" "${PORT[$1]}" ;;
    mongodb) mongodb_up mongodb "${PORT[mongodb]}" ;;
    rabbitmq) rabbitmq_up rabbitmq "${PORT[rabbitmq]}" "$(if watched; then echo "${ADMIN[rabbitmq]}"; fi)" ;;
    smtp) smtp_up smtp "${PORT[smtp]}" ;;
    haproxy) haproxy_up ;;
    blackbox) blackbox_up blackbox "${PORT[blackbox]}" ;;
    prometheus) watch_list >"$STATE/prometheus/prometheus.yml" && prometheus_up prometheus "${PORT[prometheus]}" ;;
    *) service_up "$1" ;;
  esac
}

# watched: whether somebody has asked for Prometheus since the last start of the cluster.
watched() { [ "${PROMETHEUS:-}" = on ] || alive prometheus; }

# watch_list: what Prometheus scrapes: the jobs of ops/prometheus/prometheus.yml, with the ports of this cluster.
watch_list() {
  local part
  cat <<YML
# Written by \`make cluster\`.
global: { scrape_interval: 2s, evaluation_interval: 2s }
rule_files: ["$ROOT/ops/prometheus/rules/*.yml"]
scrape_configs:
YML
  for part in node auth mailer; do
    printf '  - { job_name: %s, static_configs: [' "$part"
    if [ "$part" = node ]; then watch_target node-a; printf ', '; watch_target node-b; printf ', '; watch_target node-c; else watch_target "$part"; fi
    printf '] }\n'
  done
  for part in haproxy rabbitmq; do printf '  - { job_name: %s, static_configs: [%s] }\n' "$part" "$(watch_target "$part")"; done
  watch_probe front http "http://127.0.0.1:${PORT[haproxy]}/.well-known/jwks.json"
  watch_probe backends tcp "127.0.0.1:${PORT[redis-1]}" "127.0.0.1:${PORT[mongodb]}" "127.0.0.1:${PORT[rabbitmq]}"
}
watch_target() { printf '{ targets: ["127.0.0.1:%s"], labels: { instance: %s } }' "${ADMIN[$1]}" "$1"; }
# watch_probe JOB MODULE TARGET...
watch_probe() {
  local job=$1 module=$2 IFS=,
  shift 2
  cat <<YML
  - job_name: $job
    metrics_path: /probe
    params: { module: [$module] }
    static_configs: [{ targets: [$(printf '"%s",' "$@" | sed 's/,$//')] }]
    relabel_configs:
      - { source_labels: [__address__], target_label: __param_target }
      - { source_labels: [__param_target], target_label: instance }
      - { target_label: __address__, replacement: "127.0.0.1:${PORT[blackbox]}" }
YML
}

build() {
  mkdir -p "$STATE/bin"
  if [ -n "${CLUSTER_BINARY:-}" ]; then cp "$CLUSTER_BINARY" "$CHATIFY.new"; mv "$CHATIFY.new" "$CHATIFY"; return; fi
  need_rust
  web_build
  say "chatify: building (the first time takes some minutes)"
  local profile=${PROFILE:-debug} release=()
  if [ "$profile" = release ]; then release=(--release); fi
  cargo build --locked -p chatify "${release[@]}"
  # A copy: whoever builds meanwhile does not change what a restart starts.
  cp "$TARGET_DIR/$profile/chatify" "$CHATIFY.new"
  mv "$CHATIFY.new" "$CHATIFY"
}

start() {
  local part any='' doors=()
  need openssl openssl
  need haproxy haproxy
  need_redis
  need_rabbitmq
  need_mongodb
  if [ "${PROMETHEUS:-}" = on ]; then need_prometheus; fi
  build
  exec 9>"$STATE/lock"
  flock 9
  for part in "${NAMED[@]}"; do if alive "$part"; then any=yes; fi; done
  if [ -n "$any" ]; then
    ports
    trap 'forsaken; exit 130' INT TERM
  else
    # Redis keeps nothing worth keeping, and a cluster of old addresses would be in the way.
    rm -rf "$STATE"/redis-*
    ports fresh
    trap 'forsaken; slay "${NAMED[@]}" rabbitmq-names; exit 130' INT TERM
  fi
  for part in "${REDIS[@]}"; do doors+=("$(door "$part")"); done
  beside "redis cluster" redis_cluster_up redis "${PORT[redis-1]}" "${doors[@]}"
  for part in mongodb rabbitmq smtp; do beside "$part" up "$part"; done
  joined
  for part in "${SERVICES[@]}"; do
    mkdir -p "$STATE/$part"
    alive "$part" || (umask 077 && settings "$part" >"$STATE/$part/chatify.toml")
  done
  up auth
  for part in node-a node-b node-c mailer; do beside "$part" up "$part"; done
  joined
  up haproxy
  if watched; then
    mkdir -p "$STATE/prometheus"
    for part in "${WATCHERS[@]}"; do beside "$part" up "$part"; done
    joined
  fi
  endpoints
  status
}

# The pid that was last started; a program may have killed it since.
last_pid() { cut -d ' ' -f 1 "$STATE/$1/pid"; }

endpoints() {
  local part nodes=() redis=() watcher=''
  if alive prometheus; then watcher=$(printf ',\n"prometheus":{"url":"http://127.0.0.1:%s","pid":%s}' "${PORT[prometheus]}" "$(last_pid prometheus)"); fi
  for part in "${NODES[@]}"; do
    nodes+=("$(printf '{"name":"%s","url":"http://127.0.0.1:%s","admin":"http://127.0.0.1:%s","pid":%s}' "$part" "${PORT[$part]}" "${ADMIN[$part]}" "$(last_pid "$part")")")
  done
  for part in "${REDIS[@]}"; do
    redis+=("$(printf '{"url":"redis://127.0.0.1:%s","pid":%s}' "${PORT[$part]}" "$(last_pid "$part")")")
  done
  (
    IFS=,
    printf '{"lb":"http://127.0.0.1:%s",\n"nodes":[%s],\n' "${PORT[haproxy]}" "${nodes[*]}"
    printf '"auth":{"url":"http://127.0.0.1:%s","pid":%s},\n"mailer":{"pid":%s},\n' "${PORT[auth]}" "$(last_pid auth)" "$(last_pid mailer)"
    printf '"redis":[%s],\n' "${redis[*]}"
    printf '"mongodb":{"url":"mongodb://127.0.0.1:%s/chatify?replicaSet=secantus","pid":%s},\n' "${PORT[mongodb]}" "$(last_pid mongodb)"
    printf '"rabbitmq":{"url":"amqp://guest:guest@127.0.0.1:%s/%%2f","pid":%s},\n' "${PORT[rabbitmq]}" "$(last_pid rabbitmq)"
    printf '"smtp":{"http":"http://127.0.0.1:%s"}%s}\n' "${ADMIN[smtp]}" "$watcher"
  ) >"$STATE/endpoints.json.new"
  # A reader sees the old file or the new one, never half of one.
  mv "$STATE/endpoints.json.new" "$STATE/endpoints.json"
}

# revive PART...: starts those that are down, all at the same time, with the data and settings they had.
revive() {
  local part
  known "$@"
  exec 9>"$STATE/lock"
  flock 9
  ports
  for part in "$@"; do beside "$part" up "$part"; done
  joined
  endpoints
}

known() {
  local part
  [ $# -gt 0 ] || usage
  for part in "$@"; do
    case " ${NAMED[*]} ${WATCHERS[*]} " in *" $part "*) ;; *) echo "error: there is no part $part" >&2; usage ;; esac
  done
}

restart() {
  local part
  known "$@"
  [ -x "$CHATIFY" ] || die "there is no cluster: make cluster"
  exec 9>"$STATE/lock"
  flock 9
  ports
  for part in "$@"; do
    halt 60 "$part"
    beside "$part" up "$part"
    joined
    endpoints
  done
}

status() {
  local part pid word at
  ports
  for part in "${NAMED[@]}"; do
    pid=$(pid_of "$part") word=down at=http://127.0.0.1:${PORT[$part]:-}
    case $part in
      redis-*) at=redis://127.0.0.1:${PORT[$part]} ;;
      mongodb) at="mongodb://127.0.0.1:${PORT[mongodb]}/chatify?replicaSet=secantus" ;;
      rabbitmq) at=amqp://guest:guest@127.0.0.1:${PORT[rabbitmq]}/%2f ;;
      smtp) at=http://127.0.0.1:${ADMIN[smtp]}/messages ;;
      mailer) at= ;;
    esac
    if [ -n "$pid" ]; then
      word=up
      case $part in node-* | auth | mailer) if ready "${ADMIN[$part]}" /readyz; then word=ready; else word=unready; fi ;; esac
    fi
    case $part in node-* | auth | mailer | haproxy) at="$at  admin http://127.0.0.1:${ADMIN[$part]}" ;; esac
    printf '%-9s %-8s %7s  %s\n' "$part" "$word" "${pid:--}" "$at"
  done
  if alive prometheus; then say "prometheus http://127.0.0.1:${PORT[prometheus]}"; fi
  say "chatify   http://127.0.0.1:${PORT[haproxy]}"
  say "mails     http://127.0.0.1:${ADMIN[smtp]}/messages"
  say "files     target/cluster/endpoints.json, target/cluster/logs/"
}

case ${1:-} in
  start) start ;;
  ports) mkdir -p "$STATE"; ports fresh; for part in "${NAMED[@]}"; do echo "$part ${PORT[$part]:-0} ${ADMIN[$part]:-0}"; done ;;
  status) status ;;
  restart) restart "${@:2}" ;;
  revive) revive "${@:2}" ;;
  kill) known "${@:2}"; slay "${@:2}" ;;
  # First those who drain, then what they need for that.
  down) halt 60 "${SERVICES[@]}"; halt 10 haproxy "${WATCHERS[@]}" "${BACKENDS[@]}"; slay rabbitmq-names ;;
  *) usage ;;
esac
