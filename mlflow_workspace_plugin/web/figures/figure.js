// A figure of any kind: its title, what can be done with it, what is drawn, and what is said of it.

import { onThemeChange, themeOf } from "../colours.js";
import { el, icon, replaceChildren } from "../dom.js";
import { drawBand, drawBars } from "./distributions.js";
import { drawHeatmap } from "./heatmap.js";
import { drawImages } from "./images.js";
import { drawLines } from "./lines.js";
import { newSaveMenu } from "../saving/menu.js";
import { drawNumber, drawText } from "./single.js";
import { drawTable } from "./table.js";

const KINDS = {
  lines: drawLines,
  bars: drawBars,
  band: drawBand,
  heatmap: drawHeatmap,
  table: drawTable,
  number: drawNumber,
  text: drawText,
  images: drawImages,
};
const ENLARGE = "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5l-4.5 4.5M2.5 13.5l4.5-4.5";

/**
 * Draw a figure into an element, and keep it drawn.
 *
 * @param {HTMLElement} host
 * @param figure as the figures' JSON says, version 1.
 * @param options {image(path, run) -> url, rows(figureId, offset, limit) -> Promise<table>,
 *   range(figureId, {x, start, end}) -> Promise<figure>, csvUrl(figureId) -> url of all values,
 *   smoothing, logScale, x, zoomed {x, from, to} that is shown at first, onZoom(zoomed or null),
 *   isCompact, isEager, hasLegend,
 *   place(series, index) -> place on the palette}
 * @returns {{element, update(figure), set({smoothing, logScale, x}), where x is null for what the
 *   figure itself is over, focus(run or null),
 *   hide(Set of runs), destroy()}}
 */
export function drawFigure(host, figure, options = {}) {
  const title = el("h3", { class: "mw-figure-title" });
  const tools = el("div", { class: "mw-tools" });
  const body = el("div", { class: "mw-figure-body" });
  const note = el("p", { class: "mw-note" });
  const element = el(
    "section",
    { class: "mw-figure" },
    el("header", { class: "mw-figure-head" }, title, tools),
    body,
    note,
  );
  const enlarge = el(
    "button",
    {
      type: "button",
      class: "mw-tool is-icon",
      title: "Enlarge",
      "aria-label": "Enlarge",
      "aria-pressed": "false",
      onclick: () => setLarge(!element.classList.contains("is-large")),
    },
    icon(ENLARGE),
  );
  const save = newSaveMenu({
    element,
    figure: () => current,
    csvUrl: options.csvUrl,
    say: (text) => frame.say(text),
  });
  tools.append(save, enlarge);
  host.append(element);

  let current = figure;
  let wanted = {};
  let hidden = new Set();
  let drawn = null;
  let said = null;
  let notes = [];
  let isBroken = false;
  let isDestroyed = false;

  const frame = {
    options,
    tools,
    theme: () => themeOf(element),
    onThemeChange,
    setNote(texts) {
      notes = texts.filter(Boolean);
      showNote();
    },
    // A fault, until there is an answer.
    say(text) {
      said = text;
      showNote();
    },
  };

  const showNote = () => {
    replaceChildren(
      note,
      notes.join(" "),
      said === null ? null : el("span", { class: "mw-fault", role: "alert" }, said),
    );
    note.hidden = notes.length === 0 && said === null;
  };

  // Where it was, so that the others stay where they are; a click beside the large figure ends it.
  const gap = el("div", { class: "mw-gap", onclick: () => setLarge(false) });
  const setLarge = (isLarge) => {
    gap.style.setProperty("height", `${element.offsetHeight}px`);
    element.classList.toggle("is-large", isLarge);
    if (isLarge) {
      element.before(gap);
    } else {
      gap.remove();
    }
    enlarge.setAttribute("aria-pressed", String(isLarge));
    enlarge.title = isLarge ? "Back to its place (Escape)" : "Enlarge";
  };

  const label = () => {
    title.textContent = current.title;
    title.title = current.title;
    element.setAttribute("aria-label", current.title);
    const kind = Object.hasOwn(KINDS, current.kind) ? current.kind : "unknown";
    const isLarge = element.classList.contains("is-large");
    const classes = [`is-${kind}`, options.isCompact && "is-compact", isLarge && "is-large"];
    if (element.classList.contains("is-picture")) {
      classes.push("is-picture");
    }
    element.className = ["mw-figure", ...classes].filter(Boolean).join(" ");
    element.classList.toggle("is-broken", isBroken);
  };

  // Whatever one figure holds, the others of the page are drawn.
  const guarded = (action) => {
    try {
      action();
      isBroken = false;
    } catch (error) {
      drawn?.destroy();
      isBroken = true;
      tools.replaceChildren(save, enlarge);
      replaceChildren(
        body,
        el("p", { class: "mw-empty" }, `This figure cannot be drawn: ${error.message}`),
      );
      drawn = null;
    }
    element.classList.toggle("is-broken", isBroken);
  };

  const draw = () => {
    if (isDestroyed || drawn !== null) {
      return;
    }
    guarded(() => {
      body.replaceChildren();
      if (!Object.hasOwn(KINDS, current.kind)) {
        throw new Error(`its kind is "${current.kind}", which this version does not know.`);
      }
      drawn = KINDS[current.kind](body, current, { ...frame, options: { ...options, ...wanted } });
      drawn.hide?.(hidden);
    });
  };

  const onKey = (event) => {
    if (event.key === "Escape" && element.classList.contains("is-large")) {
      setLarge(false);
      event.stopPropagation();
    }
  };
  element.addEventListener("keydown", onKey);
  label();
  showNote();
  const stopWaiting = options.isEager ? (draw(), () => {}) : whenNear(element, draw);

  return {
    element,
    update(other) {
      const isOtherKind = other.kind !== current.kind;
      current = other;
      said = null;
      label();
      if (drawn === null) {
        if (isBroken) {
          draw();
        }
      } else if (isOtherKind) {
        drawn.destroy();
        drawn = null;
        draw();
      } else {
        guarded(() => drawn.update(other));
      }
    },
    set(changed) {
      wanted = { ...wanted, ...changed };
      if (drawn !== null) {
        guarded(() => drawn.set(changed));
      }
    },
    focus(run) {
      drawn?.focus?.(run);
    },
    hide(runs) {
      hidden = runs;
      drawn?.hide?.(runs);
    },
    destroy() {
      isDestroyed = true;
      stopWaiting();
      drawn?.destroy();
      gap.remove();
      element.remove();
    },
  };
}

// What is far below is drawn when it is scrolled to, and before the page is printed.
function whenNear(element, draw) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        stop();
        draw();
      }
    },
    { rootMargin: "400px" },
  );
  const stop = () => {
    observer.disconnect();
    removeEventListener("beforeprint", drawNow);
  };
  const drawNow = () => {
    stop();
    draw();
  };
  observer.observe(element);
  addEventListener("beforeprint", drawNow);
  return stop;
}
