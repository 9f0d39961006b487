#!/bin/sh
# Lays out the root of an image around one dynamically linked program: its libraries, certificates, a user, /tmp and /data.
# usage: image-root.sh PROGRAM FOLDER
set -eu
program=$1 root=$2
mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/tmp" "$root/data"
cp "$program" "$root/usr/local/bin/"
# The loader stands alone in its line, a library behind an arrow.
ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'chatify:x:65532:65532::/data:/none' >"$root/etc/passwd"
echo 'chatify:x:65532:' >"$root/etc/group"
# Names: first the file that the engine writes, then DNS. Both live in the C library itself.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
