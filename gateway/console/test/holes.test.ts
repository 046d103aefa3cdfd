// Silence is found from the times of readings, and explained absences are not said twice.
import { test } from "node:test";
import assert from "node:assert/strict";
import { holes } from "../src/parts/holes.ts";

const at = (...seconds: number[]) => seconds.map((s) => ({ at: s * 1000, value: 1, quality: "good" }));
const series = (raw: ReturnType<typeof at>, to: number, gaps: { from: number; to: number; reason: string }[] = []) =>
  ({ from: 0, to: to * 1000, unit: "℃", raw, buckets: null, gaps });

test("a steady beat has no holes", () => {
  assert.deepEqual(holes(series(at(1, 2, 3, 4, 5, 6), 7), 7000), []);
});
test("a silence is a hole", () => {
  assert.deepEqual(holes(series(at(1, 2, 3, 4, 60, 61, 62), 63), 63_000), [{ from: 4000, to: 60_000, reason: "" }]);
});
test("a silence that lasts until now is a hole, the future is not", () => {
  assert.deepEqual(holes(series(at(1, 2, 3, 4), 500), 100_000), [{ from: 4000, to: 100_000, reason: "" }]);
});
test("an explained absence is not said twice", () => {
  assert.deepEqual(holes(series(at(1, 2, 3, 4, 60, 61, 62), 63, [{ from: 5000, to: 59_000, reason: "no_answer" }]), 63_000), []);
});
test("missing buckets are a hole", () => {
  const buckets = [0, 1, 2, 3, 20, 21].map((m) => ({ from: m * 60_000, to: (m + 1) * 60_000, min: 1, mean: 1, max: 1, count: 60 }));
  assert.deepEqual(holes({ from: 0, to: 22 * 60_000, unit: "℃", raw: null, buckets, gaps: [] }, 22 * 60_000), [{ from: 240_000, to: 1_200_000, reason: "" }]);
});
