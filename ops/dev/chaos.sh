#!/usr/bin/env bash
# A cluster of its own beside any other, faults in and between its processes, stock clients that talk through them, and a
# verdict. MINUTES=20 chooses how long (without it every kind of fault comes once), SEED=7 replays a run's faults,
# ONLY="node-killed redis-outage" makes only these, PEOPLE=100 is the crew, TRANSPORT=polling all that it speaks, and
# OTP_RACES=1000 runs races for codes instead. Everything lies in target/chaos/.
source "$(dirname "$0")/lib.sh"

need_rust
e2e_modules
web_build
say "chaos: building"
cargo build --locked --quiet -p chatify -p chaos
# Copies: whoever builds meanwhile does not change what runs.
mkdir -p target/chaos-bin
cp "$TARGET_DIR/debug/chatify" "$TARGET_DIR/debug/chatify-chaos" target/chaos-bin/
options=(--root "$ROOT" --binary target/chaos-bin/chatify)
if [ -n "${MINUTES:-}" ]; then options+=(--minutes "$MINUTES"); fi
if [ -n "${SEED:-}" ]; then options+=(--seed "$SEED"); fi
if [ -n "${PEOPLE:-}" ]; then options+=(--people "$PEOPLE"); fi
if [ -n "${TRANSPORT:-}" ]; then options+=(--transport "$TRANSPORT"); fi
if [ -n "${OTP_RACES:-}" ]; then options+=(--otp-races "$OTP_RACES"); fi
for fault in ${ONLY:-}; do options+=(--only "$fault"); done
exec target/chaos-bin/chatify-chaos "${options[@]}"
