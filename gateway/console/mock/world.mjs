// The mock's data: believable values, one of every state a screen must show. Answers have the gateway's shapes.
import { CAMERA_CONFIG, CAMERAS, footage } from "./footage.mjs";

const MIN = 60_000, HOUR = 60 * MIN, DAY = 24 * HOUR;
const T = (zh, en) => ({ zh, en });
const MAY = { inspector: ["take_up", "set_aside", "note_objection", "ask_unmasking"], reviewer: ["take_up", "set_aside", "confirm", "note_objection", "change_record", "ask_unmasking", "approve_unmasking"], admin: ["keep_agents", "control_devices"] };
// What a camera says of its pictures is 0 or 1.
const V = (severity, zh, en, text, standard, clause) => ({ permitted: "le", value: 0.5, severity, text, standard, clause, averaging_s: null, dwell_s: 0, title: T(zh, en) });

const businesses = {
  kitchen: { uscc: "91411100MA40000013", name: "漯河市沙河小厨餐饮有限公司" },
  boiler: { uscc: "91411100MA40000021", name: "漯河市双汇路热力有限公司" },
  shop: { uscc: "91411100MA4000003X", name: "漯河市嵩山精工机械厂" },
};
const rules = {
  "F-12": { permitted: "le", value: 8, severity: "II", text: T("冷藏食品应在 8 ℃ 及以下保存，超过 8 ℃ 达 30 分钟发出信号。", "Cold food must be kept at 8 ℃ or below; above 8 ℃ for 30 min raises a signal."), standard: "GB 31654-2021", clause: "第 7.3 条", averaging_s: 300, dwell_s: 1800, title: T("冷藏库温度过高", "Cold room too warm") },
  "F-01": { permitted: "le", value: -15, severity: "II", text: T("冷冻库温度应不高于 −18 ℃，高于 −15 ℃ 达 30 分钟发出信号；30 分钟以内的除霜不计。", "The freezer must be at −18 ℃ or below; above −15 ℃ for 30 min raises a signal; defrosts up to 30 min do not count."), standard: "GB 31605-2020", clause: "第 3.2 条", averaging_s: 300, dwell_s: 1800, title: T("冷冻库温度过高", "Freezer too warm") },
  "A-01": { permitted: "le", value: 2, severity: "II", text: T("油烟排放浓度不超过 2.0 mg/m³，连续两个 10 分钟均值超过时发出信号。", "Fume must not exceed 2.0 mg/m³; two 10-min means above it raise a signal."), standard: "GB 18483-2001", clause: "表 2", averaging_s: 600, dwell_s: 1200, title: T("油烟浓度超过限值", "Cooking fume above the limit") },
  "A-12": { permitted: "le", value: 200, severity: "II", text: T("燃气锅炉氮氧化物折算小时均值不超过 200 mg/m³。", "The hourly mean of nitrogen oxides of a gas boiler must not exceed 200 mg/m³."), standard: "GB 13271-2014", clause: "表 2", averaging_s: 3600, dwell_s: 0, title: T("氮氧化物超过限值", "Nitrogen oxides above the limit") },
  "S-01": { permitted: "le", value: 25, severity: "IV", text: T("可燃气体达到 25 %LEL 即一级报警，立即处置。", "Combustible gas at 25 %LEL is a first alarm; act at once."), standard: "GB/T 50493-2019", clause: "第 5.5.2 条", averaging_s: null, dwell_s: 0, title: T("可燃气体浓度达到报警值", "Combustible gas at alarm level") },
  "V-21": V("II", "食品加工区未戴口罩", "No mask where food is prepared", T("加工直接入口食品的人员应佩戴口罩；3 秒内八成画面认为没有戴的，发出信号。", "Whoever prepares food that is eaten as it is wears a mask; where 80 % of the frames of 3 s say otherwise, a signal is raised."), "GB 31654-2021", "第 9.2.4 条"),
  "V-31": V("III", "危险区未戴安全帽", "No helmet in a danger zone", T("进入危险区应戴安全帽；3 秒内八成画面认为没有戴的，发出信号。", "A helmet is worn in a danger zone; where 80 % of the frames of 3 s say otherwise, a signal is raised."), "GB 39800.1-2020", "第 4.2 条"),
  "M-01": { permitted: "le", value: 0.6, severity: "III", text: T("模型认为这段温度曲线不像库温：变化过小，像插在冰水里。", "The model finds this curve unlike a cold room: it hardly moves, as in iced water."), standard: "模型卡", clause: "第 3 节", averaging_s: 300, dwell_s: 1800, title: T("温度曲线异常，疑似探头移位", "Unusual temperature curve, the probe may have been moved"), model: "series-anomaly 1.0" },
};
const limitOf = (id) => { const r = rules[id]; return { rule: id, permitted: r.permitted, value: r.value, severity: r.severity, text: r.text, standard: r.standard, clause: r.clause }; };
const dept = { market: T("市场监管", "market supervision"), environment: T("生态环境", "environment"), emergency: T("应急管理", "emergency management"), fire: T("消防", "fire service") };
const ALLOWANCE = [T("风险等级 B", "Risk class B"), T("同一部门间隔不少于 365 天；全部部门合计一年最多 2 次，今年已 1 次（国办发〔2024〕54号要求设上限，次数由本地配置）", "One department at most every 365 days; all together at most 2 visits a year, 1 made this year (国办发〔2024〕54号 demands a cap; the numbers are configured here)")];
const fit = (cert, legal = true) => ({
  fit: legal, certificate: cert, valid_to: Date.now() + 210 * DAY, legal_review: legal ? "漯法审〔2026〕12号" : null, technical_review: "漯技审〔2026〕31号",
  sign: "已设置", published_at: legal ? Date.now() - 90 * DAY : null, reasons: legal ? [] : [T("没有法制审核文件", "no legal review on file"), T("安装位置没有公布", "the location is not published")],
});
const device = (id, zh, en, kind, location, fitness) => ({ id, name: T(zh, en), kind, location, fitness });
const point = (dev, name, zh, en, unit, base, swing, rule, opts = {}) => ({ device: dev, name, label: T(zh, en), unit, base, swing, rule, ...opts });

const sites = [
  { id: "shahe-kitchen", name: T("沙河小厨", "Shahe Kitchen"), address: "漯河市源汇区滨河路 18 号", business: businesses.kitchen, domains: ["food", "environment"], status: "live", agents_online: 1, agents: 1,
    devices: [device("cold-room", "冷藏库温度计", "Cold room thermometer", "thermometer", "后厨冷藏库内侧", fit("豫计字 2026-0412")), device("freezer", "冷冻库温度计", "Freezer thermometer", "thermometer", "后厨冷冻库", fit("豫计字 2026-0413")), device("fume", "油烟监测仪", "Fume monitor", "fume", "屋顶排烟口", fit("豫计字 2026-0398", false))],
    points: [point("cold-room", "temperature", "冷藏库温度", "Cold room temperature", "℃", 4.2, 0.6, "F-12"), point("freezer", "temperature", "冷冻库温度", "Freezer temperature", "℃", -19.4, 0.8, "F-01"), point("fume", "concentration", "油烟浓度", "Fume concentration", "mg/m³", 1.1, 0.4, "A-01"), point("fume", "purifier-current", "净化器电流", "Purifier current", "A", 2.4, 0.1, null)] },
  { id: "shuanghui-boiler", name: T("双汇路锅炉房", "Shuanghui Road Boiler House"), address: "漯河市召陵区双汇路 6 号", business: businesses.boiler, domains: ["environment"], status: "live", agents_online: 1, agents: 1,
    devices: [device("stack", "烟气在线监测", "Stack monitor", "cems", "1 号烟囱 25 m 平台", fit("豫计字 2026-0120"))],
    points: [point("stack", "nox", "氮氧化物（折算）", "Nitrogen oxides", "mg/m³", 146, 14, "A-12"), point("stack", "so2", "二氧化硫（折算）", "Sulphur dioxide", "mg/m³", 22, 4, null), point("stack", "o2", "氧含量", "Oxygen", "%", 3.9, 0.2, null)] },
  { id: "songshan-shop", name: T("嵩山精工车间", "Songshan Workshop"), address: "漯河市郾城区嵩山路 101 号", business: businesses.shop, domains: ["safety"], status: "quiet", agents_online: 0, agents: 1, silent_for: 47 * MIN,
    devices: [device("gas", "可燃气体探测器", "Gas detector", "gas", "喷涂间东墙", fit("豫计字 2026-0555")), device("noise", "噪声计", "Noise meter", "noise", "车间中央", fit("豫计字 2026-0560"))],
    points: [point("gas", "combustible", "可燃气体", "Combustible gas", "%LEL", 2.1, 0.8, "S-01"), point("gas", "co", "一氧化碳", "Carbon monoxide", "mg/m³", 3.2, 0.6, null), point("noise", "leq", "等效声级", "Noise level", "dB(A)", 78, 3, null, { quality: "no_answer" })] },
  { id: "xincheng-canteen", name: T("新城中学食堂", "Xincheng School Canteen"), address: "漯河市经开区燕山路 9 号", business: { uscc: "91411100MA40000048", name: "漯河市新城中学食堂服务有限公司" }, domains: ["food"], status: "never", agents_online: 0, agents: 1, devices: [], points: [] },
];

const HEALTH = [["no_frames", "无画面", "No pictures"], ["covered", "被遮挡", "Covered"], ["frozen", "画面冻结", "Frozen"]];
for (const c of CAMERAS) {
  const site = sites.find((s) => s.id === c.site);
  site.devices.push(device(c.id, c.name.zh, c.name.en, "camera", c.location, fit(null)));
  for (const [name, zh, en] of HEALTH) site.points.push(point(c.id, `health.${name}`, zh, en, "", c.id === "store-camera" && name === "covered" ? 1 : 0, 0, null));
  if (c.point) site.points.push(point(c.id, c.point, rules[c.rule].title.zh, rules[c.rule].title.en, "", 0, 0, c.rule));
}

const noise = (seed) => { const x = Math.sin(seed * 127.1) * 43758.5453; return x - Math.floor(x); };
const episode = (rule, device, point, siteId, since, lasted, peak, state = "open", extra = {}) => ({ rule, device, point, site: siteId, since, lasted, peak, state, ...extra });

function episodes(now) {
  return [
    episode("S-01", "gas", "combustible", "songshan-shop", now - 62 * MIN, 9 * MIN, 41.5),
    episode("M-01", "cold-room", "temperature", "shahe-kitchen", now - 9 * HOUR, 2 * HOUR, 0.87, "open", { score: 0.87 }),
    episode("F-12", "cold-room", "temperature", "shahe-kitchen", now - 95 * MIN, null, 13.4, "open", { also: ["F-01", "freezer", "temperature", -12.6] }),
    episode("A-01", "fume", "concentration", "shahe-kitchen", now - 20 * HOUR, 50 * MIN, 4.6),
    episode("A-12", "stack", "nox", "shuanghui-boiler", now - 5 * DAY, HOUR, 236, "taken"),
    episode("F-12", "cold-room", "temperature", "shahe-kitchen", now - 16 * DAY, 48 * MIN, 11.2, "confirmed"),
    episode("F-01", "freezer", "temperature", "shahe-kitchen", now - 21 * DAY, 35 * MIN, -12.1, "rejected"),
    episode("V-21", "kitchen-camera", "see.no_mask", "shahe-kitchen", now - 40 * MIN, 4 * MIN, 1),
    episode("V-21", "kitchen-camera", "see.no_mask", "shahe-kitchen", now - 26 * HOUR, 3 * MIN, 1, "taken"),
    episode("V-31", "shop-camera", "see.no_helmet", "songshan-shop", now - 7 * HOUR, 6 * MIN, 1),
  ];
}

/** Everything the mock knows and how it answers. */
export function world() {
  const start = Date.now();
  const cases = episodes(start).map((e, i) => caseOf(e, i + 1, start));
  const entries = [entryOf(cases[5], start)];
  const seen = footage(start, (item) => cases.filter((c) => item.point === c.point && c.site === item.site && c.devices[0].id === item.camera && item.at >= c.window_from && item.at <= c.window_to).map((c) => c.id));
  const byId = (id) => cases.find((c) => c.id === id);
  // The mask of today is the third in seven days; another one was raised in shadow.
  const [today, yesterday] = ["C-2026-1008", "C-2026-1009"].map((id) => byId(id).signals[0]);
  today.escalated = { from: "I", earlier: [{ id: "5b0f1c22d9e8a7341c06", opened_at: yesterday.opened_at, case: yesterday.case }, { id: "c41d07e3b2a19f586d70", opened_at: start - 3 * DAY, case: "C-2026-1006" }],
    text: T("7 天内同一设备、同一规则已有 3 次（连同此前的信号 5b0f1c22d9e8a7341c06、c41d07e3b2a19f586d70；已排除的不计），级别由提示升为一般。", "With the earlier signals 5b0f1c22d9e8a7341c06, c41d07e3b2a19f586d70 this makes 3 occasions in 7 days at one device under one rule (what was set aside does not count): severity II instead of I.") };
  const inShadow = { ...today, id: "S-shadow", opened_at: start - 3 * HOUR, closed_at: start - 3 * HOUR + 2 * MIN, escalated: null, case: null, shadow: true };

  function caseOf(e, n, now) {
    const rule = rules[e.rule], site = sites.find((s) => s.id === e.site), dev = site.devices.find((d) => d.id === e.device), p = site.points.find((x) => x.device === e.device && x.name === e.point);
    const hours = { I: 240, II: 72, III: 24, IV: 1 }[rule.severity];
    const id = `C-2026-${String(1000 + n)}`;
    const signal = { id: `S-${n}`, rule: e.rule, title: rule.title, severity: rule.severity, device: dev.id, point: p.name, point_label: p.label, opened_at: e.since, closed_at: e.lasted ? e.since + e.lasted : null, measured: e.peak, permitted: rule.permitted, limit: rule.value, unit: e.rule === "M-01" ? "分" : p.unit, case: id };
    const also = e.also ? (([id2, device2, point2, peak]) => {
      const r = rules[id2], d = site.devices.find((x) => x.id === device2), q = site.points.find((x) => x.device === device2 && x.name === point2);
      return { device: d, point: q, rule: r, signal: { ...signal, id: `S-${n}b`, rule: id2, title: r.title, severity: r.severity, device: device2, point: point2, point_label: q.label, opened_at: e.since + 10 * MIN, measured: peak, permitted: r.permitted, limit: r.value, unit: q.unit } };
    })(e.also) : null;
    const pointIn = (d, q, id3) => ({ device: d.id, device_name: d.name, point: q.name, label: q.label, limits: e.score ? [] : [limitOf(id3)] });
    return { id, site: site.id, site_name: site.name, business: site.business, severity: rule.severity, state: e.state, title: rule.title, rule: e.rule, opened_at: e.since, ended_at: signal.closed_at, due_at: e.since + hours * HOUR, measured: e.score ? null : e.peak, permitted: e.score ? null : rule.permitted, limit: e.score ? null : rule.value, unit: p.unit, fit: dev.fitness.fit, score: e.score ?? null,
      device: dev, point: p.name, signal_count: also ? 2 : 1, devices: also ? [dev, also.device] : [dev], points: also ? [pointIn(dev, p, e.rule), pointIn(also.device, also.point, e.also[0])] : [pointIn(dev, p, e.rule)], signals: also ? [signal, also.signal] : [signal], rules: [{ id: e.rule, version: "2026.11", text: rule.text, standard: rule.standard, clause: rule.clause, averaging_s: rule.averaging_s, dwell_s: rule.dwell_s, model: rule.model ?? null }],
      taken_by: e.state === "open" ? null : "李敏", taken_at: e.state === "open" ? null : e.since + 2 * HOUR,
      decision: e.state === "confirmed" ? { decision: "confirm", by: "王建国", at: e.since + 20 * HOUR, reason: "现场核实库门密封条破损" } : e.state === "rejected" ? { decision: "reject", by: "王建国", at: e.since + 6 * HOUR, reason: "正常除霜，时长略长" } : null,
      evidence: e.state === "confirmed" ? { id: `E-${n}`, digest: "7d5b2c1f0e9a48835b6c7d1e2f30415263748596a7b8c9daebfc0d1e2f304152", sealed_at: e.since + 20 * HOUR } : null,
      blockers: dev.fitness.fit ? [] : [T(`“${dev.name.zh}”仅供参考：没有法制审核文件，安装位置没有公布。`, `“${dev.name.en}” is reference only: no legal review on file, location not published.`)],
      innocent: e.rule.startsWith("F") || e.rule === "M-01" ? [T("送货或盘点时库门开着，通常不超过 40 分钟。", "The door was open for a delivery or stocktaking, usually under 40 min."), T("除霜：每天固定时刻，温度先升后降。", "A defrost: at fixed hours, up and then down.")] : [T("仪器正在标定或维护。", "The instrument was being calibrated or maintained.")],
      grounds: groundsOf(site, e.rule), history: [], window_from: e.since - HOUR, window_to: (signal.closed_at ?? now) + HOUR };
  }
  function groundsOf(site, raised) {
    const of = (id, isRaised) => ({ kind: "rule", id, text: rules[id].title, basis: T(`${rules[id].standard} ${rules[id].clause}`, `${rules[id].standard} ${rules[id].clause}`), severity: rules[id].severity, raised: isRaised });
    const others = site.points.map((p) => p.rule).filter((id) => id && id !== raised);
    const items = [T("冷藏、冷冻设备温度记录", "Temperature records of cold stores"), T("可燃气体报警装置完好", "Gas alarm in working order")].map((text, i) => ({ kind: "item", id: `M-${i + 1}`, text, basis: dept.market, severity: null, raised: false }));
    return [...(rules[raised].model ? [] : [of(raised, true)]), ...others.map((id) => of(id, false)), ...items];
  }
  function entryOf(c, now) {
    return { id: `CR-${c.id.slice(-4)}`, case: c.id, title: c.decision?.ground?.text ?? c.title, ground: c.decision?.ground ?? null, corrects: null, superseded_by: null, severity: c.severity, occurred_at: c.opened_at, recorded_at: c.decision?.at ?? now, public_until: (c.decision?.at ?? now) + 90 * DAY, status: c.decision && now - c.decision.at > DAY ? "in_force" : "notified", uscc: c.business.uscc,
      timeline: [{ status: "notified", at: c.decision?.at ?? now, by: "王建国", reason: "已短信告知当事人" }, ...(c.decision && now - c.decision.at > DAY ? [{ status: "in_force", at: c.decision.at + 5 * DAY, by: "系统", reason: "告知期满，未提出异议" }] : [])],
      deliveries: now - (c.decision?.at ?? now) > DAY ? [{ at: c.decision.at + 2 * MIN, attempt: 1, outcome: "failed", answer: "503 平台忙" }, { at: c.decision.at + 4 * MIN, attempt: 2, outcome: "delivered", answer: "200 已接收" }] : [] };
  }
  const openBy = (id) => Object.fromEntries(["I", "II", "III", "IV"].map((s) => [s, cases.filter((c) => c.site === id && c.severity === s && c.signals.some((x) => !x.closed_at || c.state === "open")).length]));
  const last = (s) => (s.status === "never" ? null : Date.now() - (s.silent_for ?? (Date.now() % 5000)));
  const siteLine = ({ id, name, address, business, domains, status, agents, agents_online, ...s }) => ({ id, name, address, business, domains, status, agents, agents_online, last_reading_at: last({ status, ...s }), open: openBy(id) });

  function valueAt(site, p, at) {
    if (p.swing === 0) return cases.some((c) => c.site === site && c.devices[0].id === p.device && c.point === p.name && at >= c.opened_at && at <= (c.ended_at ?? Infinity)) ? 1 : p.base;
    let v = p.base + p.swing * Math.sin(at / (23 * MIN)) * 0.6 + p.swing * (noise(Math.floor(at / 20_000)) - 0.5);
    for (const c of cases.filter((x) => x.site === site && x.signals.some((y) => y.device === p.device && y.point === p.name))) {
      const to = c.ended_at ?? Date.now() + HOUR;
      if (at < c.opened_at - 30 * MIN || at > to + 20 * MIN) continue;
      if (c.score) { v = 0.05 * noise(at) + 0.4; continue; }
      const up = Math.min(1, Math.max(0, (at - c.opened_at + 30 * MIN) / (40 * MIN))), down = Math.max(0, Math.min(1, (to + 20 * MIN - at) / (20 * MIN)));
      v += (c.signals.find((y) => y.device === p.device && y.point === p.name).measured - p.base) * Math.min(up, down) * (0.9 + 0.1 * noise(at));
    }
    return v;
  }
  function series(q) {
    const site = sites.find((s) => s.id === q.get("site")), p = site?.points.find((x) => x.device === q.get("device") && x.name === q.get("point"));
    if (!p) return null;
    const from = Number(q.get("from")), to = Math.min(Number(q.get("to")), last(site) ?? 0), n = Number(q.get("buckets") ?? 400), step = 20_000;
    const gap = { from: Date.now() - 3 * HOUR - 25 * MIN, to: Date.now() - 3 * HOUR, reason: "no_answer" };
    const gaps = [gap, ...(site.silent_for ? [{ from: to, to: Number(q.get("to")), reason: "no_connection" }] : [])].filter((g) => g.to > from && g.from < Number(q.get("to")));
    const inGap = (at) => at >= gap.from && at < gap.to;
    if ((to - from) / step <= n * 2) {
      const raw = [];
      for (let at = Math.ceil(from / step) * step; at <= to; at += step) if (!inGap(at)) raw.push({ at, value: valueAt(site.id, p, at), quality: noise(at / 7) > 0.995 ? "calibration" : "good" });
      return { from, to: Number(q.get("to")), unit: p.unit, raw, buckets: null, gaps };
    }
    const width = Math.ceil((to - from) / n / 1000) * 1000, buckets = [];
    for (let at = from; at < to; at += width) {
      const v = [0, 1, 2, 3, 4, 5].map((i) => valueAt(site.id, p, at + (i * width) / 6));
      if (!inGap(at)) buckets.push({ from: at, to: at + width, min: Math.min(...v), max: Math.max(...v), mean: v.reduce((a, b) => a + b, 0) / 6, count: Math.round(width / step) });
    }
    return { from, to: Number(q.get("to")), unit: p.unit, raw: null, buckets, gaps };
  }
  const days = 14;
  const dayName = (ago) => new Date(Date.now() - ago * DAY + 8 * HOUR).toISOString().slice(0, 10);
  /** A balance that comes out: what is not said to be late, missing or silent came in time. */
  function balance(expected, { late = 0, missing = [], silent = 0, extra = 0 } = {}) {
    const lost = missing.reduce((sum, m) => sum + m.count, 0);
    return { expected, in_time: expected + extra - late - lost - silent, late, missing, silent, extra, share: expected ? (expected - lost - silent) / expected : null };
  }
  const why = (...pairs) => pairs.map(([reason, count]) => ({ why: reason, count }));
  /** What became of a site's readings some days ago: one a minute of each point. */
  function dayBalance(s, ago) {
    if (s.points.length === 0) return balance(0);
    const whole = s.points.length * 1440, now = new Date(Date.now() + 8 * HOUR), passed = Math.max(10, now.getUTCHours() * 60 + now.getUTCMinutes());
    const expected = ago ? whole : s.points.length * passed;
    if (s.silent_for && ago === 0) return balance(expected, { silent: Math.min(expected, 47 * s.points.length) });
    if (s.id === "shahe-kitchen" && ago === 0) return balance(expected, { missing: why(["no_answer", Math.min(25, expected)]) });
    if (s.id === "shahe-kitchen" && ago === 3) return balance(expected, { late: 610, missing: why(["buffer_full", 240], ["no_answer", 12]), silent: 3, extra: 1 });
    return balance(expected, ago === 5 ? { late: 130 } : {});
  }
  const add = (a, b) => {
    const missing = [...a.missing, ...b.missing].reduce((all, m) => all.set(m.why, (all.get(m.why) ?? 0) + m.count), new Map());
    return balance(a.expected + b.expected, { late: a.late + b.late, missing: why(...missing), silent: a.silent + b.silent, extra: a.extra + b.extra });
  };
  const gapsOf = (s) => (s.id === "shahe-kitchen" ? [{ agent: agentOf(s), device: "cold-room", device_name: s.devices[0].name, from: Date.now() - 3 * DAY - 5 * HOUR, to: Date.now() - 3 * DAY - HOUR, readings: 240, why: "buffer_full", received_at: Date.now() - 3 * DAY }] : []);
  const agentOf = (s) => `agent-${s.id.split("-")[1]}`;
  const agentState = (s) => (s.status === "never" ? "unheard" : s.agents_online ? "online" : "offline");
  /** Orders given here go no further. */
  const given = [];
  function give(agent, { device, action, reason }, user) {
    if (!user.may.includes("control_devices")) return { status: 403, body: { error: "giving orders to devices is for an administrator; ask one", message: T("对现场设备下达命令（反控）由管理员办理", "giving orders to devices is for an administrator; ask one") } };
    const order = { id: `g${given.length}`, agent, device, action, what: T("命令", "an order"), by: user.user, reason, given_at: Date.now(), expires_at: Date.now() + MIN, state: "sent", words: T("已发往边缘代理", "on its way to the agent"), heard_at: null, said: [], messages: 0, known: 0 };
    given.unshift(order);
    return ok(order);
  }
  /** One order that was done and one that the agent's configuration forbids. */
  function ordersOf(agent) {
    const order = (id, ago, action, what, state, words, more) => ({ id, agent, device: "stack-1", action, what, by: "root", reason: "数采仪时钟偏差超过五分钟", given_at: Date.now() - ago, expires_at: Date.now() - ago + MIN, state, words, heard_at: Date.now() - ago + 2000, said: [], messages: 0, known: 0, ...more });
    return [
      order("o2", 20 * MIN, { kind: "set_clock" }, T("校准时钟", "set the clock"), "refused", T("边缘代理的配置不允许（reverse_control），没有发给数采仪", "the agent's configuration does not allow it (reverse_control); the logger was not asked")),
      order("o1", 30 * MIN, { kind: "read_clock" }, T("读取时钟", "read the clock"), "done", T("执行成功", "done"), { said: [{ name: "SystemTime", value: "20261128090000" }] }),
    ];
  }
  const conf = new Map();
  function configurationOf(s) {
    const agent = agentOf(s);
    if (!conf.has(agent)) {
      const text = '[[device]]\nid = "cold-room"\nprofile = "devices/cold-room-logger.toml"\naddress = "192.168.1.20:502"\nevery = "1m"\n\n' + CAMERA_CONFIG;
      const version = (n, why, became) => ({ version: n, text, files: {}, by: "管理员", why, at: Date.now() - (4 - n) * DAY, became });
      const said = (state, ...reasons) => ({ state, at: Date.now() - 3 * DAY, reasons });
      const versions = s.id === "shahe-kitchen" ? [version(2, "冷库换了记录仪", said("refused", 'configuration 2 of the gateway: device[1].address: "192.168.1.20" is not an address; write host:port, for example "192.168.1.20:502"')), version(1, "首次配置", said("applied"))] : [];
      conf.set(agent, { agent, state: versions.length ? "refused" : "own", runs: versions.length ? 1 : 0, versions });
    }
    return conf.get(agent);
  }
  function configure(page, body, user) {
    if (body.text.includes("site =")) return { status: 400, body: { error: "site is for the box's own file only; leave it out", message: T("site 只能写在盒子自己的文件里，请删去", "site is for the box's own file only; leave it out") } };
    page.versions.unshift({ version: body.based_on + 1, text: body.text, files: body.files, by: user.name, why: body.why, at: Date.now(), became: null });
    page.state = "waiting";
    return ok(page);
  }
  /** Two sites have cameras; at one the gateway does not take some files, and the full spool let go of others. */
  const boxFootage = (s) => ({
    "shahe-kitchen": { wanted: 1, files: 3, bytes: 1_830_000, bytes_max: 1_073_741_824, oldest_at: Date.now() - 40_000, refused: 0, originals: 6, originals_bytes: 41_200_000, sent: 58, lost: 0 },
    "songshan-shop": { wanted: 0, files: 214, bytes: 1_071_000_000, bytes_max: 1_073_741_824, oldest_at: Date.now() - 26 * HOUR, refused: 12, originals: 19, originals_bytes: 310_000_000, sent: 0, lost: 37 },
  })[s.id] ?? null;
  function fleetLine(s) {
    const state = agentState(s), week = [0, 1, 2, 3, 4, 5, 6].map((ago) => dayBalance(s, ago)).reduce(add);
    const buffer = { at: Date.now() - 20_000, records: state === "online" ? 3 : 2840, fill: state === "online" ? 0.001 : 0.18, oldest_at: Date.now() - (s.silent_for ?? 4000) };
    return { agent: agentOf(s), site: s.id, site_name: s.name, state, heard_at: state === "unheard" ? null : last(s), last_reading_at: last(s), version: state === "unheard" ? null : "0.2.0", buffer: state === "unheard" ? null : buffer, footage: boxFootage(s),
      clock_offset_ms: state === "unheard" ? null : s.silent_for ? 93_000 : 40, clock_trusted: state === "unheard" ? null : true, configuration: configurationOf(s).state, configuration_wanted: configurationOf(s).versions[0]?.version ?? null, configuration_runs: configurationOf(s).runs, today: dayBalance(s, 0), week };
  }
  function fleetPage(s) {
    const share = (p, part) => ({ point: p.name, label: p.label, every_ms: MIN, balance: part });
    const devices = s.devices.map((d) => {
      const points = s.points.filter((p) => p.device === d.id), all = dayBalance({ ...s, points }, 0);
      return { device: d.id, name: d.name, state: agentState(s), source: d.id === "fume" ? { state: "silent", since: Date.now() - 5 * MIN, why: "no_answer" } : null, last_reading_at: last(s), today: all, points: points.map((p) => share(p, dayBalance({ ...s, points: [p] }, 0))) };
    });
    const all = Array.from({ length: days }, (_, ago) => ({ day: dayName(ago), balance: dayBalance(s, ago) }));
    return { now: Date.now(), as_of: Date.now() - 1000, agent: fleetLine(s), devices, days: s.points.length ? all : [], gaps: gapsOf(s) };
  }
  const sitePage = (s) => ({ coverage: dayBalance(s, 0), gaps: gapsOf(s), now: Date.now(), site: siteLine(s), devices: s.devices, signals: [...cases.filter((c) => c.site === s.id).flatMap((c) => c.signals), ...(s.id === "shahe-kitchen" ? [inShadow] : [])], points: s.points.map((p) => ({ device: p.device, name: p.name, label: p.label, unit: p.unit, value: p.quality ? null : valueAt(s.id, p, last(s)), quality: p.quality ?? "good", at: last(s), limits: p.rule ? [limitOf(p.rule)] : [] })) });
  const summary = (c) => { const { device: _d, signals: _s, rules: _r, history: _h, innocent: _i, blockers: _b, ...line } = c; return line; };

  function credit(uscc) {
    const business = [...Object.values(businesses), sites[3].business].find((b) => b.uscc === uscc);
    if (!business) return null;
    const mine = entries.filter((e) => e.uscc === uscc), live = mine.filter((e) => ["notified", "in_force", "under_objection"].includes(e.status));
    const score = live.reduce((a, e) => a + { I: 2, II: 8, III: 15, IV: 30 }[e.severity], 0);
    return { business, grade: score >= 40 ? "D" : score >= 20 ? "C" : score >= 5 ? "B" : "A", score, explanation: live.map((e) => ({ text: T(`${e.title.zh}（${e.id}）`, `${e.title.en} (${e.id})`), points: { I: 2, II: 8, III: 15, IV: 30 }[e.severity] })), entries: mine };
  }
  function plan() {
    const visits = sites.slice(0, 3).map((s, i) => ({ site: s.id, site_name: s.name, address: s.address, business: s.business, grade: credit(s.business.uscc).grade,
      why: cases.some((c) => c.site === s.id && ["open", "taken"].includes(c.state)) ? [T("有未了结的线索", "There are cases not settled"), ...ALLOWANCE] : ALLOWANCE,
      later: i === 0 ? [{ id: "0-9", text: T("从业人员健康证明", "Health certificates of staff"), departments: [dept.market], proved_since: null, proved_by: null, due_at: start + 20 * DAY, not_before: start + 96 * DAY }] : [],
      findings: cases.filter((c) => c.site === s.id && c.state !== "rejected").map((c) => ({ case: c.id, title: c.title, severity: c.severity, state: c.state })),
      items: [
        { id: `${i}-1`, text: T("冷藏、冷冻设备温度记录", "Temperature records of cold stores"), departments: [dept.market], proved_since: i ? null : start - 180 * DAY, proved_by: i ? null : T("冷冻库温度计", "Freezer thermometer"), due_at: null, not_before: null },
        { id: `${i}-2`, text: T("油烟净化设施运行与清洗记录", "Fume purifier running and cleaning records"), departments: [dept.market, dept.environment], proved_since: null, proved_by: null, due_at: start + 4 * DAY, not_before: null },
        { id: `${i}-3`, text: T("可燃气体报警装置完好", "Gas alarm in working order"), departments: [dept.emergency, dept.fire], proved_since: i === 2 ? start - 40 * DAY : null, proved_by: i === 2 ? T("可燃气体探测器", "Gas detector") : null, due_at: null, not_before: null },
        { id: `${i}-4`, text: T("安全出口畅通，消防器材在有效期内", "Exits clear, fire equipment in date"), departments: [dept.fire], proved_since: null, proved_by: null, due_at: null, not_before: null },
      ].filter((item) => [[0, 1, 3], [1, 3], [2, 3]][i].includes(Number(item.id.slice(2)) - 1)) }));
    const last = sites[3];
    const waiting = [{ site: last.id, site_name: last.name, business: last.business, grade: "B", why: [T("各部门不久前来过，未到下次检查时间", "Its departments were here not long ago; the next visit is not due"), ...ALLOWANCE], next_at: start + 140 * DAY }];
    return { day: Date.now(), visits, waiting, separate: 7 };
  }
  function status() {
    const now = Date.now(), again = ["no_birth", "unknown_metric"];
    const message = (ago, topic, reason, what) => ({ at: now - ago, topic, reason, what, fix: "see the documentation" });
    const refused = [
      message(4 * MIN, "gw/songshan-shop/noise/data", "time_ancient", "the time is 1970-01-01T00:00:12Z"),
      message(5 * MIN, "gw/songshan-shop/noise/data", "time_ancient", "the time is 1970-01-01T00:00:02Z"),
      message(50 * MIN, "spBv1.0/shuanghui-boiler/DDATA/agent-boiler/stack", "no_birth", "data came before the birth"),
      message(3 * HOUR, "gw/shahe-kitchen/fume/data", "not_numeric", 'the value of "concentration" is not a number'),
      ...[1, 2, 3, 4].map((i) => message(20 * HOUR + i * MIN, "gw/shahe-kitchen/fume/data", "malformed", "expected value at line 1 column 1")),
    ];
    const reasons = [...new Set(refused.map((r) => r.reason))];
    const quiet = { state: "works", why: null, fix: null }, journal = Math.floor((now - start) / 1000) + 184_220;
    return {
      now, started_at: start - 9 * DAY, journal, series: journal - 1, detect: journal, influx: journal - 1240,
      series_part: quiet, influx_part: { state: "blocked", why: "InfluxDB answers 404: bucket \"onedoor\" not found", fix: "create the bucket, or name another in [series.influx] and start again" },
      scoring_part: { state: "blocked", why: "libonnxruntime.so was not found in models/runtime; run models/setup", fix: null },
      readings_journaled: 1_482_307, duplicates: 214, readings_late: 12, readings_ahead: 3,
      agents: sites.map((s) => ({ site: s.id, site_name: s.name, agent: `agent-${s.id.split("-")[1]}`, state: { live: "online", quiet: "offline", never: "unheard" }[s.status], footage: boxFootage(s) })),
      footage: { here: 412, coming: 7, lost: 2, not_counted: 1, bytes: 1_204_000_000, bytes_max: 50_000_000_000 },
      refused_by_reason: reasons.map((reason) => ({ reason, count: refused.filter((r) => r.reason === reason).length, last_at: refused.find((r) => r.reason === reason).at, sent_again: again.includes(reason), fix: "see the documentation" })),
      refused, set_aside_file: "set-aside.jsonl",
    };
  }
  function decide(c, body, user) {
    if (c.decision) return { status: 409, body: { error: "already decided" } };
    if (body.decision === "confirm" && c.blockers.length) return { status: 422, body: { error: c.blockers[0].zh } };
    const ground = c.grounds.find((g) => g.kind === body.ground?.kind && g.id === body.ground?.id) ?? null;
    if (body.decision === "confirm" && !ground) return { status: 400, body: { error: "the ground is missing", message: T("没有写明依据", "the ground is missing") } };
    c.decision = { decision: body.decision, by: user.name, at: Date.now(), reason: body.reason, ground };
    c.state = body.decision === "confirm" ? "confirmed" : "rejected";
    if (body.decision === "confirm") {
      c.evidence = { id: `E-${c.id}`, digest: [...Array(64)].map((_, i) => "0123456789abcdef"[Math.floor(noise(i + c.opened_at) * 16)]).join(""), sealed_at: Date.now() };
      entries.unshift(entryOf(c, Date.now()));
    }
    return { status: 200, body: { state: c.state } };
  }
  function act(entry, action, body, user) {
    const next = { objection: "under_objection", uphold: "in_force", in_force: "in_force", correct: "corrected", withdraw: "withdrawn", repair: "repaired" }[action];
    if (!next) return null;
    if (action === "correct") {
      const c = byId(entry.case), ground = c.grounds.find((g) => g.id === body.correction?.ground?.id) ?? entry.ground;
      const fresh = { ...entry, id: `${entry.id}-c2`, severity: body.correction?.severity ?? entry.severity, ground, title: ground?.text ?? entry.title, status: "notified", corrects: entry.id, timeline: [{ status: "notified", at: Date.now(), by: user.name, reason: body.reason }], deliveries: [] };
      entry.superseded_by = fresh.id;
      entries.unshift(fresh);
    }
    entry.status = next;
    entry.timeline.push({ status: next, at: Date.now(), by: user.name, reason: body.reason });
    return { status: 200, body: {} };
  }
  const ok = (body) => (body ? { body } : null);

  return {
    user: (user, role) => ({ user, name: { inspector: "李敏", reviewer: "王建国", admin: "管理员" }[role], role, may: MAY[role] }),
    answer(method, url, body, user) {
      const p = url.pathname.split("/").slice(2).map(decodeURIComponent), q = url.searchParams;
      if (p[0] === "overview") return ok({ now: Date.now(), time_scale: 1, sites: sites.map(siteLine) });
      if (p[0] === "sites") { const s = sites.find((x) => x.id === p[1]); return s ? ok(p[2] === "signals" ? sitePage(s).signals : sitePage(s)) : null; }
      if (p[0] === "series") return ok(series(q));
      if (p[0] === "cases" && !p[1]) return ok(cases.map(summary));
      const c = p[0] === "cases" && byId(p[1]);
      if (c && method === "GET") return ok({ ...c, now: Date.now(), history: cases.filter((o) => o !== c && o.site === c.site && o.decision).map((o) => ({ id: o.id, at: o.opened_at, state: o.state, title: o.title, reason: o.decision.reason })) });
      if (c && p[2] === "take") { c.taken_by = user.name; c.taken_at = Date.now(); c.state = "taken"; return ok({ state: "taken" }); }
      if (c && p[2] === "decision") return decide(c, body, user);
      if (p[0] === "businesses") return p[1] ? ok(credit(p[1])) : ok([...Object.values(businesses), sites[3].business].map((b) => ({ ...b, grade: credit(b.uscc).grade, entries: credit(b.uscc).entries.length })));
      const entry = p[0] === "credit" && entries.find((e) => e.id === p[1]);
      if (entry) return act(entry, p[2], body, user);
      if (p[0] === "fleet" && !p[1]) return ok({ now: Date.now(), as_of: Date.now() - 1000, agents: sites.map(fleetLine).sort((a, b) => Number(b.state === "offline") - Number(a.state === "offline") || (a.today.share ?? 1) - (b.today.share ?? 1)) });
      if (p[0] === "agents" && p[2] === "control") return method === "POST" ? give(p[1], body, user) : ok([...given.filter((o) => o.agent === p[1]), ...ordersOf(p[1])]);
      if (p[0] === "fleet") { const s = sites.find((x) => agentOf(x) === p[1]); return s ? ok(fleetPage(s)) : null; }
      if (p[0] === "agents" && p[2] === "configuration") { const s = sites.find((x) => agentOf(x) === p[1]); return s ? (method === "POST" ? configure(configurationOf(s), body, user) : ok(configurationOf(s))) : null; }
      if (p[0] === "footage" || p[0] === "cameras") return seen.answer(method, p, q, body, user);
      if (p[0] === "status") return ok(status());
      if (p[0] === "inspection") return ok(plan());
      if (p[0] === "evidence") return { file: Buffer.from("PK mock bundle"), name: `${p[1]}.zip` };
      return null;
    },
  };
}
