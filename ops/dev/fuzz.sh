#!/usr/bin/env bash
# Fuzzes every target of fuzz/ for SECONDS_EACH (60 by default); ends with what crashed.
source "$(dirname "$0")/lib.sh"
need_rust
seconds=${SECONDS_EACH:-60}
# The sanitizer's flags are nightly's; where there is only a stable compiler it is told to take them.
toolchain=()
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then toolchain=(+nightly); else export RUSTC_BOOTSTRAP=1; fi
need_cargo_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
targets=${TARGET:-$(cargo "${toolchain[@]}" fuzz list)}
passed=0 crashed=()
mkdir -p target/logs
for target in $targets; do
  say "fuzzing $target for $seconds s"
  # The corpus lies in the target folder: what a run learns serves the next one, and never gets into a commit.
  mkdir -p "target/fuzz-corpus/$target"
  corpora=("target/fuzz-corpus/$target")
  if [ -d "fuzz/seeds/$target" ]; then corpora+=("fuzz/seeds/$target"); fi
  if cargo "${toolchain[@]}" fuzz run "$target" "${corpora[@]}" -- \
      -max_total_time="$seconds" -rss_limit_mb=2048 -print_final_stats=1 >"target/logs/fuzz-$target.log" 2>&1; then
    passed=$((passed + 1))
    grep -E 'number_of_executed_units|average_exec' "target/logs/fuzz-$target.log" | sed 's/^/    /'
  else
    crashed+=("$target")
    tail -n 30 "target/logs/fuzz-$target.log"
  fi
done
if [ ${#crashed[@]} -gt 0 ]; then say "crashed: ${crashed[*]}"; fi
echo "$passed passed, ${#crashed[@]} failed"
[ ${#crashed[@]} -eq 0 ]
