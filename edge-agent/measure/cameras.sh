#!/usr/bin/env bash
# Does the memory of agent and edge-vision stay what it is with cameras? Simulated workshops (640 x 360, 5 frames a second, people
# come and go), ring, watch, footage of every sighting, to the real gateway by TLS. Needs release binaries of gateway, edge-agent,
# edge-vision and sim in BIN.
# Usage: BIN=target/release ORT_DYLIB_PATH=… edge-agent/measure/cameras.sh [SECONDS] [CAMERAS]
# Prints a line every 30 s: seconds, then KiB of the agent (resident, own), of edge-vision (resident, own), of the gateway (own).
# shellcheck source=edge-agent/measure/parts.sh
. "$(dirname "$0")/parts.sh"
seconds=${1:-3600} cameras=${2:-2}
mqtt=28940 http=28941 door=28942 scenes=28943

ids=$(seq -f 'c%g' 1 "$cameras")
printf 'seed = 6\n' >"$work/scenes.toml"
for id in $ids; do
  printf '[[camera]]\nid = "%s"\nscene = "workshop"\nwidth = 640\nheight = 360\nframes_per_s = 5\npeople = 3\nworn = 0.6\n' "$id"
done >>"$work/scenes.toml"

{
  printf 'enrolment = "box/enrolment.toml"\n[buffer]\npath = "buffer.db"\n[vision]\nmodels = ["%s/models/files"]\n' "$PWD"
  printf '[footage]\nspool = "footage"\nurl = "https://127.0.0.1:%d"\nbefore = "5s"\nafter = "5s"\ndetectors = ["simulated-persons"]\n' "$door"
  for id in $ids; do
    printf '[[camera]]\nid = "%s"\nurl = "http://127.0.0.1:%d/%s"\nevery = "5s"\n' "$id" "$scenes" "$id"
    printf '[camera.ring]\ndir = "ring-%s"\nkeep = "2m"\nbytes_max = 67108864\n' "$id"
    printf '[camera.published]\npurpose = "safety"\nsign = "sign.jpg"\nlocation = "hall"\non = "2026-01-15"\n'
    printf '[camera.look]\npersons = "simulated-persons"\nfaces = ["simulated-persons"]\n'
    printf '[camera.look.helmet]\nmodel = "helmet"\n[camera.look.vest]\nmodel = "vest"\n'
    printf '[[camera.zone]]\nname = "1"\nkind = "work_area"\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]\n'
    printf 'watch = ["no_helmet", "no_vest"]\n'
  done
} >"$work/agent.toml"

devices=$(for id in $ids; do
  printf '[[device]]\nsite = "s"\nid = "%s"\nname = { zh = "c", en = "c" }\nkind = "camera"\nlocation = "hall"\npurpose = "safety"\n' "$id"
  printf 'legal_review = "1"\ntechnical_review = "1"\nsign = "1"\npublished = "2026-01-15"\n'
  printf 'certificate = "1"\ncertificate_valid_to = "2030-01-01"\n'
done)
gateway "$http" "listen_tls = \"127.0.0.1:$mqtt\"\n[footage]\nlisten = \"127.0.0.1:$door\"\n" "$devices\n"
"$bin/gateway" ca init --config "$work/gateway.toml"
start_gateway
code=$("$bin/gateway" agent add a --site s --config "$work/gateway.toml" 2>/dev/null | head -1)
"$bin/edge-agent" enroll --gateway "http://127.0.0.1:$http" --code "$code" --dir "$work/box" >/dev/null
"$bin/sim" camera "$work/scenes.toml" --listen "127.0.0.1:$scenes" >/dev/null 2>&1 &
sleep 2
"$bin/edge-agent" run --config "$work/agent.toml" 2>"$work/agent.log" &
agent=$!

kib() { awk -v what="$2:" '$1 == what { print $2 }' "/proc/$1/status"; } # kib PROCESS VmRSS|RssAnon
server=$(pgrep -f "gateway run --config $work" | head -1)
for at in $(seq 30 30 "$seconds"); do
  sleep 30
  vision=$(pgrep -P "$agent" edge-vision | head -1)
  printf '%d %s %s %s %s %s\n' "$at" "$(kib "$agent" VmRSS)" "$(kib "$agent" RssAnon)" \
    "$(kib "$vision" VmRSS)" "$(kib "$vision" RssAnon)" "$(kib "$server" RssAnon)"
done | tee "$work/memory"
grep -c . "$work/agent.log" | sed 's/^/lines in the agent log: /'
du -sk "$work/data" "$work/footage" "$work"/ring-* | sed "s|$work/||"
find "$work/data/footage" -type f | wc -l | sed "s/^/files of footage at the gateway: /"
# Medians of the second quarter and of the last, the agent's own and edge-vision's own.
awk -v cameras="$cameras" '
  { own[NR] = $3; eyes[NR] = $5 }
  function median(of, from, to, i, j, t, s, n) {
    n = 0
    for (i = from; i <= to; i++) s[++n] = of[i]
    for (i = 2; i <= n; i++) for (j = i; j > 1 && s[j - 1] > s[j]; j--) { t = s[j]; s[j] = s[j - 1]; s[j - 1] = t }
    return s[int((n + 1) / 2)]
  }
  END {
    q = int(NR / 4)
    printf "%d cameras, median of the second quarter and of the last, KiB: agent own %d, %d; edge-vision own %d, %d\n", cameras,
      median(own, q + 1, 2 * q), median(own, NR - q + 1, NR), median(eyes, q + 1, 2 * q), median(eyes, NR - q + 1, NR)
  }' "$work/memory"
