// The page of a run.

import { el } from "../dom.js";
import { ask, pathOf, send } from "./api.js";
import { newChildren } from "./run/children.js";
import { newReceipt, showFacts } from "./run/facts.js";
import { newRunFigures } from "./run/figures.js";
import { newRunFiles } from "./run/files.js";
import { newRunHead } from "./run/head.js";
import { newRunLog } from "./run/log.js";
import { newSnapshot } from "./run/snapshot.js";
import { keepUp, showError, showShell } from "./shell.js";

const CHILDREN_MS = 5000;
const LAST_LOOK_MS = 5000;
// Of a run that ended longer ago all was there when the page was opened.
const JUST_ENDED_MS = 60_000;
// How many times as long as a look took no other one is made: it may list many files.
const LEFT_ALONE = 4;

const runId = decodeURIComponent(location.pathname.split("/").at(-1));
const path = pathOf("runs", runId);
const shell = showShell("Run", "experiments");

const head = part("mw-run-head");
const figures = part("mw-part");
const log = part("mw-part", "Log");
const files = part("mw-part", "Files");
const code = part("mw-part", "Code");
const side = el("aside", { class: "mw-side", "aria-label": "About the run" });
const facts = el("div", null);
side.append(facts);
code.whole.hidden = true;
shell.main.append(
  head.whole,
  el("div", { class: "mw-run" }, side, el("div", { class: "mw-run-body" }, figures.whole, log.whole, files.whole, code.whole)),
);

start().catch((error) => showError(shell.main, error));

async function start() {
  const runHead = newRunHead(head.body);
  const runFigures = newRunFigures(figures.body, runId);
  const runLog = newRunLog(log.body, runId);
  const runFiles = newRunFiles(files.body, runId);
  const children = newChildren(side, runId);
  const receipt = newReceipt(side, runId);
  const snapshot = newSnapshot(code.body, runId);
  let snapshotId = null;

  const showOverview = async () => {
    const overview = await ask(path);
    runHead.show(overview);
    showFacts(facts, overview);
    if (overview.snapshot !== null && overview.snapshot !== snapshotId) {
      snapshotId = overview.snapshot;
      code.whole.hidden = false;
      whenSeen(code.whole, () => quietly(snapshot.load()));
    }
  };
  const showNames = async () => runFigures.setNames((await ask(`${path}/names`)).names);
  // What is shown, for whoever asks the page.
  globalThis.mlflowWorkspaceRun = { figures: runFigures.shown };
  await Promise.all([showOverview(), showNames()]);
  document.documentElement.dataset.ready = "true";

  const { hub } = await shell.hub;
  let cursor = null;
  let childrenAt = 0;
  // What was told by a tick and could not be shown is shown with a later one.
  const due = { facts: false, files: false, folders: new Set(), names: false };
  let areFilesSeen = false;
  const look = async () => {
    const isFirst = cursor === null;
    const folders = JSON.stringify(runFiles.opened());
    const tick = await send(`${path}/tick`, cursor, { parameters: { folders } });
    cursor = tick.cursor;
    if (tick.head !== null) {
      runHead.update(tick.head);
    }
    if (tick.log !== null) {
      runLog.add(tick.log);
    }
    tick.folders.forEach((folder) => due.folders.add(folder));
    if (isFirst) {
      // Names that came between the list of them and this.
      const known = new Set(runFigures.names());
      runFigures.again(tick.again.filter((name) => !known.has(name)));
    } else {
      // At the end also what no tick tells of: folders that are closed, models that are registered.
      due.facts ||= tick.facts || tick.is_over;
      due.files ||= tick.files || tick.is_over;
      const known = runFigures.names().length;
      runFigures.add(tick.points);
      runFigures.again(tick.again, { atOnce: tick.is_over });
      // In their order, as they are when the page is opened later.
      due.names ||= due.files || runFigures.names().length !== known;
      runLog.refresh();
      if (due.facts) {
        await showOverview();
        due.facts = false;
      }
      if (due.names) {
        await showNames();
        due.names = false;
      }
      if (due.files) {
        await runLog.load();
        if (areFilesSeen) {
          await runFiles.load();
        }
      } else if (due.folders.size > 0) {
        await runFiles.again([...due.folders]);
      }
      due.files = false;
      due.folders.clear();
    }
    if (performance.now() - childrenAt > CHILDREN_MS || tick.is_over) {
      childrenAt = performance.now();
      quietly(children.load());
    }
    document.documentElement.dataset.looked = String(Date.now());
    return tick;
  };
  let sawItGoOn = false;
  let overAt = null;
  const loop = keepUp(
    async () => {
      if (overAt !== null) {
        if (performance.now() - overAt < LAST_LOOK_MS) {
          return true;
        }
        // What was on its way when the run ended.
        await look();
        return false;
      }
      const { head, is_over: isOver } = await look();
      if (!isOver) {
        sawItGoOn = true;
        return true;
      }
      quietly(receipt.load());
      document.documentElement.dataset.over = "true";
      overAt = performance.now();
      return sawItGoOn || head.now - head.ended < JUST_ENDED_MS;
    },
    {
      leftAlone: LEFT_ALONE,
      onAnswer: () => shell.say(null),
      onError: async (error) => shell.say(error.isRunGone ? await gone(loop, hub) : fault(error.message)),
    },
  );
  loop.now();
  quietly(runLog.load());
  quietly(children.load());
  whenSeen(files.whole, () => {
    areFilesSeen = true;
    runFiles.load().catch(() => (due.files = true));
  });
  quietly(receipt.load());
}

// That there is no such run says that it was deleted only of the hub that it was in.
async function gone(loop, hub) {
  const found = await ask("/hub").catch(() => null);
  if (found === null || found.hub !== hub) {
    return fault(found === null ? "The run cannot be read." : `Another hub is served here now, ${found.hub}, which has no such run.`);
  }
  loop.stop();
  return "The run is not there any more: it was deleted for good. This is what was seen last.";
}

function fault(message) {
  const looked = document.documentElement.dataset.looked;
  const since = looked ? ` This is the picture of ${new Date(Number(looked)).toTimeString().slice(0, 8)}.` : "";
  return `${message}${since} It is tried again.`;
}

function part(className, heading) {
  const body = el("div", null);
  return { body, whole: el("section", { class: className }, heading && el("h2", null, heading), body) };
}

function whenSeen(element, action) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        observer.disconnect();
        action();
      }
    },
    { rootMargin: "300px" },
  );
  observer.observe(element);
}

// What is beside the run is asked for again with the next look.
function quietly(promise) {
  promise.catch((error) => console.warn(error.message));
}
