#!/usr/bin/env bash
# Removes what was built. Data under ./data and the shared cache of tools stay.
source "$(dirname "$0")/lib.sh"
# What runs from there would outlive its files.
ops/dev/cluster.sh down
ops/dev/servers.sh stop
rm -rf target fuzz/target web/dist web/node_modules
say "clean; data and $CACHE were left alone"
