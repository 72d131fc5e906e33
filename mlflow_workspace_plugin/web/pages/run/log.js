// What a run prints: its end, which follows while it grows, and what came before it when asked for.

import { el, replaceChildren } from "../../dom.js";
import { formatBytes } from "../../format.js";
import { newTurns } from "../../turns.js";
import { apiUrl, ask, pathOf } from "../api.js";

const KEPT = 400_000;
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
  // Pieces of one log, as they came: only the server knows of how many bytes each is.
  let pieces = [];
  let chosen = null;
  const turn = newTurns();
  const turnOfNames = newTurns();
  replaceChildren(host, bar, empty, text);
  bar.hidden = text.hidden = true;

  const draw = () => {
    const isAtEnd = text.scrollHeight - text.scrollTop - text.clientHeight < AT_END;
    const last = pieces.at(-1);
    text.textContent = asLines(pieces.map((piece) => piece.text).join(""));
    bar.hidden = text.hidden = false;
    empty.hidden = true;
    earlier.hidden = pieces[0].start === 0;
    size.textContent = formatBytes(last.end);
    download.href = apiUrl(`${pathOf("runs", runId)}/file`, { path: last.name, download: "1" });
    if (isAtEnd) {
      text.scrollTop = text.scrollHeight;
    }
  };
  const add = (piece) => {
    const last = pieces.at(-1);
    if (last !== undefined && piece.name === last.name && piece.start === last.end) {
      pieces.push(piece);
      let length = pieces.reduce((sum, each) => sum + each.text.length, 0);
      while (length > KEPT && pieces.length > 1) {
        length -= pieces.shift().text.length;
      }
    } else {
      pieces = [piece];
      text.scrollTop = text.scrollHeight;
    }
    draw();
  };
  const choose = async (name) => {
    const isLast = turn();
    const { piece } = await ask(path, { name });
    if (piece !== null && isLast()) {
      add(piece);
    }
  };
  // What came to the log that was chosen; what is shown of it stays.
  const follow = async () => {
    const last = pieces.at(-1);
    if (last?.name !== chosen) {
      await choose(chosen);
      return;
    }
    const { piece } = await ask(path, { name: chosen, seen: last.end });
    if (piece !== null && piece.name === chosen && pieces.at(-1) === last) {
      add(piece);
    }
  };
  choice.addEventListener("change", () => {
    chosen = choice.selectedIndex === 0 ? null : choice.value;
    choose(choice.value).catch((error) => console.warn(error.message));
  });
  earlier.addEventListener("click", async () => {
    const [first] = pieces;
    earlier.disabled = true;
    try {
      const { piece } = await ask(path, { name: first.name, before: first.start });
      if (pieces[0] === first && piece.end === first.start) {
        const before = text.scrollHeight;
        pieces.unshift(piece);
        draw();
        text.scrollTop = text.scrollHeight - before;
      }
    } catch (error) {
      console.warn(error.message);
    }
    earlier.disabled = false;
  });
  return {
    /** Show what came to the log that is shown of the run, unless another one was chosen. */
    add: (piece) => chosen === null && add(piece),
    /** Ask which logs there are. */
    async load() {
      const isLast = turnOfNames();
      const { names } = await ask(path);
      if (!isLast()) {
        return;
      }
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
