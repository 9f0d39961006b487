#!/usr/bin/env bash
# Measures chatify beside its peers, alternately and several times, and writes the table of docs/performance.md.
# ROUNDS=5 how often; ONLY="chatify socket.io" which servers (chatify socket.io socketioxide nchan uWebSockets);
# SCENARIOS="idle fanout max mix nodes storm" which of those; TABLE=only writes the table from the runs that lie there.
# Wants the machine for itself: about 40 minutes for all of it on two cores.
source "$(dirname "$0")/lib.sh"
STATE=$ROOT/target/bench-peers LOGS=$STATE/logs
export PYTHONPATH=$ROOT/ops/dev/bench
if [ "${TABLE:-}" != only ]; then
  source ops/dev/bench/prepare.sh
  [ "$(nproc)" -ge 2 ] || die "two cores are needed: one for the server, one for the generator"
  ours
  peers
  case " ${ONLY:-chatify} / ${SCENARIOS:-nodes} " in *" chatify "*/*" nodes "*) mail_queue ;; esac
  python3 ops/dev/bench/peers.py
fi
python3 ops/dev/bench/table.py "$STATE/results" docs/performance.md
