#!/usr/bin/env bash
# Runs every criterion bench of the workspace and prints one table. FILTER runs only the benches whose name holds it.
source "$(dirname "$0")/lib.sh"
need_rust
log=target/logs/bench.log
mkdir -p target/logs
: >"$log"
# Only bench targets: the test harnesses of the libraries do not understand criterion's arguments.
benches=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    for target in package["targets"]:
        if "bench" in target["kind"]:
            print(package["name"], target["name"])')
[ -n "$benches" ] || die "there are no benches"
while read -r package bench; do
  say "$package: $bench"
  cargo bench --locked --quiet -p "$package" --bench "$bench" -- --noplot ${FILTER:+"$FILTER"} </dev/null 2>&1 | tee -a "$log" |
    grep -E 'time:|thrpt:' || true
done <<<"$benches"
python3 - "$log" <<'PY'
# The middle one of criterion's three numbers, per bench; a name too long for its line stands on the line before.
import re, sys
name, rows = "", []
for line in open(sys.argv[1]):
    found = re.match(r"(\S.*?)?\s+time:\s+\[\S+ \S+ (\S+ \S+)", line)
    if found:
        rows.append([found[1] or name, found[2], ""])
        continue
    found = re.match(r"\s+thrpt:\s+\[\S+ \S+ (\S+ \S+)", line)
    if found and rows:
        rows[-1][2] = found[1]
    elif line.strip() and not line.startswith((" ", "Found", "Benchmarking", "Warning")):
        name = line.strip()
width = max([len(row[0]) for row in rows] + [5])
print(f"\n{'bench':{width}}  {'time':>12}  {'throughput':>16}")
for row in rows:
    print(f"{row[0]:{width}}  {row[1]:>12}  {row[2]:>16}")
PY
