// A run, or several compared, in one file: all that is shown is in the page.

import { el, replaceChildren } from "../dom.js";
import { drawFigure } from "../figures/figure.js";
import { formatBytes, formatCell, formatDuration, formatTime } from "../format.js";

const NOT_SAID = "–";

/**
 * Draw a report.
 *
 * @param {HTMLElement} host
 * @param report as cli/seen/contents.py says.
 */
function drawReport(host, report) {
  const figures = el("div", { class: "mw-figures" });
  const narrow = report.comparison === null ? reportFacts(report) : [];
  const wide = [
    report.comparison === null ? null : reportDifferences(report.comparison),
    reportControls(figures, report),
    figures,
    report.log === null ? null : reportLog(report.log),
  ];
  host.classList.add("mw", "mw-report");
  replaceChildren(
    host,
    reportHead(report),
    el(
      "div",
      { class: narrow.length ? "mw-report-columns" : null },
      narrow.length ? el("aside", null, narrow) : null,
      el("main", null, wide),
    ),
    report.left_out.length > 0 ? reportLeftOut(report.left_out) : null,
  );
}

function reportHead({ workspace, experiment, runs, comparison }) {
  const where = `${workspace} / ${experiment}`;
  if (comparison !== null) {
    return el(
      "header",
      { class: "mw-report-head" },
      el("h1", null, `${runs.length} runs compared`),
      el("p", { class: "mw-muted" }, where),
    );
  }
  const { head, note } = runs[0];
  const facts = [
    where,
    head.run_id,
    head.started === null ? null : `started ${formatTime(head.started)}`,
    reportDuration(head),
    head.compute === null ? null : `on ${head.compute}`,
    head.user === null ? null : `by ${head.user}`,
  ];
  return el(
    "header",
    { class: "mw-report-head" },
    el("h1", null, head.name, " ", reportStatus(head.status)),
    el("p", { class: "mw-muted" }, facts.filter((each) => each !== null).join(" · ")),
    [head.reason, head.warning].map((each) => each && el("p", { class: "mw-fault mw-report-text" }, each)),
    [head.remark, note].map((each) => each && el("p", { class: "mw-report-text" }, each)),
  );
}

function reportDuration({ started, ended, is_over: isOver }) {
  if (!isOver) {
    return "had not ended when this was written";
  }
  return started === null || ended === null ? null : formatDuration(ended - started);
}

function reportStatus(status) {
  return el("span", { class: "mw-status", dataset: { status } }, status);
}

function reportFacts({ runs, files, children }) {
  const run = runs[0];
  const pairs = [
    ["Parameters", run.params],
    ["Tags", run.tags],
    ["Properties", run.properties],
    ["Datasets", run.datasets.map((each) => [each.used_as ?? each.name, `${each.name} ${each.digest}`])],
    ["Models", run.models.map((each) => [each.use, [each.name, each.version].filter(Boolean).join(" ")])],
    ["Children", children.map((each) => [each.name, each.status])],
    ["Files", files.map((each) => [each.path, formatBytes(each.size)])],
  ];
  return pairs
    .filter(([, facts]) => facts.length > 0)
    .map(([heading, facts]) =>
      el(
        "section",
        { class: "mw-report-facts" },
        el("h2", null, heading),
        el(
          "dl",
          null,
          facts.map(([name, value]) => [el("dt", null, name), el("dd", null, value ?? NOT_SAID)]),
        ),
      ),
    );
}

function reportDifferences({ runs, differences, same }) {
  const row = ({ of, name, cells }) =>
    el(
      "tr",
      null,
      el("th", { scope: "row" }, name, " ", el("span", { class: "mw-muted" }, of)),
      cells.map((cell) => el("td", null, reportCell(of, name, cell))),
    );
  return el(
    "section",
    { class: "mw-report-facts mw-report-differences" },
    el("h2", null, "In what they differ"),
    el(
      "div",
      { class: "mw-table-scroll", tabindex: "0" },
      el(
        "table",
        { class: "mw-table" },
        el("thead", null, el("tr", null, el("th", null, ""), runs.map((run) => el("th", { scope: "col" }, run.name)))),
        el(
          "tbody",
          null,
          el("tr", null, el("th", { scope: "row" }, "Status"), runs.map((run) => el("td", null, reportStatus(run.status)))),
          differences.map(row),
        ),
      ),
    ),
    el("p", { class: "mw-note" }, `What is the same in all of them is not shown: ${same} of ${same + differences.length}.`),
  );
}

function reportCell(of, name, cell) {
  if (cell === null) {
    return NOT_SAID;
  }
  if (of === "attribute" && name === "started") {
    return formatTime(cell);
  }
  return of === "attribute" && name === "duration" ? formatDuration(cell * 1000) : formatCell(cell);
}

// Above the figures: which of them, and how.
function reportControls(host, { figures, pictures, run_ids: runs }) {
  const options = { image: (path, run) => pictures[JSON.stringify([run, path])] ?? null };
  if (runs.length > 1) {
    // Each run has one colour, also where others have nothing.
    options.place = ({ run }) => runs.indexOf(run);
  }
  const drawn = figures.map((figure) => ({ figure, shown: drawFigure(host, figure, options) }));
  const filter = el("input", {
    type: "search",
    placeholder: "Filter figures",
    "aria-label": "Filter figures",
    oninput: () => {
      const wanted = filter.value.toLowerCase();
      for (const { figure, shown } of drawn) {
        shown.element.hidden = !figure.title.toLowerCase().includes(wanted);
      }
    },
  });
  const set = (changed) => drawn.forEach(({ shown }) => shown.set(changed));
  const smoothing = el("input", {
    type: "range",
    min: "0",
    max: "0.99",
    step: "0.01",
    value: "0",
    oninput: () => set({ smoothing: Number(smoothing.value) }),
  });
  const logScale = el("input", { type: "checkbox", onchange: () => set({ logScale: logScale.checked }) });
  return el(
    "div",
    { class: "mw-report-controls", hidden: figures.length === 0 },
    filter,
    el("label", null, "Smoothing ", smoothing),
    el("label", null, logScale, " Log scale"),
  );
}

function reportLog({ name, text, start }) {
  return el(
    "section",
    { class: "mw-report-facts" },
    el("h2", null, name),
    start > 0 ? el("p", { class: "mw-note" }, `Its end; ${formatBytes(start)} before it are left out.`) : null,
    el("pre", { class: "mw-report-log", tabindex: "0" }, text),
  );
}

function reportLeftOut(sentences) {
  return el(
    "footer",
    { class: "mw-report-facts" },
    el("h2", null, "What is not in this file"),
    el(
      "ul",
      null,
      sentences.map((each) => el("li", null, each)),
    ),
  );
}

const reportData = document.getElementById("data");
if (reportData !== null) {
  const reportHost = el("div", null);
  document.body.append(reportHost);
  drawReport(reportHost, JSON.parse(reportData.textContent));
}
