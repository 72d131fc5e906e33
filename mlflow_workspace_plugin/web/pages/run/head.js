// The head of a run's page: what it is called, how it stands, since when, and why it ended.

import { el, replaceChildren } from "../../dom.js";
import { formatDuration, formatTime } from "../../format.js";
import { mlflowUrl, pageUrl, pathOf } from "../api.js";

/** Show the head of a run in an element; `show(overview)` shows all, `update(head)` how it stands. */
export function newRunHead(host) {
  const name = el("h1", { class: "mw-run-name" });
  const status = el("span", { class: "mw-status" });
  const facts = el("dl", { class: "mw-run-facts" });
  const duration = el("dd", null);
  const said = el("div", { class: "mw-run-said" });
  const links = el("p", { class: "mw-run-links" });
  let overview = null;
  let head = null;
  // Of the clock of the server, when the page was told, by the clock of this machine.
  let ahead = 0;
  replaceChildren(host, el("div", { class: "mw-run-title" }, name, status, links), facts, said);

  const showDuration = () => {
    duration.textContent = durationOf(head, Date.now() + ahead);
  };
  const timer = setInterval(() => head && !head.is_over && showDuration(), 1000);

  const update = (changed) => {
    head = changed;
    ahead = head.now - Date.now();
    name.textContent = head.name || head.run_id;
    name.title = head.name ?? "";
    showStatus(status, head.status);
    document.title = `${head.status}: ${head.name || head.run_id}`;
    replaceChildren(facts, factsOf(overview, head, duration));
    showDuration();
    replaceChildren(said, saidOf(head, overview?.note));
    if (head.is_over) {
      clearInterval(timer);
    }
  };
  return {
    show(whole) {
      overview = whole;
      const parent = whole.parent;
      replaceChildren(
        links,
        parent && el("a", { href: pageUrl(pathOf("runs", parent.run_id)) }, `Parent: ${parent.name}`),
        el("a", { href: mlflowUrl(whole.page) }, "In MLflow's UI"),
      );
      update(whole.head);
    },
    update,
  };
}

/** Show a status in words and colour. */
export function showStatus(element, status) {
  element.textContent = status;
  element.dataset.status = kindOfStatus(status);
}

/** What a status means: "good", "bad", "busy" or "idle". */
function kindOfStatus(status) {
  if (status === "Completed") {
    return "good";
  }
  if (status === "Failed" || status === "NotResponding") {
    return "bad";
  }
  return ["Canceled", "Deleted", "NotStarted", "Queued"].includes(status) ? "idle" : "busy";
}

/** How long something took, or takes by now. */
export function durationOf({ started, ended }, now) {
  return started ? formatDuration(Math.max(0, (ended ?? now) - started)) : "";
}

function factsOf(overview, head, duration) {
  const facts = [
    ["Experiment", overview && experimentLink(overview)],
    ["Run", el("code", null, head.run_id)],
    ["Submitted", head.submitted && formatTime(head.submitted)],
    ["Started", head.started && formatTime(head.started)],
    ["Ended", head.ended && formatTime(head.ended)],
    ["Duration", head.started && duration],
    ["By", head.user],
    ["Compute", head.compute && el("a", { href: pageUrl("/computes") }, head.compute)],
    ["Exit code", head.exit_code],
  ];
  return facts
    .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .map(([term, value]) => el("div", null, el("dt", null, term), value.tagName === "DD" ? value : el("dd", null, value)));
}

function experimentLink(overview) {
  return el("a", { href: pageUrl(pathOf("experiments", overview.head.experiment_id)) }, overview.experiment);
}

function saidOf(head, note) {
  return [
    head.waits && el("p", { class: "mw-waits" }, head.waits),
    head.reason && el("div", { class: "mw-reason" }, el("h2", null, reasonHeading(head.status)), el("pre", null, head.reason)),
    head.warning && el("p", { class: "mw-warning" }, head.warning),
    head.remark && el("p", { class: "mw-muted" }, head.remark),
    note && el("p", { class: "mw-description" }, note),
  ];
}

function reasonHeading(status) {
  return status === "Failed" ? "Why it failed" : "Why it ended";
}
