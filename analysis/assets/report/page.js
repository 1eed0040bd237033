const report = JSON.parse(document.getElementById("report-data").textContent);

/** What the best row is called: of a sweep that runs, nothing is chosen yet. */
const bestIs = () => (report.headline?.leads ? "leads" : "chosen");

const section = (id, title, ...content) =>
  element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title), ...content);

/** Every section of the page that has something to show, in order. */
function sections() {
  const runs = runTable();
  const brush = runs && ((jobs) => runs.restrict(jobs && ((row) => jobs.has(row.job))));
  const views = report.charts.map((chart) => new ChartView(chart, chart.data.kind === "parallel" ? brush : null));
  const isParallel = (view) => view.chart.data.kind === "parallel";
  const [parallel, others] = [views.filter(isParallel), views.filter((view) => !isParallel(view))];
  const tables = report.tables.filter(saysSomething).map((table) => new DataTable(table).element);
  const made = [summary()];
  if (others.length) made.push(section("charts", "Charts", element("div", { class: "gallery" }, others.map((view) => view.element))));
  if (tables.length) made.push(section("tables", "Tables", tables));
  if (runs) made.push(section("runs", "Runs", parallel.map((view) => view.element), runs.element));
  made.push(provenance());
  return made;
}

/** Whether a table has a value beside the names of its rows: of a sweep that has just begun, many have none. */
function saysSomething({ columns, rows }) {
  return rows.some((row) => row.cells.some((cell, at) => (at > 0 || columns.length === 1) && valueOf(cell) !== null));
}

function runTable() {
  const { columns, rows, chosen, total } = report.runs;
  if (rows.length === 0) return null;
  const isChosen = new Set(chosen);
  const id = columns.findIndex((column) => column.kind === "id");
  const made = rows.map((cells, at) => ({ cells, job: cells[id], is_chosen: isChosen.has(at) }));
  const isSample = rows.length < total;
  const notes = [
    "The best on the selection split come first. Shares are in percent; parameters that are the same in all runs have no column.",
    ...(isSample ? ["Shown are the best runs, those that are drawn, and an even sample of the others; results.parquet and results.csv, which bowline analyze --out writes, have all."] : []),
  ];
  const table = { name: "runs", title: "Every run with its parameters and its scores", columns, rows: made, notes };
  return new DataTable(table, isSample ? `a sample: ${count(rows.length)} of ${count(total)} runs` : "");
}

function summary() {
  const { headline, notices } = report;
  const list = notices.length
    ? element("ul", { class: "notices" }, notices.map((notice) => element("li", { class: `notice ${notice.level}` }, element("strong", {}, `${LEVELS[notice.level]}: `), notice.text)))
    : null;
  if (!headline) return section("summary", "Summary", element("p", { class: "lead" }, "No recipe was chosen: nothing has a value to choose by."), list);
  const lead = element("p", { class: "lead" }, element("strong", { class: "winner" }, headline.name), ` ${headline.leads ? "leads so far" : "was chosen"}: ${headline.why}.`);
  const beaten = headline.beaten ? element("p", { class: "notice warning" }, element("strong", {}, `${LEVELS.warning}: `), `${headline.beaten}.`) : null;
  const tiles = element("div", { class: "tiles" }, headline.splits.map((split) => tile(split, headline.metric)));
  const facts = element("div", { class: "facts" }, tiles, comparison(headline));
  return section("summary", "Summary", lead, beaten, element("div", { class: "split" }, facts, recipe(headline)), list);
}

const LEVELS = { warning: "Warning", problem: "Problem" };

function tile(split, metric) {
  const margin = split.low === null ? null : element("span", { class: "margin" }, `± ${percent((split.high - split.low) / 2)}`);
  return element(
    "div",
    { class: "tile" },
    element("p", { class: "what" }, `${metric} on ${split.name}`),
    element("p", { class: "figure" }, percent(split.value), element("small", {}, " %"), margin),
    element("p", { class: "note" }, [
      split.role,
      `n = ${count(split.n)}`,
      ...(split.low === null ? [] : [interval(split.low, split.high)]),
    ].join(" · ")),
  );
}

function comparison(headline) {
  if (headline.others.length === 0) return null;
  const rows = headline.others.map((other) => ({ is_chosen: false, cells: [other.role, other.name, other.value, other.difference] }));
  const columns = [
    { name: "compared with", kind: "text" },
    { name: "row", kind: "text" },
    { name: `on ${headline.compared_on} (%)`, kind: "share" },
    { name: "ahead by (points)", kind: "difference" },
  ];
  return new DataTable({ name: "headline", title: `the ${headline.leads ? "leader" : "choice"} beside others, by ${headline.metric}`, columns, rows }).element;
}

function recipe({ name, recipe: text }) {
  if (!text) return null;
  const code = element("code", {}, text);
  const status = element("span", { class: "status", role: "status" });
  const button = element("button", { type: "button", class: "copy", onclick: () => copy(text, code, status) }, "Copy");
  return element(
    "div",
    { class: "recipe" },
    element("div", { class: "bar" }, element("h3", {}, `Recipe of ${name}`), status, button),
    element("pre", { tabindex: 0, "aria-label": "The recipe as YAML" }, code),
    element("p", { class: "note" }, "As it stands in a sweep file, and as a file for ", element("code", {}, "bowline merge --recipe"), "."),
  );
}

/** Copies a text; where the page may not, selects it, so that one key is left to press. */
async function copy(text, shown, status) {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = "Copied";
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(shown);
    // The older way works in pages that are files.
    status.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
  }
  setTimeout(() => (status.textContent = ""), 4000);
}

function provenance() {
  const { facts, first_ms: first, last_ms: last, inputs } = report.provenance;
  const dates = first === null ? [] : [["Results from", `${date(first)} to ${date(last)} UTC`]];
  const all = [...facts, ...dates, ["Report by", `bowline ${report.program}`]];
  const list = element("dl", { class: "provenance" }, all.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  return section("provenance", "Provenance", list, inputs.length ? inputTable(inputs) : null);
}

function inputTable(inputs) {
  const columns = [["name", "input", "text"], ["digest", "digest", "id"], ["commit", "commit", "id"], ["place", "place", "text"]]
    .map(([key, name, kind]) => ({ key, name, kind }))
    .filter(({ key }) => inputs.some((input) => input[key] !== null));
  const rows = inputs.map((input) => ({ is_chosen: false, cells: columns.map(({ key }) => input[key]) }));
  const table = new DataTable({ name: "inputs", title: "Inputs and the BLAKE3 digests of their content", columns, rows });
  return element("details", { class: "inputs" }, element("summary", {}, `Inputs and their digests (${count(rows.length)})`), table.element);
}

function header() {
  const choice = (value, text) => element("option", { value, selected: theme.choice === value }, text);
  const toggle = element(
    "select",
    { id: "theme", "aria-label": "Colours", onchange: (event) => theme.choose(event.target.value) },
    choice("auto", "Auto"), choice("light", "Light"), choice("dark", "Dark"),
  );
  return element(
    "header",
    {},
    element("div", { class: "title" }, element("p", { class: "eyebrow" }, "Bowline sweep"), element("h1", {}, report.sweep), element("p", { class: "subtitle" }, report.subtitle)),
    element("label", { class: "theme" }, "Colours ", toggle),
  );
}

theme.begin();
const made = sections();
const links = made.map((part) => element("a", { href: `#${part.id}` }, part.querySelector("h2").textContent));
document.getElementById("page").append(
  header(),
  element("nav", { "aria-label": "Sections" }, links),
  element("main", {}, made),
  element("footer", {}, "This page is whole: it loads nothing and sends nothing. Charts are drawn with Apache ECharts."),
);
