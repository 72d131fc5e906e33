// The children of a run, as a tree that is asked for where it is opened.

import { el, replaceChildren } from "../../dom.js";
import { newTurns } from "../../turns.js";
import { ask, pageUrl, pathOf } from "../api.js";
import { section } from "../shell.js";
import { durationOf, showStatus } from "./head.js";

/** Show the children of a run in an element, if it has some; `load()` asks anew. */
export function newChildren(host, runId) {
  const tree = el("div", { role: "tree", "aria-label": "Children" });
  const whole = section("Children", tree);
  whole.hidden = true;
  host.append(whole);
  const turn = newTurns();
  const load = async () => {
    const isLast = turn();
    const found = await ask(`${pathOf("runs", runId)}/children`);
    if (!isLast()) {
      return;
    }
    whole.hidden = found.children.length === 0;
    if (!whole.hidden && !tree.querySelector("[aria-expanded=true]")) {
      replaceChildren(tree, branch(runId, found));
    }
  };
  return { load };
}

function branch(runId, found) {
  const list = el("ul", { class: "mw-tree", role: "group" });
  addChildren(list, runId, found);
  return list;
}

function addChildren(list, runId, { children, next }) {
  list.append(...children.map(childEntry));
  if (next !== null) {
    const more = el("button", { type: "button", class: "mw-tool" }, "More");
    const fault = el("span", { class: "mw-fault", role: "alert" });
    const entry = el("li", null, more, fault);
    more.addEventListener("click", async () => {
      more.disabled = true;
      try {
        const rest = await ask(`${pathOf("runs", runId)}/children`, { offset: next });
        entry.remove();
        addChildren(list, runId, rest);
      } catch (error) {
        fault.textContent = error.message;
      }
      more.disabled = false;
    });
    list.append(entry);
  }
}

function childEntry(child) {
  const status = el("span", { class: "mw-status is-dot", title: child.status });
  showStatus(status, child.status);
  const below = el("div", null);
  const entry = el("li", { role: "treeitem", "aria-expanded": child.children ? "false" : null });
  let isRead = false;
  const toggle = async () => {
    const isOpen = entry.getAttribute("aria-expanded") === "true";
    entry.setAttribute("aria-expanded", String(!isOpen));
    below.hidden = isOpen;
    if (isOpen || isRead) {
      return;
    }
    isRead = true;
    try {
      replaceChildren(below, branch(child.run_id, await ask(`${pathOf("runs", child.run_id)}/children`)));
    } catch (error) {
      isRead = false;
      replaceChildren(below, el("p", { class: "mw-fault", role: "alert" }, error.message));
    }
  };
  entry.append(
    el(
      "div",
      { class: "mw-tree-row" },
      child.children
        ? el("button", { type: "button", class: "mw-tool is-icon mw-fold", "aria-label": `Children of ${child.name}`, onclick: toggle }, "▸")
        : el("span", { class: "mw-fold" }),
      status,
      el("a", { href: pageUrl(pathOf("runs", child.run_id)), title: child.name }, child.name || child.run_id),
      el("span", { class: "mw-muted" }, durationOf(child, Date.now())),
    ),
    below,
  );
  return entry;
}
