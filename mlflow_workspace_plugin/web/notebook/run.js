// A run in a notebook, as long as it goes on: what the kernel tells is shown as it comes.

import { el, replaceChildren } from "../dom.js";
import { drawFigure } from "../figures/figure.js";
import { formatCell } from "../format.js";

const LOG_NEAR_END = 24;

/**
 * Show a run; it is what anywidget calls `render`.
 *
 * @param {{model, el: HTMLElement}} view a model with `get` and `on`, and the element to draw into.
 * @returns {function} what ends it.
 */
export function showRun({ model, el: host }) {
  const head = el("div", { class: "mw-run-head" });
  const about = el("div", { class: "mw-run-tables" });
  const grid = el("div", { class: "mw-run-figures" });
  const more = el("p", { class: "mw-note" });
  const logName = el("h3", { class: "mw-figure-title" });
  const log = el("pre", { class: "mw-run-log", tabindex: "0" });
  const foot = el("p", { class: "mw-note" });
  // As long as this is seen, and wherever it is.
  const instead = el("style", null, `.${model.get("instead_of")} { display: none; }`);
  const root = el("div", { class: "mw mw-run" }, instead, head, about, grid, more, logName, log, foot);
  const drawn = new Map();
  host.append(root);

  const showFigure = (slot) => {
    const figure = model.get(`figure_${slot}`);
    if (!figure.kind) {
      return;
    }
    if (drawn.has(slot)) {
      drawn.get(slot).update(figure);
      return;
    }
    const place = el("div", { class: "mw-run-figure" });
    grid.append(place);
    const image = (path) => model.get("images")[path] ?? null;
    drawn.set(slot, drawFigure(place, figure, { image, isCompact: true }));
  };

  const showAll = () => {
    const run = model.get("run");
    replaceChildren(head, ...headOfRun(run));
    replaceChildren(about, metricsOfRun(run), childrenOfRun(run));
    for (let slot = 0; slot < run.figures; slot += 1) {
      if (!drawn.has(slot)) {
        showFigure(slot);
      }
    }
    replaceChildren(more, run.left_out > 0 ? `${run.left_out} more figures on its page.` : "");
    logName.textContent = run.log_name ?? "";
    showLog(log, run);
    foot.textContent = run.is_over ? `As of ${run.at}.` : `As of ${run.at}. It goes on.`;
  };

  showAll();
  model.on("change:run", showAll);
  const changes = Array.from({ length: 40 }, (_, slot) => [`change:figure_${slot}`, () => showFigure(slot)]);
  for (const [name, change] of changes) {
    model.on(name, change);
  }
  return () => {
    model.off("change:run", showAll);
    for (const [name, change] of changes) {
      model.off(name, change);
    }
    for (const each of drawn.values()) {
      each.destroy();
    }
  };
}

function headOfRun(run) {
  return [
    el(
      "div",
      null,
      el("strong", { class: "mw-run-name" }, run.name),
      el("span", { class: "mw-status", dataset: { status: run.status } }, run.status),
      run.duration === null ? null : el("span", null, run.duration),
      run.page === null ? null : linkTo(run.page, "Open its page"),
    ),
    el("p", { class: "mw-note" }, run.facts.map(([label, text]) => `${label}: ${text}`).join(" · ")),
    run.note === null ? null : el("p", { class: "mw-fault", role: "status" }, run.note),
    run.reason === null ? null : el("p", { class: "mw-fault" }, run.reason),
  ];
}

function metricsOfRun(run) {
  const rows = run.metrics.map(([name, ...values]) => [
    name,
    ...values.slice(0, 3).map(formatCell),
    values[3] === null ? "" : formatCell(values[3]),
  ]);
  return rowsOf(["Metric", "Last", "Least", "Greatest", "Values"], rows, 1);
}

function childrenOfRun(run) {
  const rows = run.children.map((child) => [
    el("span", { style: { "padding-left": `${child.depth * 18}px` } }, child.page === null ? child.name : linkTo(child.page, child.name)),
    child.status,
    child.duration ?? "",
    child.run_id,
  ]);
  const table = rowsOf(["Child", "Status", "Duration", "Id"], rows, 4);
  return table && run.are_more_children ? [table, el("p", { class: "mw-note" }, "There are more children.")] : table;
}

function rowsOf(headings, rows, numbersFrom) {
  if (rows.length === 0) {
    return null;
  }
  const cells = (tag, row) => row.map((cell, index) => el(tag, { class: index >= numbersFrom ? "is-number" : null }, cell));
  return el(
    "table",
    { class: "mw-run-table" },
    el("thead", null, el("tr", null, cells("th", headings))),
    el("tbody", null, rows.map((row) => el("tr", null, cells("td", row)))),
  );
}

function showLog(log, run) {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < LOG_NEAR_END;
  log.hidden = run.log_name === null;
  if (log.textContent !== run.log) {
    log.textContent = run.log;
    if (isAtEnd) {
      log.scrollTop = log.scrollHeight;
    }
  }
}

function linkTo(address, text) {
  return el("a", { href: address, target: "_blank", rel: "noopener" }, text);
}
