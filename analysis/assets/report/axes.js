// The outer bounds: titles and labels of axes lie within.
const GRID = { left: 4, right: 14, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "all" };

/** `most`: the end of an axis of seconds, for ticks at whole minutes or hours. */
function axisOf(axis, colours, most) {
  const step = axis.unit === "seconds" && axis.scale !== "log" && most ? TICKS.find((step) => most / step <= 8) : undefined;
  return {
    type: axis.scale === "log" ? "log" : "value",
    name: axis.name + unitOf(axis, step),
    nameLocation: "middle",
    nameGap: 26,
    nameTextStyle: { color: colours.ink, fontSize: 12 },
    scale: true,
    ...(step ? { interval: step, min: 0, max: Math.ceil(most / step) * step } : {}),
    axisLabel: { color: colours.soft, hideOverlap: true, formatter: (value) => tick(value * inUnit(axis, step)) },
    axisLine: { show: true, lineStyle: { color: colours.soft } },
    axisTick: { lineStyle: { color: colours.soft } },
    splitLine: { lineStyle: { color: colours.line } },
  };
}

/** A vertical axis: its name is broken where the chart is not high enough for it. */
function upright(axis, colours) {
  const made = axisOf(axis, colours);
  return { ...made, name: wrapped(made.name, 44), nameGap: 16, nameTextStyle: { ...made.nameTextStyle, lineHeight: 15 } };
}

/** The number at a tick, which is round: digits that were left out would make even steps look uneven. */
function tick(number) {
  return signed(String(Number(number.toPrecision(10))));
}

/** Steps between ticks, in seconds. */
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1200, 3600, 7200, 14400, 43200, 86400, 604800];

function unitOf(axis, step) {
  if (axis.unit === "share") return " (%)";
  if (axis.unit !== "seconds") return "";
  return step >= 3600 ? " (h)" : step >= 60 ? " (min)" : " (s)";
}

/** What a value is multiplied by for its ticks. */
function inUnit(axis, step) {
  if (axis.unit === "share") return 100;
  if (axis.unit !== "seconds") return 1;
  return step >= 3600 ? 1 / 3600 : step >= 60 ? 1 / 60 : 1;
}

function scaleOf(axis, [min, max], colors, colours, dimension) {
  return {
    type: "continuous",
    dimension,
    min,
    max: max > min ? max : min + 1e-9,
    inRange: { color: colors },
    orient: "horizontal",
    left: "center",
    bottom: 4,
    itemWidth: 12,
    itemHeight: 160,
    hoverLink: false,
    text: [onAxis(axis, max), onAxis(axis, min)],
    textStyle: { color: colours.soft },
  };
}
