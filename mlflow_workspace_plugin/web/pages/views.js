// The views of a workspace: opened, renamed, exported, deleted, read from files.

import { el, replaceChildren } from "../dom.js";
import { formatTime } from "../format.js";
import { apiUrl, ask, pageUrl, pathOf, send } from "./api.js";
import { askFor, buttonOf } from "./several/parts.js";
import { section, showError, showShell } from "./shell.js";
import { newTurns } from "../turns.js";

const { main, setTitle } = showShell("Views", "views");
const said = el("p", { class: "mw-note", role: "status" });
const list = el("div");
const turn = newTurns();

setTitle("Views");
replaceChildren(
  main,
  el("h1", null, "Views"),
  el("p", { class: "mw-muted" }, "Charts, runs and columns that somebody chose, saved in this workspace. Everybody of it sees them; each says who may change it. Compare runs, and save what you see, to make one."),
  section("Saved views", list, said),
  importing(),
);
show();

async function show() {
  const isLast = turn();
  const found = await ask("/views").catch((error) => error);
  if (!isLast()) {
    return;
  }
  if (found instanceof Error) {
    showError(list, found);
  } else {
    replaceChildren(list, found.views.length === 0 ? el("p", { class: "mw-empty" }, "There are none yet.") : tableOf(found.views));
  }
}

function tableOf(views) {
  return el(
    "div",
    { class: "mw-table-scroll" },
    el(
      "table",
      { class: "mw-table" },
      el("thead", null, el("tr", null, ["Name", "Shows", "Owner", "May change it", "Changed", ""].map((text) => el("th", null, text)))),
      el(
        "tbody",
        null,
        views.map((view) =>
          el(
            "tr",
            null,
            el("th", { scope: "row" }, el("a", { href: pageUrl(pathOf("views", view.id)), title: view.name }, view.name)),
            el("td", { class: view.fault ? "mw-fault" : null, title: contentOf(view) }, contentOf(view)),
            el("td", null, view.owner),
            el("td", { title: view.who_may_change }, view.definition?.may_change === "everybody" ? "everybody" : `only ${view.is_own ? "you" : view.owner}`),
            el("td", null, formatTime(view.changed_at, { seconds: false })),
            el(
              "td",
              { class: "mw-actions" },
              el("a", { class: "mw-tool", href: apiUrl(pathOf("views", view.id, "text")), download: "" }, "Export"),
              view.may_change && buttonOf("Rename", () => rename(view), { class: "mw-tool" }),
              view.may_change && buttonOf("Delete", () => remove(view), { class: "mw-tool" }),
            ),
          ),
        ),
      ),
    ),
  );
}

function contentOf({ definition, fault }) {
  if (definition === null) {
    return fault;
  }
  const { runs, charts } = definition;
  const of =
    "ids" in runs
      ? `${runs.ids.length} ${runs.ids.length === 1 ? "run" : "runs"}`
      : `runs of ${runs.experiment ?? "all experiments"}${runs.filter ? ` where ${runs.filter}` : ""}`;
  return `${of}, ${charts === null ? "all charts" : `${charts.length} ${charts.length === 1 ? "chart" : "charts"}`}`;
}

async function rename(view) {
  const name = await askFor("Rename the view", { label: "Name", value: view.name, button: "Rename" });
  if (name) {
    await done(() => send(pathOf("views", view.id), { name }, { method: "PATCH" }), `It is “${name}” now.`);
  }
}

async function remove(view) {
  const isSure = await askFor(`Delete the view “${view.name}”?`, { button: "Delete", note: "Its runs stay. Links to it lead nowhere then." });
  if (isSure) {
    await done(() => send(pathOf("views", view.id), {}, { method: "DELETE" }), "It is deleted.");
  }
}

async function done(action, text) {
  try {
    await action();
    said.textContent = text;
    said.classList.remove("mw-fault");
  } catch (error) {
    said.textContent = error.message;
    said.classList.add("mw-fault");
  }
  await show();
}

function importing() {
  const file = el("input", { type: "file", accept: ".json,.txt,application/json", "aria-label": "File of a view", onchange: async () => {
    const [chosen] = file.files;
    if (chosen) {
      await read(await chosen.text());
      file.value = "";
    }
  } });
  const text = el("textarea", { rows: 4, placeholder: "or paste the text of one here", "aria-label": "Text of a view", spellcheck: "false" });
  const read = async (given) => {
    await done(() => send("/views/import", { text: given }), "It is saved, and yours.");
  };
  return section(
    "Read a view from a file",
    el("p", { class: "mw-muted" }, "What was exported here, or in another workspace. It becomes a new view of yours; ids of runs that are not in this workspace are shown as missing."),
    el("div", { class: "mw-import" }, file, text, buttonOf("Read the text", () => text.value.trim() && read(text.value))),
  );
}
