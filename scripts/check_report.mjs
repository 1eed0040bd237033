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
  await check("with every kind of chart and hostile names", madeUp(report));
  await checkLittle("with nothing", edited(report, "nothing", emptied));
  await checkLittle("with one result", edited(report, "one", shrunk));
  await checkLarge("large", edited(report, "large", enlarged));
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
  prove(`${await page.locator(".canvas svg").count()} charts, ${await page.locator("table").count()} tables`);
  prove(await tellsOfScrolling(page));

  prove(await legends(page));
  prove(await keepsApart(page));
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
  const hidden = await narrow.page.evaluate(() =>
    [...document.querySelectorAll(".scroll")].filter((scroll) => scroll.scrollWidth > scroll.clientWidth + 1).map((scroll) => scroll.closest(".table").id),
  );
  assert.deepEqual(hidden, [], "tables have columns beyond the edge of a telephone");
  await shoot(narrow.page, title, "narrow");
  prove("fits into 400 pixels, with every column");

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

/** A table that has columns beyond its edge says so, and no other; none is empty. */
async function tellsOfScrolling(page) {
  const wrong = await page.evaluate(() =>
    [...document.querySelectorAll(".table")].filter((table) => {
      const scroll = table.querySelector(".scroll");
      const isShown = scroll.clientWidth > 0;
      const says = !table.querySelector(".more").hidden;
      return isShown && (says !== scroll.scrollWidth > scroll.clientWidth + 1 || table.querySelectorAll("tbody tr").length === 0);
    }).map((table) => table.id),
  );
  assert.deepEqual(wrong, []);
  return "tables that scroll say so, and none is empty";
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
  // What is the same everywhere has no column.
  const has = (await runs.locator("thead button").allInnerTexts()).includes("n");
  await filter.fill(has ? `${word} n>1` : word);
  assert.match(await status.innerText(), /rows/);
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
  const chart = page.locator("#chart-parallel");
  if ((await chart.count()) === 0) return "no parallel coordinates to brush";
  const status = page.locator("#table-runs .status");
  const all = await status.innerText();
  await page.evaluate(() => scrollTo(0, document.querySelector("#chart-parallel").offsetTop - 80));
  const box = await chart.locator(".canvas").boundingBox();
  const axis = box.x + box.width - 60;
  await page.mouse.move(axis, box.y + 70);
  await page.mouse.down();
  await page.mouse.move(axis, box.y + 120, { steps: 5 });
  await page.mouse.move(axis, box.y + 190, { steps: 5 });
  await page.mouse.up();
  const lines = chart.locator(".extras .status");
  await lines.filter({ hasText: "selected" }).waitFor();
  const selected = Number((await lines.innerText()).match(/^[\d,]+/)[0].replace(",", ""));
  const rows = Number((await status.innerText()).match(/^[\d,]+/)[0].replace(",", ""));
  assert.ok(selected > 0 && rows === selected, `${selected} lines, ${rows} rows`);
  await page.locator("#theme").selectOption("dark");
  await page.waitForTimeout(200);
  assert.match(await lines.innerText(), new RegExp(`^${selected} of`), "a change of colours loses the selection");
  await page.locator("#theme").selectOption("light");
  await chart.getByRole("button", { name: "Clear the selection" }).click();
  assert.equal(await status.innerText(), all);
  await chart.getByText("Select by numbers").click();
  const low = chart.locator("input[type=number]").first();
  await low.fill("-1000");
  await low.press("Tab");
  await chart.getByRole("button", { name: "Clear the selection" }).click();
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

/** A page with little on it still says what there is. */
async function checkLittle(title, file) {
  console.log(`${title}:`);
  for (const [width, colorScheme] of [[1280, "light"], [400, "dark"]]) {
    const { page, faults } = await open(file, { viewport: { width, height: 900 }, colorScheme });
    await drawn(page);
    assert.ok((await page.locator("#summary").innerText()).length > 20);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
    await accessible(page, colorScheme);
    await shoot(page, title.replaceAll(" ", "-"), colorScheme);
    assert.deepEqual(faults, []);
  }
  console.log("  ok: wide and light, narrow and dark");
}

/** The times of a page of as many rows as one has. Limits are loose: machines differ, and this one may be busy. */
async function checkLarge(title, file) {
  console.log(`${title}: ${(readFileSync(file).length / 1e6).toFixed(2)} MB`);
  const times = { shown: [], drawn: [], sort: [], key: [], brush: [] };
  for (let round = 0; round < 5; round += 1) {
    const { page, faults } = await open(file, { viewport: { width: 1280, height: 900 } });
    await drawn(page);
    times.shown.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    times.drawn.push(await page.evaluate(() => performance.now()));
    assert.match(await page.locator("#table-runs .status").innerText(), /a sample: 5,000 of 100,000 runs/);
    assert.match(await page.locator("#table-runs").innerText(), /an even sample of the others/);
    for (const head of [3, 1, 1]) times.sort.push(await timed(page, `document.querySelector("#table-runs thead th:nth-child(${head}) button").click()`));
    for (const text of ["t", "ta", "ta scal", "scaling>0.3", "no run is called this", ""]) {
      times.key.push(await timed(page, `const field = document.querySelector("#table-runs input"); field.value = ${JSON.stringify(text)}; field.dispatchEvent(new Event("input"))`));
    }
    times.brush.push(await dragged(page));
    assert.deepEqual(faults, []);
    await page.context().close();
  }
  for (const [what, limit] of [["shown", 10_000], ["drawn", 15_000], ["sort", 1500], ["key", 1500], ["brush", 3000]]) {
    const sorted = times[what].sort((a, b) => a - b);
    const [middle, last] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
    console.log(`  ${what}: ${middle.toFixed(0)} ms (at most ${last.toFixed(0)})`);
    assert.ok(middle < limit, `${what} takes too long`);
  }
}

/** Milliseconds from an action to the end of the frame that shows it. */
function timed(page, action) {
  return page.evaluate(`new Promise((done) => {
    const begin = performance.now();
    ${action};
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
  })`);
}

/** Milliseconds from letting go of a range of an axis to the rows that it selects. */
async function dragged(page) {
  const chart = page.locator("#chart-parallel");
  await chart.scrollIntoViewIfNeeded();
  await page.evaluate(() => scrollTo(0, document.querySelector("#chart-parallel").getBoundingClientRect().top + scrollY - 80));
  const box = await chart.locator(".canvas").boundingBox();
  const axis = box.x + box.width - 60;
  await page.mouse.move(axis, box.y + 70);
  await page.mouse.down();
  await page.mouse.move(axis, box.y + 190, { steps: 20 });
  const begin = performance.now();
  await page.mouse.up();
  await chart.locator(".extras .status").filter({ hasText: "selected" }).waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  return performance.now() - begin;
}

/** What a name in a legend leaves out is gone from the chart, by keyboard as well. */
async function legends(page) {
  const button = page.locator(".legend button").first();
  if ((await button.count()) === 0) return "no legend to press";
  const canvas = page.locator(".chart", { has: page.locator(".legend button") }).first().locator(".canvas");
  const marks = async () => {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50))));
    return canvas.locator("svg path").count();
  };
  const all = await marks();
  await button.press("Enter");
  assert.equal(await button.getAttribute("aria-pressed"), "false");
  assert.ok((await marks()) < all, "nothing was left out");
  await page.locator("#theme").selectOption("dark");
  assert.ok((await marks()) < all, "a change of colours brings it back");
  await page.locator("#theme").selectOption("light");
  await page.locator(".legend button").first().press(" ");
  assert.equal(await marks(), all);
  return "legends leave out by keyboard";
}

/** Numbers of points, heads of tables, and names in legends do not lie on each other. */
async function keepsApart(page) {
  const lines = page.locator("#table-wide td.long").first();
  if (await lines.count()) assert.match(await lines.innerText(), /failed\s*\n\s*caused/, "an error loses its lines");
  const overlaps = await page.evaluate(() => {
    const boxes = (selector, root) => [...root.querySelectorAll(selector)].map((part) => part.getBoundingClientRect());
    const share = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
    const pairs = (all) => all.flatMap((one, at) => all.slice(at + 1).filter((other) => share(one, other)));
    const found = [];
    for (const chart of document.querySelectorAll(".chart.scatter")) {
      const texts = [...chart.querySelectorAll("svg text")].filter((text) => /^\d+$/.test(text.textContent) && text.getAttribute("paint-order") === "stroke");
      if (texts.length === 0) found.push("no numbers");
      if (pairs(texts.map((text) => text.getBoundingClientRect())).length) found.push(`numbers of ${chart.id}`);
    }
    for (const row of document.querySelectorAll("thead tr")) {
      const heads = [...row.querySelectorAll("button")].map((head) => {
        const range = document.createRange();
        range.selectNodeContents(head);
        return range.getBoundingClientRect();
      });
      if (pairs(heads).length) found.push(`heads of ${row.closest(".table").id}`);
    }
    for (const legend of document.querySelectorAll(".legend")) {
      const { top, bottom } = legend.getBoundingClientRect();
      const canvas = legend.closest(".chart").querySelector(".canvas").getBoundingClientRect();
      if (bottom > canvas.top + 1 && top < canvas.bottom) found.push("a legend and its chart");
      if (pairs(boxes("li", legend)).length) found.push("names of a legend");
    }
    return found;
  });
  assert.deepEqual(overlaps, []);
  return "numbers, heads and names lie apart";
}

/** The report with its data changed by `change`. */
function edited(file, name, change) {
  const html = readFileSync(file, "utf8");
  const mark = '<script type="application/json" id="report-data">';
  const [before, rest] = html.split(mark);
  const end = rest.indexOf("</script>");
  const data = JSON.parse(rest.slice(0, end));
  change(data);
  const made = join(work, `${name}.html`);
  writeFileSync(made, `${before}${mark}${JSON.stringify(data).replaceAll("<", "\\u003c")}${rest.slice(end)}`);
  return made;
}

/** The report with one chart of each kind, and names that try to be markup. */
function madeUp(file) {
  return edited(file, "made-up", (data) => {
    data.sweep = HOSTILE;
    data.notices.push({ level: "problem", text: HOSTILE });
    data.tables.push({ name: "hostile", title: HOSTILE, columns: [{ name: HOSTILE, kind: "text" }], rows: [{ is_chosen: true, cells: [HOSTILE] }], notes: [HOSTILE] });
    data.tables.push(wide());
    data.charts = charts(data.runs);
  });
}

/** Twenty tasks with long names, and an error of two lines. */
function wide() {
  const names = [...Array(20).keys()].map((at) => `stanford_cars_fine_grained_${190 + at}`);
  const columns = [{ name: "method", kind: "text" }, ...names.map((name) => ({ name, kind: "share" })), { name: "error", kind: "text" }];
  const row = (name) => ({ is_chosen: false, cells: [name, ...names.map((_, at) => ({ value: at / 20, low: null, high: null, best: at === 3 })), "the job failed\n  caused by: two lines"] });
  return { name: "wide", title: "Twenty tasks", columns, rows: [row("zero-shot"), row("a rather long name of a recipe, as people write them")], notes: [] };
}

/** A sweep of which no job has a result. */
function emptied(data) {
  Object.assign(data, { headline: null, charts: [], tables: [], notices: [{ level: "problem", text: "no job of this sweep has a result" }] });
  Object.assign(data.runs, { rows: [], chosen: [], total: 0 });
  Object.assign(data.provenance, { first_ms: null, last_ms: null, inputs: [] });
}

/** A sweep of one result, whose objective has no value. */
function shrunk(data) {
  Object.assign(data, { headline: null, charts: [] });
  const row = data.runs.rows[0].map((cell, at) => (data.runs.columns[at].kind === "share" ? null : cell));
  Object.assign(data.runs, { rows: [row], chosen: [], total: 1 });
}

/** As many rows, lines and points as a page has of a hundred thousand jobs. */
function enlarged(data) {
  const { columns, rows } = data.runs;
  const id = columns.findIndex((column) => column.kind === "id");
  const many = [...Array(5000).keys()].map((at) =>
    rows[at % rows.length].map((cell, column) => {
      if (column === id) return `${at.toString(16).padStart(8, "0")}${String(cell).slice(8)}`;
      return typeof cell === "number" && columns[column].kind !== "count" ? cell * (1 + ((at * 7919) % 1000) / 1e4) : cell;
    }),
  );
  Object.assign(data.runs, { rows: many, total: 100_000, chosen: [0] });
  const axis = (name, unit = "none") => ({ name, unit, scale: "linear" });
  const share = (at, step) => ((at * step) % 997) / 997;
  const [value, worst] = [axis("mean accuracy on validation", "share"), axis("worst task's accuracy on validation", "share")];
  const lines = many.slice(0, 500).map((row, at) => ({ job: row[id], method: "ties", values: [share(at, 7919), share(at, 104_729), at / 500] }));
  const points = [...Array(1500).keys()].map((at) => ({ name: `ties: scaling ${at}`, x: share(at, 7919), y: share(at, 104_729), is_chosen: at === 0, look: 2 }));
  const course = [...Array(2000).keys()].map((at) => [at, share(at, 7919)]);
  const chart = (slug, data) => ({ slug, title: slug, caption: "500 of 100,000 points.", data });
  data.charts = [
    chart("parallel", { kind: "parallel", axes: ["scaling", "density"].map((name) => ({ ...axis(name), words: null })).concat({ ...value, words: null }), lines, total: 100_000 }),
    chart("pareto", { kind: "pareto", x: value, y: worst, points, front: [0, 1], total: 100_000 }),
    chart("best-so-far", { kind: "best_so_far", x: axis("results"), y: value, points: course, best: [[0, 0], [900, 1]], total: 100_000 }),
  ];
}

function charts({ columns, rows }) {
  const axis = (name, unit = "none", scale = "linear") => ({ name, unit, scale });
  const [scaling, value, seconds] = [axis("scaling"), axis(HOSTILE.slice(9, 40), "share"), axis("time", "seconds")];
  const id = columns.findIndex((column) => column.kind === "id");
  const steps = [...Array(10).keys()];
  const curve = steps.map((step) => ({ x: step / 10, y: step / 20, low: step / 20 - 0.05, high: step / 20 + 0.05, n: 3 }));
  const named = steps.map((step) => ({ name: `${HOSTILE} ${step}`, x: step / 10, y: 1 - step / 10, is_chosen: step === 3, look: step }));
  const together = steps.slice(0, 6).map((step) => ({ name: `at one place ${step}`, x: 0.5, y: 0.5, is_chosen: false, look: step }));
  const data = {
    parallel: {
      axes: [{ ...axis("method"), words: [HOSTILE, "ties"] }, { ...axis("rate", "none", "log"), words: null }, { ...value, words: null }],
      lines: rows.slice(0, 40).map((row, at) => ({ job: row[id], method: HOSTILE, values: [at % 2, at % 3 ? (at + 1) / 100 : null, at / 50] })),
      total: 1000,
    },
    curve: { x: scaling, y: value, series: [{ name: HOSTILE, look: 0, points: curve }, { name: "ties", look: 6, points: curve.map((point) => ({ ...point, low: null, high: null })) }] },
    heat_map: { x: scaling, y: axis("density"), value, xs: steps, ys: [0.1, 0.3], cells: [steps.map((step) => step / 10), steps.map((step) => (step ? step / 20 : null))], best: [0, 9] },
    dots: { tasks: [HOSTILE, "mean of tasks"], value, rows: [{ name: HOSTILE, is_chosen: true, look: 0, dots: [{ value: 0.5, low: 0.4, high: 0.6 }, null] }, { name: "given", is_chosen: false, look: 1, dots: [{ value: 0.7, low: null, high: null }, null] }] },
    best_so_far: { x: seconds, y: value, points: steps.map((step) => [step * 60, step / 20]), best: [[0, 0], [540, 0.45]], total: 10 },
    importance: { bars: [{ name: HOSTILE, share: 0.8 }, { name: "density", share: 0 }], r2: null },
    scatter: { x: value, y: value, points: [...named, ...together] },
    pareto: { x: value, y: value, points: named, front: [0, 1, 2], total: 100 },
    time_line: { x: seconds, workers: [{ name: HOSTILE, device: HOSTILE, spans: [[0, 10], [12, 40]] }], jobs: 12 },
  };
  return Object.entries(data).map(([kind, of]) => ({ slug: kind.replace("_", "-"), title: kind, caption: HOSTILE, data: { kind, ...of } }));
}
