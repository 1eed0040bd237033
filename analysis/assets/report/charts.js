/** Charts that wait to be drawn: one after the other, so that the page is there before them. */
const waiting = [];

function later(draw) {
  if (waiting.push(draw) === 1) setTimeout(drawNext);
}

function drawNext() {
  try {
    waiting[0]();
  } finally {
    waiting.shift();
    if (waiting.length) setTimeout(drawNext);
  }
}

/** A chart with its caption and its numbers, drawn again whenever colours or width change. */
class ChartView {
  /** `brush`: who is told which jobs the axes of parallel coordinates select; `null` for all. */
  constructor(chart, brush = null) {
    this.chart = chart;
    this.brush = brush;
    this.colours = theme.colours();
    this.canvas = element("div", { class: "canvas", role: "img", "aria-label": `${chart.title}. ${chart.caption}` });
    this.numbers = element("details", { class: "numbers", ontoggle: () => this.#showNumbers() }, element("summary", {}, "Numbers"));
    this.legend = element("div", { class: "names" });
    this.hidden = new Set();
    this.extras = element("div", { class: "extras" });
    this.element = element(
      "figure",
      { id: `chart-${chart.slug}`, class: `chart ${chart.data.kind}` },
      element("h3", {}, chart.title),
      this.legend,
      this.#stage(),
      this.extras,
      element("figcaption", {}, chart.caption),
      this.numbers,
    );
    if (brush) this.extras.append(...this.#ranges());
    this.#prepare();
    theme.listen(() => this.draw());
    new ResizeObserver(() => this.#fit()).observe(this.canvas);
  }

  /** What the canvas lies in. Many axes need more width than a telephone has: they scroll, by keyboard as well. */
  #stage() {
    const { kind, axes } = this.chart.data;
    if (kind !== "parallel") return this.canvas;
    this.canvas.style.minWidth = `${120 + axes.length * 90}px`;
    return element("div", { class: "stage", tabindex: 0, role: "group", "aria-label": this.chart.title }, this.canvas);
  }

  /** What is drawn and named, and the room that it takes. */
  #prepare() {
    const { height, entries = [], toggles, ...option } = DRAWING[this.chart.data.kind](this.chart.data, theme.colours());
    const toggle = toggles ? (name) => this.#toggle(name) : null;
    this.legend.replaceChildren(...(entries.length ? [legendOf(entries, this.hidden, toggle)] : []));
    const selected = Object.fromEntries([...this.hidden].map((name) => [name, false]));
    const legend = toggles ? { legend: { show: false, data: entries.map((entry) => entry.name), selected } } : {};
    this.canvas.style.height = `${height}px`;
    return { ...legend, ...option };
  }

  draw() {
    const option = this.#prepare();
    this.instance?.dispose();
    this.instance = echarts.init(this.canvas, null, { renderer: "svg" });
    this.instance.setOption({ animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...option });
    if (!this.brush) return;
    this.instance.on("axisareaselected", () => this.#tellSelected());
    // Each selection is told of before the next is made, and `wishes` with it.
    [...this.wishes].forEach((wish, axis) => wish && this.#select(axis, wish));
  }

  /** Leaves a series out or takes it in again; tells whether it is left out now. */
  #toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.instance?.dispatchAction({ type: "legendToggleSelect", name });
    return this.hidden.has(name);
  }

  #fit() {
    // Where charts are drawn first their place in the page is not known yet.
    if (!this.instance) later(() => this.instance ?? this.draw());
    else if (this.instance.getWidth() !== this.canvas.clientWidth) this.instance.resize();
  }

  #showNumbers() {
    if (this.numbers.open && this.numbers.children.length === 1) this.numbers.append(new DataTable(numbersOf(this.chart)).element);
  }

  /** What the brush does, for who has no pointer: the ends of a range on each axis. */
  #ranges() {
    const { axes } = this.chart.data;
    this.wishes = axes.map(() => null);
    const field = (axis, index) => {
      if (axis.words) {
        const options = ["any", ...axis.words].map((word, at) => element("option", { value: at - 1 }, word));
        const change = (event) => {
          const at = Number(event.target.value);
          this.#select(index, at < 0 ? null : [at - 0.5, at + 0.5]);
        };
        return element("label", {}, axis.name, element("select", { onchange: change }, options));
      }
      const unit = axis.unit === "share" ? 100 : 1;
      const inputs = ["from", "to"].map((end) => element("input", { type: "number", step: "any", placeholder: end, "aria-label": `${axis.name}, ${end}` }));
      const change = () => {
        const [low, high] = inputs.map((input) => (input.value === "" ? null : Number(input.value) / unit));
        this.#select(index, low === null && high === null ? null : [low ?? -Infinity, high ?? Infinity]);
      };
      inputs.forEach((input) => input.addEventListener("change", change));
      return element("fieldset", {}, element("legend", {}, axis.unit === "share" ? `${axis.name} (%)` : axis.name), inputs);
    };
    const fields = element("div", { class: "fields" }, axes.map(field));
    const hint = element("span", { class: "hint" }, "Drag along an axis to select its lines and their rows in the table below; press on the axis to let go.");
    this.clear = element("button", { type: "button", hidden: true, onclick: () => this.#clear(fields) }, "Clear the selection");
    this.selected = element("span", { class: "status", role: "status" });
    return [element("p", {}, hint, this.clear, this.selected), element("details", {}, element("summary", {}, "Select by numbers"), fields)];
  }

  #select(axis, wish) {
    this.wishes[axis] = wish;
    const values = this.chart.data.lines.map((line) => line.values[axis]).filter((value) => value !== null);
    const [least, most] = extent(values);
    // The whole of an axis that is not asked for is no selection.
    const intervals = wish === null ? [] : [[Math.max(wish[0], least), Math.min(wish[1], most)]];
    this.instance?.dispatchAction({ type: "axisAreaSelect", parallelAxisId: `axis-${axis}`, intervals });
  }

  #clear(fields) {
    for (const field of fields.querySelectorAll("input, select")) field.value = field.tagName === "SELECT" ? "-1" : "";
    this.wishes.forEach((_, axis) => this.#select(axis, null));
  }

  #tellSelected() {
    const model = this.instance.getModel();
    const { lines, axes } = this.chart.data;
    const intervals = axes.map((_, dim) => model.getComponent("parallelAxis", dim).activeIntervals ?? []);
    const hasBrush = intervals.some((of) => of.length > 0);
    const active = hasBrush ? model.getSeriesByIndex(0).getRawIndicesByActiveState("active") : [];
    // What was drawn with the mouse outlives a change of colours.
    intervals.forEach((of, axis) => (this.wishes[axis] = of[0] ?? null));
    this.clear.hidden = !hasBrush;
    this.selected.textContent = hasBrush ? `${count(active.length)} of ${count(lines.length)} lines selected` : "";
    this.brush(hasBrush ? new Set(active.map((at) => lines[at].job)) : null);
  }
}
