// What a run prints: its end, which follows while it grows, and what came before it when asked for.

import { el, replaceChildren } from "../../dom.js";
import { formatBytes } from "../../format.js";
import { apiUrl, ask, pathOf } from "../api.js";

const KEPT = 400_000;
const EARLIER = 16_384;
const AT_END = 24;
// Colours and movements of terminals.
const ESCAPES = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** Show the log of a run in an element; `add(piece)` shows what came to it. */
export function newRunLog(host, runId) {
  const path = `${pathOf("runs", runId)}/log`;
  const choice = el("select", { class: "mw-tool", "aria-label": "Which log" });
  const earlier = el("button", { type: "button", class: "mw-tool", hidden: true }, "Earlier");
  const download = el("a", { class: "mw-tool", download: "" }, "Download");
  const size = el("span", { class: "mw-muted" });
  const text = el("pre", { class: "mw-log", tabindex: "0", role: "log", "aria-label": "Log" });
  const empty = el("p", { class: "mw-muted" }, "Nothing was printed yet.");
  const bar = el("div", { class: "mw-bar" }, choice, earlier, size, download);
  let shown = null;
  let chosen = null;
  replaceChildren(host, bar, empty, text);
  bar.hidden = text.hidden = true;

  const draw = () => {
    const isAtEnd = text.scrollHeight - text.scrollTop - text.clientHeight < AT_END;
    text.textContent = asLines(shown.text);
    bar.hidden = text.hidden = false;
    empty.hidden = true;
    earlier.hidden = shown.start === 0;
    size.textContent = formatBytes(shown.end);
    download.href = apiUrl(`${pathOf("runs", runId)}/file`, { path: shown.name, download: "1" });
    if (isAtEnd) {
      text.scrollTop = text.scrollHeight;
    }
  };
  const add = (piece) => {
    if (shown !== null && piece.name === shown.name && piece.start === shown.end) {
      shown = { ...shown, end: piece.end, text: shown.text + piece.text };
      if (shown.text.length > KEPT) {
        const cut = shown.text.length - KEPT;
        const bytes = new TextEncoder().encode(shown.text.slice(0, cut)).length;
        shown = { ...shown, start: shown.start + bytes, text: shown.text.slice(cut) };
      }
    } else {
      shown = piece;
      text.scrollTop = text.scrollHeight;
    }
    draw();
  };
  const choose = async (name) => {
    const { piece } = await ask(path, { name });
    if (piece !== null) {
      add(piece);
    }
  };
  // What came to the log that was chosen; what is shown of it stays.
  const follow = async () => {
    if (shown?.name !== chosen) {
      await choose(chosen);
      return;
    }
    const from = shown.end;
    const { piece } = await ask(path, { name: chosen, seen: from });
    if (piece !== null && piece.name === chosen && shown.end === from) {
      add(piece);
    }
  };
  choice.addEventListener("change", () => {
    chosen = choice.selectedIndex === 0 ? null : choice.value;
    choose(choice.value);
  });
  earlier.addEventListener("click", async () => {
    const offset = Math.max(0, shown.start - EARLIER);
    const { piece } = await ask(path, { name: shown.name, offset });
    if (piece.end >= shown.start && piece.start < shown.start) {
      const before = text.scrollHeight;
      const bytes = new TextEncoder().encode(piece.text).slice(0, shown.start - piece.start);
      shown = { ...shown, start: piece.start, text: new TextDecoder().decode(bytes) + shown.text };
      draw();
      text.scrollTop = text.scrollHeight - before;
    } else {
      earlier.hidden = true;
    }
  });
  return {
    /** Show what came to the log that is shown of the run, unless another one was chosen. */
    add: (piece) => chosen === null && add(piece),
    /** Ask which logs there are. */
    async load() {
      const { names } = await ask(path);
      replaceChildren(choice, names.map((name) => el("option", { value: name, selected: name === chosen }, name)));
      choice.hidden = names.length < 2;
    },
    /** Ask again for the one that was chosen. */
    refresh: () => chosen !== null && follow().catch((error) => console.warn(error.message)),
  };
}

// What a terminal would show: a carriage return writes the line anew.
function asLines(text) {
  return text
    .replace(ESCAPES, "")
    .replace(/\r+\n/g, "\n")
    .split("\n")
    .map((line) => line.slice(line.lastIndexOf("\r", line.length - 2) + 1).replace(/\r$/, ""))
    .join("\n");
}
