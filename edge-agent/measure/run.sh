#!/usr/bin/env bash
# What the agent costs at 100 readings a second: ten pymodbus instruments with ten points each, polled every second, and
# the real gateway. Needs release binaries of gateway and edge-agent in BIN, and ONEDOOR_PYTHON with pymodbus 3.8.6.
# Usage: BIN=target/release ONEDOOR_PYTHON=… edge-agent/measure/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
bin=${BIN:-target/release}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
first=28840
mqtt=28830
http=28831

"${ONEDOOR_PYTHON:-python3}" edge-agent/measure/instruments.py 10 "$first" >/dev/null 2>&1 &

{
  printf 'name = "ten points"\n'
  for i in $(seq 0 9); do
    printf '\n[[point]]\nname = "p%d"\nfunction = "holding"\nregister = %d\ntype = "u16"\nscale = 0.1\nunit = "℃"\nrange = [0, 100]\n' "$i" "$i"
  done
} >"$work/profile.toml"
{
  printf 'site = "s"\nagent = "a"\n[buffer]\npath = "buffer.db"\n[gateway]\nhost = "127.0.0.1"\nport = %d\n' "$mqtt"
  for i in $(seq 0 9); do
    printf '[[device]]\nid = "d%d"\nprofile = "profile.toml"\naddress = "127.0.0.1:%d"\nevery = "1s"\ntimeout = "900ms"\n' "$i" $((first + i))
  done
} >"$work/agent.toml"
{
  printf '[[business]]\nuscc = "91330482MA2CUJK126"\nname = "b"\n[[site]]\nid = "s"\nname = { zh = "s", en = "s" }\naddress = "1"\n'
  printf 'business = "91330482MA2CUJK126"\ndomains = ["food"]\n[[agent]]\nid = "a"\nsite = "s"\n'
} >"$work/registry.toml"
printf 'data = "data"\nhttp = "127.0.0.1:%d"\nregistry = "registry.toml"\nrules = "%s/config/rules"\n[broker]\nlisten = "127.0.0.1:%d"\nallow_anonymous = true\n' \
  "$http" "$PWD" "$mqtt" >"$work/gateway.toml"

"$bin/gateway" run --config "$work/gateway.toml" >/dev/null 2>"$work/gateway.log" &
sleep 3
"$bin/edge-agent" run --config "$work/agent.toml" 2>"$work/agent.log" &
agent=$!
sleep 10

sent() { ss -tinH "dport = :$mqtt" | grep -o 'bytes_sent:[0-9]*' | head -1 | cut -d: -f2; }
ticks() { awk '{print $14 + $15}' "/proc/$agent/stat"; }
sent_before=$(sent) ticks_before=$(ticks)
sleep "$seconds"
sent_after=$(sent) ticks_after=$(ticks)
readings=$((100 * seconds))
grep -E 'VmRSS|VmHWM|RssAnon|RssFile' "/proc/$agent/status"
awk -v t=$((ticks_after - ticks_before)) -v s="$seconds" 'BEGIN { printf "CPU %.2f %% of one core\n", t / s }'
awk -v b=$((sent_after - sent_before)) -v n="$readings" 'BEGIN { printf "MQTT bytes sent %d, %.1f a reading (100 readings/s, TCP payload, without TLS)\n", b, b / n }'
