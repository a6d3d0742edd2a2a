// Sorting and filtering of tables. The third click on a header restores the printed order.
// A cell's `data-sort` is its sort key (empty: no value); a header's `data-kind` is text or number.
"use strict";

const LONG_TEXT = 40;

// The sort key of a cell; null without a value.
function sortKey(cell, numeric) {
  const raw = cell.dataset.sort;
  if (raw === "") return null;
  if (!numeric) return raw;
  const number = Number.parseFloat(raw);
  return Number.isNaN(number) ? null : number;
}

// The rows sorted by one column; the sort is stable, and rows without a value come last in both directions.
function sortedRows(rows, column, numeric, direction) {
  const keys = new Map(rows.map((row) => [row, sortKey(row.cells[column], numeric)]));
  return rows.toSorted((one, other) => {
    const [a, b] = [keys.get(one), keys.get(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (numeric ? a - b : a.localeCompare(b));
  });
}

class SortableTable {
  constructor(block) {
    this.body = block.querySelector("tbody");
    this.headers = [...block.querySelector("thead").rows].at(-1).querySelectorAll("th");
    this.rows = [...this.body.rows];
    this.texts = this.rows.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
    this.count = block.querySelector("output");
    this.search = block.querySelector("input[type=search]");
    this.headers.forEach((header, column) => this.addButton(header, column));
    this.search.addEventListener("input", () => this.filter());
    this.fitNarrowWindows(block);
    this.filter();
  }

  addButton(header, column) {
    const button = element("button", { type: "button", title: "Sort by this column" }, ...header.childNodes);
    button.addEventListener("click", () => this.sort(column));
    header.replaceChildren(button);
    header.setAttribute("aria-sort", "none");
  }

  // For narrow windows: long texts wrap, the column of row names stays in view, and keys scroll the box.
  fitNarrowWindows(block) {
    const names = [...this.headers].map((header) => header.textContent);
    const pinned = Math.max(0, names.indexOf("variant"));
    this.headers[pinned]?.classList.add("pinned");
    for (const row of this.rows) {
      row.cells[pinned].classList.add("pinned");
      for (const cell of row.cells) cell.classList.toggle("long", cell.textContent.length > LONG_TEXT);
    }
    const box = block.querySelector(".scroll");
    box.tabIndex = 0;
    fill(box, { role: "region", "aria-labelledby": block.getAttribute("aria-labelledby") }, []);
  }

  // The first click sorts numbers in descending order and texts in ascending order.
  sort(column) {
    const header = this.headers[column];
    const numeric = header.dataset.kind === "number";
    const cycle = numeric ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
    const next = cycle[(cycle.indexOf(header.getAttribute("aria-sort")) + 1) % cycle.length];
    for (const other of this.headers) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", next);
    const direction = next === "ascending" ? 1 : -1;
    this.body.append(...(next === "none" ? this.rows : sortedRows(this.rows, column, numeric, direction)));
  }

  // Shows the rows that contain all words.
  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.rows.forEach((row, index) => (row.hidden = !words.every((word) => this.texts[index].includes(word))));
    const [visible, total] = [this.rows.filter((row) => !row.hidden).length, this.rows.length];
    this.count.textContent = words.length ? `${visible} of ${total} rows` : `${total} rows`;
  }
}

for (const block of document.querySelectorAll(".block:not(#cells)")) new SortableTable(block);
