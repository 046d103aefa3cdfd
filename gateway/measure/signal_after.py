"""How long after a frame the signal that it decided is heard: python3 gateway/measure/signal_after.py BASE NAME:PASSWORD SECONDS

Signs in at the gateway (BASE, such as http://127.0.0.1:8080), listens to its event stream (GET /api/events) for so many seconds and
prints count, median, p99 and the longest of

    (when the first event that names a camera's signal was read here) - (`opened_at` of that signal), in milliseconds.

Rules on what cameras see (config/rules/vision.toml) judge each reading at once (instant, dwell_min = 0), and the reading of a
frame carries the frame's time, which is when its last byte reached the agent. So `opened_at` is the time of the frame that made
the point 1: the frame in which the agent's own dwell and share were full, not the first in which something was to be seen.
In the number are the look of the vision process, the vote, the agent's buffer on disk, the way to the gateway, its journal, the
rule, the signal on disk, and the event. Not in it: the camera's own delay, the agent's dwell (2 to 5 s, by class), and that a
person sees the screen. Agent, gateway and this program must run by one clock, so on one machine. Signals that opened before the
start are left out, so are those of other instruments (points that do not begin with `see.`). p99 is the smallest delay that at
least 99 % of all do not exceed.
"""

import json
import math
import sys
import threading
import time
import urllib.request

base, login, seconds = sys.argv[1].rstrip("/"), sys.argv[2], float(sys.argv[3])
name, password = login.split(":", 1)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
body = json.dumps({"user": name, "password": password}).encode()
opener.open(urllib.request.Request(f"{base}/api/session", body, {"content-type": "application/json"}), timeout=10).close()

began = time.time() * 1_000
delays = {}  # by signal
ended = []


def listen():
    """One line of the stream after the other; an event ends with an empty line."""
    event, data = "", []
    with opener.open(f"{base}/api/events", timeout=30) as stream:
        for raw in stream:
            line = raw.decode().rstrip("\r\n")
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].strip())
            elif not line:
                if event == "signal":
                    hear(json.loads("\n".join(data)), time.time() * 1_000)
                event, data = "", []
    ended.append("the gateway ended the stream")


def hear(signals, now):
    for signal in signals:
        if signal["point"].startswith("see.") and signal["opened_at"] >= began:
            delays.setdefault(signal["id"], now - signal["opened_at"])


def heard():
    try:
        listen()
    except Exception as error:
        ended.append(repr(error))


threading.Thread(target=heard, daemon=True).start()
end = time.monotonic() + seconds
while time.monotonic() < end and not ended:
    time.sleep(0.1)
sorted_ms = sorted(delays.values())
if sorted_ms:
    at = lambda share: round(sorted_ms[max(0, math.ceil(len(sorted_ms) * share) - 1)])
    print(f"{len(sorted_ms)} signals, median {at(0.5)} ms, p99 {at(0.99)} ms, longest {at(1)} ms")
else:
    print("no signal of a camera came")
if ended:
    sys.exit(f"stopped early: {ended[0]}")
