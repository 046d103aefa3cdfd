// The mock's cameras and what they saw: rendered scenes of squares, a clip with a hole, detections, zones. Nothing of it is a photograph.
import { createHash } from "node:crypto";
import { jpeg } from "./jpeg.mjs";

const T = (zh, en) => ({ zh, en });
const MIN = 60_000, HOUR = 60 * MIN, DAY = 24 * HOUR;
const COLUMNS = 80, ROWS = 45, STEP_MS = 125, BEFORE = 10_000, AFTER = 8_000, HOLE = [3_000, 5_500];
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const model = (name) => ({ name, sha256: sha256(name) });

const ZONES = {
  "kitchen-camera": [{ name: "打荷台", kind: "food_preparation", polygon: [[0.16, 0.42], [0.74, 0.4], [0.86, 0.93], [0.08, 0.95]] }, { name: "后门", kind: "entrance", polygon: [[0.86, 0.2], [0.98, 0.2], [0.98, 0.75], [0.88, 0.7]] }],
  "shop-camera": [{ name: "冲床四周", kind: "danger_zone", polygon: [[0.5, 0.35], [0.9, 0.35], [0.95, 0.95], [0.45, 0.95]] }],
};
/** The camera in the configuration of its agent. */
export const CAMERA_CONFIG = `[[camera]]
id = "kitchen-camera"
url = "http://192.168.1.30/mjpeg"   # the north wall

[camera.published]
purpose = "食品安全监管"
sign = "signs/kitchen-camera.jpg"
location = "后厨北墙"
on = "2026-09-01"

[camera.look]
persons = "yolox-nano"

[camera.look.mask]
model = "mask"

[[camera.zone]]
name = "打荷台"
kind = "food_preparation"
polygon = [[0.160, 0.420], [0.740, 0.400], [0.860, 0.930], [0.080, 0.950]]
watch = ["no_mask"]

[camera.ring]
dir = "kitchen-camera-ring"
`;
export const CAMERAS = [
  { site: "shahe-kitchen", id: "kitchen-camera", name: T("后厨摄像机", "Kitchen camera"), location: "后厨北墙", point: "see.no_mask", zone: "打荷台", rule: "V-21" },
  { site: "shahe-kitchen", id: "store-camera", name: T("库房摄像机", "Store camera"), location: "库房门口", point: null, zone: "", rule: null },
  { site: "songshan-shop", id: "shop-camera", name: T("车间摄像机", "Workshop camera"), location: "车间西墙", point: "see.no_helmet", zone: "冲床四周", rule: "V-31" },
];

/** Where the two persons stand `ms` after the clip's begin, as shares of the picture. */
function persons(ms) {
  const walk = 0.2 + 0.5 * Math.min(1, ms / (BEFORE + AFTER));
  return [
    { track: 4, left: walk, top: 0.28, right: walk + 0.1, bottom: 0.86, classes: ms > BEFORE - 2_000 ? ["person", "no_mask"] : ["person", "mask"] },
    { track: 7, left: 0.62, top: 0.3 + 0.01 * Math.sin(ms / 700), right: 0.71, bottom: 0.84, classes: ["person", "mask"] },
  ];
}
function scene(camera, ms) {
  const isShop = camera === "shop-camera", noise = (x, y) => ((x * 7919 + y * 104729 + ms) % 11) - 5;
  const people = persons(ms);
  return jpeg(COLUMNS, ROWS, (x, y) => {
    const u = (x + 0.5) / COLUMNS, v = (y + 0.5) / ROWS, n = noise(x, y);
    const person = people.find((p) => u > p.left && u < p.right && v > p.top && v < p.bottom);
    if (person) {
      const height = (v - person.top) / (person.bottom - person.top);
      const colour = height < 0.2 ? [176, 138, 116] : height < 0.62 ? (isShop ? [52, 92, 140] : [226, 228, 224]) : [58, 64, 78];
      return colour.map((c) => c + n);
    }
    if (v < 0.12) return [92 + n, 98 + n, 104 + n];
    if (isShop && u > 0.55 && u < 0.82 && v > 0.3 && v < 0.75) return [96 + n, 128 + n, 96 + n];
    if (!isShop && v > 0.5 && v < 0.72 && u > 0.12 && u < 0.82) return [168 + n, 174 + n, 178 + n];
    if (u > 0.86 && v > 0.18 && v < 0.75) return [120 + n, 92 + n, 66 + n];
    if (v > 0.72) return ((x >> 2) + (y >> 2)) % 2 ? [150 + n, 140 + n, 128 + n] : [138 + n, 130 + n, 120 + n];
    return [204 + n, 204 + n, 196 + n];
  });
}

/** Times of the frames of a clip around `at`, the hole left out. */
function frameTimes(at) {
  const all = [];
  for (let ms = 0; ms <= BEFORE + AFTER; ms += STEP_MS) if (ms <= HOLE[0] || ms >= HOLE[1]) all.push(ms);
  return all.map((ms) => ({ ms, at: at - BEFORE + ms }));
}
const clipOf = (camera, at) => Buffer.concat([...frameTimes(at).flatMap((f) => {
  const picture = scene(camera, f.ms);
  return [Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\nX-Timestamp: ${f.at}\r\n\r\n`), picture, Buffer.from("\r\n")];
}), Buffer.from("--frame--\r\n")]);
const detectionsOf = (camera, at) => ({
  zones: ZONES[camera] ?? [],
  frames: frameTimes(at).filter((_, i) => i % 2 === 1).map((f) => ({ at: f.at, boxes: persons(f.ms).map(({ track, classes, ...area }) => ({ area, track, classes: camera === "shop-camera" ? classes.map((c) => c.replace("mask", "helmet")) : classes })) })),
});

/** Footage, its files and what people did with it. `start` is the mock's begin; `casesOf(item)` are the cases that footage belongs to. */
export function footage(start, casesOf) {
  const made = new Map();
  const kept = (key, make) => { if (!made.has(key)) made.set(key, make()); return made.get(key); };
  const fileOf = (item, role) => kept(`${item.id}/${role}`, () => {
    const about = { before: BEFORE - 4_000, still: BEFORE, after: BEFORE + 4_000 }[role];
    if (about != null) return item.occasion === "overview" ? scene(item.camera, 0) : scene(item.camera, about);
    if (role === "clip") return clipOf(item.camera, item.at);
    if (role === "detections") return Buffer.from(JSON.stringify(detectionsOf(item.camera, item.at)));
    return Buffer.from("age-encryption.org/v1\nmock\n");
  });
  const part = (item, role, state) => {
    const bytes = fileOf(item, role), [from, to] = { before: [-4_000, -4_000], still: [0, 0], after: [4_000, 4_000] }[role] ?? [-BEFORE, AFTER];
    const types = { clip: "multipart/x-mixed-replace", detections: "application/json", original: "application/octet-stream" };
    const isClip = role === "clip" || role === "original";
    return { role, sha256: sha256(bytes), bytes: bytes.length, media_type: types[role] ?? "image/jpeg", from: role === "detections" ? null : item.at + from, to: role === "detections" ? null : item.at + to, frames: role === "clip" ? frameTimes(item.at).length : isClip || role === "detections" ? 0 : 1,
      holes: role === "clip" ? [[item.at - BEFORE + HOLE[0], item.at - BEFORE + HOLE[1]]] : [], state, lost: state === "lost" ? { at: item.at + 20 * HOUR, why: T("现场的存放处已满，等待最久的文件被丢弃", "the spool at the site was full, and what had waited longest was let go of") } : null };
  };
  function sighting(id, camera, at, states, more = {}) {
    const of = CAMERAS.find((c) => c.id === camera);
    const item = { id: sha256(id), site: of.site, camera, camera_name: of.name, occasion: "sighting", point: of.point, zone: of.zone, at, cut_at: at + 45_000, received_at: at + 52_000, models: [model("yolox-nano"), model(camera === "shop-camera" ? "helmet" : "mask")], masked_by: [model("yunet-640"), model("ultraface-masked")], viewers: [], unmasking: null, not_taken: null, cases: [], ...more };
    item.parts = ["before", "still", "after", "clip", "detections", "original"].map((role) => part(item, role, states[role] ?? states.rest));
    return item;
  }
  function overview(camera, at) {
    const of = CAMERAS.find((c) => c.id === camera);
    const item = { id: sha256(`overview ${camera}`), site: of.site, camera, camera_name: of.name, occasion: "overview", point: null, zone: "", at, cut_at: at, received_at: at + 2_000, models: [], masked_by: [model("yunet-640")], viewers: [], unmasking: null, not_taken: null, cases: [] };
    item.parts = [part(item, "still", "here")];
    return item;
  }
  const list = [
    sighting("one", "kitchen-camera", start - 40 * MIN, { rest: "here", original: "at_site" }, { viewers: [{ who: "李敏", first_at: start - 30 * MIN, last_at: start - 12 * MIN, times: 5 }] }),
    sighting("two", "kitchen-camera", start - 26 * HOUR, { rest: "here", clip: "coming", original: "at_site" }, { unmasking: { reason: "当事人否认，需核对是否本店员工", asked_by: "赵强", asked_at: start - 3 * HOUR, approvals: [{ who: "陈静", at: start - 2 * HOUR }], state: "asked" } }),
    sighting("three", "shop-camera", start - 7 * HOUR, { rest: "here" }, { unmasking: { reason: "核对是否有人受伤", asked_by: "赵强", asked_at: start - 6 * HOUR, approvals: [{ who: "陈静", at: start - 5 * HOUR }, { who: "李敏", at: start - 4 * HOUR }], state: "here" } }),
    { ...sighting("four", "kitchen-camera", start - 3 * HOUR, { rest: "refused" }), occasion: "unknown", point: null, zone: "", cut_at: null, models: [], masked_by: [], parts: [], not_taken: T("影像清单的签名与内容不符", "the signature does not belong to the manifest") },
    sighting("five", "shop-camera", start - 50 * HOUR, { rest: "here", clip: "lost", original: "lost" }, { unmasking: null }),
    overview("kitchen-camera", start - 3 * DAY), overview("shop-camera", start - 5 * DAY),
  ];
  const find = (id) => list.find((f) => f.id === id);
  function viewed(item, user) {
    const seen = item.viewers.find((v) => v.who === user.name);
    if (seen) { seen.times += 1; seen.last_at = Date.now(); } else item.viewers.push({ who: user.name, first_at: Date.now(), last_at: Date.now(), times: 1 });
  }
  const refuse = (status, zh, en) => ({ status, body: { error: en, message: T(zh, en) } });
  function ask(item, body, user) {
    if (item.unmasking && !item.unmasking.end) return refuse(409, "已经有人申请过了", "somebody has asked already");
    item.unmasking = { reason: body.reason, asked_by: user.name, asked_at: Date.now(), approvals: [], state: "asked", end: null };
    return { body: item };
  }
  function approve(item, user) {
    const { unmasking } = item;
    if (!unmasking || unmasking.state !== "asked") return refuse(409, "没有待批准的申请", "nothing waits for approval");
    if (unmasking.asked_by === user.name || unmasking.approvals.some((a) => a.who === user.name)) return refuse(403, "要由另外两个人批准", "two other people have to approve");
    unmasking.approvals.push({ who: user.name, at: Date.now() });
    if (unmasking.approvals.length === 2) { unmasking.state = "approved"; item.parts.find((p) => p.role === "original").state = "wanted"; }
    return { body: item };
  }
  function end(item, body, user, state) {
    const { unmasking } = item;
    if (unmasking?.state !== "asked") return refuse(409, "没有待批准的申请", "nothing waits for approval");
    if ((state === "withdrawn") !== (unmasking.asked_by === user.name)) return refuse(403, "由申请人撤回，由别的复核员拒绝", "who asked takes it back, another reviewer refuses");
    Object.assign(unmasking, { state, end: { by: user.name, at: Date.now(), reason: body.reason } });
    return { body: item };
  }
  const missing = (camera) => (camera === "store-camera" ? [T("没有写明用途", "its purpose is not said"), T("现场标识照片没有登记", "no photograph of its sign is on file"), T("安装位置没有公布", "its location is not published")] : []);
  const figures = (rule, title, confirmed, setAside, falseAlarms, days) => ({ rule, version: 1, title, point: "see.no_mask", models: [model("mask")], confirmed, set_aside: setAside, precision: confirmed + setAside ? confirmed / (confirmed + setAside) : null, precision_min: 0.8, decided_min: 10, is_shadow: confirmed + setAside >= 10 && confirmed / (confirmed + setAside) < 0.8, shadow_signals: setAside === 6 ? 9 : 0, camera_days: days, false_alarms: falseAlarms, false_alarms_per_day: days ? falseAlarms / days : null });
  const rulesOf = (camera) => ({
    "kitchen-camera": [figures("V-21", T("食品加工区未戴口罩", "No mask where food is prepared"), 37, 3, 3, 30), figures("V-22", T("食品加工区未戴帽", "No hat where food is prepared"), 6, 6, 6, 14)],
    "shop-camera": [figures("V-31", T("危险区未戴安全帽", "No helmet in a danger zone"), 0, 0, 0, 5)],
  })[camera] ?? [];
  const cameraLine = (c) => {
    const isTold = missing(c.id).length === 0;
    return { site: c.site, id: c.id, name: c.name, purpose: isTold ? "食品安全监管" : "", sign: isTold ? "现场标志照片 3" : "", location: c.location, published: isTold ? "2026-09-01" : "", missing: missing(c.id), overview: list.find((f) => f.occasion === "overview" && f.camera === c.id)?.id ?? null, rules: rulesOf(c.id) };
  };

  return {
    answer(method, p, q, body, user) {
      for (const f of list) f.cases = casesOf(f);
      if (p[0] === "cameras") return { body: CAMERAS.filter((c) => !q.get("site") || c.site === q.get("site")).map(cameraLine) };
      if (p[0] !== "footage") return null;
      if (!p[1]) return { body: list.filter((f) => (!q.get("site") || f.site === q.get("site")) && (!q.get("camera") || f.camera === q.get("camera")) && (!q.get("case") || f.cases.includes(q.get("case")))).slice(0, Number(q.get("limit") ?? 50)) };
      const item = find(p[1]);
      if (!item) return null;
      if (p[2] === "unmask") return p[3] === "approve" ? approve(item, user) : p[3] === "refuse" ? end(item, body, user, "refused") : p[3] === "withdraw" ? end(item, body, user, "withdrawn") : ask(item, body, user);
      if (p[2] !== "parts") return { body: item };
      const found = item.parts.find((x) => x.role === p[3]);
      if (!found || found.state !== "here") return refuse(404, "这个文件还没有收到", "this file is not here");
      viewed(item, user);
      return { bytes: fileOf(item, p[3]), type: found.media_type === "multipart/x-mixed-replace" ? "multipart/x-mixed-replace; boundary=frame" : found.media_type };
    },
  };
}
