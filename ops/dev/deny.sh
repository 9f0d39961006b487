#!/usr/bin/env bash
# Licences, bans and sources of all dependencies by deny.toml; advisories too where their database can be had.
source "$(dirname "$0")/lib.sh"
need_cargo_tool cargo-deny "$CARGO_DENY_VERSION"
cargo deny --locked check licenses bans sources
if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
  cargo deny --locked check --disable-fetch advisories
else
  echo "note: the advisory database cannot be reached from here: advisories were NOT checked."
  echo "note: the least versions that tests/tidy.rs demands of Cargo.lock were, or will be."
fi
