/** The numbers behind a chart as a table, for who cannot see it or wants to copy them. */
function numbersOf({ slug, title, data }) {
  const kind = (axis) => (axis.unit === "share" ? "share" : axis.unit === "seconds" ? "seconds" : "number");
  const text = (name) => ({ name, kind: "text" });
  const of = (axis) => ({ name: axis.name, kind: kind(axis) });
  const measured = ({ value, low, high }) => ({ value, low, high, best: false });
  const within = (value, interval) => (interval ? measured({ value, low: interval[0], high: interval[1] }) : value);
  const tables = {
    curve: ({ x, y, series }) => [
      [text("curve"), of(x), of(y), { name: "evaluations", kind: "count" }],
      series.flatMap((curve) => curve.points.map((point) => [curve.name, point.x, point.y, point.n])),
    ],
    heat_map: ({ x, y, value, xs, ys, cells }) => [
      [of(x), of(y), of(value)],
      cells.flatMap((row, j) => row.map((cell, i) => [xs[i], ys[j], cell])),
    ],
    task_pairs: ({ tasks, columns, rows, value, cells }) => [
      [text(rows), text(columns), of(value)],
      cells.flatMap((row, j) => row.map((cell, i) => [tasks[j], tasks[i], cell])),
    ],
    parallel: ({ axes, lines }) => [
      axes.map((axis) => ({ name: axis.name, kind: axis.words ? "text" : kind(axis) })),
      lines.map((line) => axes.map((axis, at) => (axis.words ? (axis.words[line.values[at]] ?? null) : line.values[at]))),
    ],
    dots: ({ tasks, rows }) => [
      [text("row"), ...tasks.map((task) => ({ name: task, kind: "share" }))],
      rows.map((row) => [row.name, ...row.dots.map((dot) => dot && measured(dot))]),
    ],
    best_so_far: ({ x, y, best }) => [[of(x), { ...of(y), name: "best so far" }], best],
    importance: ({ bars }) => [[text("parameter"), { name: "share of the variance", kind: "share" }], bars.map((bar) => [bar.name, bar.share])],
    scatter: ({ x, y, points: all }) => [[text("name"), of(x), of(y)], all.map((point) => [point.name, within(point.x, point.x_interval), within(point.y, point.y_interval)])],
    pareto: ({ x, y, points: all }) => [[text("name"), of(x), of(y)], all.map((point) => [point.name, point.x, point.y])],
    time_line: ({ workers }) => [
      [text("worker"), text("device"), { name: "from", kind: "seconds" }, { name: "to", kind: "seconds" }],
      workers.flatMap((worker) => worker.spans.map(([begin, end]) => [worker.name, worker.device, begin, end])),
    ],
  };
  const [columns, cells] = tables[data.kind](data);
  return { name: `numbers-${slug}`, title, columns, rows: cells.map((row) => ({ cells: row, is_chosen: false })) };
}
