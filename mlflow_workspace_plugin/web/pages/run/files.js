// The files of a run: folders that are opened one by one, and a look at one of them.

import { el, replaceChildren } from "../../dom.js";
import { formatBytes } from "../../format.js";
import { newTurns } from "../../turns.js";
import { apiUrl, ask, pathOf } from "../api.js";
import { showPreview } from "./preview.js";

// So many open folders are followed: what else is open is seen anew when the run ends.
const MOST_FOLLOWED = 20;

/**
 * Show the files of a run in an element.
 *
 * `load()` asks which there are, `again(folders)` whether there are others in some: what is shown
 * stays where that fails. `opened()` are the folders that are followed.
 */
export function newRunFiles(host, runId) {
  const path = pathOf("runs", runId);
  const tree = el("div", { class: "mw-pane-list", role: "tree", "aria-label": "Files" });
  const look = el("div", { class: "mw-pane-look" }, el("p", { class: "mw-muted" }, "Choose a file to look at it."));
  replaceChildren(host, el("div", { class: "mw-panes" }, tree, look));
  const open = new Set();
  // What was answered of each folder, as text.
  const known = new Map();
  let chosen = null;
  const turnOfList = newTurns();
  const turnOfLook = newTurns();
  const faultOf = (error) => el("p", { class: "mw-muted", role: "alert" }, error.message);

  const listed = async (folder) => {
    const found = await ask(`${path}/files`, { path: folder });
    known.set(folder, JSON.stringify(found));
    const { entries, total } = found;
    const rows = await Promise.all(entries.map(entryOf));
    const list = el("ul", { class: "mw-tree", role: "group" }, rows);
    if (total > entries.length) {
      list.append(el("li", { class: "mw-muted" }, `${total - entries.length} more are not listed.`));
    }
    return list;
  };
  const entryOf = async (entry) => {
    const item = el("li", { role: "treeitem" });
    const fileUrl = apiUrl(`${path}/file`, { path: entry.path, download: "1" });
    if (!entry.is_folder) {
      const button = el("button", { type: "button", class: "mw-entry", title: entry.path, "aria-current": entry.path === chosen ? "true" : null, onclick: () => preview(entry.path, button) }, entry.name);
      item.append(el("div", { class: "mw-tree-row" }, el("span", { class: "mw-fold" }), button, el("span", { class: "mw-muted" }, formatBytes(entry.size ?? 0)), el("a", { class: "mw-muted", href: fileUrl, download: "", "aria-label": `Download ${entry.path}` }, "↓")));
      return item;
    }
    const below = el("div", null);
    const turnOfFolder = newTurns();
    const toggle = async (isOpen) => {
      const isLast = turnOfFolder();
      item.setAttribute("aria-expanded", String(isOpen));
      (isOpen ? open.add : open.delete).call(open, entry.path);
      const shown = isOpen ? await listed(entry.path).catch(faultOf) : null;
      if (isLast()) {
        replaceChildren(below, shown);
      }
    };
    const click = () => toggle(item.getAttribute("aria-expanded") !== "true");
    item.setAttribute("aria-expanded", "false");
    item.append(
      el("div", { class: "mw-tree-row" }, el("button", { type: "button", class: "mw-entry is-folder", onclick: click }, el("span", { class: "mw-fold" }, "▸"), entry.name)),
      below,
    );
    if (open.has(entry.path)) {
      item.setAttribute("aria-expanded", "true");
      below.append(await listed(entry.path));
    }
    return item;
  };
  const preview = async (file, button) => {
    for (const each of tree.querySelectorAll("[aria-current]")) {
      each.removeAttribute("aria-current");
    }
    button.setAttribute("aria-current", "true");
    chosen = file;
    const url = (parameters) => apiUrl(`${path}/file`, { path: file, ...parameters });
    const isLast = turnOfLook();
    const found = await ask(`${path}/preview`, { path: file }).catch((error) => error);
    if (!isLast()) {
      return;
    }
    if (found instanceof Error) {
      replaceChildren(look, faultOf(found));
    } else {
      showPreview(look, file, found, url({}), url({ download: "1" }));
    }
  };
  const load = async () => {
    const isLast = turnOfList();
    const opened = () => [...open].join("\n");
    let list, built;
    do {
      // Folders may be opened and closed until it is shown.
      built = opened();
      list = await listed("").catch((error) => {
        // None of it is shown.
        known.clear();
        throw error;
      });
    } while (isLast() && built !== opened());
    if (!isLast()) {
      return;
    }
    replaceChildren(tree, list.hasChildNodes() ? list : el("p", { class: "mw-muted" }, "The run has no files."));
  };
  return {
    load,
    async again(folders) {
      const found = await Promise.all(folders.map((folder) => ask(`${path}/files`, { path: folder })));
      if (found.some((each, index) => JSON.stringify(each) !== known.get(folders[index]))) {
        await load();
      }
    },
    opened: () => [...open].slice(-MOST_FOLLOWED),
  };
}
