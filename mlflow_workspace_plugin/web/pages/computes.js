// The compute targets of a workspace: what runs there, what waits, and for what.

import { el, replaceChildren } from "../dom.js";
import { formatDuration, formatTime } from "../format.js";
import { ask } from "./api.js";
import { runLink, statusMark } from "./several/parts.js";
import { keepUp, showError, showShell } from "./shell.js";

const EVERY_MS = 2000;
const ROOM_MS = 5000;
const OLD_MS = 15_000;

const { main, say } = showShell("Computes", "computes");
const cards = el("div", { class: "mw-computes" });
const note = el("p", { class: "mw-note" });
const rooms = new Map();
const opened = new Set();
let shown = null;
// By the clock of who answers, which may differ from the browser's.
let behind = 0;

replaceChildren(
  main,
  el("h1", null, "Computes"),
  el("p", { class: "mw-muted" }, "Where the jobs of this workspace run, and the queue of each. Jobs come by mlflow-workspace submit, or from scripts; a target by mlflow-workspace compute add."),
  cards,
  note,
);

const onError = (error) => (shown === null ? showError(cards, error) : say(`${error.message} What is shown may be old.`));
const onAnswer = () => say(null);
const queues = keepUp(
  async () => {
    const before = Date.now();
    shown = await ask("/computes");
    behind = Math.max(0, shown.now - before);
    draw();
  },
  { everyMs: EVERY_MS, onError, onAnswer },
);
const room = keepUp(
  async () => {
    const found = shown?.computes.filter((each) => each.is_there) ?? [];
    await Promise.all(
      found.map(async ({ name }) => {
        rooms.set(name, await ask("/computes/room", { compute: name }).catch((error) => ({ note: error.message })));
        draw();
      }),
    );
  },
  { everyMs: ROOM_MS },
);
queues.now();
setTimeout(room.now, 400);

function draw() {
  replaceChildren(cards, shown.computes.map(cardOf));
  const age = shown.now - shown.read_at;
  note.textContent = [
    shown.left_out ? "There are more jobs than are shown." : "",
    age > OLD_MS ? `As it was ${formatDuration(age)} ago: an engine has not answered since.` : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function cardOf(compute) {
  const known = rooms.get(compute.name);
  const { running, waiting, ended } = compute;
  return el(
    "section",
    { class: "mw-section mw-compute", "aria-label": compute.name },
    el(
      "header",
      { class: "mw-section-head" },
      el("h2", null, compute.name),
      el("span", { class: "mw-muted" }, [compute.type !== compute.name && compute.type, compute.address, ...settingsOf(compute.settings)].filter(Boolean).join(" · ")),
      el("strong", { class: "mw-counts" }, `${running.length} running, ${waiting.length} waiting`),
    ),
    !compute.is_there && el("p", { class: "mw-note mw-fault" }, "It was removed from the workspace. Jobs that it has go on."),
    known && slotsOf(known),
    known?.note && el("p", { class: "mw-note" }, known.note),
    running.length + waiting.length > 0
      ? el(
          "div",
          { class: "mw-table-scroll" },
          el(
            "table",
            { class: "mw-table mw-queue" },
            el("thead", null, el("tr", null, ["", "Run", "Experiment", "State", "Since", "For what it waits"].map((text) => el("th", { scope: "col" }, text)))),
            el("tbody", null, running.map((job) => rowOf(job, "▶")), waiting.map((job, index) => rowOf(job, String(index + 1)))),
          ),
        )
      : el("p", { class: "mw-empty" }, "Nothing runs, and nothing waits."),
    ended.length > 0 && endedOf(compute),
  );
}

// Of the machine, which other workspaces use, too.
function slotsOf({ slots, busy, waiting }) {
  if (slots === null || slots === undefined) {
    return busy || waiting ? el("p", { class: "mw-note" }, `It runs ${busy ?? 0} jobs, and ${waiting ?? 0} wait, of all its users.`) : null;
  }
  const text = `${busy ?? 0} of ${slots} slots are taken${waiting ? `, ${waiting} wait` : ""}`;
  return el(
    "div",
    { class: "mw-slots", title: `${text}, by the jobs of all workspaces.` },
    el("meter", { min: 0, max: Math.max(slots, 1), value: Math.min(busy ?? 0, slots), "aria-label": text }),
    el("span", null, text),
  );
}

function rowOf(job, place) {
  const isWaiting = job.started === null;
  const since = isWaiting ? job.submitted : job.started;
  return el(
    "tr",
    null,
    el("td", { class: "is-number" }, place),
    el("th", { scope: "row" }, runLink(job.run_id, job.name || job.run_id)),
    el("td", { title: job.experiment }, job.experiment),
    el("td", null, statusMark(job.state)),
    el("td", { title: formatTime(since), class: "is-number" }, lengthSince(since)),
    el("td", { class: "mw-why" }, job.reason ?? ""),
  );
}

function endedOf(compute) {
  const details = el(
    "details",
    { open: opened.has(compute.name) },
    el("summary", null, `The last ${compute.ended.length === 1 ? "one" : compute.ended.length} that ended`),
    el(
      "div",
      { class: "mw-table-scroll" },
      el(
        "table",
        { class: "mw-table" },
        el(
          "tbody",
          null,
          compute.ended.map((job) =>
            el(
              "tr",
              null,
              el("th", { scope: "row" }, runLink(job.run_id, job.name || job.run_id)),
              el("td", null, job.experiment),
              el("td", null, statusMark(job.state)),
              el("td", null, formatTime(job.ended)),
              el("td", null, job.started === null ? "" : formatDuration(Math.max(0, job.ended - job.started))),
              el("td", { class: "mw-why" }, job.reason ?? ""),
            ),
          ),
        ),
      ),
    ),
  );
  details.addEventListener("toggle", () => (details.open ? opened.add(compute.name) : opened.delete(compute.name)));
  return details;
}

function settingsOf({ slots, python, hub, options }) {
  return [
    slots && `${slots} at once`,
    python && `Python ${python}`,
    hub && `hub at ${hub}`,
    options && Object.entries(options).map(([name, value]) => `${name}=${value}`).join(", "),
  ].filter(Boolean);
}

function lengthSince(milliseconds) {
  return milliseconds === null ? "" : formatDuration(Math.max(0, Date.now() + behind - milliseconds));
}
