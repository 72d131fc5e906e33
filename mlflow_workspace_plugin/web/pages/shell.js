// What all pages have in common: the head that names the hub, the ways to other pages, what went
// wrong, and the loop that keeps a page up to date while somebody looks at it.

import { el, replaceChildren } from "../dom.js";
import { ask, mlflowUrl, pageUrl, PageError } from "./api.js";

const TICK_MS = 1000;
const SLOWEST_MS = 30_000;

/**
 * Build the frame of a page around what it shows.
 *
 * @param {string} title of the page, until setTitle says more.
 * @param {string} here which of the ways is this page: "front", "runs", "compare", "experiments",
 *   "views" or "computes".
 * @returns {{main: HTMLElement, setTitle: function(string), say: function(?string),
 *   hub: Promise<object>}} where the page goes; `say` shows a line above it, such as that the hub is
 *   away, or takes it off; `hub` is which one it is of.
 */
export function showShell(title, here) {
  const hub = el("span", { class: "mw-hub" });
  const workspace = el("a", { class: "mw-workspace", href: pageUrl("/") });
  const ways = [
    ["experiments", "Experiments", mlflowUrl("experiments")],
    ["views", "Views", pageUrl("/views")],
    ["computes", "Computes", pageUrl("/computes")],
  ];
  const links = ways.map(([name, text, href]) =>
    el("a", { href, "aria-current": name === here ? "page" : null }, text),
  );
  const notice = el("p", { class: "mw-notice", role: "status", hidden: true });
  const main = el("main", { class: "mw-main", id: "main" });
  document.body.classList.add("mw", "mw-page");
  replaceChildren(
    document.body,
    el("a", { class: "mw-skip", href: "#main" }, "Skip to the content"),
    el("header", { class: "mw-top" }, workspace, el("nav", { "aria-label": "Pages" }, links), hub),
    notice,
    main,
  );
  const setTitle = (text) => {
    document.title = text;
  };
  const say = (text) => {
    if (notice.textContent !== (text ?? "")) {
      notice.textContent = text ?? "";
    }
    notice.hidden = !text;
  };
  setTitle(title);
  const asked = ask("/hub");
  asked.then(
    (found) => {
      workspace.textContent = found.workspace_name;
      hub.textContent = found.hub;
      hub.title = "The hub that is served here";
      if (found.user !== null) {
        hub.append(" · ", el("a", { href: "/log-in", title: "Log out" }, found.user));
      }
    },
    (error) => showError(main, error),
  );
  return { main, setTitle, say, hub: asked };
}

/** Show an error in the place of what could not be shown. */
export function showError(host, error) {
  if (error.name === "AbortError") {
    return;
  }
  if (!(error instanceof PageError)) {
    console.error(error);
  }
  replaceChildren(
    host,
    el("section", { class: "mw-error", role: "alert" }, el("h2", null, headingOf(error)), error.message),
  );
}

/** A part of a page, with its heading. */
export function section(heading, ...children) {
  return el("section", { class: "mw-section" }, el("h2", null, heading), children);
}

/**
 * Call something again and again while the page is visible; never twice at once.
 *
 * What fails is called again, later and later, until it is answered.
 *
 * @param {function(): Promise<boolean|void>} call is done for good when it returns false.
 * @param {{everyMs?: number, leftAlone?: number, onError?: function(Error), onAnswer?: function()}}
 *   options `leftAlone` is how many times as long as a call took no other one is made.
 * @returns {{stop: function(), now: function()}}
 */
export function keepUp(call, { everyMs = TICK_MS, leftAlone = 0, onError, onAnswer } = {}) {
  let timer = null;
  let isCalling = false;
  let isOver = false;
  let pause = everyMs;

  const plan = () => {
    clearTimeout(timer);
    if (!isOver && document.visibilityState === "visible") {
      timer = setTimeout(run, pause);
    }
  };
  const run = async () => {
    if (isCalling || isOver) {
      return;
    }
    isCalling = true;
    const began = performance.now();
    try {
      isOver = (await call()) === false;
      pause = Math.max(everyMs, Math.min(leftAlone * (performance.now() - began), SLOWEST_MS));
      onAnswer?.();
    } catch (error) {
      pause = Math.min(pause * 2, SLOWEST_MS);
      onError?.(error);
    } finally {
      isCalling = false;
      plan();
    }
  };
  const wake = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      run();
    }
  };
  document.addEventListener("visibilitychange", wake);
  plan();
  return {
    stop: () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
    },
    now: wake,
  };
}

function headingOf(error) {
  return error.status === 404 ? "There is no such page" : "This cannot be shown";
}
