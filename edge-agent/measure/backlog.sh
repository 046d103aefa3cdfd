#!/usr/bin/env bash
# What 72 hours without a line cost on disk, and how the backlog drains beside new readings, against the real gateway.
# Needs release binaries of the gateway and of the example backlog in BIN.
# Usage: BIN=target/release edge-agent/measure/backlog.sh [HOURS] [SECONDS]
# shellcheck source=edge-agent/measure/parts.sh
. "$(dirname "$0")/parts.sh"
mqtt=28850 http=28851

gateway "$http" "listen = \"127.0.0.1:$mqtt\"\nallow_anonymous = true\n" '[[agent]]\nid = "a"\nsite = "s"\n'
start_gateway
"$bin/examples/backlog" "$work" "${1:-72}" "$mqtt" "${2:-60}"
