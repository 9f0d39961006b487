#!/usr/bin/env bash
# The real servers that tests talk to: redis, redis-cluster, rabbitmq, mongodb, smtp; on ports of this tree alone.
# usage: eval "$(servers.sh start [SERVER...])"   starts what is not running, prints the variables by which tests find it
#        servers.sh install                       only installs and builds what is missing
#        servers.sh env | status | stop           data and logs stay in target/servers/ until the next start
source "$(dirname "$0")/lib.sh"
STATE=$ROOT/target/servers LOGS=$STATE/logs
source ops/dev/process.sh
source ops/dev/backends.sh

ALL=(redis redis-cluster rabbitmq mongodb smtp)
PARTS=(redis redis-cluster-{1..6} rabbitmq rabbitmq-names mongodb smtp)

usage() { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }

ports() {
  base=$(ports_for servers "$@")
  redis=$base cluster=$((base + 1)) rabbitmq=$((base + 20)) mongodb=$((base + 23)) smtp=$((base + 24))
}

running() { for part in "${PARTS[@]}"; do if alive "$part"; then return 0; fi; done; return 1; }

up() {
  case $1 in
    redis) redis_up redis "$redis" ;;
    redis-cluster) redis_cluster_up redis-cluster "$cluster" ;;
    rabbitmq) rabbitmq_up rabbitmq "$rabbitmq" ;;
    mongodb) mongodb_up mongodb "$mongodb" ;;
    smtp) smtp_up smtp "$smtp" ;;
  esac
}

install() {
  for server in "$@"; do
    case $server in
      redis | redis-cluster) need_redis ;;
      rabbitmq) need_rabbitmq ;;
      mongodb) need_mongodb ;;
      smtp) ;;
      *) usage ;;
    esac
  done >&2
}

start() {
  # Whoever evaluates what we print must see that it failed.
  trap 'echo false' EXIT
  trap 'forsaken; slay "${PARTS[@]}"; exit 130' INT TERM
  install "$@"
  mkdir -p "$STATE"
  exec 9>"$STATE/lock"
  flock 9
  if running; then ports; else
    find "$STATE" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
    ports fresh
  fi
  for server in "$@"; do beside "$server" up "$server"; done
  if ! joined; then slay "${PARTS[@]}"; exit 1; fi
  trap - EXIT
  variables
}

# Only of what runs: a test whose server is missing says so by itself.
variables() {
  if alive redis; then echo "export CHATIFY_TEST_REDIS=redis://127.0.0.1:$redis"; fi
  if alive redis-cluster-1; then
    echo "export CHATIFY_TEST_REDIS_CLUSTER=redis+cluster://127.0.0.1:$cluster,127.0.0.1:$((cluster + 1)),127.0.0.1:$((cluster + 2))"
  fi
  if alive rabbitmq; then echo "export CHATIFY_TEST_AMQP=amqp://guest:guest@127.0.0.1:$rabbitmq/%2f"; fi
  if alive mongodb; then echo "export CHATIFY_TEST_MONGODB='mongodb://127.0.0.1:$mongodb/?replicaSet=secantus'"; fi
  if alive smtp; then
    echo "export CHATIFY_TEST_SMTP='smtp://127.0.0.1:$smtp?tls=none'"
    echo "export CHATIFY_TEST_SMTP_HTTP=http://127.0.0.1:$((smtp + 3))"
  fi
}

command=${1:-}
if [ $# -le 1 ]; then set -- "$command" "${ALL[@]}"; fi
case $command in
  install) install "${@:2}" ;;
  start) start "${@:2}" ;;
  env) ports; variables ;;
  status) for part in "${PARTS[@]}"; do printf '%-16s %s\n' "$part" "$(pid_of "$part")"; done ;;
  # Their data are worth nothing: no need to let them say goodbye.
  stop) slay "${PARTS[@]}" ;;
  *) usage ;;
esac
