// A clip as bytes: every picture with its time, damage said and not passed over, memory bounded.
import { test } from "node:test";
import assert from "node:assert/strict";
import { partsOf } from "../src/footage/multipart.ts";
import { boxesAt, holeAt, inOrder, lastBy, missingMs, readDetections, shareOf } from "../src/footage/clip.ts";
import { DECODING_MAX, Frames, HELD_MAX } from "../src/footage/frames.ts";

const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const part = (at: number, body: string, boundary = "frame") => `--${boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: ${body.length}\r\nX-Timestamp: ${at}\r\n\r\n${body}\r\n`;
const bodies = (text: string) => partsOf(bytes(text)).parts.map((p) => [p.at, text.slice(p.from, p.to)]);

test("every part is given with its time, and bytes that look like a delimiter stay in the picture", () => {
  assert.deepEqual(bodies(part(1000, "one") + part(1040, "t\r\n--frame\r\nw") + "--frame--\r\n"), [[1000, "one"], [1040, "t\r\n--frame\r\nw"]]);
  assert.equal(partsOf(bytes(part(1, "x"))).broken, null, "a clip without an end line is whole");
  assert.equal(partsOf(bytes(part(1, "x") + "--frame--")).broken, null, "nor does the end line need an end");
});
test("names of fields in any case, bare line feeds and breaks before the first part are read", () => {
  assert.deepEqual(bodies(`\r\n\n--b\ncontent-length:2\nX-TIMESTAMP:  7 \n\nab\n${part(8, "c", "b")}`), [[7, "ab"], [8, "c"]]);
});
test("damage ends the reading with its place and kind, what came before stays", () => {
  const good = part(5, "good");
  const why = (rest: string) => { const read = partsOf(bytes(good + rest)); return [read.parts.length, read.broken?.at, read.broken?.why]; };
  const n = good.length;
  assert.deepEqual(why(part(6, "shortened").slice(0, -6)), [1, n, "cut"]);
  assert.deepEqual(why("--frame\r\nX-Timestamp: 6\r\n\r\nx"), [1, n, "length"]);
  assert.deepEqual(why("--frame\r\nContent-Length: 1\r\n\r\nx"), [1, n, "time"]);
  assert.deepEqual(why("--frame\r\nContent-Length: 1e99\r\nX-Timestamp: 6\r\n\r\nx"), [1, n, "length"]);
  assert.deepEqual(why("--frame\r\nno colon\r\n\r\nx"), [1, n, "head"]);
  assert.deepEqual(why("--frame\r\nContent-Length: 1"), [1, n, "head"]);
  assert.deepEqual(why("--other\r\n"), [1, n, "delimiter"]);
  assert.deepEqual(why("\u00ff".repeat(9000)), [1, n, "delimiter"]);
  assert.deepEqual(partsOf(bytes("{\"error\":1}")), { parts: [], broken: { at: 0, why: "delimiter" } });
  assert.deepEqual(partsOf(new Uint8Array()), { parts: [], broken: null });
});
test("any cut of a clip gives a beginning of its parts and never throws", () => {
  const whole = bytes([1, 2, 3, 4].map((n) => part(n, "p".repeat(n * 7))).join("") + "--frame--\r\n");
  const all = partsOf(whole).parts;
  for (let end = 0; end <= whole.length; end += 1) {
    const { parts } = partsOf(whole.subarray(0, end));
    assert.deepEqual(parts, all.slice(0, parts.length));
  }
});

const at = (...times: number[]) => times.map((t) => ({ at: t }));
test("the frame of a time is the last one not later, and frames are put in order", () => {
  assert.deepEqual([0, 10, 15, 20, 99].map((t) => lastBy(at(10, 20, 30), t)), [-1, 0, 0, 1, 2]);
  const parts = [3, 1, 2].map((t) => ({ type: "", at: t, from: t, to: t }));
  assert.deepEqual(inOrder(parts).map((p) => p.at), [1, 2, 3]);
});
test("a hole lies between its two frames, which are themselves there", () => {
  const holes = [{ from: 100, to: 2500 }, { from: 4000, to: 4600 }];
  assert.deepEqual([100, 101, 2499, 2500, 4300].map((t) => holeAt(holes, t)?.from ?? null), [null, 100, 100, null, 4000]);
  assert.equal(missingMs(holes), 3000);
});
test("boxes are those of the frame or of a look shortly before, never older or later ones", () => {
  const box = { area: { left: 0, top: 0, right: 1, bottom: 1 }, track: 4, classes: ["person"] };
  const frames = [{ at: 1000, boxes: [box] }, { at: 1200, boxes: [] }];
  assert.equal(boxesAt(frames, 999), null);
  assert.deepEqual(boxesAt(frames, 1100), { boxes: [box], ageMs: 100 });
  assert.deepEqual(boxesAt(frames, 1200), { boxes: [], ageMs: 0 });
  assert.equal(boxesAt(frames, 1801), null);
  assert.throws(() => readDetections({ frames: [] }), /zones/);
});
test("a place on the bar is a share of the clip's time", () => {
  assert.deepEqual([50, 100, 150, 200, 300].map((t) => shareOf({ from: 100, to: 200 }, t)), [0, 0, 0.5, 1, 1]);
  assert.equal(shareOf({ from: 5, to: 5 }, 5), 0);
});

test("only a window of frames is ever decoded and held, and what leaves it is closed", async () => {
  const parts = Array.from({ length: 500 }, (_, n) => ({ type: "image/jpeg", at: n, from: n, to: n + 1 }));
  let open = 0, most = 0, decoded = 0;
  const decode = async (blob: Blob) => {
    decoded += 1;
    const [value] = new Uint8Array(await blob.arrayBuffer());
    if (value === 13) throw new Error("no picture");
    open += 1; most = Math.max(most, open);
    return { width: 1, height: value!, close: () => { open -= 1; } };
  };
  const frames = new Frames(Uint8Array.from(parts, (_, n) => n % 256), parts, decode, () => undefined);
  const settle = () => new Promise((done) => setTimeout(done, 5));
  for (let n = 0; n < 500; n += 1) { frames.look(n, 1); if (n % 3 === 0) await settle(); }
  for (const n of [400, 3, 250, 14]) { frames.look(n, -1); await settle(); }
  assert.ok(most <= HELD_MAX + DECODING_MAX, `${most} pictures were open at once`);
  assert.ok(frames.count <= HELD_MAX && open === frames.count, `${open} open, ${frames.count} held`);
  assert.equal(frames.get(13), "broken");
  assert.equal((frames.get(14) as { height: number }).height, 14);
  assert.equal(frames.get(200), null);
  const before = decoded;
  frames.look(14, -1);
  await settle();
  assert.equal(decoded, before, "nothing is decoded twice while it is held");
  frames.close();
  assert.equal(open, 0);
});
