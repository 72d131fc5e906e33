// The code that a run was started with: looked at, downloaded, compared with that of another run.

import { el, replaceChildren } from "../../dom.js";
import { formatBytes, formatNumber } from "../../format.js";
import { newTurns } from "../../turns.js";
import { apiUrl, ask, pathOf } from "../api.js";
import { showPreview } from "./preview.js";

/** Show the snapshot of a run in an element; `load()` asks what is in it. */
export function newSnapshot(host, runId) {
  const path = `${pathOf("runs", runId)}/snapshot`;
  const list = el("ul", { class: "mw-pane-list mw-tree" });
  const look = el("div", { class: "mw-pane-look" });
  const size = el("span", { class: "mw-muted" });
  const other = el("input", { class: "mw-input", name: "other", placeholder: "id of another run", "aria-label": "Id of another run", autocomplete: "off" });
  const compare = el("button", { type: "submit", class: "mw-tool is-strong" }, "Compare");
  const form = el("form", { class: "mw-inline" }, other, compare);

  const turn = newTurns();
  // What was chosen last is shown, whichever answer comes last.
  const show = async (asked, draw) => {
    const isLast = turn();
    const found = await asked.catch((error) => error);
    if (!isLast()) {
      return;
    }
    if (found instanceof Error) {
      replaceChildren(look, el("p", { class: "mw-muted", role: "alert" }, found.message));
    } else {
      draw(found);
    }
  };
  const preview = (file) => show(ask(`${path}/file`, { path: file }), (found) => showPreview(look, file, found));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const named = other.value.trim();
    if (named) {
      show(ask(`${path}/difference`, { other: named }), (found) => showDifference(look, found, named));
    }
  });
  return {
    async load() {
      const found = await ask(path);
      size.textContent = `${formatNumber(found.total)} files, ${formatBytes(found.bytes)}`;
      replaceChildren(
        host,
        el("div", { class: "mw-bar" }, size, el("a", { class: "mw-tool", href: apiUrl(`${path}/zip`), download: "" }, "Download as zip"), form),
        el("div", { class: "mw-panes" }, list, look),
      );
      replaceChildren(
        list,
        found.files.map((file) =>
          el("li", null, el("div", { class: "mw-tree-row" }, el("button", { type: "button", class: "mw-entry", onclick: () => preview(file.path) }, file.path), el("span", { class: "mw-muted" }, formatBytes(file.size)))),
        ),
        found.links.map(([from, to]) => el("li", { class: "mw-muted" }, `${from} → ${to}`)),
        found.total > found.files.length && el("li", { class: "mw-muted" }, `${formatNumber(found.total - found.files.length)} more are not listed.`),
      );
      replaceChildren(look, el("p", { class: "mw-muted" }, "Choose a file, or name a run to see what is different."));
    },
  };
}

function showDifference(host, { files, total, same }, other) {
  const heading = total === 0 ? "The code is the same." : `${formatNumber(total)} files are different, ${formatNumber(same)} are the same.`;
  replaceChildren(
    host,
    el("p", null, heading, " ", el("span", { class: "mw-muted" }, `Lines with − are of run ${other}.`)),
    files.map(({ path, change, lines }) =>
      el(
        "details",
        { class: "mw-difference", open: files.length <= 10 },
        el("summary", null, el("strong", { class: "mw-break" }, path), ` ${change}`),
        lines === null
          ? el("p", { class: "mw-muted" }, "It is no text, or too much to be shown here.")
          : el("pre", { tabindex: "0" }, lines.map((line) => el("span", { dataset: { line: line[0] ?? " " } }, line || " "))),
      ),
    ),
  );
}
