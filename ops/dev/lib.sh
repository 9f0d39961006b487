# What the scripts of this folder share: where things are, how they speak, how a missing tool is had. Sourced, never run.
# Tools that are built once live in $CACHE and are shared by all clones of one user.
# shellcheck shell=bash disable=SC2034

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT=$PWD
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/chatify
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
# Debian keeps servers where users do not look.
export PATH="$CACHE/tools/bin:$PATH:$CACHE/venv/bin:/usr/sbin"
CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2
CARGO_CYCLONEDX_VERSION=0.5.9
NODE_MAJOR_MIN=20

say() { printf '==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: as root or by sudo without a password; fails where neither is possible.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif has sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# need COMMAND PACKAGE: installs Debian's package when the command is missing, or says how to.
need() {
  if has "$1"; then return; fi
  need_debian "$2"
  has "$1" || die "$2 is installed, and still there is no $1"
}

# need_debian PACKAGE: installs it, or says how to.
need_debian() {
  say "installing $1"
  if has apt-get && as_root true 2>/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # Two clones may install at the same time: the second one waits.
    local apt=(-y -qq --no-install-recommends -o DPkg::Lock::Timeout=300)
    as_root apt-get install "${apt[@]}" "$1" >/dev/null 2>&1 ||
      { as_root apt-get update -qq && as_root apt-get install "${apt[@]}" "$1" >/dev/null; } ||
      die "apt-get could not install $1; install it by hand"
  else
    die "$1 is missing and this user may not install it. Run: sudo apt-get install $1"
  fi
}

need_rust() {
  need cc gcc
  has cargo || die "cargo is missing. Install Rust from https://rustup.rs, then open a new shell"
}

need_node() {
  local major
  { has node && has npm; } || die "node $NODE_MAJOR_MIN or newer with npm is missing. See https://nodejs.org/en/download"
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge "$NODE_MAJOR_MIN" ] || die "node $(node -v) is too old: $NODE_MAJOR_MIN or newer is needed"
}

# need_cargo_tool NAME VERSION [CRATE OPTION...]: builds a program into the shared cache, once. Takes minutes.
need_cargo_tool() {
  local name=$1 version=$2 crate=${3:-$1} options=("${@:4}")
  if [ $# -le 3 ]; then options=(--locked --no-default-features); fi
  if has "$name"; then return; fi
  say "building $name $version into the shared cache (once; takes some minutes)"
  mkdir -p "$CACHE"
  # Under a lock: two clones may test at the same time.
  (
    flock 9
    if [ ! -x "$CACHE/tools/bin/$name" ]; then
      CARGO_TARGET_DIR="$CACHE/build-$name" nice cargo install --quiet "${options[@]}" \
        --version "$version" --root "$CACHE/tools" "$crate"
      rm -rf "$CACHE/build-$name"
    fi
  ) 9>"$CACHE/$name.lock"
}

# need_pip PROGRAM REQUIREMENT: installs a Python package into the shared cache; its programs are then on PATH.
need_pip() {
  if has "$1"; then return; fi
  need python3 python3-venv
  mkdir -p "$CACHE"
  (
    flock 9
    [ -x "$CACHE/venv/bin/pip" ] || python3 -m venv "$CACHE/venv" || die "python3 cannot make a venv. Run: apt-get install python3-venv"
    "$CACHE/venv/bin/pip" install -q "$2" || die "pip could not install $2"
  ) 9>"$CACHE/venv.lock"
}

# need_python_module MODULE REQUIREMENT: the same for a module; `$CACHE/venv/bin/python` then has it.
need_python_module() {
  if "$CACHE/venv/bin/python" -c "import $1" 2>/dev/null; then return; fi
  need_pip "$1 (a module)" "$2"
}

# fingerprint PATH...: one hash over all files below, without what tools put there.
fingerprint() {
  find "$@" \( -name node_modules -o -name dist \) -prune -o -type f -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

# unchanged NAME HASH: whether NAME was last done with this hash.  done_with NAME HASH: remembers it.
unchanged() { [ "$(cat "$ROOT/target/dev/$1" 2>/dev/null)" = "$2" ]; }
done_with() { mkdir -p "$ROOT/target/dev" && printf '%s' "$2" >"$ROOT/target/dev/$1"; }

web_install() {
  need_node
  local wanted
  wanted=$(cat web/package.json web/package-lock.json | sha256sum | cut -d ' ' -f 1)
  if [ -d web/node_modules ] && unchanged web-modules "$wanted"; then return; fi
  say "web: npm ci"
  (cd web && npm ci --no-audit --no-fund --loglevel=error)
  done_with web-modules "$wanted"
}

web_build() {
  local wanted
  wanted=$(fingerprint web)
  if [ -f web/dist/index.html ] && unchanged web-dist "$wanted"; then say "web: nothing changed"; return; fi
  web_install
  say "web: building"
  (cd web && npm run --silent build)
  # A build may write generated types: the hash is taken of what it leaves.
  done_with web-dist "$(fingerprint web)"
}

# The stock clients of tests/e2e.
e2e_modules() {
  need_node
  local wanted
  wanted=$(cat tests/e2e/package.json tests/e2e/package-lock.json | sha256sum | cut -d ' ' -f 1)
  if [ -d tests/e2e/node_modules ] && unchanged e2e-modules "$wanted"; then return; fi
  say "stock clients: npm ci"
  (cd tests/e2e && npm ci --no-audit --no-fund --loglevel=error)
  done_with e2e-modules "$wanted"
}
