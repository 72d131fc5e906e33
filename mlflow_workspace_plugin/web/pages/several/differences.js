// A table of what runs differ in: a row for each fact of a few runs, a row for each of many runs.

import { el, replaceChildren } from "../../dom.js";
import { isNumberCell } from "../../format.js";
import { columnName, columnText, numberOf, orderedBy, runLink, statusMark } from "./parts.js";

const FEW_RUNS = 6;
const AT_FIRST = 100;
const OF_NAMES = { attribute: "", param: "param", metric: "metric", tag: "tag", property: "property" };

/**
 * Draw the table.
 *
 * @param {HTMLElement} host
 * @param {{runs, differences}} shown as the server compares runs.
 * @param {{swatchOf: function(object): ?Element, onFocus: function(?string)}} options
 * @returns {{update(shown)}}
 */
export function drawDifferences(host, first, { swatchOf = () => null, onFocus = () => {} } = {}) {
  let shown = first;
  let order = { key: null, isDescending: false };
  let isWhole = false;

  const draw = () => {
    const table = shown.runs.length <= FEW_RUNS ? byFact() : byRun();
    replaceChildren(host, el("div", { class: "mw-table-scroll mw-differences" }, table), more());
  };

  const facts = () => (isWhole ? shown.differences : shown.differences.slice(0, AT_FIRST));

  const more = () => {
    const left = shown.differences.length - facts().length;
    return left === 0
      ? null
      : el("button", { type: "button", class: "mw-button", onclick: () => {
          isWhole = true;
          draw();
        } }, `Show ${left} more`);
  };

  const nameOf = (run) => [swatchOf(run), runLink(run.id, run.name)];

  const byFact = () =>
    el(
      "table",
      { class: "mw-table is-by-fact" },
      el("thead", null, el("tr", null, el("th", null), el("th", null, "name"), shown.runs.map((run) => el("th", { scope: "col", onpointerenter: () => onFocus(run.id), onpointerleave: () => onFocus(null) }, nameOf(run))))),
      el(
        "tbody",
        null,
        facts().map((fact) => {
          const marks = extremes(fact.cells);
          return el(
            "tr",
            null,
            el("td", { class: "mw-of" }, OF_NAMES[fact.of]),
            el("th", { scope: "row", title: fact.name }, columnName([fact.of, fact.name])),
            fact.cells.map((cell, index) => cellOf(fact, cell, marks[index])),
          );
        }),
      ),
    );

  const byRun = () => {
    const columns = facts();
    const rows = shown.runs.map((run, index) => ({ run, index }));
    const ordered = orderedBy(rows, order, (row, key) =>
      key === "name" ? row.run.name : key === "status" ? row.run.status : columns[key].cells[row.index],
    );
    const marks = columns.map((column) => extremes(column.cells));
    return el(
      "table",
      { class: "mw-table is-by-run" },
      el(
        "thead",
        null,
        el(
          "tr",
          null,
          heading("Run", "name"),
          heading("Status", "status"),
          columns.map((column, key) => heading(columnName([column.of, column.name]), key, OF_NAMES[column.of], column.name)),
        ),
      ),
      el(
        "tbody",
        null,
        ordered.map(({ run, index }) =>
          el(
            "tr",
            { onpointerenter: () => onFocus(run.id), onpointerleave: () => onFocus(null) },
            el("th", { scope: "row" }, nameOf(run)),
            el("td", null, statusMark(run.status)),
            columns.map((column, key) => cellOf(column, column.cells[index], marks[key][index])),
          ),
        ),
      ),
    );
  };

  const heading = (text, key, of = "", title = text) => {
    const isSorted = order.key === key;
    const sort = isSorted ? (order.isDescending ? "descending" : "ascending") : "none";
    const turn = () => {
      // Once up, once down, and then as it was.
      order = !isSorted ? { key, isDescending: false } : order.isDescending ? { key: null, isDescending: false } : { key, isDescending: true };
      draw();
    };
    return el(
      "th",
      { scope: "col", "aria-sort": sort },
      of && el("span", { class: "mw-of" }, of) || "",
      el("button", { type: "button", class: "mw-sort", title, onclick: turn }, text),
    );
  };

  const cellOf = (fact, cell, mark) => {
    const text = columnText([fact.of, fact.name], cell);
    const classes = [isNumberCell(cell) ? "is-number" : "", cell === null ? "is-missing" : "", mark];
    return el(
      "td",
      { class: classes.filter(Boolean).join(" ") || null, title: mark ? `${text} (${mark.slice(3)})` : text },
      cell === null ? "–" : text,
    );
  };

  draw();
  return {
    update(other) {
      shown = other;
      draw();
    },
  };
}

// Which cells are the least and the greatest of a row of numbers.
function extremes(cells) {
  const numbers = cells.map(numberOf).map((number) => (Number.isFinite(number) ? number : null));
  const present = numbers.filter((number) => number !== null);
  if (present.length < 2) {
    return cells.map(() => "");
  }
  const [low, high] = [present.reduce((a, b) => Math.min(a, b)), present.reduce((a, b) => Math.max(a, b))];
  const isRare = (value) => present.length <= FEW_RUNS || present.filter((each) => each === value).length <= 2;
  if (!isRare(low) || !isRare(high)) {
    // What many have is no extreme that one looks for.
    return cells.map(() => "");
  }
  return numbers.map((number) => (number === null || low === high ? "" : number === low ? "is-least" : number === high ? "is-greatest" : ""));
}
