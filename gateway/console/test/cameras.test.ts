// What a camera says of itself, in words that are never better than its readings.
import { test } from "node:test";
import assert from "node:assert/strict";
import { healthOf, OLD_MS } from "../src/footage/health.ts";
import type { PointLine } from "../src/api/model.ts";

const point = (device: string, name: string, value: number | null, at: number | null, quality = "good") => ({ device, name, value, at, quality, label: { zh: "", en: "" }, unit: "", limits: [] }) as PointLine;
const nothing = { at: null, isOld: false, bad: [], unknown: [] };

test("a camera is well only where it has said so", () => {
  assert.deepEqual(healthOf([point("c", "see.no_mask", 1, 5), point("d", "health.black", 1, 5)], "c", 9), nothing);
  assert.deepEqual(healthOf([point("c", "health.black", null, null, "missing")], "c", 9), nothing);
  const points = [point("c", "health.black", 0, 5), point("c", "health.covered", 1, 7), point("c", "health.moved", null, 7, "unseen")];
  assert.deepEqual(healthOf(points, "c", 9), { at: 7, isOld: false, bad: ["covered"], unknown: [{ name: "moved", why: "unseen" }] });
  assert.ok(healthOf(points, "c", 7 + OLD_MS + 1).isOld, "what was said long ago says nothing of now");
});
