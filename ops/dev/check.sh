#!/usr/bin/env bash
# The quick part of `make test`, for before a commit. Stops at the first thing that is wrong.
source "$(dirname "$0")/lib.sh"
need_rust
say "format";      cargo fmt --all --check
web_install
say "web: types";  (cd web && npm run --silent typecheck)
say "web: lint";   (cd web && npm run --silent lint)
web_build
say "clippy";      cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
say "house rules"; cargo test --locked --quiet --test tidy -- --nocapture
say "operations";  ops/dev/lint.sh
say "helm";        ops/dev/helm.sh check
say "licences";    ops/dev/deny.sh
say "all is well"
