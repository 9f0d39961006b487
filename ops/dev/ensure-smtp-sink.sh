#!/usr/bin/env bash
# Makes sure that the SMTP server for tests can run, and makes its certificates.
# usage: ensure-smtp-sink.sh FOLDER    prints the python to run smtp_sink.py with
# FOLDER gets ca.pem, cert.pem/key.pem for localhost and 127.0.0.1, wrong.pem for another host (same key).

set -euo pipefail
folder=${1:?usage: ensure-smtp-sink.sh FOLDER}
venv=${XDG_CACHE_HOME:-$HOME/.cache}/chatify/venv

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

mkdir -p "$(dirname "$venv")" "$folder"
(
  # Tests run side by side, and so may two clones.
  flock 9
  "$venv/bin/python" -c 'import aiosmtpd' 2>/dev/null && exit 0
  command -v python3 >/dev/null || die "the mail tests need python3: apt-get install python3 python3-venv"
  python3 -m venv "$venv" || die "the mail tests need python3-venv: apt-get install python3-venv"
  "$venv/bin/pip" install -q 'aiosmtpd==1.4.6' >&2 || die "the mail tests need aiosmtpd 1.4.6 from PyPI, and pip could not install it"
) 9>"$(dirname "$venv")/venv.lock"

cd "$folder"
{
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 30 -subj '/CN=chatify test CA' -addext basicConstraints=critical,CA:TRUE
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out leaf.csr -subj /CN=localhost
  for leaf in 'cert DNS:localhost,IP:127.0.0.1' 'wrong DNS:mail.elsewhere.test'; do
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "${leaf#* }" >leaf.ext
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile leaf.ext -out "${leaf%% *}.pem"
  done
} >openssl.log 2>&1 || die "openssl could not make the certificates: $(tail -1 openssl.log)"
printf '%s\n' "$venv/bin/python"
