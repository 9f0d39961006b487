#!/usr/bin/env bash
# From a fresh clone to a running chatify: installs what is missing, builds what changed, runs it, says where it is.
# Arguments are settings of chatify, such as --listen 0.0.0.0:8080.
source "$(dirname "$0")/lib.sh"

need_rust
web_build
say "chatify: building (the first time takes some minutes)"
cargo build --release --locked -p chatify
chatify=$TARGET_DIR/release/chatify

# setting KEY: as chatify itself understands its flags, variables and file.
setting() { "$chatify" config --print "${@:2}" | sed -n "s/^$1 = \"\(.*\)\"  #.*/\1/p"; }
public=$(setting listen "$@")
admin=$(setting admin-listen "$@")

# In a process group of its own: Ctrl-C would reach it twice otherwise, and the second signal ends it without a drain.
set -m
"$chatify" "$@" </dev/null &
pid=$!
set +m
trap 'kill -TERM $pid 2>/dev/null || true' INT TERM
for _ in $(seq 300); do
  kill -0 $pid 2>/dev/null || break
  if (exec 3<>"/dev/tcp/${admin%:*}/${admin##*:}" && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && grep -q '200 OK' <&3) 2>/dev/null; then
    say "chatify       http://$public"
    say "your mail     http://$public/dev/mail  (sign-in codes arrive here)"
    say "API           http://$public/docs"
    say "health        http://$admin/readyz  and /metrics"
    say "Ctrl-C ends it"
    break
  fi
  sleep 0.1
done
# A signal interrupts `wait`; go on until the drain is over.
while kill -0 $pid 2>/dev/null; do wait $pid || true; done
wait $pid
