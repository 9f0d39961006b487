# How each real server that a cluster stands on is installed, started and found ready, on loopback and without a container.
# Sourced after process.sh. Each function starts one part, or finds it running, and returns when it can be used.
# shellcheck shell=bash

SECANTUS_VERSION=0.5.3-beta.196

need_redis() { need redis-server redis-server; need redis-cli redis-tools; }
need_rabbitmq() { need rabbitmq-server rabbitmq-server; }
# A MongoDB-wire server: no real mongod is in a package registry. Built once, about ten minutes.
need_mongodb() {
  if has secantusd-rs; then return; fi
  need cmake cmake
  need_rust
  # Its manifest asks for a newer compiler than it needs.
  need_cargo_tool secantusd-rs "$SECANTUS_VERSION" secantus-mdb --ignore-rust-version
}

# redis_up PART PORT [SETTING...]: keeps nothing on disk.
redis_up() {
  local part=$1 port=$2
  shift 2
  alive "$part" ||
    spawn "$part" redis-server --port "$port" --bind 127.0.0.1 --dir "$STATE/$part" --save '' --appendonly no "$@"
  await 20 "$part" redis_says "$port" PONG ping
}
redis_says() { redis-cli -p "$1" "${@:3}" | grep -Eq "$2"; }

# A node of a cluster; its bus takes PORT + 10, not PORT + 10000, which would lie in the ephemeral range.
# Clients and replicas are sent to PORT, or to the third argument.
redis_cluster_node_up() {
  redis_up "$1" "$2" --cluster-enabled yes --cluster-port $(($2 + 10)) --cluster-config-file nodes.conf \
    --cluster-announce-port "${3:-$2}" \
    --cluster-node-timeout 2000 --cluster-replica-validity-factor 0
}
# Known to all as usable; a replica must have finished its first copy, or nobody could promote it.
redis_cluster_node_ready() {
  await 60 "$1" redis_says "$2" cluster_state:ok cluster info
  await 60 "$1" redis_says "$2" 'role:master|master_link_status:up' info replication
}

# redis_cluster_up PREFIX PORT [DOOR...]: PREFIX-1 to PREFIX-6 on PORT and the five after it, three masters and three
# replicas; DOORS are where others reach them.
redis_cluster_up() {
  local at n
  for n in 1 2 3 4 5 6; do redis_cluster_node_up "$1-$n" $(($2 + n - 1)) "${@:n + 2:1}"; done
  if ! redis_says "$2" 'cluster_known_nodes:6' cluster info; then
    at=("127.0.0.1:$2" "127.0.0.1:$(($2 + 1))" "127.0.0.1:$(($2 + 2))" "127.0.0.1:$(($2 + 3))" "127.0.0.1:$(($2 + 4))" "127.0.0.1:$(($2 + 5))")
    timeout --foreground 60 redis-cli --cluster create "${at[@]}" --cluster-replicas 1 --cluster-yes >>"$LOGS/$1-1.log" 2>&1 ||
      { complain "$1-1" "could not form a cluster"; return 1; }
  fi
  for n in 1 2 3 4 5 6; do redis_cluster_node_ready "$1-$n" $(($2 + n - 1)); done
}

# rabbitmq_up PART PORT [METRICS]: AMQP on PORT, Erlang's distribution on PORT + 1, its name server (the part PART-names) on
# PORT + 2, its own metrics for Prometheus on METRICS.
rabbitmq_up() {
  local part=$1 port=$2 metrics=${3:-} dir=$STATE/$1 bin
  mkdir -p "$dir/home"
  # The programs on PATH are wrappers that change user and folder.
  bin=$(dpkg -L rabbitmq-server 2>/dev/null | grep '/lib/rabbitmq/bin$') ||
    bin=$(dirname "$(readlink -f "$(command -v rabbitmq-server)")")
  # Started by us and not by the broker: then it can be ended.
  alive "$part-names" || spawn "$part-names" epmd -address 127.0.0.1 -port $((port + 2))
  await 20 "$part-names" port_open $((port + 2))
  printf '%s\n' "listeners.tcp.1 = 127.0.0.1:$port" 'disk_free_limit.absolute = 50MB' 'log.console = true' \
    'log.console.level = info' 'log.file = false' >"$dir/rabbitmq.conf"
  echo "[${metrics:+rabbitmq_prometheus}]." >"$dir/enabled_plugins"
  if [ -n "$metrics" ]; then printf '%s\n' 'prometheus.tcp.ip = 127.0.0.1' "prometheus.tcp.port = $metrics" >>"$dir/rabbitmq.conf"; fi
  # ALLOW_INPUT makes the script become the broker instead of its parent, so that the pid is the broker's.
  # sbwt: an idle scheduler of Erlang must not spin.
  alive "$part" || spawn "$part" env -u RABBITMQ_NODE_PORT HOME="$dir/home" RABBITMQ_NODENAME="$part@localhost" \
    RABBITMQ_DIST_PORT=$((port + 1)) ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_CONFIG_FILE="$dir/rabbitmq" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" RABBITMQ_ALLOW_INPUT=true RABBITMQ_SERVER_START_ARGS=-noinput \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}" \
    "$bin/rabbitmq-server"
  await 120 "$part" amqp_answers "$port"
}
# A broker speaks when it is spoken to: the first frame is a method's (type 1). An open port alone says too little.
amqp_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'AMQP\0\0\11\1' >&3 && [ "$(timeout 2 head -c 1 <&3)" = $'\1' ]) 2>/dev/null
}

# mongodb_up PART PORT: without --sync-on-commit it loses acknowledged writes when it is killed.
mongodb_up() {
  mkdir -p "$STATE/$1/data"
  alive "$1" || spawn "$1" secantusd-rs --port "$2" --storage-path "$STATE/$1/data" --cache-size 256M --sync-on-commit
  await 60 "$1" port_open "$2"
}

# smtp_up PART PORT: plain SMTP on PORT, STARTTLS and TLS on the next two, and the mails as JSON by HTTP on PORT + 3.
smtp_up() {
  local python dir=$STATE/$1
  if ! alive "$1"; then
    python=$(ops/dev/ensure-smtp-sink.sh "$dir/certificates")
    spawn "$1" "$python" ops/dev/smtp_sink.py "$dir/certificates/cert.pem" "$dir/certificates/key.pem" \
      --ports "$2" $(($2 + 1)) $(($2 + 2)) $(($2 + 3))
  fi
  await 30 "$1" port_open $(($2 + 3))
}

need_prometheus() { need prometheus prometheus; need prometheus-blackbox-exporter prometheus-blackbox-exporter; }
# prometheus_up PART PORT: reads prometheus.yml in its folder.
prometheus_up() {
  mkdir -p "$STATE/$1/data"
  alive "$1" || spawn "$1" prometheus --config.file="$STATE/$1/prometheus.yml" --web.listen-address="127.0.0.1:$2" \
    --storage.tsdb.path="$STATE/$1/data" --storage.tsdb.retention.time=2d --log.level=warn
  await 30 "$1" ready "$2" /-/ready
}
# blackbox_up PART PORT: asks others from outside, for Prometheus.
blackbox_up() {
  alive "$1" || spawn "$1" prometheus-blackbox-exporter --config.file="$ROOT/ops/prometheus/blackbox.yml" --web.listen-address="127.0.0.1:$2"
  await 20 "$1" ready "$2" /-/healthy
}
