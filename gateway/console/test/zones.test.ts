// Zones: corners as the agent accepts them, and a configuration of which nothing else is touched.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { area, corner, middle, moved, movedCorner, share, trouble, withMiddle, withoutCorner, type Corner } from "../src/zones/polygon.ts";
import { faults, lacks } from "../src/zones/check.ts";
import { isForbidden, isHours, KINDS, watchable, WATCHED } from "../src/zones/kinds.ts";
import { withZones, zonesOf, zoneToml, type Zone } from "../src/zones/toml.ts";
import { zh } from "../src/i18n/zh.ts";

const square: Corner[] = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]];

test("corners are refused as the agent refuses them", () => {
  assert.equal(trouble(square), null);
  assert.deepEqual(trouble(square.slice(0, 2)), { is: "corners", n: 2 });
  assert.deepEqual(trouble(Array(33).fill([0, 0])), { is: "corners", n: 33 });
  assert.deepEqual(trouble([[0, 0], [1.001, 0], [1, 1]]), { is: "outside", n: 2 });
  assert.deepEqual(trouble([[0, 0], [1, Number.NaN], [1, 1]]), { is: "outside", n: 2 });
  assert.deepEqual(trouble([[0, 0], [1, 1], [1, 0], [0, 1]]), { is: "crosses", n: 1, m: 3 });
  assert.deepEqual(trouble([[0, 0], [1, 0], [1, 1], [0.5, 0]]), { is: "crosses", n: 1, m: 3 }, "a corner on another edge touches it");
  assert.deepEqual(trouble([[0, 0], [0.01, 0], [0.01, 0.01]]), { is: "small" });
});
test("shares have three decimals and stay in the picture", () => {
  assert.deepEqual([-1, 0.12345, 0.9996, 7].map(share), [0, 0.123, 1, 1]);
  assert.deepEqual(movedCorner(square, 2, 1.2, 0.33333)[2], [1, 0.333]);
  assert.ok(Math.abs(area(square) - 0.16) < 1e-9);
});
test("corners are added in the middle of an edge, and three always stay", () => {
  assert.deepEqual(middle(square, 3), [0.1, 0.3]);
  assert.deepEqual(withMiddle(square, 0).map(([x]) => x), [0.1, 0.3, 0.5, 0.5, 0.1]);
  assert.equal(withoutCorner(square, 1).length, 3);
  assert.equal(withoutCorner(withoutCorner(square, 1), 1).length, 3);
  assert.equal(withMiddle(Array(32).fill(corner(0, 0)), 0).length, 32);
});
test("a polygon pushed to the edge keeps its shape", () => {
  const pushed = moved(square, 0.9, -0.9);
  assert.deepEqual(pushed, [[0.6, 0], [1, 0], [1, 0.4], [0.6, 0.4]]);
});

test("every kind has a name in Chinese, and what is watched for belongs to it", () => {
  for (const kind of KINDS) assert.match((zh as Record<string, string>)[`kind.${kind}`]!, /^[\u4e00-\u9fff]+$/, kind);
  const names = (kind: string) => watchable(kind).map((w) => w.name);
  assert.deepEqual(names("special_room"), ["no_mask", "no_hat", "smoking", "after_hours"]);
  assert.deepEqual(names("danger_zone"), ["no_helmet", "no_vest", "smoking", "in_danger_zone", "after_hours"]);
});
test("kinds and what is watched for are those of the agent", () => {
  const names = (file: string, type: string) => [...readFileSync(`../../edge-agent/src/camera/watch/${file}`, "utf8").matchAll(new RegExp(`${type}::\\w+ => "(\\w+)"`, "g"))].map((m) => m[1]!);
  assert.deepEqual([...KINDS], names("zone.rs", "Kind"));
  const classes = names("class.rs", "Class"), parts = names("class.rs", "Part");
  assert.ok(classes.length >= 10 && parts.length >= 5);
  for (const watched of WATCHED) assert.ok(classes.includes(watched.name) && (!watched.needs || parts.includes(watched.needs)), watched.name);
});
test("a forbidden place is known by its name, an allowed one is not", () => {
  for (const name of ["员工更衣间", "2号包间", "Staff-toilets", "guest_room 3", "WC"]) assert.ok(isForbidden(name), name);
  for (const name of ["专间", "打荷台", "dish washing", "new counter", "crest room"]) assert.ok(!isForbidden(name), name);
});
test("hours are a stretch of the day", () => {
  assert.deepEqual(["06:00-23:00", "22:00-06:00", "00:00-24:00", "18:30 - 19:00"].map(isHours), [true, true, true, true]);
  assert.deepEqual(["6:00-23:00", "06:00", "06:00-06:00", "24:00-25:00", "06:60-07:00", ""].map(isHours), [false, false, false, false, false, false]);
});

test("what an agent would refuse of a zone is said while it is drawn", () => {
  const zone: Zone = { name: "打荷台", kind: "food_preparation", polygon: square, hours: [], watch: ["no_mask"], rest: [], above: [] };
  const said = (change: Partial<Zone>, others: Zone[] = []) => faults({ ...zone, ...change }, others).map(([key]) => key);
  assert.deepEqual(said({}), []);
  assert.deepEqual(said({ name: " " }), ["zone.bad.name"]);
  assert.deepEqual(said({ name: "男卫生间" }), ["zone.bad.forbidden"]);
  assert.deepEqual(said({}, [zone]), ["zone.bad.sameName"]);
  assert.deepEqual(said({ kind: "" }), ["zone.bad.kind"]);
  assert.deepEqual(said({ kind: "toilet" }), ["zone.unknownKind"]);
  assert.deepEqual(said({ polygon: square.slice(0, 2) }), ["zone.bad.corners"]);
  assert.deepEqual(said({ watch: ["after_hours"] }), ["zone.bad.hoursNeeded"]);
  assert.deepEqual(said({ watch: ["after_hours"], hours: ["6-23"] }), ["zone.bad.hours"]);
});
test("tables that zones need and the camera does not have are named", () => {
  const zone: Zone = { name: "a", kind: "cooking", polygon: square, hours: [], watch: ["no_mask", "after_hours"], rest: [], above: [] };
  assert.deepEqual(lacks([zone], ["published", "look", "look.mask"]), []);
  assert.deepEqual(lacks([zone], ["ring"]), ["[camera.published]", "[camera.look]", "[camera.look.mask]"]);
  assert.deepEqual(lacks([], []), []);
});

const CONFIG = `# the box in the kitchen
[[device]]
id = "cold-room"

[[camera]]
id = "kitchen-camera"   # the north wall
clock = [
  [0.1, 0.2],
]

# near the back door
[camera.look]
persons = "yolox-nano"
[camera.look.mask]
model = "mask"

[[camera.zone]]
name = '打荷台 # 1'
kind = "food_preparation"
polygon = [
  [0.160, 0.42],  # left
  [0.74, 0.4],
  [0.86, 0.93],
]
watch = ["no_mask"]

# of the night
[[camera.zone]]
name = "后门"
kind = "entrance"
polygon = [[0.86, 0.2], [0.98, 0.2], [0.98, 0.75]]
hours = ["06:00-23:00"]
watch = ["after_hours",]

# kept for ten minutes
[camera.ring]
dir = "ring"

[[camera]]
id = "store-camera"
[camera.ring]
dir = "ring2"
`;
const found = (text: string, camera: string) => { const f = zonesOf(text, camera); assert.equal(f.is, "found"); return f as Extract<typeof f, { is: "found" }>; };
const plain = ({ name, kind, polygon, hours, watch }: Zone) => ({ name, kind, polygon, hours, watch });

test("zones are read out of a configuration as people write it", () => {
  const { zones, tables } = found(CONFIG, "kitchen-camera");
  assert.deepEqual(zones.map(plain), [
    { name: "打荷台 # 1", kind: "food_preparation", polygon: [[0.16, 0.42], [0.74, 0.4], [0.86, 0.93]], hours: [], watch: ["no_mask"] },
    { name: "后门", kind: "entrance", polygon: [[0.86, 0.2], [0.98, 0.2], [0.98, 0.75]], hours: ["06:00-23:00"], watch: ["after_hours"] },
  ]);
  assert.deepEqual(tables, ["look", "look.mask", "zone", "zone", "ring"]);
  assert.deepEqual(found(CONFIG, "store-camera").zones, []);
  assert.deepEqual(zonesOf(CONFIG, "cold-room"), { is: "absent" });
});
test("what was not changed is written back byte for byte", () => {
  for (const camera of ["kitchen-camera", "store-camera"]) assert.equal(withZones(CONFIG, camera, found(CONFIG, camera).zones), CONFIG);
});
test("the example configuration of the agent is read, and written back as it is", () => {
  const text = readFileSync("../../config/edge-agent-cameras.toml", "utf8");
  const { zones, tables } = found(text, "kitchen-camera");
  assert.ok(zones.length > 0 && zones.every((zone) => faults(zone, []).length === 0), JSON.stringify(zones));
  assert.deepEqual(lacks(zones, tables), []);
  assert.equal(withZones(text, "kitchen-camera", zones), text);
});
test("a changed zone changes its own lines only, a new one follows, and all is read again", () => {
  const [first, second] = found(CONFIG, "kitchen-camera").zones as [Zone, Zone];
  const fresh: Zone = { name: "灶台", kind: "cooking", polygon: [[0, 0], [0.5, 0], [0.5, 0.5]], hours: [], watch: ["smoking"], rest: [], above: [] };
  const changed = withZones(CONFIG, "kitchen-camera", [{ ...first, polygon: square, lines: undefined }, second, fresh]);
  assert.deepEqual(found(changed, "kitchen-camera").zones.map(plain), [{ ...plain(first), polygon: square }, plain(second), plain(fresh)]);
  for (const line of CONFIG.split("\n").filter((l) => !/0\.160, 0\.42|0\.74, 0\.4\]|0\.86, 0\.93|^polygon = \[$|^\]$|^name = '/.test(l))) assert.ok(changed.split("\n").includes(line), line);
  assert.ok(changed.includes("polygon = [[0.100, 0.100], [0.500, 0.100], [0.500, 0.500], [0.100, 0.500]]\nwatch"));
  const other = withZones(CONFIG, "store-camera", [fresh]);
  assert.equal(other, `${CONFIG}\n${zoneToml(fresh)}\n`);
  assert.deepEqual(found(other, "store-camera").zones.map(plain), [plain(fresh)]);
});
test("zones can all be taken away", () => {
  const none = withZones(CONFIG, "kitchen-camera", []);
  assert.deepEqual(found(none, "kitchen-camera").zones, []);
  assert.ok(!none.includes("of the night"), "a comment goes with its zone");
  assert.ok(none.includes("# kept for ten minutes\n[camera.ring]\ndir = \"ring\"\n"));
});
test("keys that this console does not know stay", () => {
  const text = CONFIG.replace('watch = ["no_mask"]', 'watch = ["no_mask"]\nshare = 0.9');
  const [zone] = found(text, "kitchen-camera").zones;
  assert.deepEqual(zone!.rest, ["share = 0.9"]);
  assert.ok(zoneToml({ ...zone!, lines: undefined }).endsWith("\nshare = 0.9"));
});
test("what cannot be read simply is said and not guessed", () => {
  const odd = (from: string | RegExp, to: string) => zonesOf(CONFIG.replace(from, to), "kitchen-camera");
  assert.deepEqual(odd('watch = ["no_mask"]', 'watch = "no_mask"'), { is: "unreadable", why: "watch" });
  assert.equal(odd("[0.74, 0.4],", "[0.74],").is, "unreadable");
  assert.equal(odd('kind = "entrance"\n', "").is, "unreadable");
  assert.equal(odd('id = "cold-room"', 'id = """cold-room"""').is, "unreadable");
  assert.equal(odd('id = "kitchen-camera"', 'id = "kitchen-camera"\nzone = [{ name = "a" }]').is, "unreadable");
  assert.equal(odd('kind = "entrance"', "kind = entrance").is, "unreadable");
  assert.equal(odd("[camera.ring]", "[camera.zone.night]").is, "unreadable");
});
