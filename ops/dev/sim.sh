#!/usr/bin/env bash
# Whole clusters on a virtual clock: SEEDS says how many (20,000 by default), SEED replays one of them.
source "$(dirname "$0")/lib.sh"
need_rust
export SIM_SEEDS=${SEEDS:-20000}
if [ -n "${SEED:-}" ]; then export CHATIFY_SEED=$SEED; say "replaying seed $SEED"; else say "simulating $SIM_SEEDS seeds"; fi
cargo test --locked -p chat --test simulation -- --nocapture
