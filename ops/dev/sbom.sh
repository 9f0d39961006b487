#!/usr/bin/env bash
# What a release is made of, as two lists of parts in CycloneDX's JSON: target/sbom/chatify.cdx.json of the program, by
# Cargo.lock, and target/sbom/web.cdx.json of the web client inside it, by package-lock.json. Checks what it wrote.
source "$(dirname "$0")/lib.sh"
need_rust
need_node
need_cargo_tool cargo-cyclonedx "$CARGO_CYCLONEDX_VERSION"
out=$ROOT/target/sbom tree=$ROOT/target/sbom/tree
rm -rf "$out"
mkdir -p "$tree"
# It writes beside each manifest: in a copy, so that the tree stays as it is.
git ls-files -z | tar --null --files-from=- -c | tar -x -C "$tree"
(cd "$tree" && cargo cyclonedx --quiet --format json --spec-version 1.5 --target all --override-filename chatify.cdx)
mv "$tree/chatify.cdx.json" "$out/"
rm -rf "$tree"
# With the packages there: some name their licence in themselves alone.
web_install
(cd web && npm sbom --sbom-format cyclonedx) | python3 ops/dev/sbom_client.py web/package-lock.json >"$out/web.cdx.json"
python3 ops/dev/sbom_check.py Cargo.lock "$out/chatify.cdx.json" web/package-lock.json "$out/web.cdx.json"
