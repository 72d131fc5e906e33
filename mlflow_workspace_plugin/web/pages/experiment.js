// The runs of an experiment: any metric over them, a table of them, and the way to compare some.

import { el, replaceChildren } from "../dom.js";
import { newSaveMenu } from "../saving/menu.js";
import { momentOf } from "../saving/values.js";
import { formatNumber, formatTime, isNumberCell } from "../format.js";
import { ask, mlflowUrl, pageUrl, pathOf, send } from "./api.js";
import { chooseColumns } from "./several/choices.js";
import { askFor, buttonOf, choiceOf, columnName, columnText, compareUrl, numberOf, orderedBy, runLink, statusMark, tickBox } from "./several/parts.js";
import { drawScatter } from "./several/scatter.js";
import { keepUp, showError, showShell } from "./shell.js";
import { newTurns } from "../turns.js";

const EVERY_MS = 5000;
// Where no run goes on, one may be started.
const QUIET_MS = 15_000;
const LEFT_ALONE = 8;
const CHARTS_AT_FIRST = 4;
const COLUMNS_AT_FIRST = 8;
const ROWS_AT_FIRST = 100;
const MOST_IN_VIEW = 100;
const OF_NOBODY = "tags.mlflow.parentRunId IS NULL";
const STARTED = JSON.stringify(["attribute", "started"]);
const TURN = "turn";

const experimentId = decodeURIComponent(/\/experiments\/([^/]+)$/.exec(location.pathname)[1]);
const { main, setTitle, say } = showShell("Experiment", "experiments");
const state = {
  filter: "",
  withChildren: false,
  // Chosen by whoever looks; null is what most runs have.
  metrics: null,
  columns: null,
  x: STARTED,
  isLog: false,
  order: { key: null, isDescending: false },
  chosen: new Set(),
  rows: ROWS_AT_FIRST,
};
let shown = null;
let asked = [];
let readAt = 0;
// Something was chosen that is not shown yet.
let isDue = false;
const turn = newTurns();
const charts = new Map();

const title = el("h1", null, "Experiment");
const links = el("span", { class: "mw-buttons" });
const tools = el("div", { class: "mw-toolbar" });
const fault = el("p", { class: "mw-note mw-fault", role: "alert", hidden: true });
const grid = el("div", { class: "mw-figures" });
const table = el("div");
const tableTools = el("div", { class: "mw-section-head" });
const filter = el("input", {
  type: "search",
  class: "mw-filter",
  placeholder: "metrics.loss < 1 and params.lr = '0.1'",
  "aria-label": "Filter of runs, as in MLflow's search",
  spellcheck: "false",
  onchange: () => {
    state.filter = filter.value;
    reread();
  },
});

replaceChildren(main, el("header", { class: "mw-view-title" }, title, links), tools, fault, grid, el("section", { class: "mw-section" }, tableTools, table));
reread().catch((error) => showError(main, error));

keepUp(
  async () => {
    if (shown !== null && !(shown.is_over && performance.now() < readAt + QUIET_MS)) {
      await reread({ isChosen: false });
    }
  },
  { everyMs: EVERY_MS, leftAlone: LEFT_ALONE, onError: (error) => say(`${error.message} What is shown may be old.`), onAnswer: () => say(null) },
);

// Of what was chosen fast, the last is shown, whichever answer comes last.
async function reread({ isChosen = true } = {}) {
  const isLast = turn();
  const before = JSON.stringify(shown);
  isDue ||= isChosen;
  try {
    if (!(await read(isLast))) {
      return;
    }
    fault.hidden = true;
  } catch (error) {
    if (shown === null) {
      throw error;
    }
    if (isLast()) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
    return;
  }
  // Whoever reads or types is not interrupted by what is the same.
  if (isDue || JSON.stringify(shown) !== before) {
    isDue = false;
    show();
  }
}

async function read(isLast) {
  const parameters = { filter: state.filter, children: state.withChildren ? "true" : null };
  let wanted = columnsWanted();
  let found = await ask(pathOf("experiments", experimentId), { ...parameters, columns: JSON.stringify(wanted) });
  if (!isLast()) {
    return false;
  }
  const isFirst = shown === null;
  shown = found;
  if (isFirst || JSON.stringify(columnsWanted()) !== JSON.stringify(wanted)) {
    // Which values there are is known only now.
    wanted = columnsWanted();
    found = await ask(pathOf("experiments", experimentId), { ...parameters, columns: JSON.stringify(wanted) });
  }
  if (!isLast()) {
    return false;
  }
  asked = wanted.map((column) => JSON.stringify(column));
  shown = found;
  readAt = performance.now();
  return true;
}

function metricsShown() {
  if (state.metrics !== null) {
    return state.metrics;
  }
  const metrics = shown?.columns.filter(({ column, is_number: isNumber }) => column[0] === "metric" && isNumber) ?? [];
  return mostTelling(metrics).slice(0, CHARTS_AT_FIRST).map(({ column }) => column[1]);
}

function columnsShown() {
  if (state.columns !== null) {
    return state.columns;
  }
  const all = shown?.columns ?? [];
  const attributes = [["attribute", "started"], ["attribute", "duration"]];
  const params = mostTelling(all.filter(({ column }) => column[0] === "param"));
  const metrics = mostTelling(all.filter(({ column }) => column[0] === "metric"));
  const room = Math.max(COLUMNS_AT_FIRST / 2, COLUMNS_AT_FIRST - metrics.length);
  const chosen = [...params.slice(0, room), ...metrics];
  return [...attributes, ...chosen.slice(0, COLUMNS_AT_FIRST).map(({ column }) => column)];
}

function columnsWanted() {
  const x = state.x === TURN ? [] : [JSON.parse(state.x)];
  const all = [...columnsShown(), ...metricsShown().map((name) => ["metric", name]), ...x];
  return [...new Set(all.map((column) => JSON.stringify(column)))].map((key) => JSON.parse(key));
}

// What is the same in all runs tells the least of them.
function mostTelling(columns) {
  return columns
    .map((each, index) => ({ ...each, index }))
    .sort((a, b) => b.differs - a.differs || b.there - a.there || a.index - b.index);
}

function show() {
  const { experiment, runs } = shown;
  setTitle(experiment.name);
  replaceChildren(title, experiment.name);
  replaceChildren(links, el("a", { class: "mw-button", href: mlflowUrl(`experiments/${experiment.id}`) }, "In MLflow's UI"));
  showTools();
  const names = metricsShown();
  for (const [name, { element, handle }] of charts) {
    if (!names.includes(name)) {
      handle.destroy();
      element.remove();
      charts.delete(name);
    }
  }
  for (const name of names) {
    const chart = charts.get(name);
    if (chart) {
      chart.handle.update(pointsOf(name));
    } else {
      charts.set(name, newChart(name));
    }
  }
  replaceChildren(grid, names.map((name) => charts.get(name).element));
  if (names.length === 0) {
    grid.append(el("p", { class: "mw-empty" }, runs.length === 0 ? "No runs." : "No metric is chosen, or no run has one."));
  }
  showTable();
}

function showTools() {
  const { columns } = shown;
  const numbers = columns.filter(({ is_number: isNumber, column, there }) => isNumber && there > 0 && column[0] !== "attribute");
  const options = [
    [STARTED, "time of start"],
    [TURN, "turn of the run"],
    [JSON.stringify(["attribute", "duration"]), "duration"],
    ...numbers.map(({ column }) => [JSON.stringify(column), `${column[0]} ${column[1]}`]),
  ];
  if (document.activeElement?.tagName === "SELECT" && tools.contains(document.activeElement)) {
    return;
  }
  const add = el("input", {
    type: "search",
    list: "mw-metrics",
    placeholder: "Add a metric",
    "aria-label": "Add a chart of a metric",
    onchange: () => {
      if (columns.some(({ column }) => column[0] === "metric" && column[1] === add.value) && !metricsShown().includes(add.value)) {
        state.metrics = [...metricsShown(), add.value];
        reread();
      }
      add.value = "";
    },
  });
  if (document.activeElement === filter || document.activeElement?.getAttribute("list") === "mw-metrics") {
    // Who types is not interrupted.
    return;
  }
  replaceChildren(
    tools,
    filter,
    tickBox("Children, too", state.withChildren, (isOn) => {
      state.withChildren = isOn;
      reread();
    }),
    choiceOf("Over", options, state.x, (x) => {
      state.x = x;
      reread();
    }),
    tickBox("Log scale", state.isLog, (isOn) => {
      state.isLog = isOn;
      show();
    }),
    add,
    el("datalist", { id: "mw-metrics" }, columns.filter(({ column }) => column[0] === "metric").map(({ column }) => el("option", { value: column[1] }))),
  );
}

function newChart(name) {
  const host = el("div", { class: "mw-figure-body" });
  const said = el("p", { class: "mw-note mw-fault", role: "alert", hidden: true });
  const say = (text) => {
    said.textContent = text ?? "";
    said.hidden = text === null;
  };
  const tools = el("div", { class: "mw-tools" });
  const element = el(
    "section",
    { class: "mw-figure", "aria-label": name },
    el(
      "header",
      { class: "mw-figure-head" },
      el("h3", { class: "mw-figure-title", title: name }, name),
      tools,
    ),
    host,
    said,
  );
  tools.append(
    newSaveMenu({ element, figure: () => tableOfChart(name), say }),
    buttonOf("×", () => {
      state.metrics = metricsShown().filter((each) => each !== name);
      show();
    }, { class: "mw-tool is-icon", title: "Take this chart off", "aria-label": `Take ${name} off` }),
  );
  const handle = drawScatter(host, pointsOf(name), {
    onFocus: focusRow,
    onOpen: (id) => location.assign(pageUrl(pathOf("runs", id))),
  });
  return { element, handle };
}

// What a chart shows, as it is saved.
function tableOfChart(name) {
  const { points, xKind } = pointsOf(name);
  const over = state.x === TURN ? TURN : JSON.parse(state.x)[1];
  const rows = points.map(({ id, x, y }, index) => [id, shown.runs[index].name, xKind === "time" ? momentOf(x) : x, Number.isNaN(y) ? null : y]);
  return { kind: "table", title: name, columns: ["run", "name", over, name], rows, total: rows.length };
}

function pointsOf(name) {
  const { runs } = shown;
  const at = asked.indexOf(JSON.stringify(["metric", name]));
  const points = runs.map((run, index) => {
    const value = numberOf(run.cells[at] ?? null);
    return { id: run.id, x: xOf(run, index), y: value ?? NaN, text: `${run.name}\n${name}: ${formatNumber(run.cells[at] ?? "none", 6)}\n${xText(run, index)}` };
  });
  return { points, xKind: state.x === STARTED ? "time" : "number", isLog: state.isLog, best: null };
}

function xOf(run, index) {
  if (state.x === TURN) {
    // The newest comes first in the list.
    return shown.runs.length - index;
  }
  return numberOf(run.cells[asked.indexOf(state.x)] ?? null) ?? NaN;
}

function xText(run, index) {
  const x = xOf(run, index);
  if (state.x === STARTED) {
    return formatTime(x);
  }
  return state.x === TURN ? `run ${x}` : `${columnName(JSON.parse(state.x))}: ${formatNumber(x, 6)}`;
}

function focusCharts(id) {
  charts.forEach(({ handle }) => handle.focus(id));
}

function focusRow(id) {
  focusCharts(id);
  for (const row of table.querySelectorAll("tr[data-run]")) {
    row.classList.toggle("is-focused", row.dataset.run === id);
  }
}

function showTable() {
  const { runs, there_are_more: thereAreMore } = shown;
  const columns = columnsShown();
  const places = columns.map((column) => asked.indexOf(JSON.stringify(column)));
  const valueOf = (run, key) => (key === "name" ? run.name : key === "status" ? run.status : (run.cells[places[key]] ?? null));
  const ordered = orderedBy(runs, state.order, valueOf);
  const seen = ordered.slice(0, state.rows);
  state.chosen = new Set([...state.chosen].filter((id) => runs.some((run) => run.id === id)));
  showTableTools(runs, thereAreMore);
  const all = el("input", { type: "checkbox", "aria-label": "Choose all that are shown", checked: seen.length > 0 && seen.every((run) => state.chosen.has(run.id)), onchange: () => {
    seen.forEach((run) => (all.checked ? state.chosen.add(run.id) : state.chosen.delete(run.id)));
    showTable();
  } });
  replaceChildren(
    table,
    el(
      "div",
      { class: "mw-table-scroll mw-runs-table" },
      el(
        "table",
        { class: "mw-table is-by-run" },
        el("thead", null, el("tr", null, el("th", null, all), heading("Run", "name"), heading("Status", "status"), columns.map((column, key) => heading(columnName(column), key, column)))),
        el("tbody", null, seen.map((run) => rowOf(run, columns, places))),
      ),
    ),
    ordered.length > seen.length && buttonOf(`Show ${Math.min(ROWS_AT_FIRST, ordered.length - seen.length)} more`, () => {
      state.rows += ROWS_AT_FIRST;
      showTable();
    }),
  );
}

function rowOf(run, columns, places) {
  const box = el("input", { type: "checkbox", checked: state.chosen.has(run.id), "aria-label": `Choose ${run.name}`, onchange: () => {
    if (box.checked) {
      state.chosen.add(run.id);
    } else {
      state.chosen.delete(run.id);
    }
    showTableTools(shown.runs, shown.there_are_more);
  } });
  return el(
    "tr",
    { dataset: { run: run.id }, onpointerenter: () => focusCharts(run.id), onpointerleave: () => focusCharts(null) },
    el("td", null, box),
    el("th", { scope: "row" }, runLink(run.id, run.name)),
    el("td", null, statusMark(run.status)),
    columns.map((column, index) => {
      const cell = run.cells[places[index]] ?? null;
      const text = columnText(column, cell);
      return el("td", { class: isNumberCell(cell) ? "is-number" : cell === null ? "is-missing" : null, title: text }, cell === null ? "–" : text);
    }),
  );
}

function showTableTools(runs, thereAreMore) {
  const count = state.chosen.size;
  replaceChildren(
    tableTools,
    el("h2", null, `${runs.length} ${runs.length === 1 ? "run" : "runs"}`),
    thereAreMore && el("span", { class: "mw-muted" }, "the newest; there are more. A filter finds others."),
    el(
      "span",
      { class: "mw-buttons" },
      buttonOf("Columns", async () => {
        const chosen = await chooseColumns(columnsShown(), shown.columns.map(({ column }) => column));
        if (chosen !== undefined) {
          state.columns = chosen;
          state.order = { key: null, isDescending: false };
          reread();
        }
      }),
      buttonOf("Save as a view", saveView),
      buttonOf(count === 0 ? "Compare" : `Compare ${count}`, () => location.assign(compareUrl([...state.chosen])), { class: "mw-button mw-primary", disabled: count < 2 }),
    ),
  );
}

async function saveView() {
  const ids = [...state.chosen];
  const what = ids.length > MOST_IN_VIEW ? `The first ${MOST_IN_VIEW} of the chosen runs.` : ids.length > 0 ? `The ${ids.length} chosen runs.` : `The newest runs that the filter takes, at each time; ${MOST_IN_VIEW} at most.`;
  const name = await askFor("Save as a view", { label: "Name", value: shown.experiment.name, note: `${what} The charts are those of this page.` });
  if (!name) {
    return;
  }
  const runs = ids.length > 0 ? { ids: ids.slice(0, MOST_IN_VIEW) } : { experiment: shown.experiment.name, filter: filterOfView(), order_by: "", limit: MOST_IN_VIEW };
  try {
    const view = await send("/views", { name, definition: { runs, charts: metricsShown().map((metric) => ({ metric })), columns: state.columns, log_scale: state.isLog } });
    location.assign(pageUrl(pathOf("views", view.id)));
  } catch (error) {
    fault.textContent = error.message;
    fault.hidden = false;
  }
}

// As this page takes them: a view has no choice of its own about children.
function filterOfView() {
  return [state.filter.trim(), state.withChildren ? "" : OF_NOBODY].filter(Boolean).join(" AND ");
}

function heading(text, key, column = null) {
  const isSorted = state.order.key === key;
  const turn = () => {
    state.order = !isSorted ? { key, isDescending: false } : state.order.isDescending ? { key: null, isDescending: false } : { key, isDescending: true };
    showTable();
  };
  return el(
    "th",
    { scope: "col", "aria-sort": isSorted ? (state.order.isDescending ? "descending" : "ascending") : "none" },
    column !== null && column[0] !== "attribute" && el("span", { class: "mw-of" }, column[0]),
    el("button", { type: "button", class: "mw-sort", title: column?.[1] ?? text, onclick: turn }, text),
  );
}
