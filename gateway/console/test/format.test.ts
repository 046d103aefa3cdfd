// Numbers with units, times with zones, ages and spans in words.
import { test } from "node:test";
import assert from "node:assert/strict";
import { age, clock, day, duration, limit, number, quantity, seconds, shortTime, size, time, timeMs, YES_NO } from "../src/format.ts";
import { zh } from "../src/i18n/zh.ts";
import { en } from "../src/i18n/en.ts";

const say = (table: Record<string, string>) => (key: string, values: Record<string, string | number> = {}) =>
  (table[key] ?? key).replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all));
const tz = say(zh) as never, te = say(en) as never;
const NOON = Date.UTC(2026, 10, 25, 4, 0, 5);

test("a time always has its zone, and is the site's time", () => {
  assert.equal(time(NOON), "2026-11-25 12:00:05 +08:00");
  assert.equal(shortTime(NOON), "11-25 12:00 +08:00");
  assert.equal(day(Date.UTC(2026, 10, 25, 17)), "2026-11-26");
});

test("ages grow from seconds to days", () => {
  const cases: [number, string, string][] = [
    [500, "刚刚", "just now"], [5_000, "5 秒前", "5 s ago"], [119_000, "119 秒前", "119 s ago"], [130_000, "2 分钟前", "2 min ago"],
    [3 * 3600_000, "3 小时前", "3 h ago"], [50 * 3600_000, "2 天前", "2 d ago"],
  ];
  for (const [ms, chinese, english] of cases) {
    assert.equal(age(NOON - ms, NOON, tz), chinese);
    assert.equal(age(NOON - ms, NOON, te), english);
  }
  assert.equal(age(null, NOON, tz), "从未收到");
  assert.equal(age(NOON + 60_000, NOON, tz), "刚刚", "a clock ahead is not an age below zero");
});

test("spans are said in two units at most", () => {
  assert.equal(duration(95 * 60_000, tz), "95 分钟");
  assert.equal(duration(150 * 60_000, tz), "2 小时 30 分钟");
  assert.equal(duration(3 * 3600_000, te), "3 h");
  assert.equal(duration(50 * 3600_000, te), "2 d 2 h");
});

test("no number without a unit", () => {
  assert.equal(quantity(-18.66, "℃", tz), "−18.66 ℃");
  assert.equal(quantity(0.0126, "mg/m³", te), "0.013 mg/m³");
  assert.equal(quantity(7, "", tz), "7 单位未说明");
  assert.equal(quantity(7, "1", tz), "7 无量纲");
  assert.deepEqual([0, 0.25, 1].map((v) => quantity(v, YES_NO, tz)), ["否", "25 %", "是"]);
  assert.equal(quantity(null, "℃", tz), "—");
  assert.equal(quantity(Number.NaN, "℃", tz), "—");
  assert.equal(number(1234.56), "1235");
  assert.equal(limit("le", 8, "℃", tz), "≤ 8 ℃");
  assert.equal(limit("ge", 19.5, "%", te), "≥ 19.5 %");
});
test("frames have times of a thousandth, files a size", () => {
  assert.equal(timeMs(NOON + 7), "2026-11-25 12:00:05.007 +08:00");
  assert.equal(clock(NOON + 250), "12:00:05.250");
  assert.deepEqual([40, 960, 2400, 59_999].map(seconds), ["0.0", "1.0", "2.4", "60.0"]);
  assert.equal(size(3_240_000, tz), "3.2 兆字节");
  assert.equal(size(5_770, te), "6 kB");
});
