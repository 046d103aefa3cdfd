#!/usr/bin/env bash
# What the agent costs at a real site: nine pymodbus instruments with ten points each, every second, an HJ 212 data logger
# (sim) with a frame a second, TLS to the real gateway, the disk buffer, and the agent's page. Needs release binaries of
# gateway, edge-agent and sim in BIN, and ONEDOOR_PYTHON with pymodbus 3.8.6.
# Usage: BIN=target/release ONEDOOR_PYTHON=… edge-agent/measure/site.sh [SECONDS]
# shellcheck source=edge-agent/measure/parts.sh
. "$(dirname "$0")/parts.sh"
seconds=${1:-60}
first=28940 mqtt=28930 http=28931 logger=28932 page=28933

instruments 9 "$first"
{
  printf 'enrolment = "box/enrolment.toml"\n[buffer]\npath = "buffer.db"\n[status]\nlisten = "127.0.0.1:%d"\n' "$page"
  devices 9 "$first"
  printf '[[hj212]]\nlisten = "127.0.0.1:%d"\n[[hj212.station]]\nmn = "010000A8900016F000169DC0"\ndevice = "stack"\nnetworks = ["127.0.0.1"]\nevery = "5s"\n' "$logger"
} >"$work/agent.toml"
gateway "$http" "listen_tls = \"127.0.0.1:$mqtt\"\n"
"$bin/gateway" ca init --config "$work/gateway.toml"
start_gateway
code=$("$bin/gateway" agent add a --site s --config "$work/gateway.toml" 2>/dev/null | head -1)
"$bin/edge-agent" enroll --gateway "http://127.0.0.1:$http" --code "$code" --dir "$work/box" >/dev/null
"$bin/edge-agent" run --config "$work/agent.toml" 2>"$work/agent.log" &
agent=$!
sleep 2
"$bin/sim" hj212 --connect "127.0.0.1:$logger" --interval 1 >/dev/null 2>&1 &
sleep 10

stored() { curl -s "http://127.0.0.1:$page/status.json" | grep -o '"readings_stored":[0-9]*' | cut -d: -f2; }
sent_before=$(sent "$mqtt") ticks_before=$(ticks "$agent") stored_before=$(stored)
sleep "$seconds"
sent_after=$(sent "$mqtt") ticks_after=$(ticks "$agent") stored_after=$(stored)
readings=$((stored_after - stored_before))
grep -E 'VmRSS|VmHWM|RssAnon|RssFile' "/proc/$agent/status"
awk -v t=$((ticks_after - ticks_before)) -v s="$seconds" -v n="$readings" \
  'BEGIN { printf "%d readings, %.1f a second\nCPU %.2f %% of one core, %.1f ms for 1,000 readings\n", n, n / s, t / s, t * 10 / n * 1000 }'
awk -v b=$((sent_after - sent_before)) -v n="$readings" 'BEGIN { printf "%.1f bytes sent for each reading, TLS and raw frames included\n", b / n }'
strip -o "$work/stripped" "$bin/edge-agent"
printf 'binary %d bytes, stripped\n' "$(stat -c %s "$work/stripped")"
