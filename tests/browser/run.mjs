// Walks every screen of the console in Chromium as an inspector would: both languages, both widths.
// BASE_URL, USER (or CONSOLE_USER), PASSWORD are needed; SHOTS is a folder for pictures; CHROMIUM a browser's path;
// INSPECTOR and INSPECTOR_PASSWORD add a walk with fewer rights, ADMIN and ADMIN_PASSWORD one that configures an agent; CREDIT_ACTIONS=1 lets it record an objection,
// UNMASK=1 lets INSPECTOR ask for an original and REVIEWER (with REVIEWER_PASSWORD) approve one.
// Tolerant to which cases exist, strict on behaviour. The last line is `N passed, N failed`.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { camerasWalk, footageWalk, unmaskWalk, zonesWalk } from "./cameras.mjs";

const require = createRequire(new URL("../../gateway/console/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const base = (process.env.BASE_URL ?? "http://127.0.0.1:8099").replace(/\/$/, "");
const name = process.env.CONSOLE_USER ?? process.env.USER, password = process.env.PASSWORD;
const shots = process.env.SHOTS;
const SEVERITY = { zh: /^(I 提示|II 一般|III 较重|IV 严重)$/, en: /^(I notice|II ordinary|III serious|IV severe)$/ };
const WORDS = {
  zh: { overview: "今天要看什么", cases: "线索", confirm: "确认为认定", reject: "排除这件线索", cannot: "不能确认", credit: "信用记录", plan: "联合检查计划", confirmed: "已认定", wrong: "用户名或密码不对", live: /实时|重新连接中|每 \d+ 秒刷新/, need: "四项都核查过才能确认", ground: "请指明依据", undo: "撤回", system: "系统", fleet: "边缘代理", yesNo: /^[是否]$/, order: /执行|允许|没有|应答|拒绝|失败|已发往/, reason: /[\u4e00-\u9fff]/ },
  en: { overview: "What to look at today", cases: "Cases", confirm: "Confirm as a finding", reject: "Set this case aside", cannot: "Cannot be confirmed", credit: "Credit record", plan: "Joint visit plan", confirmed: "Finding", wrong: "not right", live: /live|reconnecting|refreshed every/, need: "All four must be checked", ground: "Name the ground", undo: "Undo", system: "System", fleet: "Edge agents", yesNo: /^(yes|no)$/, order: /done|allow|asked|could not|will not|on its way/, reason: /^[ -~]+$/ },
};
let passed = 0, failed = 0;

function check(what, ok, detail = "") {
  if (ok) passed += 1;
  else { failed += 1; console.error(`FAILED ${what} ${detail}`); }
}

async function visible(page, selector, what) {
  try { await page.locator(selector).first().waitFor({ state: "visible", timeout: 20_000 }); check(what, true); return true; }
  catch { check(what, false, `nothing visible at ${selector} on ${page.url()}`); return false; }
}

/** What holds on every screen. */
async function screen(page, where, lang, label) {
  await page.waitForFunction(() => !document.querySelector("main .reading"), null, { timeout: 20_000 }).catch(() => undefined);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(`${label} ${where}: nothing sticks out sideways`, over <= 0, `${over} px`);
  const text = await page.locator("body").innerText();
  check(`${label} ${where}: no text is missing`, !/undefined|NaN|\[object|null /.test(text), text.match(/.{20}(undefined|NaN|\[object|null ).{0,20}/s)?.[0] ?? "");
  const severities = await page.locator(".sev:not(.sev-quiet)").allInnerTexts();
  check(`${label} ${where}: every severity is a word`, severities.every((s) => SEVERITY[lang].test(s)), severities.join());
  const times = await page.locator("time").allInnerTexts();
  check(`${label} ${where}: every time has its zone`, times.every((t) => t.includes("+08:00")), times.find((t) => !t.includes("+08:00")) ?? "");
  if (!shots) return;
  await page.evaluate(() => scrollTo(0, 0)); // the header stays in view; a picture of the whole page wants it on top
  await page.screenshot({ path: join(shots, `${label}-${where}.png`), fullPage: true });
}

async function open(page, hash) {
  await page.goto(`${base}/#/${hash}`);
  await page.locator("h1, .ant-alert").first().waitFor({ timeout: 20_000 });
}

async function signIn(page, lang, label) {
  await page.goto(`${base}/`);
  await page.locator('input[type="password"]').waitFor({ timeout: 20_000 });
  if (lang === "en") await page.getByRole("button", { name: "English" }).click();
  await screen(page, "signin", lang, label);
  await page.locator("#user").fill(name);
  await page.locator("#password").fill(`${password}-wrong`);
  await page.locator('button[type="submit"]').click();
  await visible(page, `text=${WORDS[lang].wrong}`, `${label} signin: a wrong password is said in words`);
  await page.locator("#password").fill(password);
  await page.keyboard.press("Enter");
  await visible(page, `h1:has-text("${WORDS[lang].overview}")`, `${label} signin: leads to the overview`);
}

async function overviewAndSite(page, lang, label) {
  await visible(page, "[data-site]", `${label} overview: lists sites`);
  check(`${label} overview: says whether it is live`, WORDS[lang].live.test(await page.locator(".live").innerText()));
  await screen(page, "overview", lang, label);
  const live = page.locator("[data-site]:has(.status-live)");
  const sites = (await live.count()) > 0 ? live : page.locator("[data-site]");
  await sites.first().click();
  await page.waitForURL(/#\/sites\//);
  if (await visible(page, ".points .value", `${label} site: points with their last value`)) {
    const values = await page.locator(".points .value").allInnerTexts();
    check(`${label} site: no number without a unit`, values.every((v) => v === "—" || WORDS[lang].yesNo.test(v) || /^[-−\d.]+ \S/.test(v)), values.join());
    await visible(page, "[data-chart] canvas", `${label} site: curves are drawn`);
  }
  await visible(page, "[data-coverage] [data-balances=true]", `${label} site: today's readings as a sum that comes out`);
  await screen(page, "site", lang, label);
  const url = page.url();
  await page.reload();
  await visible(page, ".points .value", `${label} site: the address alone leads back here`);
  check(`${label} site: address unchanged after reload`, page.url() === url);
}

async function caseWalk(page, lang, label) {
  await open(page, "cases?state=all");
  await visible(page, `h1:has-text("${WORDS[lang].cases}")`, `${label} cases: title`);
  await visible(page, "a.caserow, .nothing", `${label} cases: a list, or words that it is empty`);
  await screen(page, "cases", lang, label);
  const ids = (selector) => page.locator(selector).evaluateAll((rows) => rows.map((r) => r.dataset.case));
  const unfit = await ids('[data-case][data-fit="false"]:is([data-state="open"],[data-state="taken"])');
  const fit = await ids('[data-case][data-fit="true"]:is([data-state="open"],[data-state="taken"])');
  const settled = await ids('[data-case][data-state="confirmed"]');
  if (unfit.length) await unfitCase(page, unfit[0], lang, label);
  const chosen = await confirmable(page, fit);
  if (chosen) {
    await undoOnce(page, chosen, lang, label);
    await confirmCase(page, chosen, lang, label);
  } else console.log(`${label}: no case left to confirm`);
  const sealed = chosen ?? settled[0];
  if (sealed) await evidence(page, sealed, lang, label);
  return sealed;
}

/** The first case that can be confirmed: a fit device is not enough where only a model points. */
async function confirmable(page, ids) {
  for (const id of ids) {
    await open(page, `cases/${encodeURIComponent(id)}`);
    await page.locator(".actions").waitFor();
    if (await page.locator("[data-confirm]").isEnabled()) return id;
  }
  return undefined;
}

async function unfitCase(page, id, lang, label) {
  await open(page, `cases/${encodeURIComponent(id)}`);
  await visible(page, "[data-cannot]", `${label} case: says why it cannot be confirmed`);
  check(`${label} case: the sentence is in words`, (await page.locator("[data-cannot]").innerText()).includes(WORDS[lang].cannot));
  check(`${label} case: what is unfit cannot be confirmed`, await page.locator("[data-confirm]").isDisabled());
  await page.keyboard.press("c");
  check(`${label} case: nor by key`, (await page.locator(".ant-modal").count()) === 0);
  await screen(page, "case-unfit", lang, label);
}

async function undoOnce(page, id, lang, label) {
  await open(page, `cases/${encodeURIComponent(id)}`);
  await visible(page, "[data-chart] canvas", `${label} case: the minutes before and after are drawn`);
  await screen(page, "case", lang, label);
  await page.keyboard.press("r");
  await visible(page, `.ant-modal:has-text("${WORDS[lang].reject}")`, `${label} case: R opens setting aside`);
  await page.locator(".presets button").first().click();
  await page.locator("[data-submit]").click();
  await page.locator(".undo button").first().click();
  await page.locator(".undo").waitFor({ state: "hidden" });
  await page.waitForTimeout(300);
  check(`${label} case: undone, still to decide`, (await page.locator("[data-decided]").count()) === 0);
}

async function confirmCase(page, id, lang, label) {
  await open(page, `cases/${encodeURIComponent(id)}`);
  await page.locator(".actions").waitFor();
  if (await page.locator(".actions button").first().isEnabled()) {
    await page.keyboard.press("t");
    await visible(page, ".actions button:first-child[disabled]", `${label} case: T takes it up`);
  }
  await page.keyboard.press("c");
  if (!(await visible(page, `.ant-modal:has-text("${WORDS[lang].confirm}")`, `${label} case: C opens the confirmation`))) return;
  await page.locator("[data-submit]").click();
  await visible(page, `text=${WORDS[lang].need}`, `${label} case: four checks are asked for`);
  for (const box of await page.locator(".ant-modal .ant-checkbox-input").all()) await box.check();
  const ground = page.locator(".ant-modal [data-ground]");
  if ((await ground.locator(".ant-select-selection-item").count()) === 0) {
    await visible(page, `text=${WORDS[lang].ground}`, `${label} case: where only a model pointed, a ground is asked for`);
    await ground.click();
    await page.locator(".ant-select-item-option").first().click();
  }
  await page.locator('input[name="reason"]').fill(lang === "zh" ? "现场核实，库门未关严" : "Checked on site, the door did not close");
  await page.waitForTimeout(200);
  if (shots) await page.screenshot({ path: join(shots, `${label}-confirm.png`) });
  await page.keyboard.press("Enter");
  await visible(page, ".undo", `${label} case: Enter submits, with an undo until it has effect`);
  await page.locator(".undo button").last().click();
  await visible(page, '[data-decided="confirmed"]', `${label} case: the finding stands`);
}

async function evidence(page, id, lang, label) {
  await open(page, `cases/${encodeURIComponent(id)}`);
  if (await visible(page, "[data-digest]", `${label} case: the evidence has a digest`)) {
    check(`${label} case: the digest is SHA-256`, /^(sha256:)?[0-9a-f]{64}$/.test((await page.locator("[data-digest]").innerText()).trim()));
    const wait = page.waitForEvent("download", { timeout: 20_000 }).catch(() => null);
    await page.locator('a[download][href*="bundle"]').click();
    check(`${label} case: the bundle can be downloaded`, (await wait) != null);
  }
  await screen(page, "case-confirmed", lang, label);
}

async function objection(page, lang, label) {
  const before = page.locator('[data-entry]:is([data-status="notified"],[data-status="in_force"])').first();
  if ((await before.count()) === 0) return;
  const id = await before.getAttribute("data-entry");
  await before.locator(".presets button").first().click();
  await page.locator(".ant-modal input").fill(lang === "zh" ? "当事人称当时正在送货" : "The business says goods were being delivered");
  await page.keyboard.press("Enter");
  await visible(page, `[data-entry="${id}"][data-status="under_objection"]`, `${label} credit: an objection marks the entry at once`);
}

/** A page of a user other than the reviewer, in Chinese; name and password are those of the environment. */
async function signedIn(browser, who, viewport, more = {}) {
  const context = await browser.newContext({ viewport, locale: "zh-CN", ...more });
  const page = await context.newPage();
  await page.goto(`${base}/`);
  await page.locator("#user").fill(process.env[who.toUpperCase()]);
  await page.locator("#password").fill(process.env[`${who.toUpperCase()}_PASSWORD`]);
  await page.keyboard.press("Enter");
  await visible(page, "[data-site]", `${who}: signs in`);
  return { context, page };
}

/** Someone who may only look and take up: the confirmation is closed, with the reason in words. */
async function inspectorWalk(browser) {
  const { context, page } = await signedIn(browser, "inspector", { width: 1280, height: 860 });
  await open(page, "cases?state=all");
  await page.locator("a.caserow, .nothing").first().waitFor();
  const open1 = page.locator('[data-case]:is([data-state="open"],[data-state="taken"])').first();
  if ((await open1.count()) > 0) {
    await open1.click();
    await visible(page, "[data-cannot]", "inspector: told in words why not to confirm");
    check("inspector: cannot confirm", await page.locator("[data-confirm]").isDisabled());
  }
  await open(page, "sites/no-such-site");
  await visible(page, ".ant-alert:has-text('没有')", "a wrong address is said in words");
  await context.close();
}

/** Whoever may give orders to devices says why, and sees the order in the list. */
async function adminWalk(browser) {
  const { context, page } = await signedIn(browser, "admin", { width: 390, height: 844 });
  await open(page, "fleet");
  await page.locator("[data-fleet]").first().waitFor();
  await open(page, `fleet/${encodeURIComponent(await page.locator("[data-fleet]").first().getAttribute("data-fleet"))}`);
  await page.locator("[data-give-order]").click();
  const ask = page.locator(".ant-modal-footer .ant-btn-primary");
  await ask.click();
  await visible(page, ".ant-modal [role=alert]", "admin: an order without a reason is not given");
  if (shots) await page.screenshot({ path: join(shots, "order.png") });
  await page.locator(".ant-modal input[maxlength='300']").fill("数采仪时钟偏差");
  await ask.click();
  await visible(page, '[data-order="sent"]:has-text("数采仪时钟偏差")', "admin: the order is listed with its reason");
  await context.close();
}

async function creditAndPlan(page, lang, label, sealed) {
  await open(page, "credit");
  await visible(page, "[data-uscc]", `${label} credit: lists businesses`);
  await screen(page, "credit-list", lang, label);
  if (sealed) {
    await open(page, `cases/${encodeURIComponent(sealed)}`);
    await page.locator('.casehead a[href*="credit"]').click();
    await visible(page, "[data-entry]", `${label} credit: the finding became an entry`);
  } else {
    await page.locator("[data-uscc]").first().click();
  }
  await visible(page, ".grade", `${label} credit: a risk class with a word`);
  if (sealed && process.env.CREDIT_ACTIONS === "1") await objection(page, lang, label);
  await screen(page, "credit", lang, label);
  await open(page, "plan");
  await visible(page, `h1:has-text("${WORDS[lang].plan}")`, `${label} plan: title`);
  await visible(page, "[data-visit], .nothing", `${label} plan: visits, or words that there are none`);
  const addresses = await page.locator("[data-visit]").evaluateAll((all) => all.map((v) => v.dataset.visit));
  check(`${label} plan: one address each`, new Set(addresses).size === addresses.length, addresses.join());
  await screen(page, "plan", lang, label);
}

async function system(page, lang, label) {
  await open(page, "system");
  await visible(page, `h1:has-text("${WORDS[lang].system}")`, `${label} system: title`);
  await visible(page, "[data-part=rules]", `${label} system: says how the rules keep up`);
  await visible(page, "[data-agent], .nothing", `${label} system: agents, or words that there are none`);
  const reasons = await page.locator("[data-reason] strong:not(.num)").allInnerTexts();
  check(`${label} system: why something was refused is said in the reader's language`, reasons.every((r) => WORDS[lang].reason.test(r)), reasons.join());
  const agrees = await page.waitForFunction(() => {
    const wrong = Number(document.querySelector("[data-troubles]")?.dataset.troubles);
    return (document.querySelector("nav .badge")?.textContent ?? "! 0") === `! ${wrong}`;
  }, null, { timeout: 40_000 }).then(() => true, () => false);
  check(`${label} system: the menu warns of as much as the screen names`, agrees);
  await screen(page, "system", lang, label);
}

async function fleet(page, lang, label) {
  await open(page, "fleet");
  await visible(page, `h1:has-text("${WORDS[lang].fleet}")`, `${label} fleet: title`);
  if (!(await visible(page, "[data-fleet]", `${label} fleet: lists agents`))) return;
  await screen(page, "fleet", lang, label);
  const listed = await page.locator("[data-fleet]").evaluateAll((all) => all.map((a) => a.dataset.fleet));
  await open(page, `fleet/${encodeURIComponent(listed[0])}`);
  await visible(page, `h1:has-text("${listed[0]}")`, `${label} agent: the address names it`);
  await visible(page, "[data-day], .nothing", `${label} agent: coverage by day, or words that there is none`);
  const days = await page.locator("[data-day]").evaluateAll((all) => all.map((d) => [d.dataset.balances, ...[...d.querySelectorAll("td.num.right")].map((td) => Number(td.childNodes[1].textContent.replaceAll(",", "")))]));
  check(`${label} agent: every day's sum comes out, as shown`, days.every(([said, expected, extra, ...came]) => said === "true" && expected + extra === came.reduce((a, b) => a + b, 0)), JSON.stringify(days[0]));
  await visible(page, "[data-gap], .nothing", `${label} agent: gap records, or words that there are none`);
  const lost = await page.locator("[data-gap]").allInnerTexts();
  check(`${label} agent: a gap's reason is in the reader's language`, lost.every((text) => !/[a-z]+_[a-z]+/.test(text)), lost[0]);
  await visible(page, "[data-order], .orders .nothing", `${label} agent: orders to its devices, or words that there were none`);
  check(`${label} agent: who may give no orders is offered none`, (await page.locator("[data-give-order]").count()) === 0);
  const orders = await page.locator("[data-order]").allInnerTexts();
  check(`${label} agent: what became of an order is in the reader's language`, orders.every((text) => WORDS[lang].order.test(text)), orders[0]);
  await visible(page, "[data-version], [data-edit]", `${label} agent: versions of its configuration`);
  check(`${label} agent: only an administrator changes the configuration`, await page.locator("[data-edit]").isDisabled());
  await screen(page, "agent", lang, label);
}

/** An administrator gives an agent another configuration: a refusal is said and nothing is lost, then it is listed. */
async function configurationWalk(browser) {
  for (const width of [1280, 390]) {
    const { context, page } = await signedIn(browser, "admin", { width, height: 860 });
    await open(page, "fleet");
    await page.locator("[data-configuration]").first().waitFor();
    const agents = await page.locator("[data-fleet]").evaluateAll((all) => all.map((a) => a.dataset.fleet));
    const agent = agents[width === 390 ? agents.length - 1 : 0];
    await open(page, `fleet/${encodeURIComponent(agent)}`);
    await page.locator("[data-edit]").click();
    const text = page.locator('textarea[name="text"]');
    const good = '[[device]]\nid = "meter-9"\nprofile = "devices/electricity-meter.toml"\naddress = "127.0.0.1:1"\nevery = "1m"\n';
    const before = await page.locator("[data-version]").count();
    await text.fill(`site = "other"\n${good}`);
    await page.locator("[data-submit]").click();
    await visible(page, ".confedit [role=alert]", "admin: a change without a reason is not sent");
    await page.locator('input[name="why"]').fill("换了一块电表");
    await page.locator("[data-submit]").click();
    await visible(page, ".confedit .ant-alert", "admin: what cannot be right is refused in words");
    check("admin: what was typed is still there", (await text.inputValue()).includes("meter-9"));
    await screen(page, "configuration", "zh", `admin-${width}`);
    await text.fill(good);
    await page.locator("[data-submit]").click();
    await page.waitForFunction((n) => document.querySelectorAll("[data-version]").length > n, before, { timeout: 20_000 }).catch(() => undefined);
    check("admin: the new version is listed with its reason", (await page.locator("[data-version]").first().innerText()).includes("换了一块电表"));
    await screen(page, "configured", "zh", `admin-${width}`);
    await context.close();
  }
}

async function walk(browser, lang, width) {
  const label = `${lang}-${width}`;
  const context = await browser.newContext({ viewport: { width, height: width < 600 ? 844 : 860 }, locale: lang === "zh" ? "zh-CN" : "en-GB" });
  const page = await context.newPage();
  const errors = [];
  // The browser itself logs a refused sign-in (401) as a console error; everything else is ours.
  page.on("console", (m) => { if (m.type() === "error" && !(m.text().includes("401") && m.location().url.includes("/api/session"))) errors.push(`${m.text()} ${m.location().url}`); });
  page.on("pageerror", (e) => errors.push(String(e)));
  try {
    await signIn(page, lang, label);
    await overviewAndSite(page, lang, label);
    const sealed = await caseWalk(page, lang, label);
    await creditAndPlan(page, lang, label, sealed);
    await footageWalk(tools, page, base, lang, label);
    await camerasWalk(tools, page, lang, label);
    await fleet(page, lang, label);
    await system(page, lang, label);
  } catch (error) {
    check(`${label}: the walk ends`, false, String(error));
    if (shots) await page.screenshot({ path: join(shots, `${label}-failed.png`) }).catch(() => undefined);
  }
  check(`${label}: no error in the browser's console`, errors.length === 0, errors.slice(0, 3).join(" | "));
  await context.close();
}

const tools = { check, visible, screen, open, signedIn };
if (!name || !password) { console.error("set USER (or CONSOLE_USER) and PASSWORD"); process.exit(2); }
if (shots) mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
if (process.env.INSPECTOR) await inspectorWalk(browser).catch((error) => check("inspector: the walk ends", false, String(error)));
if (process.env.UNMASK === "1") await unmaskWalk(tools, browser, base).catch((error) => check("unmask: the walk ends", false, String(error)));
if (process.env.ADMIN) await zonesWalk(tools, browser, base).catch((error) => check("zones: the walk ends", false, String(error)));
if (process.env.ADMIN) for (const walk of [adminWalk, configurationWalk]) await walk(browser).catch((error) => check("admin: the walk ends", false, String(error)));
for (const lang of ["zh", "en"]) for (const width of [1280, 390]) await walk(browser, lang, width);
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
