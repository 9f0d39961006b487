#!/usr/bin/env bash
# Everything that must hold before a change is merged. Runs all steps even when one fails, prints a table of what took
# how long, and ends with `N passed, N failed`. No timing fails anything.
source "$(dirname "$0")/lib.sh"

export NO_COLOR=1 CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never FORCE_COLOR=0
logs=$ROOT/target/logs
mkdir -p "$logs"
passed=0 failed=0 rows=()

# tests_in LOG: how many tests passed and failed, by the words of nextest, libtest, vitest and our own scripts.
tests_in() {
  awk '
    /Summary \[.*tests? run:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^(failed|timed)/) f += $(i-1) } }
    /^test result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1) } }
    /^ +Tests +/ { for (i = 2; i <= NF; i++) { if ($i == "passed") p += $(i-1); if ($i == "failed") f += $(i-1) } }
    /^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
    END { print p + 0, f + 0 }' "$1"
}

# step KIND NAME COMMAND...: KIND `check` counts as one; KIND `tests` counts what ran, and nothing ran is a failure.
step() {
  local kind=$1 name=$2 began=$SECONDS status=0 p=0 f=0 word log
  shift 2
  say "$name"
  log=$logs/${name//[^a-z0-9]/-}.log
  # Not `"$@" || status=…`: in such a place bash ignores `set -e` inside of functions, and a failure would go unseen.
  set +e
  (set -e; "$@") </dev/null 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  set -e
  if [ "$kind" = tests ]; then read -r p f < <(tests_in "$log"); fi
  if [ "$status" -ne 0 ]; then
    if [ "$f" -eq 0 ]; then f=1; fi
  elif [ "$kind" = check ]; then
    p=1
  elif [ $((p + f)) -eq 0 ]; then
    f=1
    echo "no test ran"
  fi
  passed=$((passed + p)) failed=$((failed + f))
  word=ok
  if [ "$f" -gt 0 ]; then word=FAILED; fi
  rows+=("$(printf '%-24s %-7s %6d passed %4d failed %6d s' "$name" "$word" "$p" "$f" $((SECONDS - began)))")
}

in_web() { (cd web && npm run --silent "$1"); }
rust_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --no-fail-fast
  else
    echo "cargo-nextest is missing: the same tests by cargo test"
    cargo test --locked --workspace --tests --no-fail-fast
  fi
}

# A whole cluster under faults, in its own folder and on its own ports.
cluster_tests() {
  e2e_modules
  cargo test --locked -p chatify --test cluster -- --nocapture
}

# Every panel and rule, asked of a Prometheus that watches a cluster under a little load.
dashboard_tests() {
  cargo build --locked --quiet --workspace --bin chatify
  CLUSTER_BINARY=$TARGET_DIR/debug/chatify ops/dev/dashboards.sh
}

# The servers that tests talk to; the tests find them by variables.
servers() { ops/dev/servers.sh start >"$logs/servers.env"; }

need_rust
need_node
trap 'ops/dev/servers.sh stop' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# In front of everything and beside it: what takes minutes to build, once.
{
  need_cargo_tool cargo-deny "$CARGO_DENY_VERSION"
  need_cargo_tool cargo-cyclonedx "$CARGO_CYCLONEDX_VERSION"
} >"$logs/cargo-tools-build.log" 2>&1 &
tools_build=$!
ops/dev/servers.sh install >"$logs/servers-install.log" 2>&1 &

step check "format"         cargo fmt --all --check -- --color never
step check "operations"     ops/dev/lint.sh
step tests "helm"           ops/dev/helm.sh check
step check "web install"    web_install
step check "web types"      in_web typecheck
step check "web lint"       in_web lint
step tests "web tests"      in_web test
step check "web build"      web_build
step check "clippy"         cargo clippy --locked --workspace --all-targets -- -D warnings
step check "servers"        servers
# Where they did not start the tests that need them say so.
# shellcheck source=/dev/null
source "$logs/servers.env" || true
step tests "rust tests"     rust_tests
step tests "helm, live"     ops/dev/helm.sh live
step tests "rust doc tests" cargo test --locked --workspace --doc
wait $tools_build || cat "$logs/cargo-tools-build.log"
step check "licences, bans" ops/dev/deny.sh
step check "list of parts"  ops/dev/sbom.sh
if [ -x ops/dev/e2e.sh ]; then step tests "end to end" ops/dev/e2e.sh; fi
# Last: it wants the machine for itself.
ops/dev/servers.sh stop
step tests "dashboards" dashboard_tests
step tests "cluster" cluster_tests

printf '\n'
printf '%s\n' "${rows[@]}"
printf 'all of it took %d s\n' "$SECONDS"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
