/**
 * Middles for the labels of points: within `frame` (left, top, right, bottom), clear of every mark and of each other, as
 * near to their points as that allows; where nothing near is free, where they cover least.
 */
function placesOf(points, sizes, frame, mark) {
  const taken = points.map((at) => boxAround(at, [2 * mark, 2 * mark]));
  return points.map((at, index) => {
    let [best, least] = [at, Infinity];
    for (const place of candidatesAround(at, sizes[index], mark)) {
      const label = boxAround(place, sizes[index]);
      const outside = sizes[index][0] * sizes[index][1] - sharedArea(label, frame);
      const covered = taken.reduce((sum, other) => sum + sharedArea(label, other), outside);
      if (covered < least - 1e-6) [best, least] = [place, covered];
      if (covered <= 1e-6) break;
    }
    taken.push(boxAround(best, sizes[index]));
    return best;
  });
}

// Right, left, above, below, then what lies between, in sixteenths of a turn.
const TURNS = [0, 8, 4, 12, 2, 6, 14, 10, 1, 7, 3, 5, 15, 9, 13, 11];

function* candidatesAround([x, y], [width, height], mark) {
  for (let step = 0; step < 10; step += 1) {
    const away = mark + 2 + 5 * step;
    for (const turn of TURNS) {
      const angle = (turn / 16) * 2 * Math.PI;
      yield [x + Math.cos(angle) * (away + width / 2), y - Math.sin(angle) * (away + height / 2)];
    }
  }
}

function boxAround([x, y], [width, height]) {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
}

function sharedArea(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

/** A series that writes the numbers of points, from 1 on, beside them; it places them anew whenever the size changes. */
function numbersBeside(all, colours) {
  const mark = 6;
  return {
    type: "custom",
    silent: true,
    z: 6,
    tooltip: { show: false },
    data: all.map((point) => [point.x, point.y]),
    renderItem(params, api) {
      if (params.dataIndex > 0) return null;
      const { x, y, width, height } = params.coordSys;
      const at = all.map((point) => api.coord([point.x, point.y]));
      const texts = all.map((_, index) => String(index + 1));
      const places = placesOf(at, texts.map((text) => [7.5 * text.length + 3, 13]), [x, y, x + width, y + height], mark);
      const far = ([left, top], index) => Math.hypot(left - at[index][0], top - at[index][1]) > 3 * mark + 3;
      const lines = places.map((place, index) => (far(place, index) ? leader(at[index], place, colours) : null)).filter(Boolean);
      const labels = places.map(([left, top], index) => ({
        type: "text",
        style: { x: left, y: top, text: texts[index], align: "center", verticalAlign: "middle", fontSize: 12, fill: colours.ink, stroke: colours.ground, lineWidth: 3 },
      }));
      return { type: "group", children: [...lines, ...labels] };
    },
  };
}

function leader([x1, y1], [x2, y2], colours) {
  return { type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colours.soft, lineWidth: 1 } };
}
