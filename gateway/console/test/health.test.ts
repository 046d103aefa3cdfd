// What counts as trouble, and what does not.
import { test } from "node:test";
import assert from "node:assert/strict";
import { INFLUX_LAG, LAG, parts, troubles } from "../src/parts/health.ts";
import type { SystemStatus } from "../src/api/model.ts";

const works = { state: "works" } as const, off = { state: "off" } as const;
const NOW = Date.UTC(2026, 10, 25, 4);
const fine: SystemStatus = {
  now: NOW, started_at: NOW - 3600_000, journal: 5000, series: 5000, detect: 4999, influx: null, series_part: works, influx_part: off, scoring_part: off,
  readings_journaled: 7, duplicates: 0, readings_late: 0, readings_ahead: 0, agents: [], refused_by_reason: [], refused: [], set_aside_file: "set-aside.jsonl",
};
const refused = (reason: "malformed" | "no_birth", ago: number) => ({ reason, count: 1, last_at: NOW - ago, sent_again: reason === "no_birth", fix: "" });
const agent = (state: "online" | "offline" | "unheard") => ({ site: "s", site_name: null, agent: "a", state });

test("what is not in use, a block on its way and an agent that is not installed yet are no trouble", () => {
  assert.deepEqual(troubles({ ...fine, series: 50_000 - LAG, journal: 50_000, detect: 50_000, influx: 50_000 - INFLUX_LAG, influx_part: works, agents: [agent("online"), agent("unheard")] }), []);
});
test("who falls behind or does not work is named in the order of the screen", () => {
  const status: SystemStatus = { ...fine, journal: 20_000, series: 20_000, detect: 19_000, influx: 9_000, series_part: { state: "waits", why: "the disk is full" }, influx_part: works, scoring_part: { state: "blocked", why: "no library" } };
  assert.deepEqual(troubles(status), ["series", "rules", "scoring", "influx"]);
  assert.deepEqual(parts(status).map((p) => [p.standing, p.behind]), [["waits", 0], ["behind", 1000], ["blocked", 0], ["behind", 11_000]]);
});
test("an agent that went away is trouble", () => {
  assert.deepEqual(troubles({ ...fine, agents: [agent("online"), agent("offline")] }), ["agents"]);
});
test("a message refused within a day is trouble, an older one or one that comes again is not", () => {
  assert.deepEqual(troubles({ ...fine, refused_by_reason: [refused("malformed", 3600_000)] }), ["refused"]);
  assert.deepEqual(troubles({ ...fine, refused_by_reason: [refused("malformed", 25 * 3600_000), refused("no_birth", 1000)] }), []);
});
