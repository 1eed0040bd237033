/** Whether there is as little room as on a telephone: the style sheet then sets the cells of a row below its name. */
const NARROW = matchMedia("(max-width: 40rem)");
/** Rows that are shown at once. */
const PAGE = NARROW.matches ? 10 : 25;
/** More notes are shown on request. */
const NOTES = 4;
/** Tables of fewer rows need no filter. */
const FILTERED = 8;

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** A table that can be sorted by its heads and filtered by a text. */
class DataTable {
  /**
   * `table`: `name`, `title`, `columns` (`name`, `kind`, `is_brief`), `rows` (`cells`, `is_chosen`), `notes`.
   * `note`: what stands beside the filter, such as how many rows the table is a sample of.
   */
  constructor(table, note = "") {
    this.table = table;
    this.note = note;
    this.none = note ? "no such rows in the sample" : "no such rows";
    this.order = null;
    this.restriction = null;
    this.page = 0;
    this.body = element("tbody");
    this.heads = table.columns.map((column, index) => this.#head(column, index));
    this.filter = element("input", {
      type: "search",
      placeholder: "Filter: words, or column>0.5",
      "aria-label": `Filter the rows of: ${table.title}`,
      oninput: () => this.#turnTo(0),
    });
    this.status = element("span", { class: "status", role: "status" });
    this.pages = element("div", { class: "pages" });
    const caption = element("caption", {}, element("span", {}, sentence(table.title)));
    const grid = element("table", { class: table.columns.length > 10 ? "wide" : null }, caption, element("thead", {}, element("tr", {}, this.heads)), this.body);
    const tools = element("div", { class: "tools" }, this.filter, this.status);
    tools.hidden = table.rows.length < FILTERED && !note;
    // A region that scrolls has to be reachable by keyboard.
    this.scroll = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.title, onscroll: () => this.#tellScroll() }, grid);
    this.more = element("p", { class: "hint more", hidden: true }, "More columns: scroll sideways \u2192");
    this.element = element("div", { class: "table", id: `table-${table.name}` }, tools, this.more, this.scroll, this.pages, notesOf(table.notes ?? []));
    this.show();
    new ResizeObserver(() => this.#tellScroll()).observe(this.scroll);
  }

  /** Shows only the rows that `is_wanted`, or all if it is `null`. */
  restrict(isWanted) {
    this.restriction = isWanted;
    this.#turnTo(0);
  }

  /** The rows that pass the filter and the restriction, sorted. */
  rows() {
    const isWanted = filterOf(this.filter.value, this.table.columns);
    const rows = this.table.rows.filter((row) => isWanted(row) && (!this.restriction || this.restriction(row)));
    return this.order ? rows.sort((one, other) => this.#compare(one, other)) : rows;
  }

  show() {
    const rows = this.rows();
    const first = this.page * PAGE;
    const { columns } = this.table;
    this.body.replaceChildren(...rows.slice(first, first + PAGE).map((row) => rowOf(row, columns)));
    if (rows.length === 0) {
      this.body.append(element("tr", {}, element("td", { colspan: columns.length, class: "none" }, this.none)));
    }
    const all = this.table.rows.length;
    this.status.textContent = [rows.length < all ? `${count(rows.length)} of ${count(all)} rows` : `${count(all)} rows`, this.note]
      .filter(Boolean)
      .join(" · ");
    this.#showPages(rows.length);
    for (const [index, head] of this.heads.entries()) {
      const isSorted = this.order?.column === index;
      head.setAttribute("aria-sort", isSorted ? (this.order.sign > 0 ? "ascending" : "descending") : "none");
    }
  }

  /** Says that there are columns beyond the edge, until the last of them is seen. */
  #tellScroll() {
    const { scrollWidth, clientWidth, scrollLeft } = this.scroll;
    this.more.hidden = scrollWidth <= clientWidth + 1;
    this.scroll.classList.toggle("goes-on", scrollLeft + clientWidth < scrollWidth - 1);
  }

  #head(column, index) {
    const button = element("button", { type: "button", onclick: () => this.#sort(index) }, breakable(column.name));
    return element("th", { scope: "col", class: isText(column) ? "" : "number", "aria-sort": "none" }, button);
  }

  /** Numbers begin with the largest, words with the first letter; the third press brings the first order back. */
  #sort(column) {
    const begin = isText(this.table.columns[column]) ? 1 : -1;
    if (this.order?.column !== column) this.order = { column, sign: begin };
    else this.order = this.order.sign === begin ? { column, sign: -begin } : null;
    this.#turnTo(0);
  }

  /** What does not exist comes last, whichever way. */
  #compare(one, other) {
    const { column, sign } = this.order;
    const [a, b] = [valueOf(one.cells[column]), valueOf(other.cells[column])];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : COLLATOR.compare(String(a), String(b)));
  }

  #turnTo(page) {
    this.page = page;
    this.show();
  }

  #showPages(rows) {
    const last = Math.max(0, Math.ceil(rows / PAGE) - 1);
    this.pages.hidden = last === 0;
    const turn = (text, page) =>
      element("button", { type: "button", disabled: page < 0 || page > last, onclick: () => this.#turnTo(page) }, text);
    const first = this.page * PAGE;
    const shown = `${count(first + 1)}${DASH}${count(Math.min(rows, first + PAGE))} of ${count(rows)}`;
    // The button that was pressed is made anew; who uses the keyboard stays on it.
    const pressed = [...this.pages.children].indexOf(document.activeElement);
    this.pages.replaceChildren(turn("Previous", this.page - 1), element("span", {}, shown), turn("Next", this.page + 1));
    if (pressed >= 0) (this.pages.children[pressed].disabled ? this.pages.children[2 - pressed] : this.pages.children[pressed]).focus();
  }
}

/** The notes below a table; those of large sweeps, of which each search has one, open on request. */
function notesOf(notes) {
  const paragraphs = notes.map((text) => element("p", { class: "note" }, text));
  if (paragraphs.length <= NOTES + 1) return paragraphs;
  const rest = paragraphs.splice(NOTES);
  return [...paragraphs, element("details", {}, element("summary", {}, `${count(rest.length)} more notes`), rest)];
}

/** A title as a sentence begins; a name with signs in it stays as it is. */
function sentence(title) {
  return /^[a-z]+(?=[ ,:]|$)/.test(title) ? title[0].toUpperCase() + title.slice(1) : title;
}

/** A name that may be broken behind what joins its words. */
function breakable(name) {
  return name.split(/(?<=[_.\-/])/).flatMap((part, at) => (at ? [element("wbr"), part] : [part]));
}

function isText(column) {
  return column.kind === "text" || column.kind === "id";
}

/** What a cell is compared by. */
function valueOf(cell) {
  return cell !== null && typeof cell === "object" ? cell.value : cell;
}

function textOf(cell, kind) {
  const value = valueOf(cell);
  if (value === null) return DASH;
  return typeof value === "number" ? (SHOWN[kind] ?? short)(value) : value;
}

function rowOf(row, columns) {
  const cells = columns.map((column, index) => {
    const cell = row.cells[index];
    const content = contentOf(cell, column);
    const isLong = typeof cell === "string" && (cell.length > 36 || cell.includes("\n")) && column.kind !== "id";
    const width = !isText(column) ? "number" : isLong ? "long" : "short";
    const kind = valueOf(cell) === null ? `${width} empty` : width;
    // Where there is little room, the name of the column stands above its value.
    if (index > 0) return element("td", { class: kind, "data-column": column.name }, content);
    const chosen = row.is_chosen ? element("span", { class: "badge" }, bestIs()) : null;
    return element("th", { scope: "row", class: kind }, content, chosen);
  });
  return element("tr", { class: row.is_chosen ? "chosen" : null }, cells);
}

function contentOf(cell, column) {
  const text = textOf(cell, column.kind);
  // Ids are told by their beginnings, and kept whole for who copies them.
  if (column.kind === "id" && cell !== null) return element("code", { title: text }, text.slice(0, 10));
  if (cell === null || typeof cell !== "object") return text;
  const has = typeof cell.low === "number" && typeof cell.high === "number";
  const value = element(cell.best ? "strong" : "span", { title: has ? interval(cell.low, cell.high) : null }, text);
  const best = cell.best ? element("span", { class: "hidden" }, " (best)") : null;
  const margin = has && !column.is_brief ? element("span", { class: "margin" }, `± ${percent((cell.high - cell.low) / 2)}`) : null;
  return [value, best, margin];
}

/**
 * What a text in the filter asks for: all of its words, anywhere in the row; `column>0.5` compares the numbers of a
 * column as they are shown.
 */
function filterOf(text, columns) {
  const wishes = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map((word) => wishOf(word, columns));
  return (row) => wishes.every((isGranted) => isGranted(row));
}

const COMPARED = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => Math.abs(a - b) < 1e-9,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** All that a row shows, kept for the next letter that is typed. */
function wordsOf(row, columns) {
  row.words ??= row.cells.map((cell, at) => textOf(cell, columns[at].kind)).join("\n").toLowerCase();
  return row.words;
}

function wishOf(word, columns) {
  const [, name, sign, limit] = word.match(/^([^<>=]+)(<=|>=|<|>|=)(-?[\d.]+)$/) ?? [];
  const index = columns.findIndex((column) => column.name.toLowerCase().replaceAll(" ", "_") === name || column.name.toLowerCase() === name);
  if (index < 0) {
    return (row) => wordsOf(row, columns).includes(word);
  }
  const unit = ["share", "difference"].includes(columns[index].kind) ? 100 : 1;
  return (row) => {
    const value = valueOf(row.cells[index]);
    return typeof value === "number" && COMPARED[sign](value * unit, Number(limit));
  };
}
