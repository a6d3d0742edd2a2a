// The table of all cells, and the dialog with the details of one cell, from the JSON that is embedded in the page.
"use strict";

const { columns, metrics, cells, settings, environments, tracebacks } = JSON.parse(document.getElementById("data").textContent);
const MISSING = "—";
// The values of a point. Digits after the point; an epoch is printed without rounding.
const VALUES = ["epoch", ...metrics.map(({ name }) => name), "margin"];
const DIGITS = { margin: 2, loss: 3, ...Object.fromEntries(metrics.map(({ name, digits }) => [name, digits])) };

function format(value, digits = null) {
  if (value === null || value === "") return MISSING;
  if (typeof value === "number" && digits !== null) return value.toFixed(digits);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function cellRow(cell, index) {
  const row = element("tr", { class: cell.status });
  for (const { key, kind, digits } of columns) {
    const value = cell[key];
    const text = format(value, digits);
    const content = key === "variant" ? element("button", { type: "button", "data-cell": index, "aria-haspopup": "dialog" }, text) : text;
    row.append(element("td", { class: kind, "data-sort": value ?? "" }, content));
  }
  return row;
}

function pairs(title, facts) {
  const rows = Object.entries(facts).map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, format(value))));
  return element("details", {}, element("summary", {}, title),
    element("div", { class: "scroll" }, element("table", { class: "pairs" }, element("tbody", {}, ...rows))));
}

function valuesTable(curve) {
  const keys = [...VALUES, "loss"];
  const head = element("tr", {}, ...keys.map((key) => element("th", { scope: "col" }, key)));
  const rows = curve.epoch.map((_, i) =>
    element("tr", {}, ...keys.map((key) => element("td", {}, format(curve[key][i], DIGITS[key])))));
  return element("details", {}, element("summary", {}, "values"), element("div", { class: "scroll" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
}

// The values that each protocol reports for the cell, from the test curve.
function protocolTable(cell) {
  const test = cell.curves.at(-1);
  const head = element("tr", {}, ...["protocol", ...VALUES].map((key) => element("th", { scope: "col" }, key)));
  const rows = Object.entries(cell.reported).map(([name, epoch]) => {
    const point = test.epoch.indexOf(epoch);
    return element("tr", {}, element("th", { scope: "row" }, name),
      ...VALUES.map((key) => element("td", {}, format(test[key][point], DIGITS[key]))));
  });
  return element("div", { class: "scroll" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function curvePanel(curve, reported) {
  const caption = element("figcaption", {}, `${curve.name}, percent`);
  return element("figure", {}, caption, curvePicture(curve, reported), valuesTable(curve));
}

function flattened(facts) {
  return Object.fromEntries(Object.entries(facts).flatMap(([key, value]) =>
    value && typeof value === "object" ? Object.entries(value).map(([inner, part]) => [`${key}.${inner}`, part]) : [[key, value]]));
}

function detailParts(cell) {
  const parts = [element("p", { class: `state ${cell.status}` }, cell.about)];
  if (cell.traceback !== null) parts.push(element("pre", { class: "traceback", tabindex: 0 }, tracebacks[cell.traceback]));
  const test = cell.curves.length - 1;
  if (cell.curves.length) {
    const panels = cell.curves.map((curve, index) => curvePanel(curve, index === test ? cell.reported : {}));
    parts.push(protocolTable(cell), element("div", { class: "panels" }, ...panels));
  }
  parts.push(pairs("Measured", cell.measured));
  if (cell.settings !== null) parts.push(pairs("Settings", settings[cell.settings]));
  if (cell.environment !== null) parts.push(pairs("Environment", flattened(environments[cell.environment])));
  return parts;
}

class Details {
  constructor(dialog, body) {
    Object.assign(this, { dialog, body });
    body.addEventListener("click", (event) => {
      const button = event.target.closest("[data-cell]");
      if (button) this.open(Number(button.dataset.cell));
    });
    for (const button of dialog.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
    // After closing, the focus is on the cell that was open last.
    dialog.addEventListener("close", () => body.querySelector(`[data-cell="${this.index}"]`).focus());
  }

  open(index) {
    const opened = new Set(this.parts().filter((part) => part.open).map((part) => part.firstChild.textContent));
    this.index = index;
    const cell = cells[index];
    this.dialog.querySelector("h2").textContent = `${cell.variant} on ${cell.dataset}, seed ${cell.seed}`;
    this.dialog.querySelector(".content").replaceChildren(...detailParts(cell));
    for (const part of this.parts()) part.open = opened.has(part.firstChild.textContent);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
  }

  // The foldable parts; an open one stays open when the next cell is shown.
  parts() {
    return [...this.dialog.querySelectorAll(".content > details")];
  }

  // Opens the next cell (by = 1) or the previous one (by = -1) among the visible rows, in their current order.
  step(by) {
    const visible = [...this.body.querySelectorAll("tr:not([hidden]) [data-cell]")].map((button) => Number(button.dataset.cell));
    const next = visible[visible.indexOf(this.index) + by];
    if (next !== undefined) this.open(next);
  }
}

const cellsBlock = document.getElementById("cells");
cellsBlock.querySelector("tbody").append(...cells.map(cellRow));
new SortableTable(cellsBlock);
new Details(document.getElementById("detail"), cellsBlock.querySelector("tbody"));
