#!/usr/bin/env bash
# Event to signal: how long after the frame that decided it a listener hears a camera's signal (signal_after.py says what exactly).
# BIN holds release binaries of gateway, edge-agent, edge-vision and sim. Everything runs on loopback in a folder that goes at the end.
# Usage: gateway/measure/signal_after.sh BIN [SECONDS], where models/setup has put the ONNX Runtime or ORT_DYLIB_PATH names it.
#
# Four rendered workshops (sim camera, MJPEG, 640 x 360 at 5 frames a second) in which people without helmets and vests are there for 12
# of 20 seconds, at other times in each; the whole picture is a work area and a danger zone. So each gives up to three signals every
# 20 s, some 300 to 350 in ten minutes. No footage is cut: a clip for every signal of these would keep the vision process busy, and no site
# has so many.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=$(realpath "${1:?Usage: gateway/measure/signal_after.sh BIN [SECONDS]}") seconds=${2:-600} cameras=4
export ORT_DISABLE_TELEMETRY=1 RUST_BACKTRACE=0
work=$(mktemp -d)
children=()
finish() {
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

start() { # start NAME COMMAND…: runs it with a log of its own
  local log="$work/$1.log"
  shift
  "$@" >"$log" 2>&1 &
  children+=($!)
}

await() { # await WHAT COMMAND…: until it succeeds, at most a minute; then the logs say why
  local what=$1
  shift
  for _ in $(seq 600); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  echo "$what: not within a minute" >&2
  tail -n 5 "$work"/*.log >&2
  exit 1
}

read -r http mqtt < <(python3 -c '
import socket
both = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in both))')

{
  printf 'seed = 5\n'
  for n in $(seq "$cameras"); do
    printf '\n[[camera]]\nid = "c%d"\nscene = "workshop"\nwidth = 640\nheight = 360\nframes_per_s = 5\npeople = 3\nworn = 0.0\n' "$n"
    printf '[[camera.happening]]\nkind = "empty"\nfrom_s = %d\nto_s = %d\nrepeat_s = 20\n' $((n * 3)) $((n * 3 + 8))
  done
} >"$work/cameras.toml"

{
  printf '[[business]]\nuscc = "91330482MA2CUJK126"\nname = "b"\n[[site]]\nid = "s"\nname = { zh = "s", en = "s" }\naddress = "1"\n'
  printf 'business = "91330482MA2CUJK126"\ndomains = ["safety"]\n[[agent]]\nid = "a"\nsite = "s"\n'
  for n in $(seq "$cameras"); do
    printf '[[device]]\nsite = "s"\nid = "c%d"\nname = { zh = "c", en = "c" }\nkind = "camera"\nlocation = "1"\n' "$n"
    printf 'purpose = "1"\nsign = "1"\npublished = "2026-01-15"\n'
  done
} >"$work/registry.toml"
printf 'data = "data"\nhttp = "127.0.0.1:%d"\nregistry = "registry.toml"\nrules = "%s/config/rules"\n[broker]\nlisten_tls = "127.0.0.1:%d"\n' \
  "$http" "$PWD" "$mqtt" >"$work/gateway.toml"

"$bin/gateway" ca init --config "$work/gateway.toml" >/dev/null
"$bin/gateway" ca issue --config "$work/gateway.toml" a --out "$work/identity" >/dev/null
password=$("$bin/gateway" user add --config "$work/gateway.toml" measure --role inspector | awk 'NF { last = $NF } END { print last }')
start cameras "$bin/sim" camera "$work/cameras.toml" --listening "$work/shown.json"
start gateway "$bin/gateway" run --config "$work/gateway.toml"
await "the cameras" test -s "$work/shown.json"
await "the gateway" curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$http/"

python3 - "$work" "$mqtt" "$PWD/models/files" <<'PYTHON' >"$work/agent.toml"
import json, sys
work, mqtt, models = sys.argv[1:]
print(f'site = "s"\nagent = "a"\n[buffer]\npath = "buffer.db"\n[gateway]\nhost = "127.0.0.1"\nport = {mqtt}\n'
      'ca_file = "identity/ca.crt"\ncertificate_file = "identity/agent.crt"\nkey_file = "identity/agent.key"\n'
      f'[vision]\nmodels = ["{models}"]')
for shown in json.load(open(f"{work}/shown.json")):
    id = shown["camera"]
    print(f'[[camera]]\nid = "{id}"\nurl = "{shown["http"]}"\nevery = "10s"\n'
          f'[camera.published]\npurpose = "1"\nsign = "1"\nlocation = "1"\non = "2026-01-15"\n'
          '[camera.look]\npersons = "simulated-persons"\n'
          '[camera.look.helmet]\nmodel = "helmet"\n[camera.look.vest]\nmodel = "vest"')
    for n, (kind, watch) in enumerate([("work_area", ["no_helmet", "no_vest"]), ("danger_zone", ["in_danger_zone"])]):
        print(f'[[camera.zone]]\nname = "{n}"\nkind = "{kind}"\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]\n'
              f'watch = {json.dumps(watch)}')
PYTHON
start agent "$bin/edge-agent" run --config "$work/agent.toml"
sleep 10 # models are read, and cameras looked at
if grep -m 1 "nobody looks at the camera" "$work/agent.log" >&2; then exit 1; fi
printf '%d cameras, %s s, load before %s\n' "$cameras" "$seconds" "$(cut -d' ' -f1 /proc/loadavg)"
python3 gateway/measure/signal_after.py "http://127.0.0.1:$http" "measure:$password" "$seconds" || {
  tail -n 5 "$work"/*.log >&2
  exit 1
}
printf 'load after %s\n' "$(cut -d' ' -f1 /proc/loadavg)"
