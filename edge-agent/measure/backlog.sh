#!/usr/bin/env bash
# What 72 hours without a line cost on disk, and how the backlog drains beside new readings, against the real gateway.
# Needs release binaries of the gateway and of the example backlog in BIN.
# Usage: BIN=target/release edge-agent/measure/backlog.sh [HOURS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
hours=${1:-72}
seconds=${2:-60}
bin=${BIN:-target/release}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
mqtt=28850
http=28851

{
  printf '[[business]]\nuscc = "91330482MA2CUJK126"\nname = "b"\n[[site]]\nid = "s"\nname = { zh = "s", en = "s" }\naddress = "1"\n'
  printf 'business = "91330482MA2CUJK126"\ndomains = ["food"]\n[[agent]]\nid = "a"\nsite = "s"\n'
} >"$work/registry.toml"
printf 'data = "data"\nhttp = "127.0.0.1:%d"\nregistry = "registry.toml"\nrules = "%s/config/rules"\n[broker]\nlisten = "127.0.0.1:%d"\nallow_anonymous = true\n' \
  "$http" "$PWD" "$mqtt" >"$work/gateway.toml"
"$bin/gateway" run --config "$work/gateway.toml" >/dev/null 2>"$work/gateway.log" &
sleep 3
"$bin/examples/backlog" "$work" "$hours" "$mqtt" "$seconds"
