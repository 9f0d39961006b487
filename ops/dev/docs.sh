#!/usr/bin/env bash
# Writes the pages that are generated from the code; tests/tidy.rs fails when they are stale.
source "$(dirname "$0")/lib.sh"
need_rust
# By way of a variable: a build that fails must not empty the page.
page=$(cargo run --locked --quiet -p chatify -- config --reference)
printf '%s\n' "$page" >docs/configuration.md
say "docs/configuration.md is written"
