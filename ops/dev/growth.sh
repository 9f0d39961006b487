#!/usr/bin/env bash
# Measures how CPU a delivery, latency and memory grow with connections, room size, rooms and nodes, fits an exponent to
# each, and writes the tables of docs/performance.md. ONLY="connections room-size rooms nodes hot-room many" chooses; `many` also
# wants CONNECTIONS=200000. About fifteen minutes without it. Wants the machine for itself.
source "$(dirname "$0")/lib.sh"
STATE=$ROOT/target/growth LOGS=$STATE/logs
export PYTHONPATH=$ROOT/ops/dev/bench
source ops/dev/bench/prepare.sh
ours
case " ${ONLY:-nodes} " in *" nodes "* | *" hot-room "*)
  need_redis
  need_mongodb
  mail_queue
  ;;
esac
python3 ops/dev/bench/growth.py docs/performance.md
