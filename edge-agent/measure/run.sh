#!/usr/bin/env bash
# What the agent costs at 100 readings a second: ten pymodbus instruments with ten points each, polled every second, and
# the real gateway. Needs release binaries of gateway and edge-agent in BIN, and ONEDOOR_PYTHON with pymodbus 3.8.6.
# Usage: BIN=target/release ONEDOOR_PYTHON=… edge-agent/measure/run.sh [SECONDS]
# shellcheck source=edge-agent/measure/parts.sh
. "$(dirname "$0")/parts.sh"
seconds=${1:-60}
first=28840 mqtt=28830 http=28831

instruments 10 "$first"
{
  printf 'site = "s"\nagent = "a"\n[buffer]\npath = "buffer.db"\n[gateway]\nhost = "127.0.0.1"\nport = %d\n' "$mqtt"
  devices 10 "$first"
} >"$work/agent.toml"
gateway "$http" "listen = \"127.0.0.1:$mqtt\"\nallow_anonymous = true\n" '[[agent]]\nid = "a"\nsite = "s"\n'
start_gateway
"$bin/edge-agent" run --config "$work/agent.toml" 2>"$work/agent.log" &
agent=$!
sleep 10

sent_before=$(sent "$mqtt") ticks_before=$(ticks "$agent")
sleep "$seconds"
sent_after=$(sent "$mqtt") ticks_after=$(ticks "$agent")
readings=$((100 * seconds))
grep -E 'VmRSS|VmHWM|RssAnon|RssFile' "/proc/$agent/status"
awk -v t=$((ticks_after - ticks_before)) -v s="$seconds" 'BEGIN { printf "CPU %.2f %% of one core\n", t / s }'
awk -v b=$((sent_after - sent_before)) -v n="$readings" 'BEGIN { printf "MQTT bytes sent %d, %.1f a reading (100 readings/s, TCP payload, without TLS)\n", b, b / n }'
