/**
 * How each kind of chart is drawn: from its data and the colours to an option of ECharts, with `height` in pixels.
 * Tooltips are elements and never markup.
 */
const DRAWING = {
  curve({ x, y, series }, colours) {
    const isDense = series.some((curve) => curve.points.length > 60);
    const drawn = series.flatMap((curve) => {
      const { color, form, dash } = lookOf(curve.look, colours);
      const line = {
        type: "line",
        name: curve.name,
        data: curve.points.map((point) => [point.x, point.y]),
        color,
        symbol: symbolOf(form),
        showAllSymbol: true,
        symbolSize: isDense ? 3 : 7,
        itemStyle: { color, borderWidth: 0 },
        lineStyle: { width: 2, type: dash },
        tooltip: { formatter: ({ dataIndex }) => curveTip(curve, curve.points[dataIndex], x, y) },
      };
      const hasBand = curve.points.some((point) => point.low !== null && point.high !== null);
      return hasBand ? [line, band(curve, color)] : [line];
    });
    return {
      height: 320,
      entries: series.map((curve) => ({ name: curve.name, look: lookOf(curve.look, colours), isLine: true })),
      toggles: series.length > 1,
      grid: GRID,
      tooltip: tooltip(colours, "item"),
      xAxis: axisOf(x, colours),
      yAxis: upright(y, colours),
      series: drawn,
    };
  },

  heat_map({ x, y, value, xs, ys, cells, best }, colours) {
    const data = cells.flatMap((row, j) => row.map((cell, i) => [i, j, cell])).filter(([, , cell]) => cell !== null);
    const shown = data.map(([, , cell]) => cell);
    const [low, high] = [Math.min(...shown), Math.max(...shown)];
    const isBest = ([i, j]) => best !== null && best[0] === j && best[1] === i;
    const drawn = data.map((cell) => ({
      value: cell,
      itemStyle: isBest(cell) ? { borderColor: colours.ink, borderWidth: 2.5 } : {},
      // Dark letters on the light end of the scale.
      label: { color: (cell[2] - low) / (high - low || 1) > 0.6 ? "#111" : "#fff" },
    }));
    const places = (axis, values) => {
      const shared = axisOf(axis, colours);
      const axisLabel = { ...shared.axisLabel, formatter: undefined };
      return { ...shared, type: "category", data: values.map((of) => (axis.unit === "none" ? short(Number(of.toPrecision(3))) : onAxis(axis, of))), axisLabel, splitLine: { show: false } };
    };
    return {
      height: Math.max(260, 110 + ys.length * 30),
      grid: { ...GRID, bottom: 48 },
      tooltip: tooltip(colours, "item", ({ value: [i, j, cell] }) =>
        tip("", [[x.name, onAxis(x, xs[i])], [y.name, onAxis(y, ys[j])], [value.name, onAxis(value, cell)]]),
      ),
      xAxis: places(x, xs),
      yAxis: places(y, ys),
      visualMap: scaleOf(value, [low, high], VIRIDIS, colours, 2),
      series: [{ type: "heatmap", data: drawn, label: { show: data.length <= 120, formatter: (of) => (value.unit === "share" ? percent : short)(of.value[2]) } }],
    };
  },

  task_pairs({ tasks, columns, rows, value, cells }, colours) {
    const data = cells.flatMap((row, j) => row.map((cell, i) => [i, j, cell])).filter(([, , cell]) => cell !== null);
    const shown = data.map(([, , cell]) => cell);
    const [low, high] = [Math.min(...shown), Math.max(...shown)];
    const drawn = data.map((cell) => ({
      value: cell,
      // Dark letters on the light end of the scale.
      label: { color: (cell[2] - low) / (high - low || 1) > 0.6 ? "#111" : "#fff" },
    }));
    const places = (name) => ({
      type: "category",
      name,
      nameLocation: "middle",
      nameTextStyle: { color: colours.ink },
      data: tasks,
      axisLabel: { color: colours.ink },
      axisLine: { lineStyle: { color: colours.soft } },
      axisTick: { show: false },
      splitLine: { show: false },
    });
    const widest = Math.max(...tasks.map((task) => task.length));
    return {
      height: Math.max(260, 140 + tasks.length * 34),
      grid: { ...GRID, bottom: 48 },
      tooltip: tooltip(colours, "item", ({ value: [i, j, cell] }) =>
        tip("", [[rows, tasks[j]], [columns, tasks[i]], [value.name, onAxis(value, cell)]]),
      ),
      xAxis: { ...places(columns), nameGap: 30 },
      yAxis: { ...places(rows), nameGap: 18 + 7 * widest, inverse: true },
      visualMap: scaleOf(value, [low, high], VIRIDIS, colours, 2),
      series: [{ type: "heatmap", data: drawn, label: { show: data.length <= 120, formatter: (of) => of.value[2].toFixed(2) } }],
    };
  },

  parallel({ axes, lines }, colours) {
    const last = axes.length - 1;
    const values = lines.map((line) => line.values[last]).filter((value) => value !== null);
    const text = (axis) => (value) => tick(value * inUnit(axis)) + (axis.unit === "share" ? " %" : axis.unit === "seconds" ? " s" : "");
    const wordsBefore = axes[0].words ? Math.max(...axes[0].words.flatMap((word) => inLines(word, 18, 2)).map((line) => line.length)) : 0;
    return {
      height: 380,
      tooltip: tooltip(colours, "item", ({ dataIndex }) => {
        const line = lines[dataIndex];
        return tip(line.method, axes.map((axis, index) => [axis.name, onAxis(axis, line.values[index])]));
      }),
      parallel: {
        left: Math.max(40, 16 + 7 * wordsBefore), right: 60, top: 66, bottom: 64,
        parallelAxisDefault: {
          nameTextStyle: { color: colours.ink, fontSize: 12, lineHeight: 15 },
          nameGap: 14,
          // Of many lines all would be drawn again at each step of the pointer.
          realtime: lines.length <= 150,
          axisLine: { lineStyle: { color: colours.soft } },
          axisTick: { lineStyle: { color: colours.soft } },
          axisLabel: { color: colours.ink, textBorderColor: colours.ground, textBorderWidth: 3, hideOverlap: true },
          areaSelectStyle: { width: 18, color: colours.strong, borderColor: colours.strong, opacity: 0.25 },
        },
      },
      parallelAxis: axes.map((axis, dim) => ({
        dim,
        id: `axis-${dim}`,
        name: wrapped(axis.name, 18),
        type: axis.words ? "category" : axis.scale === "log" ? "log" : "value",
        ...(axis.words ? { data: axis.words } : { scale: true }),
        // The words of the first axis stand before it, where no line crosses them.
        axisLabel: axis.words
          ? { formatter: (word) => inLines(word, dim === 0 ? 18 : 14, 2).join("\n"), lineHeight: 13, ...(dim === 0 ? { align: "right", margin: -6 } : {}) }
          : { formatter: text(axis) },
      })),
      visualMap: { ...scaleOf(axes[last], extent(values), colours.lines, colours, last), show: true },
      series: [
        {
          type: "parallel",
          smooth: 0,
          inactiveOpacity: 0.04,
          activeOpacity: 0.9,
          lineStyle: { width: lines.length > 150 ? 1 : 1.5, opacity: lines.length > 150 ? 0.45 : 0.75 },
          emphasis: { lineStyle: { width: 3, opacity: 1 } },
          progressive: 0,
          data: lines.map((line) => line.values.map((value) => value ?? "-")),
        },
      ],
    };
  },

  dots({ tasks, value, rows }, colours) {
    // Many tasks have less room each.
    const gap = Math.max(tasks.length > 10 ? 6 : 7, Math.min(12, 72 / rows.length));
    return {
      height: 66 + tasks.length * Math.max(34, rows.length * gap + 14),
      entries: rows.map((row) => ({ name: row.name, look: lookOf(row.look, colours), note: row.is_chosen ? bestIs() : null })),
      toggles: true,
      grid: GRID,
      tooltip: tooltip(colours, "item"),
      xAxis: axisOf(value, colours),
      yAxis: {
        type: "category",
        data: tasks,
        inverse: true,
        axisLabel: { color: colours.ink, lineHeight: 14, formatter: (task) => inLines(task, 20, 2).join("\n") },
        axisLine: { show: false },
        axisTick: { show: false },
        splitLine: { show: true, lineStyle: { color: colours.line } },
      },
      series: rows.map((row, index) => dotsOf(row, index, rows.length, gap, { tasks, value }, colours)),
    };
  },

  best_so_far({ x, y, points: all, best }, colours) {
    return {
      height: 320,
      entries: [
        { name: "best so far", look: { color: PALETTE[1], form: "circle" }, isLine: true },
        { name: "single result", look: { color: GREY, form: "circle" } },
      ],
      toggles: true,
      grid: GRID,
      tooltip: tooltip(colours, "item", ({ value: [at, value] }) => tip("", [[x.name, onAxis(x, at)], [y.name, onAxis(y, value)]])),
      xAxis: axisOf(x, colours, extent([...all, ...best].map(([at]) => at))[1]),
      yAxis: upright(y, colours),
      series: [
        { type: "scatter", name: "single result", data: all, color: GREY, symbolSize: all.length > 300 ? 4 : 6, itemStyle: { opacity: 0.7 } },
        // Dots where it changed, and none at the end.
        { type: "line", name: "best so far", data: best, step: "end", color: PALETTE[1], symbol: "circle", showAllSymbol: true, symbolSize: ([, value], { dataIndex: at }) => (at > 0 && value === best[at - 1][1] ? 0 : 5), itemStyle: { borderWidth: 0, color: PALETTE[1] }, lineStyle: { width: 2 } },
      ],
    };
  },

  importance({ bars }, colours) {
    const axis = { name: "share of the variance", unit: "share", scale: "linear" };
    return {
      height: 90 + bars.length * 34,
      grid: { ...GRID, right: 48 },
      tooltip: tooltip(colours, "item", ({ dataIndex }) => tip(bars[dataIndex].name, [[axis.name, onAxis(axis, bars[dataIndex].share)]])),
      xAxis: { ...axisOf(axis, colours), min: 0 },
      yAxis: {
        type: "category",
        data: bars.map((bar) => bar.name),
        inverse: true,
        axisLabel: { color: colours.ink, lineHeight: 14, formatter: (name) => inLines(name, 20, 2).join("\n") },
        axisLine: { lineStyle: { color: colours.soft } },
        axisTick: { show: false },
      },
      series: [
        {
          type: "bar",
          data: bars.map((bar) => bar.share),
          color: PALETTE[0],
          barMaxWidth: 18,
          label: { show: true, position: "right", color: colours.ink, formatter: (of) => onAxis(axis, of.value) },
        },
      ],
    };
  },

  scatter({ x, y, points: all }, colours) {
    const [xs, ys] = [extent(all.map((point) => point.x)), extent(all.map((point) => point.y))];
    const [low, high] = [Math.max(xs[0], ys[0]), Math.min(xs[1], ys[1])];
    // Equal values have a line only where both axes have them.
    const diagonal = { type: "line", data: low < high ? [[low, low], [high, high]] : [], symbol: "none", silent: true, lineStyle: { color: colours.soft, type: "dashed", width: 1 }, tooltip: { show: false } };
    const looks = all.map((point) => lookOf(point.look, colours));
    return {
      ...named({ x, y, all }, colours),
      entries: all.map((point, at) => ({ name: `${at + 1} ${point.name}`, look: looks[at], note: point.is_chosen ? bestIs() : null })),
      series: [diagonal, ...barsOf(all, looks), dotsNamed(all, colours, (_, at) => ({ ...looks[at], size: 12 })), numbersBeside(all, colours)],
    };
  },

  pareto({ x, y, points: all, front }, colours) {
    const line = { type: "line", name: "front", data: front.map((at) => [all[at].x, all[at].y]), symbol: "none", silent: true, color: PALETTE[1], lineStyle: { width: 1.5 }, tooltip: { show: false } };
    const isInFront = new Set(front);
    const inFront = all.filter((_, at) => isInFront.has(at));
    const others = all.filter((_, at) => !isInFront.has(at));
    const chosen = all.filter((point) => point.is_chosen);
    const [frontLook, otherLook] = [{ color: PALETTE[1], form: "diamond", size: 8 }, { color: GREY, form: "circle", size: all.length > 300 ? 5 : 7 }];
    return {
      ...named({ x, y, all }, colours),
      entries: [
        { name: "front", look: frontLook, isLine: front.length > 1 },
        { name: "other point", look: otherLook },
        ...chosen.slice(0, 1).map((point) => ({ name: `${bestIs()}: ${point.name}`, look: { color: PALETTE[0], form: "rect", isFrame: true } })),
      ],
      series: [dotsNamed(others, colours, () => otherLook), line, dotsNamed(inFront, colours, () => frontLook), framed(chosen)],
    };
  },

  time_line({ x, workers }, colours) {
    const data = workers.flatMap((worker, index) => worker.spans.map(([begin, end]) => [begin, end, index]));
    return {
      height: 90 + workers.length * 30,
      grid: GRID,
      tooltip: tooltip(colours, "item", ({ value: [begin, end, index] }) =>
        tip(workers[index].name, [["device", workers[index].device], ["from", duration(begin)], ["for", duration(end - begin)]]),
      ),
      xAxis: { ...axisOf(x, colours, extent(data.map(([, end]) => end))[1]), min: 0 },
      yAxis: {
        type: "category",
        data: workers.map((worker) => worker.name),
        inverse: true,
        axisLabel: { color: colours.ink, formatter: (name) => cut(name, 22) },
        axisLine: { lineStyle: { color: colours.soft } },
        axisTick: { show: false },
      },
      series: [{ type: "custom", data, color: PALETTE[0], encode: { x: [0, 1], y: 2 }, renderItem: spanItem }],
    };
  },
};

function tooltip(colours, trigger, formatter) {
  return {
    trigger,
    formatter,
    confine: true,
    backgroundColor: colours.ground,
    borderColor: colours.line,
    textStyle: { color: colours.ink, fontSize: 13 },
    transitionDuration: 0,
  };
}

/** What a tooltip says: a head, and names with their values. */
function tip(head, lines) {
  const pairs = lines.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return element("div", { class: "tip" }, head ? element("strong", {}, cut(head, 80)) : null, element("dl", {}, pairs.flat()));
}

function curveTip(curve, point, x, y) {
  const band = point.low === null || point.high === null ? [] : [["band", `${onAxis(y, point.low)} to ${onAxis(y, point.high)}`]];
  return tip(curve.name, [[x.name, onAxis(x, point.x)], [y.name, onAxis(y, point.y)], ...band, ["evaluations", count(point.n)]]);
}

/** The band of a curve: one polygon, up along its upper ends and back along the lower ones. */
function band(curve, color) {
  const points = curve.points.filter((point) => point.low !== null && point.high !== null);
  return {
    type: "custom",
    name: curve.name,
    silent: true,
    color,
    clip: true,
    tooltip: { show: false },
    data: points.flatMap((point) => [[point.x, point.low], [point.x, point.high]]),
    renderItem(params, api) {
      if (params.dataIndex > 0) return null;
      const upper = points.map((point) => api.coord([point.x, point.high]));
      const lower = points.map((point) => api.coord([point.x, point.low])).reverse();
      return { type: "polygon", shape: { points: [...upper, ...lower] }, style: { fill: color, opacity: 0.15 } };
    },
  };
}

/** The dots of a row with their intervals, beside those of the other rows. */
function dotsOf(row, index, rows, gap, { tasks, value }, colours) {
  const { color, form } = lookOf(row.look, colours);
  const known = row.dots.map((dot, at) => (dot === null ? null : { dot, at })).filter(Boolean);
  return {
    type: "custom",
    name: row.name,
    color,
    data: known.map(({ dot, at }) => [dot.value, at, dot.low ?? dot.value, dot.high ?? dot.value]),
    encode: { x: [0, 2, 3], y: 1 },
    tooltip: {
      formatter({ dataIndex }) {
        const { dot, at } = known[dataIndex];
        const range = dot.low === null || dot.high === null ? [] : [["95 % interval", `${percent(dot.low)} to ${percent(dot.high)} %`]];
        return tip(row.name, [[tasks[at], onAxis(value, dot.value)], ...range]);
      },
    },
    renderItem(_, api) {
      const [x, middle] = api.coord([api.value(0), api.value(1)]);
      const [[low], [high]] = [api.coord([api.value(2), 0]), api.coord([api.value(3), 0])];
      const y = middle + (index - (rows - 1) / 2) * gap;
      const size = (row.is_chosen ? 1 : 0) + (gap < 7 ? 3 : 4);
      return {
        type: "group",
        children: [
          { type: "line", shape: { x1: low, x2: high, y1: y, y2: y }, style: { stroke: color, lineWidth: row.is_chosen ? 2.5 : 1.5, opacity: 0.7 } },
          mark(form, x, y, size, color),
        ],
      };
    },
  };
}

function mark(form, x, y, size, fill) {
  const style = { fill };
  const corners = cornersOf(form, x, y, size);
  if (corners) return { type: "polygon", shape: { points: corners }, style };
  return { type: "circle", shape: { cx: x, cy: y, r: size }, style };
}

function spanItem(_, api) {
  const [begin, y] = api.coord([api.value(0), api.value(2)]);
  const [end] = api.coord([api.value(1), api.value(2)]);
  const height = Math.min(18, api.size([0, 1])[1] * 0.6);
  return {
    type: "rect",
    shape: { x: begin, y: y - height / 2, width: Math.max(1, end - begin), height },
    style: { fill: api.visual("color") },
  };
}

/** The names of all points where one is: the others lie below it. */
function together(all, { value: [x, y] }) {
  const names = all.filter((point) => point.x === x && point.y === y).map((point) => point.name);
  return names.slice(0, 6).join(" · ") + (names.length > 6 ? ` and ${names.length - 6} more` : "");
}

/** What charts of points with names share. */
function named({ x, y, all }, colours) {
  return {
    height: 320,
    grid: GRID,
    tooltip: tooltip(colours, "item", ({ data }) => tip(together(all, data), [[x.name, onAxis(x, data.value[0])], [y.name, onAxis(y, data.value[1])]])),
    // No point lies on the edge.
    xAxis: { ...axisOf(x, colours), boundaryGap: ["4%", "4%"] },
    yAxis: { ...upright(y, colours), boundaryGap: ["4%", "4%"] },
  };
}

/** More bars would hide the points; the caption tells of bars by the same number. */
const MOST_BARS = 12;

/** The 95 % intervals of points along both axes, as thin lines. */
function barsOf(all, looks) {
  if (all.length > MOST_BARS || !all.some((point) => point.x_interval || point.y_interval)) return [];
  const ends = (interval, value) => interval ?? [value, value];
  const line = (from, to, stroke) => ({ type: "line", shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] }, style: { stroke, lineWidth: 1, opacity: 0.55 } });
  return [
    {
      type: "custom",
      silent: true,
      z: 1,
      tooltip: { show: false },
      data: all.map((point) => [...ends(point.x_interval, point.x), ...ends(point.y_interval, point.y)]),
      encode: { x: [0, 1], y: [2, 3] },
      renderItem({ dataIndex }, api) {
        const { x, y } = all[dataIndex];
        const [left, right, low, high] = [0, 1, 2, 3].map((at) => api.value(at));
        const { color } = looks[dataIndex];
        return { type: "group", children: [line(api.coord([left, y]), api.coord([right, y]), color), line(api.coord([x, low]), api.coord([x, high]), color)] };
      },
    },
  ];
}

/** Points that look as `look` says, with an edge that tells apart those that lie on each other. */
function dotsNamed(all, colours, look) {
  const data = all.map((point, at) => {
    const { color, form, size } = look(point, at);
    return { name: point.name, value: [point.x, point.y], symbol: symbolOf(form), symbolSize: size, itemStyle: { color } };
  });
  return { type: "scatter", data, itemStyle: { opacity: 0.9, borderColor: colours.ground, borderWidth: all.length > 300 ? 0 : 1 } };
}

/** A frame around points, which shows what is below it. */
function framed(all) {
  const data = all.map((point) => ({ name: point.name, value: [point.x, point.y] }));
  return { type: "scatter", data, silent: true, z: 5, symbol: "rect", symbolSize: 15, itemStyle: { color: "transparent", borderColor: PALETTE[0], borderWidth: 2.5 } };
}

function extent(values) {
  return [Math.min(...values), Math.max(...values)];
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** `text` in at most `lines` lines of at most `most` letters, broken behind what joins its words where it can be. */
function inLines(text, most, lines) {
  const broken = [];
  let rest = text.trim();
  while (broken.length + 1 < lines && rest.length > most) {
    const joint = Math.max(...["_", "-", ".", "/", " "].map((sign) => rest.slice(0, most).lastIndexOf(sign))) + 1;
    const end = joint > most / 3 ? joint : most;
    broken.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return [...broken, cut(rest, most)];
}

/** The text in lines of about so many letters. */
function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line && line.length + word.length >= most) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join("\n");
}
