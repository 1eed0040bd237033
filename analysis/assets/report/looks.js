const FORMS = ["circle", "rect", "triangle", "diamond", "down"];
const DASHES = ["solid", [8, 5], [2, 4], [9, 5, 2, 5]];

/** How the series at a place looks: as in the charts that are files, in colour and in forms that remain without it. */
function lookOf(place, colours) {
  return {
    color: PALETTE[place % (PALETTE.length + 1)] ?? colours.ink,
    form: FORMS[place % FORMS.length],
    dash: DASHES[place % DASHES.length],
  };
}

/** The form as the drawing library calls it. */
function symbolOf(form) {
  return form === "down" ? "path://M0,0L20,0L10,18Z" : form;
}

/** The corners of a form around a point; a circle has none. */
function cornersOf(form, x, y, size) {
  return {
    diamond: [[x, y - size * 1.3], [x + size * 1.3, y], [x, y + size * 1.3], [x - size * 1.3, y]],
    triangle: [[x, y - size * 1.2], [x + size * 1.1, y + size * 0.9], [x - size * 1.1, y + size * 0.9]],
    down: [[x, y + size * 1.2], [x + size * 1.1, y - size * 0.9], [x - size * 1.1, y - size * 0.9]],
    rect: [[x - size, y - size], [x + size, y - size], [x + size, y + size], [x - size, y + size]],
  }[form];
}

/**
 * The names of what a chart shows, below its title: they wrap, so none is cut and none lies over the data.
 * `entries`: `name`, `look`, `isLine`, `note`. `onToggle` is told which name is pressed; without it nothing can be.
 */
function legendOf(entries, hidden, onToggle) {
  const item = ({ name, look, isLine, note }) => {
    const content = [sampleOf(look, isLine), element("span", {}, name), note ? element("span", { class: "note" }, ` (${note})`) : null];
    if (!onToggle) return element("li", {}, content);
    const press = (event) => {
      const isHidden = onToggle(name);
      event.currentTarget.setAttribute("aria-pressed", String(!isHidden));
    };
    return element("li", {}, element("button", { type: "button", "aria-pressed": String(!hidden.has(name)), onclick: press }, content));
  };
  return element("ul", { class: "legend", "aria-label": "Legend" }, entries.map(item));
}

/** A small drawing of a look. */
function sampleOf({ color, form, dash, isFrame }, isLine) {
  const paint = isFrame ? { fill: "none", stroke: color, "stroke-width": 2.5 } : { fill: color };
  const corners = cornersOf(form, 0, 0, 5);
  const shape = corners
    ? drawnElement("polygon", { points: corners.map((corner) => corner.join(",")).join(" "), ...paint })
    : drawnElement("circle", { r: 5, ...paint });
  const dashes = Array.isArray(dash) ? dash.map((part) => part * 0.8).join(" ") : null;
  const line = isLine ? drawnElement("line", { x1: -14, x2: 14, stroke: color, "stroke-width": 2, "stroke-dasharray": dashes }) : null;
  const half = isLine ? 14 : 8;
  return drawnElement("svg", { viewBox: `${-half} -8 ${2 * half} 16`, width: 2 * half, height: 16, "aria-hidden": "true" }, line, shape);
}
