#!/usr/bin/env bash
# Holds CONNECTIONS=200000 authenticated idle people on this machine, over several servers and generators, and writes what
# each costs, in programs and in the kernel, into docs/performance.md; WRITE=no only prints it. 200,000 take about three
# minutes and 5 GiB, most of it the kernel's; a process holds as many as it may have files (ulimit -n).
source "$(dirname "$0")/lib.sh"
STATE=$ROOT/target/many LOGS=$STATE/logs
export PYTHONPATH=$ROOT/ops/dev/bench
source ops/dev/bench/prepare.sh
ours
page=(docs/performance.md)
if [ "${WRITE:-}" = no ]; then page=(); fi
python3 ops/dev/bench/many.py "${page[@]}"
