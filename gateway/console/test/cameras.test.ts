// What a camera says of itself, in words that are never better than its readings.
import { test } from "node:test";
import assert from "node:assert/strict";
import { healthOf, OLD_MS } from "../src/footage/health.ts";
import { isYesNo, pointWord } from "../src/footage/words.ts";
import { i18n } from "../src/i18n/index.tsx";
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
test("points of a camera that the register gives no label have words, others keep theirs", () => {
  const [zh, en] = [i18n("zh", () => undefined), i18n("en", () => undefined)], bare = (name: string) => ({ zh: name, en: name });
  assert.deepEqual([bare("see.no_mask"), bare("health.covered"), bare("frames_per_s"), bare("shadow.no_mask")].map((label) => pointWord(label, zh)), ["未戴口罩", "被遮挡", "每秒帧数", "未戴口罩"]);
  assert.equal(pointWord(bare("see.no_mask"), en), "no mask");
  assert.equal(pointWord(bare("temperature"), zh), "temperature");
  assert.equal(pointWord({ zh: "后厨口罩", en: "Masks" }, zh), "后厨口罩");
  assert.deepEqual(["see.no_mask", "see.persons", "health.black", "temperature"].map(isYesNo), [true, false, true, false]);
});
