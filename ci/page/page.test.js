"use strict";
const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { gateway, stage } = require("./stage.js");

const VIEWS = ["Overview", "Exchanges", "Backends", "Routes", "Listeners", "Configuration"];
let browser;
let busy;
let idle;

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  busy = await stage();
  for (let round = 0; round < 6; round++) await traffic(round);
});

after(async () => {
  await browser?.close();
  busy?.stop();
  idle?.stop();
});

function traffic(round) {
  return Promise.all([
    busy.ask("/openai", "gpt-4o"),
    busy.ask("/openai", "gpt-4o", { stream: true }),
    busy.ask("/mistral", "mistral-small", { stream: true }),
    round % 3 === 0 && busy.ask("/limited", "gpt-4o"),
    round % 3 === 1 && busy.ask("/nowhere", "gpt-4o"),
    round % 5 === 2 && busy.ask("/broken", "gpt-4.1"),
  ]);
}

/// A page that may neither complain nor speak with anybody else.
async function opened(t, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`error: ${error}`));
  page.on("request", (request) => {
    const here = request.url().startsWith(`${url}/`) || request.url().startsWith("data:");
    if (!here) wrong.push(`request to ${request.url()}`);
  });
  page.setDefaultTimeout(15_000);
  await page.goto(`${url}/`);
  await page.locator("#live[data-state=live]").waitFor();
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  });
  return page;
}

async function to(page, view) {
  await page.getByRole("navigation").getByRole("link", { name: view, exact: true }).click();
  await page.getByRole("heading", { level: 2, name: view }).waitFor();
}

const rows = (page) => page.locator("table.exchanges tbody tr");

const isWide = (page) => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

test("every view shows what there is, and no secret", async (t) => {
  const page = await opened(t, busy.url);
  const expected = {
    Overview: ["default/chat", "mistral-small", "Time to first token", /^\$0\.00\d+$/],
    Exchanges: ["/openai/v1/chat/completions", "gpt-4o → gpt-4o-mini", /^\$0\.00\d+$/, "unknown"],
    Backends: ["Priority 2", "preferred", "status 503", "evicted"],
    Routes: ["/openai*", "in the shadow of", "broken"],
    Listeners: ["internal", "*.internal.example", "served"],
    Configuration: ["generation 1", "default/older", "is shadowed by", "not as written"],
  };
  for (const view of VIEWS) {
    await to(page, view);
    for (const text of expected[view]) await page.locator("main").getByText(text).first().waitFor();
    assert.doesNotMatch(await page.content(), /canary/);
    assert.doesNotMatch(await page.locator("main").innerText(), /null|undefined|NaN|\[object/);
  }
});

test("filters choose among the exchanges, and are in the address", async (t) => {
  const page = await opened(t, busy.url);
  await to(page, "Exchanges");
  const all = await rows(page).count();
  await page.getByLabel("Status").selectOption("4xx");
  const refused = await rows(page).count();
  assert.ok(refused > 0 && refused < all, `${refused} of ${all}`);
  assert.match(page.url(), /status=4xx/);
  await page.getByLabel("Text").fill("limited");
  assert.equal(await rows(page).count(), 2);
  await page.getByLabel("Text").fill("not there at all");
  await page.getByText("Nothing fits the filter").waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  assert.ok((await rows(page).count()) >= all);
  await to(page, "Overview");
  await page.getByRole("link", { name: "mistral-small" }).click();
  await page.getByRole("heading", { name: "Exchanges" }).waitFor();
  assert.equal(await page.getByLabel("Model").inputValue(), "mistral-small");
  assert.equal(await rows(page).count(), 6);
});

test("an exchange opens by keyboard, with a waterfall of its attempts, and can be copied", async (t) => {
  const page = await opened(t, busy.url, { permissions: ["clipboard-read", "clipboard-write"] });
  await to(page, "Exchanges");
  const list = await page.evaluate(() => fetch("/api/exchanges").then((answer) => answer.json()));
  const failedOver = list.exchanges.find((one) => one.attempts.length === 2 && one.stream);
  await page.locator(`tr[data-number="${failedOver.number}"] button`).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText(failedOver.trace_id).waitFor();
  assert.equal(await dialog.locator(".waterfall li").count(), 3);
  const bars = await dialog.locator(".waterfall .bar:not(.connect)").evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().toJSON()));
  const [whole, first, second, answer] = bars;
  assert.ok(first.left >= whole.left && second.left >= first.right - 2 && answer.left >= second.right - 2, JSON.stringify(bars));
  assert.ok(answer.right <= whole.right + 6);
  await dialog.getByRole("button", { name: "Copy as JSON" }).click();
  await dialog.getByRole("button", { name: "Copied" }).waitFor();
  assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), failedOver);
  assert.doesNotMatch(await dialog.innerText(), /null|undefined|NaN|\[object/);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
});

test("what is new comes by itself, waits while paused, and survives a reload of the configuration", async (t) => {
  const page = await opened(t, busy.url);
  await to(page, "Exchanges");
  const newest = async () => Number(await rows(page).first().getAttribute("data-number"));
  const waits = (number) => page.locator(`tr[data-number="${number}"]`).waitFor();
  const start = await newest();
  await busy.ask("/mistral", "mistral-small");
  await waits(start + 1);
  await page.getByRole("button", { name: "Pause" }).click();
  await busy.ask("/mistral", "mistral-small");
  // two events of another page are proof that time has passed
  const other = await opened(t, busy.url);
  await to(other, "Exchanges");
  await busy.ask("/mistral", "mistral-small");
  await other.locator(`tr[data-number="${start + 3}"]`).waitFor();
  assert.equal(await newest(), start + 1);
  await page.getByRole("button", { name: "Resume" }).click();
  await waits(start + 3);
  await to(page, "Configuration");
  busy.apply("kind: Gateway\nmetadata: {nmae: x}\n");
  await page.getByRole("alert").getByText("nmae").waitFor();
  busy.apply(busy.manifests.replace("name: internal", "name: inside"));
  await page.getByText("generation 2").waitFor();
  await to(page, "Listeners");
  await page.getByText("inside", { exact: true }).waitFor();
  assert.ok(await page.getByRole("alert").isHidden());
});

test("light and dark follow the system and the switch, which is remembered", async (t) => {
  const page = await opened(t, busy.url, { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.getByRole("button", { name: "Light", exact: true }).click();
  assert.equal(await ground(), light);
  await page.reload();
  await page.locator("#live[data-state=live]").waitFor();
  assert.equal(await ground(), light);
  await page.getByRole("button", { name: "Dark", exact: true }).click();
  await to(page, "Backends");
});

test("a phone shows everything without scrolling to the side", async (t) => {
  const page = await opened(t, busy.url, { viewport: { width: 360, height: 740 } });
  for (const view of VIEWS) {
    await to(page, view);
    assert.equal(await isWide(page), false, view);
  }
  await to(page, "Exchanges");
  await rows(page).first().click();
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.getByRole("dialog").evaluate((dialog) => dialog.scrollWidth > dialog.clientWidth), false);
});

test("text and controls have contrast enough, in light and dark", async (t) => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(t, busy.url, { colorScheme });
    for (const view of VIEWS) {
      await to(page, view);
      assert.deepEqual(await page.evaluate(faint), [], `${view} in ${colorScheme}`);
    }
  }
});

/// Runs in the page: texts whose colour is too near to what is behind them (WCAG 2.2, 1.4.3).
function faint() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    brush.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...brush.getImageData(0, 0, 1, 1).data].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => (element ? [...behind(element.parentElement), getComputedStyle(element).backgroundColor] : []);
  const wrong = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!says || !element.checkVisibility()) continue;
    const ground = behind(element);
    const [a, b] = [over(ground), over([...ground, getComputedStyle(element).color])];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) wrong.add(`${element.tagName}.${element.className}: ${contrast.toFixed(2)}`);
  }
  return [...wrong];
}

test("an empty gateway says in each view what to do next", async (t) => {
  idle = await gateway("kind: ConfigMap\nmetadata: {name: nothing}\n");
  const page = await opened(t, idle.url);
  for (const view of VIEWS) {
    await to(page, view);
    await page.locator(".empty").first().waitFor();
  }
});

test("pictures for the README", { skip: !process.env.SCREENSHOTS }, async (t) => {
  const shot = (page, name) => page.screenshot({ path: path.join(process.env.SCREENSHOTS, `admin-${name}.png`) });
  for (let round = 0, end = Date.now() + 100_000; Date.now() < end; round++) {
    const many = Math.round(2 + Math.sin(round / 9));
    await Promise.all(Array.from({ length: many }, (_, at) => traffic(round + at)));
    await new Promise((resolve) => setTimeout(resolve, 1200));
  }
  const light = await opened(t, busy.url, { colorScheme: "light", viewport: { width: 1200, height: 740 } });
  await shot(light, "light");
  await to(light, "Exchanges");
  const list = await light.evaluate(() => fetch("/api/exchanges").then((answer) => answer.json()));
  const { number } = list.exchanges.filter((one) => one.attempts.length === 2).sort((a, b) => b.stream - a.stream)[0];
  await light.locator(`tr[data-number="${number}"]`).click();
  await light.getByRole("dialog").waitFor();
  await shot(light, "waterfall");
  const dark = await opened(t, busy.url, { colorScheme: "dark", viewport: { width: 1200, height: 740 } });
  await to(dark, "Backends");
  await shot(dark, "dark");
  const phone = await opened(t, busy.url, { viewport: { width: 360, height: 740 } });
  await to(phone, "Exchanges");
  await shot(phone, "phone");
});
