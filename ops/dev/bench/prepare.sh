# What benchmarks share: release builds of chatify and of the load generator, ports of this tree, and the peers' packages.
# Sourced after lib.sh by scripts that set STATE and LOGS. BINARIES=DIR takes `chatify` and `chatify-loadtest` from there.
# shellcheck shell=bash

source ops/dev/process.sh
source ops/dev/backends.sh
# What somebody has exported for a chatify of their own must not steer these.
unset "${!CHATIFY_@}"
export PYTHONDONTWRITEBYTECODE=1

# ours: the two programs, built as they are shipped.
ours() {
  need_rust
  need python3 python3
  need taskset util-linux
  local built=${BINARIES:-}
  if [ -z "$built" ]; then
    web_build
    say "chatify and chatify-loadtest: building, --release (the first time takes some minutes)"
    cargo build --release --locked -p chatify -p loadtest
    built=$TARGET_DIR/release
  fi
  # Copies: whoever builds meanwhile does not change what is measured.
  mkdir -p "$STATE/bin"
  local program
  for program in chatify chatify-loadtest; do
    cp "$built/$program" "$STATE/bin/$program.new"
    mv "$STATE/bin/$program.new" "$STATE/bin/$program"
  done
  BENCH_PORT=$(ports_for bench)
  export BENCH_PORT BENCH_CHATIFY=$STATE/bin/chatify BENCH_LOADTEST=$STATE/bin/chatify-loadtest BENCH_STATE=$STATE
}

# peers: the others, by the ordinary clients and with pinned versions.
peers() {
  local wanted from=loadtest/peers
  need_node
  wanted=$(cat $from/socket.io/package.json $from/socket.io/package-lock.json | sha256sum | cut -d ' ' -f 1)
  if [ ! -d $from/socket.io/node_modules ] || ! unchanged peer-socket.io "$wanted"; then
    say "socket.io: npm ci"
    (cd $from/socket.io && npm ci --no-audit --no-fund --loglevel=error)
    done_with peer-socket.io "$wanted"
  fi
  say "socketioxide: building, --release"
  cargo build --release --locked --quiet --manifest-path $from/socketioxide/Cargo.toml --target-dir "$TARGET_DIR/peers"
  # A venv of its own: the version of its requirements and nothing else.
  if [ ! -x "$CACHE/venv-peers/bin/python" ] || ! unchanged peer-uwebsockets "$(sha256sum <$from/uwebsockets/requirements.txt)"; then
    say "uWebSockets: pip install"
    need python3 python3-venv
    python3 -m venv "$CACHE/venv-peers"
    "$CACHE/venv-peers/bin/pip" install -q -r $from/uwebsockets/requirements.txt
    done_with peer-uwebsockets "$(sha256sum <$from/uwebsockets/requirements.txt)"
  fi
  need nginx nginx-light
  [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || need_debian libnginx-mod-nchan
  need_redis
  need_mongodb
  export BENCH_SOCKETIOXIDE=$TARGET_DIR/peers/release/peer-socketioxide BENCH_VENV=$CACHE/venv-peers
}

# mail_queue: what `chatify auth` wants to find; nobody sends a mail here. Ends with the script.
mail_queue() {
  need_rabbitmq
  trap 'slay rabbitmq rabbitmq-names' EXIT
  trap 'exit 130' INT TERM
  rabbitmq_up rabbitmq $((BENCH_PORT + 20))
  export BENCH_AMQP=amqp://guest:guest@127.0.0.1:$((BENCH_PORT + 20))/%2f
}
