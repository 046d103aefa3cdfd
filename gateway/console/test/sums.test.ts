// A day's readings as a sum: it comes out, and a share never looks better than it is.
import { test } from "node:test";
import assert from "node:assert/strict";
import { balances, percent, pieces } from "../src/parts/sums.ts";
import { whyWord } from "../src/parts/why.ts";
import { translator } from "../src/i18n/index.tsx";

const day = { expected: 1440, in_time: 1400, late: 30, missing: [{ why: "no_answer", count: 5 }, { why: "buffer_full", count: 6 }], silent: 2, extra: 3, share: 0.99 };

test("a balanced day comes out, one that lost a reading on the way does not", () => {
  assert.ok(balances(day));
  assert.ok(!balances({ ...day, late: 29 }));
  assert.deepEqual(pieces(day).map((p) => p.count), [1400, 30, 11, 2]);
});
test("a share is never rounded up", () => {
  assert.equal(percent(1), "100 %");
  assert.equal(percent(0.99999), "99.9 %");
  assert.equal(percent(0.98), "98 %");
  assert.equal(percent(0), "0 %");
});
test("every reason of a missing reading is a word in both languages", () => {
  const [zh, en] = [translator("zh"), translator("en")];
  for (const why of ["no_answer", "no_connection", "refused", "unreadable", "stopped", "unspecified", "buffer_full", "disk_refused", "damaged", "agent_off", "skipped"]) {
    assert.match(whyWord(why, zh), /^[\u4e00-\u9fff，]+$/, why);
    assert.match(whyWord(why, en), /^[a-z', ]+$/, why);
  }
});
