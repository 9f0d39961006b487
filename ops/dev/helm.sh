#!/usr/bin/env bash
# The chart. Renders it with the real Helm engine and checks what comes out; needs no Kubernetes.
# usage: helm.sh check    every test of ops/dev/helm_check; ends with `N passed, M failed`
#        helm.sh live     the rendered pods as processes, on the servers of servers.sh; needs the program to be built
#        helm.sh write    values.schema.json and README.md from values.yaml, and files/ from ops/
source "$(dirname "$0")/lib.sh"
chart=helm/chatify

# The engine is some 240 MB and is no program: need_pip cannot see whether it is there.
need_engine() {
  if "$CACHE/venv/bin/python" -c 'import helm_python, kubernetes_validate, yaml' 2>/dev/null; then return; fi
  say "installing the Helm engine and the schemas of Kubernetes"
  need_pip helm-python-sdk helm-python-sdk==0.2.2
  need_pip kubernetes-validate kubernetes-validate==1.37.0
}

case ${1:-check} in
  check)
    need_engine
    PYTHONDONTWRITEBYTECODE=1 "$CACHE/venv/bin/python" ops/dev/helm_check
    ;;
  live)
    need_engine
    program=$TARGET_DIR/debug/chatify
    [ -x "$program" ] || die "$program is missing. Run: cargo build -p chatify"
    PYTHONDONTWRITEBYTECODE=1 "$CACHE/venv/bin/python" ops/dev/helm_check/live.py "$program"
    ;;
  write)
    need_engine
    mkdir -p "$chart/files/dashboards" "$chart/files/rules"
    rm -f "$chart"/files/dashboards/*.json "$chart"/files/rules/*.yml
    cp ops/grafana/dashboards/*.json "$chart/files/dashboards/"
    if compgen -G 'ops/prometheus/rules/*.yml' >/dev/null; then cp ops/prometheus/rules/*.yml "$chart/files/rules/"; fi
    PYTHONDONTWRITEBYTECODE=1 "$CACHE/venv/bin/python" ops/dev/helm_check/reference.py write
    ;;
  *) sed -n '3,5s/^# //p' "$0" >&2; exit 2 ;;
esac
