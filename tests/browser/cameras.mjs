// What the console shows of cameras: the player, unmasking, the cameras page, zones drawn by mouse and by keyboard.
// Called by run.mjs, which gives its tools: { check, visible, screen, open, signedIn }.

const WORDS = {
  zh: { incomplete: /不完整：有 \d+ 处缺口，共 [\d.]+ 秒/, hole: /此处是 [\d.]+ 秒的缺口/, masked: "已打码" },
  en: { incomplete: /Incomplete\. Holes without frames: \d+, [\d.]+ s in all/, hole: /No frames here/, masked: "masked" },
};

/** Footage with a clip that belongs to a case; undefined if the gateway has none. */
async function playable(page, base) {
  const all = await page.evaluate(async (url) => (await fetch(url)).json(), `${base}/api/footage?limit=500`);
  const has = (f) => f.cases.length > 0 && f.parts.some((p) => p.role === "clip" && p.state === "here");
  return all.filter(has).sort((a, b) => b.parts.find((p) => p.role === "clip").holes.length - a.parts.find((p) => p.role === "clip").holes.length)[0];
}

export async function footageWalk({ check, visible, screen, open }, page, base, lang, label) {
  const footage = await playable(page, base);
  if (!footage) { console.log(`${label}: no footage with a clip`); return; }
  const clip = footage.parts.find((p) => p.role === "clip");
  await open(page, `cases/${encodeURIComponent(footage.cases[0])}`);
  await page.locator("[data-footage-panel]").waitFor({ timeout: 20_000 });
  await show(page, footage);
  check(`${label} footage: says that people are masked`, (await page.locator("[data-footage-panel]").innerText()).includes(WORDS[lang].masked));
  const loaded = await page.waitForFunction(() => { const all = [...document.querySelectorAll("[data-still] img")]; return all.length > 0 && all.every((img) => img.complete && img.naturalWidth > 0); }, null, { timeout: 20_000 }).then(() => true, () => false);
  check(`${label} footage: before, found and after are shown`, loaded && (await page.locator("[data-still]").count()) === 3);
  await page.locator("[data-open-clip]").click();
  if (!(await visible(page, "canvas[data-drawn]", `${label} footage: the clip is drawn`))) return;
  check(`${label} footage: the file has the hash of the manifest`, (await page.locator("[data-has]").getAttribute("data-has")) === "true");
  await steps({ check }, page, label);
  if (clip.holes.length > 0) await holes({ check }, page, clip, lang, label);
  await switches({ check }, page, label);
  await plays({ check }, page, label);
  if (label === "zh-1280") await damage({ check, open }, page, footage);
  const name = await page.locator(".who").evaluate((el) => el.textContent.split(" · ")[0]);
  check(`${label} footage: who has viewed it is listed`, (await page.locator("[data-viewers]").innerText()).includes(name));
  check(`${label} footage: whether the signature is good is said`, (await page.locator("[data-signed]").count()) === 1);
  await screen(page, "footage", lang, label);
  await siteFootage({ check, screen, open }, page, base, lang, label);
}

/** On a site's page nothing is fetched, and so put on record, before somebody chooses; what does not count says why. */
async function siteFootage({ check, screen, open }, page, base, lang, label) {
  const all = await page.evaluate(async (url) => (await fetch(url)).json(), `${base}/api/footage?limit=500`);
  const uncounted = all.find((f) => f.occasion === "unknown");
  if (!uncounted) return;
  const fetched = [];
  const note = (request) => { if (request.url().includes("/parts/")) fetched.push(request.url()); };
  page.on("request", note);
  await open(page, `sites/${encodeURIComponent(uncounted.site)}`);
  await page.locator(`[data-footage="${uncounted.id}"] [data-choose]`).click();
  await page.locator("[data-not-taken]").waitFor();
  check(`${label} site: no picture is fetched unasked`, fetched.length === 0, fetched[0]);
  check(`${label} site: why footage does not count is said`, (await page.locator("[data-not-taken]").innerText()).length > 10);
  page.off("request", note);
  await screen(page, "site-footage", lang, label);
}

/** Shows this footage of the case that is open; a long list is opened first. */
async function show(page, footage) {
  await page.locator("[data-footage-panel]").waitFor({ timeout: 20_000 });
  const all = page.locator("[data-footage-panel] > button.plain");
  if (await all.count()) await all.click();
  const choose = page.locator(`[data-footage="${footage.id}"] [data-choose]`);
  if (await choose.count()) await choose.click();
  await page.locator(`[data-shown="${footage.id}"]`).waitFor();
}

const frame = (page) => page.locator("[data-player] canvas").evaluate((canvas) => ({ drawn: canvas.dataset.drawn, index: Number(canvas.dataset.index) }));
const settled = (page, drawn) => page.waitForFunction((n) => document.querySelector("[data-player] canvas").dataset.drawn === n, String(drawn), { timeout: 5_000 }).then(() => true, () => false);
const timeOf = (page) => page.locator("[data-player] time").evaluate((el) => Number(el.dataset.at));
const picture = (page) => page.locator("[data-player] canvas").evaluate((canvas) => canvas.toDataURL());

async function steps({ check }, page, label) {
  await page.locator("[data-player]").focus();
  const first = await frame(page), at = await timeOf(page), before = await picture(page);
  await page.keyboard.press(".");
  check(`${label} player: a full stop steps one frame on`, await settled(page, first.index + 1));
  check(`${label} player: its time is later, its picture another`, (await timeOf(page)) > at && (await picture(page)) !== before);
  await page.keyboard.press("ArrowRight");
  check(`${label} player: so does the right arrow`, await settled(page, first.index + 2));
  await page.keyboard.press(",");
  await page.keyboard.press("ArrowLeft");
  check(`${label} player: comma and left arrow step back`, await settled(page, first.index));
  check(`${label} player: to the same frame`, (await timeOf(page)) === at && (await picture(page)) === before);
  await page.locator("[data-forward]").click();
  check(`${label} player: the button steps as well`, await settled(page, first.index + 1));
  await page.locator("[data-player]").focus();
  await page.keyboard.press("Home");
  check(`${label} player: Home shows the first frame`, await settled(page, 0));
}

async function holes({ check }, page, clip, lang, label) {
  check(`${label} player: every hole of the manifest is drawn`, (await page.locator("[data-hole]").count()) === clip.holes.length);
  check(`${label} player: and said with its times`, (await page.locator("[data-holeline]").count()) === clip.holes.length && WORDS[lang].incomplete.test(await page.locator("[data-complete]").innerText()));
  const first = await timeOf(page), [from, to] = clip.holes[0];
  await page.locator(".scrubbar input").fill(String(Math.round((from + to) / 2)));
  check(`${label} player: within a hole nothing is played`, await settled(page, "hole"));
  check(`${label} player: a screen reader hears it`, WORDS[lang].hole.test(await page.locator("[data-player] canvas").getAttribute("aria-label")));
  await page.locator("[data-forward]").click();
  await page.waitForFunction(() => document.querySelector("[data-player] canvas").dataset.drawn !== "hole");
  check(`${label} player: the next frame is the first one after it`, (await timeOf(page)) === to);
  await page.locator("[data-back]").click();
  await page.waitForTimeout(100);
  // Before a hole at the beginning of a clip there is none.
  check(`${label} player: the one before it is the last one before`, [from, to].includes(await timeOf(page)) && !((await timeOf(page)) === to && from >= first));
}

async function switches({ check }, page, label) {
  const both = await picture(page);
  await page.locator("[data-boxes] input, input[data-boxes]").first().uncheck();
  await page.waitForTimeout(100);
  const zones = await picture(page);
  await page.locator("[data-zones] input, input[data-zones]").first().uncheck();
  await page.waitForTimeout(100);
  const bare = await picture(page);
  check(`${label} player: boxes and zones can each be switched off`, both !== zones && zones !== bare);
  await page.locator("[data-boxes] input, input[data-boxes]").first().check();
  await page.locator("[data-zones] input, input[data-zones]").first().check();
  await page.waitForTimeout(100);
  check(`${label} player: and on again`, (await picture(page)) === both);
}

async function plays({ check }, page, label) {
  await page.locator("[data-player]").focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  await settled(page, 0);
  await page.keyboard.press(" ");
  const goes = await page.waitForFunction(() => Number(document.querySelector("[data-player] canvas").dataset.drawn) >= 3, null, { timeout: 10_000 }).then(() => true, () => false);
  await page.keyboard.press(" ");
  await page.waitForTimeout(200);
  const { index } = await frame(page);
  await page.waitForTimeout(400);
  check(`${label} player: space plays and pauses`, goes && (await frame(page)).index === index);
}

/** A clip that comes damaged or short is said to be; what is whole of it is shown. */
async function damage({ check, open }, page, footage) {
  const url = `**/api/footage/${footage.id}/parts/clip`;
  const reopen = async () => { await open(page, "cases"); await open(page, `cases/${encodeURIComponent(footage.cases[0])}`); await show(page, footage); await page.locator("[data-open-clip]").click(); };
  const whole = Buffer.from(await page.evaluate(async (at) => [...new Uint8Array(await (await fetch(at)).arrayBuffer())], `/api/footage/${footage.id}/parts/clip`));
  const hurt = Buffer.from(whole), middle = whole.indexOf("--frame", Math.floor(whole.length / 2));
  hurt[middle] = 0x58;
  const clip = (body) => (route) => route.fulfill({ body, contentType: "multipart/x-mixed-replace" });
  await page.route(url, clip(hurt));
  await reopen();
  await page.locator("canvas[data-drawn]").waitFor();
  const said = await page.locator("[data-complete]").innerText();
  check("player: damage is said with its byte", said.includes(`第 ${middle} 字节`) && (await page.locator("[data-complete]").getAttribute("data-complete")) === "false", said);
  check("player: so is another hash", (await page.locator("[data-has]").getAttribute("data-has")) === "false");
  await page.unroute(url);
  await page.route(url, clip(whole.subarray(0, middle)));
  await reopen();
  await page.locator(".footage .ant-alert").waitFor();
  check("player: what came short is no clip", (await page.locator(".footage .ant-alert").innerText()).includes("只送来"));
  await page.unroute(url);
  await reopen();
  await page.locator("canvas[data-drawn]").waitFor();
}

export async function camerasWalk({ check, visible, screen, open }, page, lang, label) {
  await open(page, "cameras");
  if (!(await visible(page, "[data-camera], .nothing", `${label} cameras: a list, or words that it is empty`))) return;
  const missing = await page.locator('[data-camera][data-ready="false"]').evaluateAll((all) => all.map((el) => el.querySelectorAll(".cannot li").length));
  check(`${label} cameras: what is missing is said`, missing.every((n) => n > 0), missing.join());
  const shadows = await page.locator('[data-shadow="true"]').allInnerTexts();
  check(`${label} cameras: why a rule is in shadow is said with numbers`, shadows.every((text) => /\d+ .*\d+/s.test(text)), shadows[0]);
  const health = await page.locator("[data-health]").allInnerTexts();
  check(`${label} cameras: health is a word in the reader's language`, health.every((text) => !/health\.|[a-z]_[a-z]/.test(text)), health.join());
  const ask = page.locator("[data-show-overview]").first();
  if (await ask.count()) {
    await ask.click();
    const ok = await page.waitForFunction(() => [...document.querySelectorAll(".overviewstill img")].some((img) => img.naturalWidth > 0), null, { timeout: 20_000 }).then(() => true, () => false);
    check(`${label} cameras: the overview is shown when asked for`, ok);
  }
  await screen(page, "cameras", lang, label);
}

/** Asking, approving and fetching an original: with a reason, and never by the same person. */
export async function unmaskWalk({ check, visible, signedIn, open, screen }, browser, base) {
  const { context, page } = await signedIn(browser, "inspector", { width: 1280, height: 860 });
  const all = await page.evaluate(async (url) => (await fetch(url)).json(), `${base}/api/footage?limit=500`);
  const byState = (state) => all.find((f) => f.cases.length > 0 && (f.unmasking?.state ?? "none") === state);
  const [fresh, waiting, here] = ["none", "asked", "here"].map(byState);
  const showCase = async (who, footage) => { await open(who, `cases/${encodeURIComponent(footage.cases[0])}`); await show(who, footage); };
  await showCase(page, fresh);
  await page.locator("[data-ask-unmask]").click();
  await page.locator(".ant-modal-footer .ant-btn-primary").click();
  await visible(page, ".ant-modal [role=alert]", "unmask: nobody asks without a reason");
  await page.locator('input[name="unmask-reason"]').fill("当事人否认在场");
  await page.keyboard.press("Enter");
  await visible(page, '[data-unmasking="asked"]', "unmask: it is asked for");
  check("unmask: who asked cannot approve", (await page.locator("[data-approve]").count()) === 0);
  await screen(page, "unmask-asked", "zh", "inspector");
  const because = async (of, button, why) => { await of.locator(button).click(); await of.locator('input[name="unmask-reason"]').fill(why); await of.keyboard.press("Enter"); };
  await because(page, "[data-withdraw]", "当事人已承认");
  await visible(page, '[data-end="withdrawn"]', "unmask: who asked takes it back, with a reason");
  await because(page, "[data-ask-unmask]", "当事人又提出异议");
  await visible(page, '[data-unmasking="asked"]', "unmask: after that it is asked for anew");
  await context.close();
  const reviewer = await signedIn(browser, "reviewer", { width: 390, height: 844 });
  await showCase(reviewer.page, waiting);
  await reviewer.page.locator("[data-approve]").click();
  await reviewer.page.locator(".ant-popconfirm .ant-btn-primary").click();
  await visible(reviewer.page, '[data-unmasking="approved"]', "unmask: with the second approval it is fetched");
  await visible(reviewer.page, '[data-part="original"][data-state="wanted"]', "unmask: the file is being asked for");
  await showCase(reviewer.page, fresh);
  await because(reviewer.page, "[data-refuse]", "打码的画面已经看得清");
  await visible(reviewer.page, '[data-end="refused"]', "unmask: a reviewer refuses it, with a reason");
  await screen(reviewer.page, "unmask-refused", "zh", "reviewer");
  await showCase(reviewer.page, here);
  await visible(reviewer.page, "a[data-original]", "unmask: what came can be downloaded");
  check("unmask: how two custodians open it is said", (await reviewer.page.locator('[data-unmasking="here"] code').count()) === 2);
  await screen(reviewer.page, "unmask-here", "zh", "reviewer");
  await reviewer.context.close();
}

/** A zone by mouse, another by keyboard alone; both stand in the configuration that a person may send. */
export async function zonesWalk({ check, visible, signedIn, open, screen }, browser, base) {
  for (const width of [1280, 390]) {
    const label = `admin-${width}`;
    const { context, page } = await signedIn(browser, "admin", { width, height: 860 }, { hasTouch: width === 390 });
    const cameras = await page.evaluate(async (url) => (await fetch(url)).json(), `${base}/api/cameras`);
    const camera = cameras.find((c) => c.overview);
    if (!camera) { console.log("no camera with an overview"); await context.close(); return; }
    await open(page, `cameras/${encodeURIComponent(camera.site)}/${encodeURIComponent(camera.id)}`);
    await page.locator("[data-draw]").waitFor();
    const before = await page.locator("[data-zone]").count();
    await page.locator("[data-draw]").click();
    if (width === 390) await drawByTouch(check, page, label);
    await (width === 1280 ? drawByMouse(page) : drawByKeyboard(page));
    await page.locator("[data-draw-done]").click();
    await visible(page, "[data-zone-form]", `${label} zones: what was drawn asks what it is`);
    check(`${label} zones: it is one more`, (await page.locator("[data-zone]").count()) === before + 1);
    check(`${label} zones: what has no name and no kind is not put into a configuration`, await page.locator("[data-into]").isDisabled());
    const toml = () => page.locator("[data-toml]").innerText();
    check(`${label} zones: corners are shares with three decimals`, /polygon = \[\[0\.300, 0\.100\], \[0\.600, 0\.100\], \[0\.600, 0\.300\]\]/.test(await toml()), await toml());
    await page.locator('[data-corner="2"]').focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Shift+ArrowLeft");
    check(`${label} zones: a corner moves by keyboard`, (await toml()).includes("[0.550, 0.305]"), await toml());
    await page.keyboard.press("+");
    check(`${label} zones: plus adds a corner after it`, (await page.locator("[data-corner]").count()) === 4);
    await page.keyboard.press("Delete");
    check(`${label} zones: Delete removes it`, (await page.locator("[data-corner]").count()) === 3);
    if (width === 1280) await dragCorner(check, page, toml, label);
    const kinds = await kindsOffered(page);
    check(`${label} zones: no forbidden place is offered`, kinds.length >= 10 && !kinds.some((kind) => /客房|包间|宿舍|休息|浴|卫生间|更衣|哺乳|试衣/.test(kind)), kinds.join());
    await page.locator('input[name="zone-name"]').fill("更衣间");
    await visible(page, "[data-faults]", `${label} zones: a forbidden place is refused by its name`);
    await page.locator('input[name="zone-name"]').fill(`灶台${width}`);
    await page.locator('[data-watch="after_hours"] input, input[data-watch="after_hours"]').first().check();
    await page.locator('input[name="zone-hours"]').fill("06:00-14:00，16:00-22:30");
    await page.waitForFunction(() => !document.querySelector("[data-faults]"));
    check(`${label} zones: hours are written as the agent reads them`, (await toml()).includes('hours = ["06:00-14:00", "16:00-22:30"]\nwatch = ["after_hours"]'), await toml());
    await screen(page, "zones", "zh", label);
    if (await page.locator("[data-into]").isDisabled()) { check(`${label} zones: why they cannot be put into a configuration is said`, /盒子|配置/.test(await page.locator("main section").last().innerText())); await context.close(); continue; }
    await page.locator("[data-into]").click();
    await visible(page, "[data-prepared]", `${label} zones: the configuration says what was put into it, unsent`);
    const text = await page.locator('textarea[name="text"]').inputValue();
    check(`${label} zones: the text has the new zone and everything else`, text.includes(`name = "灶台${width}"`) && text.includes('[camera.ring]') && text.includes("# the north wall"), text);
    if (width === 390) check(`${label} zones: as well as what was sent before`, text.includes('name = "灶台1280"'));
    await page.locator('input[name="why"]').fill(`画了灶台${width}的区域`);
    await page.locator("[data-submit]").click();
    await page.waitForFunction((n) => document.querySelector("[data-version]")?.textContent.includes(n), `画了灶台${width}的区域`, { timeout: 20_000 }).catch(() => undefined);
    check(`${label} zones: sent as the next version, with its reason`, (await page.locator("[data-version]").first().innerText()).includes(`灶台${width}`));
    await context.close();
  }
}

async function drawByMouse(page) {
  const box = await page.locator("[data-board]").boundingBox();
  for (const [x, y] of [[0.3, 0.1], [0.6, 0.1], [0.6, 0.3]]) await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
}

/** Three taps set three corners; nothing of it is kept. */
async function drawByTouch(check, page, label) {
  const box = await page.locator("[data-board]").boundingBox();
  for (const [x, y] of [[0.3, 0.3], [0.6, 0.3], [0.6, 0.6]]) await page.touchscreen.tap(box.x + x * box.width, box.y + y * box.height);
  check(`${label} zones: corners are set by touch`, (await page.locator(".draftcorner").count()) === 3);
  await page.keyboard.press("Escape");
  check(`${label} zones: Escape drops what was begun`, (await page.locator(".draftcorner").count()) === 0);
  await page.locator("[data-draw]").click();
}

/** From the middle, by steps of a hundredth and a twentieth. */
async function drawByKeyboard(page) {
  const press = async (key, times) => { for (let n = 0; n < times; n += 1) await page.keyboard.press(key); };
  await press("Shift+ArrowLeft", 4); await press("Shift+ArrowUp", 8); await press("Enter", 1);
  await press("Shift+ArrowRight", 6); await press("Enter", 1);
  await press("ArrowDown", 20); await press("Enter", 1);
}

async function dragCorner(check, page, toml, label) {
  const board = await page.locator("[data-board]").boundingBox();
  const handle = await page.locator('[data-corner="0"]').boundingBox();
  await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2);
  await page.mouse.down();
  await page.mouse.move(board.x + board.width * 0.2, board.y + board.height * 0.15, { steps: 4 });
  await page.mouse.up();
  check(`${label} zones: a corner is dragged by the mouse`, /polygon = \[\[0\.(199|200|201), 0\.(149|150|151)\]/.test((await toml()).split("灶台").at(-1)), await toml());
  await page.mouse.move(board.x + board.width * 0.45, board.y + board.height * 0.15);
  await page.mouse.down();
  await page.mouse.move(board.x + board.width * 0.5, board.y + board.height * 0.2, { steps: 4 });
  await page.mouse.up();
  check(`${label} zones: the whole zone as well`, /\[0\.(249|250|251), 0\.(199|200|201)\]/.test(await toml()), await toml());
}

async function kindsOffered(page) {
  await page.locator("[data-kind]").click();
  const list = page.locator(".ant-select-dropdown:not(.ant-select-dropdown-hidden)");
  await list.waitFor();
  const seen = new Set();
  for (let n = 0; n < 20; n += 1) {
    for (const text of await list.locator(".ant-select-item-option").allInnerTexts()) seen.add(text);
    await page.keyboard.press("ArrowDown");
  }
  await list.locator('.ant-select-item-option:has-text("烹饪区")').scrollIntoViewIfNeeded().catch(() => undefined);
  for (let n = 0; n < 20 && (await list.locator('.ant-select-item-option-active:has-text("烹饪区")').count()) === 0; n += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  return [...seen];
}
