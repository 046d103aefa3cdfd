// The two dictionaries say the same things: same keys, same placeholders, no English in Chinese.
import { test } from "node:test";
import assert from "node:assert/strict";
import { zh } from "../src/i18n/zh.ts";
import { en } from "../src/i18n/en.ts";

const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

test("both languages have the same keys", () => {
  assert.deepEqual(Object.keys(en).sort(), Object.keys(zh).sort());
});

test("both languages have the same placeholders", () => {
  for (const key of Object.keys(zh) as (keyof typeof zh)[]) {
    assert.deepEqual([...new Set(holes(en[key]))], [...new Set(holes(zh[key]))], key);
  }
});

test("no English word is left in the Chinese screen, nor Chinese in the English one", () => {
  const allowed = new Set(["lang.switch"]);
  for (const [key, text] of Object.entries(zh)) {
    const latin = text.replace(/\{\w+\}/g, "").replace(/UTC|SHA-256|InfluxDB|Sparkplug B|JSON|NTP|\[ingest\]|metrics_max|[（(][TRC][)）]|\b[TRC] (接手|排除|确认)|\b(I|II|III|IV)\b/g, "");
    if (!allowed.has(key)) assert.ok(!/[A-Za-z]{2,}/.test(latin), `${key}: ${text}`);
  }
  for (const [key, text] of Object.entries(en)) if (!allowed.has(key)) assert.ok(!/[\u4e00-\u9fff]/.test(text), `${key}: ${text}`);
});
