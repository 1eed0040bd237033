"use strict";

/**
 * Makes an element. Children that are no nodes become text and never markup: what a sweep, task or error is called is
 * shown as it is, whatever it looks like.
 */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** The same of an element of SVG. */
function drawnElement(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

const MINUS = "\u2212";
const DASH = "\u2013";

/** A number with its minus; what is rounded to nothing has none. */
function signed(text) {
  if (!text.startsWith("-")) return text;
  return Number(text) === 0 ? text.slice(1) : MINUS + text.slice(1);
}

function percent(share) {
  return signed((share * 100).toFixed(1));
}

/** A difference of shares in percentage points, with its sign. */
function points(difference) {
  const text = percent(difference);
  return difference > 0 && text !== "0.0" ? `+${text}` : text;
}

function count(number) {
  return Math.round(number).toLocaleString("en-US");
}

/** A number with at most four digits that count. */
function short(number) {
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return signed(number.toExponential(1));
  return signed(String(Number(number.toPrecision(4))));
}

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Milliseconds since 1970 as a date in UTC. */
function date(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ");
}

/** The text of a number of a kind of column. */
const SHOWN = { share: percent, difference: points, count, seconds: duration, number: short, time: date };

/** The text of a value along an axis. */
function onAxis(axis, value) {
  if (value === null || value === undefined) return "n/a";
  if (axis.words) return axis.words[value] ?? "n/a";
  if (axis.unit === "share") return `${percent(value)} %`;
  return axis.unit === "seconds" ? duration(value) : short(value);
}

function interval(low, high) {
  return `95 % interval ${percent(low)} to ${percent(high)}`;
}
