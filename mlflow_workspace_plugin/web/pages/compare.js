// Runs side by side: the page of a comparison, and of a view, which is one that was saved.

import { seriesColour, seriesDash } from "../colours.js";
import { el, replaceChildren } from "../dom.js";
import { swatch } from "../figures/readout.js";
import { newTurns } from "../turns.js";
import { ask, pageUrl, pathOf, send } from "./api.js";
import { showCharts } from "./several/charts.js";
import { chooseCharts, chooseColumns, chooseFilter } from "./several/choices.js";
import { drawDifferences } from "./several/differences.js";
import { drawParallel } from "./several/parallel.js";
import { askFor, buttonOf, choiceOf, runLink, statusMark, tickBox } from "./several/parts.js";
import { keepUp, section, showError, showShell } from "./shell.js";
import { viewHead } from "./several/view_head.js";

const MARKS_MS = 3000;
const FOUND_MS = 10_000;
const LEFT_ALONE = 8;
const FEWEST_FOR_AXES = 3;
const X_NAMES = [
  ["step", "Step"],
  ["relative", "Relative time"],
  ["time", "Wall time"],
];

const viewId = /\/views\/([^/]+)$/.exec(location.pathname)?.[1] ?? null;
const { main, setTitle, say } = showShell(viewId === null ? "Compare" : "View", viewId === null ? "compare" : "views");

start().catch((error) => showError(main, error));

async function start() {
  const asked = new URLSearchParams(location.search).get("runs") ?? "";
  const saved = viewId === null ? null : await ask(pathOf("views", viewId));
  const runs = saved === null ? asked.split(",").filter(Boolean) : saved.runs;
  const definition = saved?.definition ?? {
    runs: { ids: runs },
    charts: null,
    columns: null,
    x: "step",
    smoothing: 0,
    log_scale: false,
    may_change: "owner",
  };
  await showPage({ saved, definition, runs, note: saved?.note ?? null });
}

async function showPage(page) {
  page.definition.ranges ??= {};
  const hidden = new Set();
  // Before any figure is read: what comes later has another mark.
  const marked = async () => (await ask("/compare/marks", { runs: page.runs.join(",") })).runs;
  let shown = await compared();
  let marks = shown.marks;
  const turn = newTurns();
  // What was chosen, and is not shown yet: its values, and its figures.
  const due = { values: false, figures: false };

  const head = viewHead({
    page,
    titleOf,
    onSaved: (view) => location.assign(pageUrl(pathOf("views", view.id))),
    onChanged: () => setTitle(titleOf()),
  });
  const legend = el("ul", { class: "mw-runs" });
  const legendNote = el("p", { class: "mw-note" });
  const legendHead = el("h2", null, "Runs");
  const axes = el("div");
  const axesSection = section("Runs across params and metrics", axes);
  const table = el("div");
  const tableHead = el("div", { class: "mw-section-head" });
  const tableSection = el("section", { class: "mw-section" }, tableHead, table);
  const chartsHost = el("div");

  const indexOf = (run) => shown.runs.findIndex((each) => each.id === run);
  const swatchOf = (run) => {
    const index = indexOf(run.id);
    return swatch(seriesColour(index), seriesDash(index));
  };
  const focus = (id) => {
    charts.focus(id);
    parallel.focus(id);
    for (const item of legend.children) {
      item.classList.toggle("is-focused", item.dataset.run === id);
    }
  };
  const parallel = drawParallel(axes, shown, { onFocus: (id) => focusOthers(id), onChosen: (ids) => choose(ids) });
  const focusOthers = (id) => {
    charts.focus(id);
    for (const item of legend.children) {
      item.classList.toggle("is-focused", item.dataset.run === id);
    }
  };
  const differences = drawDifferences(table, shown, { swatchOf, onFocus: focus });
  const charts = showCharts(chartsHost, {
    runs: () => shown.runs.map((run) => run.id),
    names: () => shown.metrics,
    definition: page.definition,
    placeOf: (run) => indexOf(run),
    onHidden: (name) => {
      const kept = page.definition.charts ?? shown.metrics.map((metric) => ({ metric }));
      change({ charts: kept.filter((chart) => chart.metric !== name) });
    },
    onZoomed: (id, zoomed) => {
      const { ranges } = page.definition;
      if (zoomed !== null || Object.hasOwn(ranges, id)) {
        const others = Object.entries(ranges).filter(([other]) => other !== id);
        page.definition.ranges = Object.fromEntries(zoomed === null ? others : [...others, [id, zoomed]]);
        head.changed();
      }
    },
  });

  // What was chosen on the axes is what is drawn; without a choice, all.
  const choose = (ids) => {
    hidden.clear();
    if (ids !== null) {
      shown.runs.filter((run) => !ids.includes(run.id)).forEach((run) => hidden.add(run.id));
    }
    showLegend();
    charts.hide(hidden);
  };

  const toggle = (id, isShown) => {
    if (isShown) {
      hidden.delete(id);
    } else {
      hidden.add(id);
    }
    charts.hide(hidden);
    parallel.hide(hidden);
    showLegend();
  };

  const change = (changed) => {
    Object.assign(page.definition, changed);
    head.changed();
    charts.update();
    showTools();
  };

  const changeRuns = async (ids) => {
    page.runs = ids;
    page.definition.runs = { ids };
    if (page.saved === null) {
      history.replaceState(null, "", pageUrl("/compare", { runs: ids.join(",") }));
    } else {
      head.changed();
    }
    await reread();
  };

  // Of what was chosen fast, the last is shown, whichever answer comes last.
  const reread = async ({ figures = true } = {}) => {
    const isLast = turn();
    due.values = true;
    due.figures ||= figures;
    const found = await compared().catch((error) => error);
    if (!isLast()) {
      return;
    }
    if (found instanceof Error) {
      tellOld(found);
      return;
    }
    // What was logged since the last look is in no chart yet.
    const names = due.figures ? null : changedNames(marks, found.marks);
    shown = found;
    marks = shown.marks;
    showAll();
    charts.update();
    charts.reread(names, { atOnce: due.figures || areOver(marks) });
    Object.assign(due, { values: false, figures: false });
  };

  const tellOld = (error) => say(`${error.message} What is shown may be old.`);
  const guarded = (action) => () => action().catch((error) => say(error.message));

  function compared() {
    const columns = page.definition.columns;
    return page.runs.length === 0
      ? { runs: [], missing: [], left_out: 0, differences: [], same: 0, axes: [], columns: [], metrics: [], marks: {} }
      : ask("/compare", {
          runs: page.runs.join(","),
          columns: columns === null ? null : JSON.stringify(columns),
        });
  }

  function titleOf() {
    if (page.saved !== null) {
      return page.saved.name;
    }
    return shown.runs.length === 1 ? "Compare one run" : `Compare ${shown.runs.length} runs`;
  }

  const showLegend = () => {
    const isFilter = !("ids" in page.definition.runs);
    replaceChildren(
      legend,
      shown.runs.map((run) =>
        el(
          "li",
          {
            dataset: { run: run.id },
            class: hidden.has(run.id) ? "is-hidden" : "",
            onpointerenter: () => focus(run.id),
            onpointerleave: () => focus(null),
          },
          tickOf(run),
          swatchOf(run),
          runLink(run.id, run.name),
          // Names need the room: that it went well is said by a dot.
          run.status === "Completed" ? el("span", { class: "mw-dot-good", title: run.status }, el("span", { class: "mw-spoken" }, run.status)) : statusMark(run.status),
          !isFilter &&
            buttonOf("×", () => changeRuns(page.runs.filter((id) => id !== run.id)), {
              class: "mw-tool",
              title: `Take ${run.name} out`,
              "aria-label": `Take ${run.name} out`,
            }),
        ),
      ),
    );
    legendHead.textContent = `Runs (${shown.runs.length - hidden.size === shown.runs.length ? shown.runs.length : `${shown.runs.length - hidden.size} of ${shown.runs.length}`})`;
    replaceChildren(
      legendNote,
      [
        page.note,
        shown.missing.length > 0 &&
          `${shown.missing.length === 1 ? "One run is" : `${shown.missing.length} runs are`} not in this workspace, or deleted for good: ${shown.missing.map((id) => id.slice(0, 8)).join(", ")}.`,
        shown.left_out > 0 && `${shown.left_out} more are left out: no more are compared at once.`,
      ]
        .filter(Boolean)
        .join(" "),
    );
  };

  const tickOf = (run) => {
    const box = tickBox("", !hidden.has(run.id), (isShown) => toggle(run.id, isShown));
    box.firstChild.setAttribute("aria-label", `Show ${run.name}`);
    return box;
  };

  const tools = el("div", { class: "mw-toolbar" });
  const filter = el("input", {
    type: "search",
    placeholder: "Filter charts",
    "aria-label": "Filter charts by name",
    oninput: () => charts.filter(filter.value),
  });
  const showTools = () => {
    const { definition } = page;
    const count = definition.charts === null ? "all" : String(definition.charts.length);
    const smoothing = el("input", {
      type: "range",
      min: 0,
      max: 0.99,
      step: 0.01,
      value: definition.smoothing,
      "aria-label": "Smoothing",
      oninput: () => charts.set({ smoothing: Number(smoothing.value) }),
      onchange: () => change({ smoothing: Number(smoothing.value) }),
    });
    replaceChildren(
      tools,
      filter,
      choiceOf("Over", X_NAMES, definition.x, (x) => change({ x })),
      el("label", { class: "mw-choice" }, el("span", null, "Smoothing"), smoothing),
      tickBox("Log scale", definition.log_scale, (isLog) => change({ log_scale: isLog })),
      buttonOf(`Charts (${count})`, async () => {
        const chosen = await chooseCharts(definition.charts, shown.metrics);
        if (chosen !== undefined) {
          change({ charts: chosen });
        }
      }),
    );
  };

  const showTable = () => {
    const { columns } = page.definition;
    replaceChildren(
      tableHead,
      el("h2", null, columns === null ? "Differences" : "Chosen columns"),
      columns === null && el("span", { class: "mw-muted" }, sameText(shown)),
      el("span", { class: "mw-buttons" },
        columns !== null && buttonOf("Differences only", () => changeColumns(null)),
        buttonOf("Columns", async () => {
          const chosen = await chooseColumns(columns ?? shown.differences.map(({ of, name }) => [of, name]), shown.columns);
          if (chosen !== undefined) {
            await changeColumns(chosen);
          }
        }),
      ),
    );
    differences.update(shown);
  };

  const changeColumns = async (columns) => {
    page.definition.columns = columns;
    head.changed();
    await reread({ figures: false });
  };

  const showAll = () => {
    setTitle(titleOf());
    head.show();
    showLegend();
    showTools();
    showTable();
    axesSection.hidden = shown.runs.length < FEWEST_FOR_AXES || shown.axes.length < 2;
    parallel.update(shown);
  };

  const addRun = async () => {
    const given = await askFor("Add runs", {
      label: "Ids of runs, with spaces or commas between them",
      button: "Add",
      longest: null,
      note: "A run's page and its address name its id.",
    });
    if (given) {
      await changeRuns([...new Set([...page.runs, ...given.split(/[\s,]+/).filter(Boolean)])]);
    }
  };

  const byFilter = async () => {
    const { experiments } = await ask("/experiments");
    const before = "ids" in page.definition.runs ? null : page.definition.runs;
    const chosen = await chooseFilter(before, experiments, (runs) =>
      send("/views/runs", { ...page.definition, runs }),
    );
    if (chosen !== null) {
      page.definition.runs = chosen.wanted;
      page.runs = chosen.found.runs;
      page.note = chosen.found.note;
      head.changed();
      await reread();
    }
  };

  replaceChildren(
    main,
    head.element,
    el(
      "div",
      { class: "mw-compare" },
      el(
        "aside",
        { class: "mw-section mw-side", "aria-label": "Runs" },
        legendHead,
        legend,
        legendNote,
        el("div", { class: "mw-buttons" }, buttonOf("Add…", guarded(addRun)), buttonOf("By a filter…", guarded(byFilter))),
      ),
      el("div", { class: "mw-content" }, tools, chartsHost, axesSection, tableSection),
    ),
  );
  // Figures take longest, so the first are asked for before all else is drawn.
  charts.update();
  await null;
  showAll();
  keepUpWithRuns();

  function keepUpWithRuns() {
    const onError = tellOld;
    const onAnswer = () => !due.values && say(null);
    keepUp(
      async () => {
        if (due.values) {
          await reread({ figures: false });
          return;
        }
        if (areOver(marks)) {
          return;
        }
        const asked = [page.runs, page.definition.columns];
        // Others were chosen while this was on its way: they are read by that.
        const isOld = () => due.values || asked[0] !== page.runs || asked[1] !== page.definition.columns;
        const found = await marked();
        if (isOld()) {
          return;
        }
        const names = changedNames(marks, found);
        const hasMoved = shown.runs.some((run) => found[run.id] && found[run.id].status !== run.status);
        if (hasMoved || names === null || names.length > 0) {
          const all = await compared();
          if (isOld()) {
            return;
          }
          // More may have ended since the marks were read.
          const isOther = statusesOf(all) !== statusesOf(shown);
          shown = all;
          if (isOther) {
            showAll();
          } else {
            showTable();
            parallel.update(shown);
          }
          charts.update();
          charts.reread(names, { atOnce: areOver(found) });
        }
        marks = found;
      },
      { everyMs: MARKS_MS, leftAlone: LEFT_ALONE, onError, onAnswer },
    );
    keepUp(
      async () => {
        if ("ids" in page.definition.runs) {
          return;
        }
        const asked = page.definition.runs;
        const found = await send("/views/runs", page.definition);
        if (asked !== page.definition.runs) {
          return;
        }
        page.note = found.note;
        if (found.runs.join() !== page.runs.join()) {
          page.runs = found.runs;
          await reread();
        }
      },
      { everyMs: FOUND_MS, leftAlone: LEFT_ALONE, onError, onAnswer },
    );
  }
}

// The names of what was logged meanwhile; null where all is to be read again: a run has ended.
function changedNames(before, after) {
  const names = new Set();
  for (const [run, { is_over: isOver, marks }] of Object.entries(after)) {
    const known = before[run];
    if (known === undefined || (isOver && !known.is_over)) {
      return null;
    }
    for (const [name, mark] of Object.entries(marks)) {
      if (known.marks[name] !== mark) {
        names.add(name);
      }
    }
  }
  return [...names];
}

function areOver(marks) {
  return Object.values(marks).every(({ is_over: isOver }) => isOver);
}

function statusesOf({ runs }) {
  return runs.map(({ id, status }) => `${id} ${status}`).join();
}

function sameText({ runs, differences, same }) {
  if (runs.length < 2) {
    return "";
  }
  if (differences.length === 0) {
    return `All ${same} are the same in all runs.`;
  }
  return same === 0 ? "" : `${same} more are the same in all runs.`;
}
