#!/usr/bin/env bash
# What the agent costs at a real site: nine pymodbus instruments with ten points each, every second, an HJ 212 data logger
# (sim) with a frame a second, TLS to the real gateway, the disk buffer, and the agent's page. Needs release binaries of
# gateway, edge-agent and sim in BIN, and ONEDOOR_PYTHON with pymodbus 3.8.6.
# Usage: BIN=target/release ONEDOOR_PYTHON=… edge-agent/measure/site.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
bin=${BIN:-target/release}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
first=28940
mqtt=28930
http=28931
logger=28932
page=28933

"${ONEDOOR_PYTHON:-python3}" edge-agent/measure/instruments.py 9 "$first" >/dev/null 2>&1 &
{
  printf 'name = "ten points"\n'
  for i in $(seq 0 9); do
    printf '\n[[point]]\nname = "p%d"\nfunction = "holding"\nregister = %d\ntype = "u16"\nscale = 0.1\nunit = "℃"\nrange = [0, 100]\n' "$i" "$i"
  done
} >"$work/profile.toml"
{
  printf 'enrolment = "box/enrolment.toml"\n[buffer]\npath = "buffer.db"\n[status]\nlisten = "127.0.0.1:%d"\n' "$page"
  for i in $(seq 0 8); do
    printf '[[device]]\nid = "d%d"\nprofile = "profile.toml"\naddress = "127.0.0.1:%d"\nevery = "1s"\ntimeout = "900ms"\n' "$i" $((first + i))
  done
  printf '[[hj212]]\nlisten = "127.0.0.1:%d"\n[[hj212.station]]\nmn = "010000A8900016F000169DC0"\ndevice = "stack"\nnetworks = ["127.0.0.1"]\nevery = "5s"\n' "$logger"
} >"$work/agent.toml"
{
  printf '[[business]]\nuscc = "91330482MA2CUJK126"\nname = "b"\n[[site]]\nid = "s"\nname = { zh = "s", en = "s" }\naddress = "1"\n'
  printf 'business = "91330482MA2CUJK126"\ndomains = ["food"]\n'
} >"$work/registry.toml"
printf 'data = "data"\nhttp = "127.0.0.1:%d"\nregistry = "registry.toml"\nrules = "%s/config/rules"\n[broker]\nlisten_tls = "127.0.0.1:%d"\n' \
  "$http" "$PWD" "$mqtt" >"$work/gateway.toml"

"$bin/gateway" ca init --config "$work/gateway.toml"
"$bin/gateway" run --config "$work/gateway.toml" >/dev/null 2>"$work/gateway.log" &
sleep 3
code=$("$bin/gateway" agent add a --site s --config "$work/gateway.toml" 2>/dev/null | head -1)
"$bin/edge-agent" enroll --gateway "http://127.0.0.1:$http" --code "$code" --dir "$work/box" >/dev/null
"$bin/edge-agent" run --config "$work/agent.toml" 2>"$work/agent.log" &
agent=$!
sleep 2
"$bin/sim" hj212 --connect "127.0.0.1:$logger" --interval 1 >/dev/null 2>&1 &
sleep 10

sent() { ss -tinH "dport = :$mqtt" | grep -o 'bytes_sent:[0-9]*' | head -1 | cut -d: -f2; }
ticks() { awk '{print $14 + $15}' "/proc/$agent/stat"; }
stored() { curl -s "http://127.0.0.1:$page/status.json" | grep -o '"readings_stored":[0-9]*' | cut -d: -f2; }
sent_before=$(sent) ticks_before=$(ticks) stored_before=$(stored)
sleep "$seconds"
sent_after=$(sent) ticks_after=$(ticks) stored_after=$(stored)
readings=$((stored_after - stored_before))
grep -E 'VmRSS|VmHWM|RssAnon|RssFile' "/proc/$agent/status"
awk -v t=$((ticks_after - ticks_before)) -v s="$seconds" -v n="$readings" \
  'BEGIN { printf "%d readings, %.1f a second\nCPU %.2f %% of one core, %.1f ms for 1,000 readings\n", n, n / s, t / s, t * 10 / n * 1000 }'
awk -v b=$((sent_after - sent_before)) -v n="$readings" 'BEGIN { printf "%.1f bytes sent for each reading, TLS and raw frames included\n", b / n }'
strip -o "$work/stripped" "$bin/edge-agent"
printf 'binary %d bytes, stripped\n' "$(stat -c %s "$work/stripped")"
