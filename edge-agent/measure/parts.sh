# shellcheck shell=bash
# What the measurements begin with; they source it. Gives a work folder that goes at the end, and stops what was started.
# Release binaries are in BIN, a Python with pymodbus 3.8.6 in ONEDOOR_PYTHON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=${BIN:-target/release}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

instruments() { # instruments COUNT FIRST_PORT: pymodbus servers with ten points each, and their profile
  "${ONEDOOR_PYTHON:-python3}" edge-agent/measure/instruments.py "$1" "$2" >/dev/null 2>&1 &
  printf 'name = "ten points"\n' >"$work/profile.toml"
  for i in $(seq 0 9); do
    printf '\n[[point]]\nname = "p%d"\nfunction = "holding"\nregister = %d\ntype = "u16"\nscale = 0.1\nunit = "℃"\nrange = [0, 100]\n' "$i" "$i"
  done >>"$work/profile.toml"
}

devices() { # devices COUNT FIRST_PORT: their part of the agent's configuration, polled every second
  for i in $(seq 0 $(($1 - 1))); do
    printf '[[device]]\nid = "d%d"\nprofile = "profile.toml"\naddress = "127.0.0.1:%d"\nevery = "1s"\ntimeout = "900ms"\n' "$i" $(($2 + i))
  done
}

gateway() { # gateway HTTP_PORT BROKER_LINES [REGISTRY_LINES]: its configuration, with one site `s`
  {
    printf '[[business]]\nuscc = "91330482MA2CUJK126"\nname = "b"\n[[site]]\nid = "s"\nname = { zh = "s", en = "s" }\naddress = "1"\n'
    printf 'business = "91330482MA2CUJK126"\ndomains = ["food"]\n%b' "${3:-}"
  } >"$work/registry.toml"
  printf 'data = "data"\nhttp = "127.0.0.1:%d"\nregistry = "registry.toml"\nrules = "%s/config/rules"\n[broker]\n%b' \
    "$1" "$PWD" "$2" >"$work/gateway.toml"
}

start_gateway() {
  "$bin/gateway" run --config "$work/gateway.toml" >/dev/null 2>"$work/gateway.log" &
  sleep 3
}

sent() { ss -tinH "dport = :$1" | grep -o 'bytes_sent:[0-9]*' | head -1 | cut -d: -f2; } # sent PORT
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }                                     # ticks PROCESS
