"""How long after a frame's last byte what it changed is on disk: python edge-agent/measure/told_after.py BUFFER SECONDS

Looks at the agent's buffer (SQLite, while the agent writes it) every 2 ms. A record at once has one reading and the time of its
frame; regular records have more. Prints count, median, p99 and the longest, in milliseconds.
"""

import sqlite3
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])
buffer = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
newest = buffer.execute("SELECT coalesce(max(seq), 0) FROM block").fetchone()[0]
end, delays = time.monotonic() + seconds, []
while time.monotonic() < end:
    rows = buffer.execute("SELECT seq, at_ms, count FROM block WHERE seq > ? ORDER BY seq", (newest,)).fetchall()
    now = time.time() * 1_000
    for seq, at_ms, count in rows:
        newest = seq
        if count == 1:
            delays.append(now - at_ms)
    time.sleep(0.002)
delays.sort()
if delays:
    at = lambda part: round(delays[int(len(delays) * part)])
    print(f"{len(delays)} records, median {at(0.5)} ms, p99 {at(0.99)} ms, longest {round(delays[-1])} ms")
else:
    print("no record at once came")
