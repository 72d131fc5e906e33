// A confusion matrix, or another table of counts, as colours with their numbers.

import { scaleColour } from "../colours.js";
import { el, replaceChildren } from "../dom.js";
import { formatNumber } from "../format.js";

/** Draw a figure of kind "heatmap". */
export function drawHeatmap(body, first, frame) {
  let figure = first;
  let isNormalised = false;
  const scroll = el("div", { class: "mw-heatmap-scroll", tabindex: "0", role: "group" });
  const toggle = el(
    "span",
    { class: "mw-switch", role: "group", "aria-label": "Values" },
    [
      ["Counts", false],
      ["Normalised", true],
    ].map(([name, value]) =>
      el("button", { type: "button", class: "mw-tool", onclick: () => choose(value) }, name),
    ),
  );
  frame.tools.prepend(toggle);
  body.append(scroll);

  const choose = (value) => {
    isNormalised = value;
    draw();
  };

  const draw = () => {
    toggle.hidden = !figure.normalised?.length;
    [...toggle.children].forEach((button, index) => {
      button.setAttribute("aria-pressed", String((index === 1) === isNormalised));
    });
    scroll.setAttribute(
      "aria-label",
      `${figure.title}: rows ${figure.row_label}, columns ${figure.column_label}`,
    );
    replaceChildren(scroll, tableOfCells(figure, isNormalised && !toggle.hidden, frame.theme()));
    frame.setNote([figure.note]);
  };

  const endOfTheme = frame.onThemeChange(draw);
  draw();
  return {
    update(other) {
      figure = other;
      draw();
    },
    set() {},
    destroy: () => {
      endOfTheme();
      toggle.remove();
    },
  };
}

function tableOfCells(figure, isNormalised, theme) {
  const values = isNormalised ? figure.normalised : figure.counts;
  // The rest of many classes may be more than each of them, and would leave them without colour.
  const rest = figure.rows.length > 10 ? figure.rows.length - 1 : Infinity;
  const compared = values.flatMap((row, at) =>
    row.filter((_, column) => at < rest && column < rest),
  );
  const greatest = isNormalised ? 1 : Math.max(0, ...compared.filter(Number.isFinite));
  const isDense = Math.max(values.length, figure.columns.length) > 10;
  // Of many names every second, third, ... fits.
  const every = Math.ceil(values.length / 16);
  const nameOf = (name, index) => (index % every === 0 ? name : "");
  const cell = (value, row, column) => {
    const share = typeof value === "number" && greatest > 0 ? value / greatest : 0;
    const { background, ink } = scaleColour(theme, share);
    const text =
      typeof value === "number" && isNormalised ? value.toFixed(2) : formatNumber(value ?? "");
    const [count, rate] = [figure.counts[row]?.[column], figure.normalised?.[row]?.[column]];
    const title = `${figure.row_label} ${figure.rows[row]}\n${figure.column_label} ${figure.columns[column]}\n${formatNumber(count ?? "")}${typeof rate === "number" ? ` (${formatNumber(rate, 4)})` : ""}`;
    return el(
      "td",
      { style: { "background-color": background, color: ink }, title },
      el("span", null, text),
    );
  };
  return el(
    "table",
    {
      class: `mw-heatmap${isDense ? " is-dense" : ""}${values.length > 30 ? " is-solid" : ""}`,
      style: { "--mw-cell": `${Math.max(2, Math.floor(150 / values.length))}px` },
    },
    el("col", { class: "mw-heatmap-side" }),
    el("col", { class: "mw-heatmap-names" }),
    el(
      "thead",
      null,
      el(
        "tr",
        null,
        el("td", { class: "mw-heatmap-corner", colspan: "2" }),
        el(
          "th",
          { class: "mw-heatmap-side", colspan: String(figure.columns.length), scope: "colgroup" },
          figure.column_label,
        ),
      ),
      el(
        "tr",
        null,
        el("td", { class: "mw-heatmap-corner", colspan: "2" }),
        figure.columns.map((name, index) =>
          el("th", { scope: "col", title: name }, el("span", null, nameOf(name, index))),
        ),
      ),
    ),
    el(
      "tbody",
      null,
      values.map((row, index) =>
        el(
          "tr",
          null,
          index === 0
            ? el(
                "th",
                {
                  class: "mw-heatmap-side is-upright",
                  rowspan: String(values.length),
                  scope: "rowgroup",
                },
                el("span", null, figure.row_label),
              )
            : null,
          el(
            "th",
            { scope: "row", title: figure.rows[index] },
            el("span", null, nameOf(figure.rows[index], index)),
          ),
          row.map((value, column) => cell(value, index, column)),
        ),
      ),
    ),
  );
}
