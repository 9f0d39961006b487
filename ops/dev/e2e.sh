#!/usr/bin/env bash
# The stories through stock socket.io clients and real browsers, against the real binary. FILTER=word runs the stories
# whose names hold it; BROWSERS=off leaves the browsers out. Logs, histories and screenshots stay in target/e2e/.
# Ends with `N passed, N failed`.
source "$(dirname "$0")/lib.sh"

need_node
need_rust
stories=("$ROOT"/tests/e2e/*.test.mjs)
if [ "${BROWSERS:-on}" = off ]; then
  mapfile -t stories < <(printf '%s\n' "${stories[@]}" | grep -v 'browser\.test\.mjs$')
else
  if ! has chromium; then need chromium chromium; fi
  CHROMIUM=$(command -v chromium)
  export CHROMIUM
  web_build
fi

say "end to end: build"
# As `make test` has built them before: other packages would mean other features, and most of it built once more.
cargo build --locked --quiet --workspace --bin chatify --example judge
# A copy of their own: whoever builds meanwhile does not change the program under the stories.
mkdir -p "$TARGET_DIR/e2e"
copy=$(mktemp -d "$TARGET_DIR/e2e/bin.XXXXXX")
trap 'rm -rf "$copy"' EXIT
cp "$TARGET_DIR/debug/chatify" "$TARGET_DIR/debug/examples/judge" "$copy/"
export E2E_BINARY=$copy/chatify E2E_JUDGE=$copy/judge

e2e_modules

say "end to end: stories"
report=$TARGET_DIR/e2e/report.tap
set +e
# Two files at a time: more would make two cores wait for each other.
node --test --test-concurrency=2 --test-timeout=600000 --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$report" ${FILTER:+--test-name-pattern="$FILTER"} "${stories[@]}"
status=$?
set -e
# With a filter node counts what it left out as skipped.
read -r passed failed skipped < <(awk '/^# pass /{p=$3} /^# fail /{f=$3} /^# cancelled /{f+=$3} /^# skipped /{s=$3} END {print p+0, f+0, s+0}' "$report")
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
if [ "$skipped" -gt 0 ]; then echo "$skipped stories were left out"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
