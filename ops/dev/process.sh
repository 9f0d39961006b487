# Processes that outlive the script that starts them. Each is a part with a folder $STATE/PART (its pid, its data) and a
# log $LOGS/PART.log. Never signals a process that it did not start: a pid counts only together with its time of birth.
# Sourced after lib.sh by scripts that set STATE and LOGS.
# shellcheck shell=bash

# How many ports one tree gets for one purpose, and where they lie: below the ephemeral range, above what people pick.
PORTS_EACH=40 PORTS_FIRST=22000 PORTS_BLOCKS=250

note() { printf '==> %s\n' "$*" >&2; }

# port_open PORT: whether somebody listens there.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ports_for PURPOSE: the first of PORTS_EACH ports that belong to this tree and PURPOSE for as long as the tree exists,
# so that two clones never meet. With `fresh` behind it, a block in which a stranger listens is given up for another.
ports_for() {
  local mine="$ROOT $1" file block step owner
  mkdir -p "$CACHE/ports"
  (
    flock 9
    file=$(grep -lxF -- "$mine" "$CACHE"/ports/* 2>/dev/null | head -n 1 || true)
    if [ -n "$file" ]; then
      block=${file##*/}
      if [ "${2:-}" != fresh ] || block_free "$block"; then echo $((PORTS_FIRST + block * PORTS_EACH)); exit; fi
      rm -f "$file"
    fi
    step=$((0x$(printf '%s' "$mine" | sha256sum | cut -c 1-6)))
    for _ in $(seq "$PORTS_BLOCKS"); do
      block=$((step % PORTS_BLOCKS)) step=$((step + 1))
      owner=$(cat "$CACHE/ports/$block" 2>/dev/null || true)
      if [ -n "$owner" ] && [ -d "${owner% *}" ]; then continue; fi
      block_free "$block" || continue
      printf '%s\n' "$mine" >"$CACHE/ports/$block"
      echo $((PORTS_FIRST + block * PORTS_EACH))
      exit
    done
    die "all ports of $CACHE/ports are taken: remove the files of clones that are gone"
  ) 9>"$CACHE/ports.lock"
}

block_free() {
  local port first=$((PORTS_FIRST + $1 * PORTS_EACH))
  for port in $(seq "$first" $((first + PORTS_EACH - 1))); do
    if port_open "$port"; then return 1; fi
  done
}

# born PID: when the process was born, in ticks since the machine was. Nothing for one that is gone or a zombie.
born() { sed -n 's/^.*) \([^Z] .*\)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# spawn PART COMMAND...: starts it in a session of its own, so that no Ctrl-C of ours reaches it.
spawn() {
  local part=$1
  shift
  mkdir -p "$STATE/$part" "$LOGS"
  setsid "$@" >>"$LOGS/$part.log" 2>&1 </dev/null 9>&- &
  printf '%s %s\n' $! "$(born $!)" >"$STATE/$part/pid"
}

# pid_of PART: its pid while it lives, else nothing.
pid_of() {
  local pid at
  read -r pid at <"$STATE/$1/pid" || return 0
  if [ -n "$at" ] && [ "$(born "$pid")" = "$at" ]; then echo "$pid"; fi
} 2>/dev/null

alive() { [ -n "$(pid_of "$1")" ]; }

# await SECONDS PART COMMAND...: until COMMAND succeeds; fails early when the part ends, with the last lines it said.
await() {
  local part=$2 until=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! alive "$part"; then complain "$part" "ended at its start"; return 1; fi
    if [ $SECONDS -ge $until ]; then complain "$part" "was not ready in time"; return 1; fi
    sleep 0.05
  done
}

complain() {
  printf 'error: %s %s; %s says:\n' "$1" "$2" "$LOGS/$1.log" >&2
  tail -n 15 "$LOGS/$1.log" >&2 || true
}

# halt SECONDS PART...: SIGTERM to all of them, and SIGKILL to those that still live after SECONDS.
halt() {
  local until=$((SECONDS + $1)) part pid
  shift
  for part in "$@"; do
    pid=$(pid_of "$part")
    if [ -n "$pid" ]; then kill -TERM "$pid" 2>/dev/null || true; kill -CONT "$pid" 2>/dev/null || true; fi
  done
  for part in "$@"; do
    while alive "$part" && [ $SECONDS -lt $until ]; do sleep 0.05; done
  done
  slay "$@"
}

# slay PART...: SIGKILL, and gone when this returns.
slay() {
  local part pid
  for part in "$@"; do
    pid=$(pid_of "$part")
    if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
  for part in "$@"; do
    while alive "$part"; do sleep 0.02; done
  done
}

# beside NAME COMMAND...: runs it beside the others and says how long it took. joined: waits for all; fails if one did.
# forsaken: ends those that are still at it.
declare -A BESIDE=()
beside() {
  local name=$1
  shift
  # A process group of its own, so that what it waits for can be ended with it.
  set -m
  (
    began=${EPOCHREALTIME/[.,]/}
    set -e
    "$@"
    took=$(((${EPOCHREALTIME/[.,]/} - began) / 100000))
    note "$(printf '%-14s ready in %d.%d s' "$name" $((took / 10)) $((took % 10)))"
  ) &
  BESIDE[$name]=$!
  set +m
}
joined() {
  local name failed=()
  for name in "${!BESIDE[@]}"; do wait "${BESIDE[$name]}" || failed+=("$name"); done
  BESIDE=()
  if [ ${#failed[@]} -gt 0 ]; then printf 'error: not started: %s\n' "${failed[*]}" >&2; return 1; fi
}
forsaken() {
  local name
  for name in "${!BESIDE[@]}"; do kill -- "-${BESIDE[$name]}" 2>/dev/null || true; done
}
