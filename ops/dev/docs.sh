#!/usr/bin/env bash
# Writes the pages that are generated from the code; tests/tidy.rs fails when they are stale.
source "$(dirname "$0")/lib.sh"
need_rust
# By way of a variable: a build that fails must not empty the page.
settings=$(cargo run --locked --quiet -p chatify -- config --reference)
printf '%s\n' "$settings" >docs/configuration.md
metrics=$(cargo run --locked --quiet -p chatify -- metrics --reference)
printf '%s\n' "$metrics" >docs/metrics.md
ops/dev/helm.sh write
say "docs/configuration.md and docs/metrics.md are written, and what the chart generates"
