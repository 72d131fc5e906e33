// Dialogs in which it is chosen what is shown: charts and how, columns, runs by a filter.

import { el, replaceChildren } from "../../dom.js";
import { buttonOf, columnName } from "./parts.js";

const OVER = [
  ["", "as all"],
  ["step", "step"],
  ["relative", "relative time"],
  ["time", "wall time"],
];
const SCALES = [
  ["", "as all"],
  ["true", "log"],
  ["false", "linear"],
];
const SMOOTH = [["", "as all"], ...[0, 0.3, 0.6, 0.9, 0.97].map((each) => [String(each), each === 0 ? "none" : String(each)])];

/**
 * Let charts be chosen, ordered, and told how they are drawn where that is not as all are.
 *
 * @returns {Promise<?Array|undefined>} the charts; null: all, whatever is logged; undefined: no
 *   change.
 */
export function chooseCharts(charts, metrics) {
  const known = new Map((charts ?? []).map((chart) => [chart.metric, chart]));
  const names = [...new Set([...known.keys(), ...metrics])];
  let rows = names.map((metric) => ({ ...(known.get(metric) ?? { metric }), isOn: charts === null || known.has(metric) }));
  let isAll = charts === null;
  let wanted = "";

  const body = el("tbody");
  const draw = () =>
    replaceChildren(
      body,
      rows
        .filter((row) => row.metric.toLowerCase().includes(wanted))
        .map((row) =>
          el(
            "tr",
            null,
            el("td", null, box(row)),
            el("td", { title: row.metric }, row.metric),
            el("td", null, select(row, "x", OVER, "Over", (text) => text)),
            el("td", null, select(row, "log_scale", SCALES, "Scale", (text) => text === "true")),
            el("td", null, select(row, "smoothing", SMOOTH, "Smoothing", Number)),
            el("td", null, mover(row, -1, "↑", "up"), mover(row, 1, "↓", "down")),
          ),
        ),
    );
  const changed = () => {
    isAll = false;
    all.checked = false;
  };
  const box = (row) => {
    const input = el("input", { type: "checkbox", checked: row.isOn, "aria-label": `Show ${row.metric}`, onchange: () => {
      row.isOn = input.checked;
      changed();
    } });
    return input;
  };
  const select = (row, part, options, label, read) => {
    const now = row[part] === undefined ? "" : String(row[part]);
    const known = options.some(([value]) => value === now) ? options : [...options, [now, now]];
    const input = el(
      "select",
      { "aria-label": `${label} of ${row.metric}`, onchange: () => {
        row[part] = input.value === "" ? undefined : read(input.value);
        changed();
      } },
      known.map(([value, text]) => el("option", { value, selected: value === now }, text)),
    );
    return input;
  };
  const mover = (row, by, text, way) =>
    buttonOf(text, () => {
      const from = rows.indexOf(row);
      const to = Math.min(Math.max(from + by, 0), rows.length - 1);
      rows = rows.filter((each) => each !== row);
      rows.splice(to, 0, row);
      changed();
      draw();
    }, { class: "mw-tool", "aria-label": `Move ${row.metric} ${way}` });

  const all = el("input", { type: "checkbox", checked: isAll, onchange: () => {
    isAll = all.checked;
    if (isAll) {
      rows.forEach((row) => (row.isOn = true));
    }
    draw();
  } });
  const search = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter charts", oninput: () => {
    wanted = search.value.trim().toLowerCase();
    draw();
  } });
  draw();
  return dialogOf(
    "Charts",
    [
      el(
        "div",
        { class: "mw-toolbar" },
        search,
        el("label", { class: "mw-tick" }, all, el("span", null, "All, also those that are logged later")),
        buttonOf("None", () => {
          rows.forEach((row) => (row.isOn = false));
          changed();
          draw();
        }),
      ),
      el(
        "div",
        { class: "mw-table-scroll" },
        el("table", { class: "mw-table" }, el("thead", null, el("tr", null, ["", "Metric", "Over", "Scale", "Smoothing", "Order"].map((text) => el("th", null, text)))), body),
      ),
    ],
    () => (isAll ? null : rows.filter((row) => row.isOn).map(chartOf)),
  );
}

/** Let columns be chosen: [of, name] each. @returns {Promise<?Array|undefined>} undefined: no change. */
export function chooseColumns(columns, all) {
  const keys = new Set(columns.map((column) => JSON.stringify(column)));
  const known = [...new Set([...keys, ...all.map((column) => JSON.stringify(column))])].map((key) => JSON.parse(key));
  let wanted = "";
  const list = el("ul", { class: "mw-choices" });
  const draw = () =>
    replaceChildren(
      list,
      known
        .filter(([, name]) => name.toLowerCase().includes(wanted))
        .map((column) => {
          const key = JSON.stringify(column);
          const input = el("input", { type: "checkbox", checked: keys.has(key), onchange: () => (input.checked ? keys.add(key) : keys.delete(key)) });
          return el("li", null, el("label", { class: "mw-tick" }, input, el("span", { class: "mw-of" }, column[0]), el("span", { title: column[1] }, columnName(column))));
        }),
    );
  const search = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter columns", oninput: () => {
    wanted = search.value.trim().toLowerCase();
    draw();
  } });
  draw();
  const chosen = () => known.filter((column) => keys.has(JSON.stringify(column)));
  return dialogOf("Columns", [el("div", { class: "mw-toolbar" }, search), el("div", { class: "mw-table-scroll" }, list)], chosen);
}

/**
 * Let runs be chosen by a filter, which finds what it takes at each time.
 *
 * @returns {Promise<?{wanted, found}>} null: no change.
 */
export function chooseFilter(before, experiments, find) {
  const said = el("p", { class: "mw-note", role: "status" });
  const experiment = el(
    "select",
    { name: "experiment" },
    el("option", { value: "" }, "all experiments"),
    experiments.map(({ name }) => el("option", { value: `=${name}`, selected: before?.experiment === name }, name)),
  );
  const field = (label, input, note) => el("label", { class: "mw-field" }, el("span", null, label), input, note && el("small", { class: "mw-muted" }, note) || "");
  const text = (value, placeholder) => el("input", { type: "text", value, placeholder, spellcheck: "false" });
  const filter = text(before?.filter ?? "", "metrics.loss < 1 and params.lr = '0.1'");
  const order = text(before?.order_by ?? "", "metrics.loss ASC");
  const limit = el("input", { type: "number", min: 1, max: 100, value: before?.limit ?? 20 });
  let result = null;
  const wanted = () => ({
    experiment: experiment.value === "" ? null : experiment.value.slice(1),
    filter: filter.value,
    order_by: order.value,
    limit: Number(limit.value),
  });
  const ask = async () => {
    try {
      result = { wanted: wanted(), found: await find(wanted()) };
      return true;
    } catch (error) {
      said.textContent = error.message;
      said.classList.add("mw-fault");
      return false;
    }
  };
  return dialogOf(
    "Runs by a filter",
    [
      field("Experiment", experiment),
      field("Filter", filter, "As in MLflow's search; empty takes all."),
      field("Order", order, "Empty: the newest first."),
      field("How many at most", limit),
      said,
    ],
    () => result,
    ask,
  ).then((found) => found ?? null);
}

function chartOf(row) {
  const parts = ["metric", "x", "log_scale", "smoothing"].filter((part) => row[part] !== undefined);
  return Object.fromEntries(parts.map((part) => [part, row[part]]));
}

// Resolves with what `read` returns when it is confirmed and `check` allows it; else undefined.
function dialogOf(heading, content, read, check = async () => true) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { class: "mw-dialog is-wide" });
    const close = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    const done = async (event) => {
      event.preventDefault();
      if (await check()) {
        close(read());
      }
    };
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(undefined);
    });
    dialog.append(
      el(
        "form",
        { onsubmit: done },
        el("h2", null, heading),
        content,
        el("div", { class: "mw-buttons" }, buttonOf("Cancel", () => close(undefined)), el("button", { type: "submit", class: "mw-button mw-primary" }, "Apply")),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
