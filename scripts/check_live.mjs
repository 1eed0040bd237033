// What scripts/check-report does with the pages of a sweep that runs: node check_live.mjs CHROMIUM SWEEP DIR URL…
// The first URL is that of the run, the others those of `bowline serve`. DIR may be empty: then there are no screenshots.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, sweep, screenshots, ...servers] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// The first results of a debug build on a busy machine take minutes.
const PATIENCE = { timeout: 600_000 };
const LOOKS = [
  { width: 1280, height: 900, colorScheme: "light" },
  { width: 1280, height: 900, colorScheme: "dark" },
  { width: 390, height: 844, colorScheme: "light" },
  { width: 390, height: 844, colorScheme: "dark" },
];

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const prove = (what) => console.log(`  ok: ${what}`);
try {
  console.log("while a sweep runs:");
  await loadsAgain(servers[0]);
  for (const [place, server] of servers.entries()) {
    for (const look of LOOKS) await check(server, look, place === 0 ? "run" : "serve");
    prove(`${server} at 1280 and 390 pixels, light and dark: no fault that axe-core finds, nothing beyond the edge`);
  }
  prove("no error, no warning, no request but for the pages");
} finally {
  await browser.close();
}

/** A page, and whatever it said or asked for that it should not. */
async function open(server, { colorScheme, ...viewport }) {
  const context = await browser.newContext({ colorScheme, viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE.timeout);
  const faults = [];
  page.on("console", (message) => faults.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  const own = [`${server}/`, `${server}/sweeps/${sweep}`];
  page.on("request", (request) => own.includes(request.url()) || request.url().startsWith("data:") || faults.push(`request: ${request.url()}`));
  return { context, page, faults };
}

/** From the list to the page of the sweep, which loads itself again and shows more results then. */
async function loadsAgain(server) {
  const { context, page, faults } = await open(server, LOOKS[0]);
  await page.goto(`${server}/`, PATIENCE);
  await page.getByRole("link", { name: sweep, exact: true }).click(PATIENCE);
  const first = await done(page, 0);
  const later = await done(page, first);
  assert.deepEqual(faults, []);
  await context.close();
  prove(`the list has the sweep; its page showed ${first} results, and ${later} after it loaded itself again`);
}

/** The number of jobs that the page says are done, as soon as it is more than `known`. */
async function done(page, known) {
  const status = page.locator("#summary", { hasText: /not finished: [\d,]+ of/ });
  const end = Date.now() + PATIENCE.timeout;
  while (Date.now() < end) {
    await status.waitFor(PATIENCE);
    // The page may be replaced between the two.
    const text = await status.innerText().catch(() => "");
    const count = Number(text.match(/not finished: ([\d,]+) of/)?.[1].replaceAll(",", "") ?? 0);
    if (count > known) return count;
    await page.waitForEvent("load", PATIENCE);
  }
  throw new Error(`the page shows no more than ${known} results after ten minutes`);
}

/** Keeps pages from loading themselves again while they are looked at. Tells after how many seconds each would. */
async function holds(page) {
  const again = new Map();
  await page.route(/^http:/, async (route) => {
    const answer = await route.fetch({ timeout: PATIENCE.timeout });
    assert.equal(answer.status(), 200);
    const { refresh, ...headers } = answer.headers();
    again.set(route.request().url(), refresh);
    await route.fulfill({ response: answer, headers });
  });
  return again;
}

async function check(server, look, name) {
  const { context, page, faults } = await open(server, look);
  const again = await holds(page);
  for (const path of ["/", `/sweeps/${sweep}`]) {
    await page.goto(server + path, PATIENCE);
    assert.match(again.get(server + path) ?? "", /^\d+$/, "the page does not load itself again");
    if (path !== "/") {
      await page.waitForFunction(() => [...document.querySelectorAll(".canvas")].every((canvas) => canvas.querySelector("svg")), undefined, PATIENCE);
      assert.match(await page.locator("#table-workers").innerText(), /busy|idle/, "no worker is shown");
    }
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(over, 0, `${path} is wider than ${look.width} pixels`);
    const hidden = await page.evaluate(() =>
      innerWidth > 400 ? [] : [...document.querySelectorAll(".scroll")].filter((scroll) => scroll.scrollWidth > scroll.clientWidth + 1).map((scroll) => scroll.textContent.slice(0, 40)),
    );
    assert.deepEqual(hidden, [], "tables have columns beyond the edge of a telephone");
    const { violations } = await page.evaluate(`${axe}; axe.run({ runOnly: ["wcag2a", "wcag2aa", "best-practice"] })`);
    assert.deepEqual(violations.map((rule) => `${rule.id}: ${rule.nodes[0].html.slice(0, 160)}`), [], `${path}, ${look.colorScheme}`);
    const file = `live-${name}-${path === "/" ? "list" : "sweep"}-${look.width}-${look.colorScheme}.png`;
    if (screenshots) await page.screenshot({ path: join(screenshots, file), fullPage: look.width < 400 });
  }
  assert.deepEqual(faults, []);
  await context.close();
}
