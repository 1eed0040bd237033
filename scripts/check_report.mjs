// What scripts/check-report does in the browser: node check_report.mjs CHROMIUM REPORT.html [DIR for screenshots]
import assert from "node:assert/strict";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, report, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const HOSTILE = "</script><script>hostile()</script><img src=x onerror=hostile()>{{style}}";

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const work = mkdtempSync(join(tmpdir(), "bowline-report-"));
try {
  await check("as it is", report);
  await check("with every kind of picture and hostile names", madeUp(report));
} finally {
  await browser.close();
  rmSync(work, { recursive: true });
}

async function check(title, file) {
  console.log(`${title}: ${(readFileSync(file).length / 1e6).toFixed(2)} MB`);
  const { page, faults } = await open(file, { viewport: { width: 1280, height: 900 } });
  const prove = (what) => console.log(`  ok: ${what}`);

  assert.ok(await page.locator("h1").innerText());
  await drawn(page);
  prove(`${await page.locator(".picture svg").count()} pictures, ${await page.locator("table").count()} tables`);

  prove(await sorts(page));
  prove(await filters(page));
  prove(await copies(page));
  prove(await brushes(page));
  await shoot(page, title, "light");
  await accessible(page, "light");
  await page.locator("#theme").selectOption("dark");
  await page.evaluate(() => scrollTo(0, 0));
  await shoot(page, title, "dark");
  await accessible(page, "dark");
  prove("light and dark have no fault that axe-core finds");

  const pdf = await page.pdf({ format: "A4" });
  assert.ok(pdf.length > 20_000, "the print is empty");
  prove(`prints: ${(pdf.length / 1e3).toFixed(0)} kB of PDF`);

  const narrow = await open(file, { viewport: { width: 400, height: 800 } });
  await drawn(narrow.page);
  const over = await narrow.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(over, 0, "the page is wider than a telephone");
  await shoot(narrow.page, title, "narrow");
  prove("fits into 400 pixels");

  assert.deepEqual([...faults, ...narrow.faults], []);
  prove("no error, no warning, no request");
}

/** A page, and whatever it said or asked for that it should not. */
async function open(file, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => faults.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => faults.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => request.url() === `file://${file}` || request.url().startsWith("data:") || faults.push(`request: ${request.url()}`));
  await page.exposeFunction("hostile", () => faults.push("text of results ran as a script"));
  await page.goto(`file://${file}`);
  return { page, faults };
}

async function drawn(page) {
  await page.waitForFunction(() => [...document.querySelectorAll(".canvas")].every((canvas) => canvas.querySelector("svg")));
}

/** By click and by keyboard, both ways, and what a screen reader is told. */
async function sorts(page) {
  const table = page.locator("#tables .table").first();
  if ((await table.count()) === 0) return "nothing to sort";
  const heads = table.locator("thead th");
  const last = (await heads.count()) - 1;
  const button = heads.nth(last).locator("button");
  const values = async () => (await table.locator(`tbody tr > :nth-child(${last + 1})`).allInnerTexts()).map((text) => Number.parseFloat(text.replace(/,/g, ""))).filter((value) => !Number.isNaN(value));
  await button.click();
  const falling = await values();
  assert.deepEqual(falling, [...falling].sort((a, b) => b - a));
  assert.equal(await heads.nth(last).getAttribute("aria-sort"), "descending");
  await button.press("Enter");
  const rising = await values();
  assert.deepEqual(rising, [...rising].sort((a, b) => a - b));
  assert.equal(await heads.nth(last).getAttribute("aria-sort"), "ascending");
  await button.press("Enter");
  assert.equal(await heads.nth(last).getAttribute("aria-sort"), "none");
  return "sorts by click and by keyboard";
}

async function filters(page) {
  const runs = page.locator("#table-runs");
  if ((await runs.count()) === 0) return "no runs to filter";
  const status = runs.locator(".status");
  const all = await status.innerText();
  const word = (await runs.locator("tbody tr > :nth-child(2)").first().innerText()).trim();
  const filter = runs.locator("input[type=search]");
  await filter.fill(`${word} n>1`);
  assert.match(await status.innerText(), /of/);
  const shown = await runs.locator("tbody tr").allInnerTexts();
  assert.ok(shown.length > 0 && shown.every((row) => row.includes(word)));
  await filter.fill("no run is called this");
  assert.match(await runs.locator("tbody").innerText(), /no such rows/);
  await filter.fill("");
  assert.equal(await status.innerText(), all);
  return `filters ${all}`;
}

/** The clipboard is closed to pages that are files in some browsers: then the text is selected. */
async function copies(page) {
  const button = page.locator(".recipe .copy");
  if ((await button.count()) === 0) return "no recipe to copy";
  await button.click();
  const status = page.locator(".recipe .status");
  await status.filter({ hasText: /Copied|Selected/ }).waitFor();
  const recipe = await page.locator(".recipe code").first().innerText();
  assert.match(recipe, /^recipe:\n/);
  const filter = page.locator("input[type=search]:visible").first();
  await filter.focus();
  await page.keyboard.press("Control+v");
  const pasted = await filter.inputValue();
  await filter.fill("");
  assert.equal(pasted.replace(/\s+/g, ""), recipe.replace(/\s+/g, ""));
  return "copies the recipe from a file";
}

async function brushes(page) {
  const picture = page.locator("#picture-parallel");
  if ((await picture.count()) === 0) return "no parallel coordinates to brush";
  const status = page.locator("#table-runs .status");
  const all = await status.innerText();
  await page.evaluate(() => scrollTo(0, document.querySelector("#picture-parallel").offsetTop - 80));
  const box = await picture.locator(".canvas").boundingBox();
  const axis = box.x + box.width - 60;
  await page.mouse.move(axis, box.y + 70);
  await page.mouse.down();
  await page.mouse.move(axis, box.y + 120, { steps: 5 });
  await page.mouse.move(axis, box.y + 190, { steps: 5 });
  await page.mouse.up();
  const lines = picture.locator(".extras .status");
  await lines.filter({ hasText: "selected" }).waitFor();
  const selected = Number((await lines.innerText()).match(/^[\d,]+/)[0].replace(",", ""));
  const rows = Number((await status.innerText()).match(/^[\d,]+/)[0].replace(",", ""));
  assert.ok(selected > 0 && rows === selected, `${selected} lines, ${rows} rows`);
  await page.locator("#theme").selectOption("dark");
  await page.waitForTimeout(200);
  assert.match(await lines.innerText(), new RegExp(`^${selected} of`), "a change of colours loses the selection");
  await page.locator("#theme").selectOption("light");
  await picture.getByRole("button", { name: "Clear the selection" }).click();
  assert.equal(await status.innerText(), all);
  await picture.getByText("Select by numbers").click();
  const low = picture.locator("input[type=number]").first();
  await low.fill("-1000");
  await low.press("Tab");
  await picture.getByRole("button", { name: "Clear the selection" }).click();
  assert.equal(await status.innerText(), all);
  return `brushing selects ${selected} lines and their rows`;
}

async function accessible(page, colours) {
  const { violations } = await page.evaluate(`${axe}; axe.run({ runOnly: ["wcag2a", "wcag2aa", "best-practice"] })`);
  const told = violations.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  assert.deepEqual(told, [], colours);
}

async function shoot(page, title, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${title.split(" ")[0]}-${name}.png`), fullPage: name === "narrow" });
}

/** The report with one picture of each kind, and names that try to be markup. */
function madeUp(file) {
  const html = readFileSync(file, "utf8");
  const [before, rest] = html.split('<script type="application/json" id="report-data">');
  const end = rest.indexOf("</script>");
  const data = JSON.parse(rest.slice(0, end));
  data.sweep = HOSTILE;
  data.notices.push({ level: "problem", text: HOSTILE });
  data.tables.push({ name: "hostile", title: HOSTILE, columns: [{ name: HOSTILE, kind: "text" }], rows: [{ is_chosen: true, cells: [HOSTILE] }], notes: [HOSTILE] });
  data.pictures = pictures(data.runs);
  const made = join(work, "made-up.html");
  writeFileSync(made, `${before}<script type="application/json" id="report-data">${JSON.stringify(data).replaceAll("<", "\\u003c")}${rest.slice(end)}`);
  return made;
}

function pictures({ columns, rows }) {
  const axis = (name, unit = "none", scale = "linear") => ({ name, unit, scale });
  const [scaling, value, seconds] = [axis("scaling"), axis(HOSTILE.slice(9, 40), "share"), axis("time", "seconds")];
  const id = columns.findIndex((column) => column.kind === "id");
  const steps = [...Array(10).keys()];
  const curve = steps.map((step) => ({ x: step / 10, y: step / 20, low: step / 20 - 0.05, high: step / 20 + 0.05, n: 3 }));
  const named = steps.map((step) => ({ name: `${HOSTILE} ${step}`, x: step / 10, y: 1 - step / 10, is_chosen: step === 3 }));
  const data = {
    parallel: {
      axes: [{ ...axis("method"), words: [HOSTILE, "ties"] }, { ...axis("rate", "none", "log"), words: null }, { ...value, words: null }],
      lines: rows.slice(0, 40).map((row, at) => ({ job: row[id], method: HOSTILE, values: [at % 2, at % 3 ? (at + 1) / 100 : null, at / 50] })),
      total: 1000,
    },
    curve: { x: scaling, y: value, series: [{ name: HOSTILE, points: curve }, { name: "ties", points: curve.map((point) => ({ ...point, low: null, high: null })) }] },
    heat_map: { x: scaling, y: axis("density"), value, xs: steps, ys: [0.1, 0.3], cells: [steps.map((step) => step / 10), steps.map((step) => (step ? step / 20 : null))], best: [0, 9] },
    dots: { tasks: [HOSTILE, "mean of tasks"], value, rows: [{ name: HOSTILE, is_chosen: true, dots: [{ value: 0.5, low: 0.4, high: 0.6 }, null] }, { name: "given", is_chosen: false, dots: [{ value: 0.7, low: null, high: null }, null] }] },
    best_so_far: { x: seconds, y: value, points: steps.map((step) => [step * 60, step / 20]), best: [[0, 0], [540, 0.45]], total: 10 },
    importance: { bars: [{ name: HOSTILE, share: 0.8 }, { name: "density", share: 0 }], r2: null },
    scatter: { x: value, y: value, points: named },
    pareto: { x: value, y: value, points: named, front: [0, 1, 2], total: 100 },
    time_line: { x: seconds, workers: [{ name: HOSTILE, device: HOSTILE, spans: [[0, 10], [12, 40]] }], jobs: 12 },
  };
  return Object.entries(data).map(([kind, of]) => ({ slug: kind.replace("_", "-"), title: kind, caption: HOSTILE, data: { kind, ...of } }));
}
