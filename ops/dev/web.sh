#!/usr/bin/env bash
# Builds the web client into web/dist, where the server's build embeds it. Does nothing when no source changed.
source "$(dirname "$0")/lib.sh"
web_build
say "web/dist is ready"
