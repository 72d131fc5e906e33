// The figures of a run: read as they come into view, filtered, and kept up to date while it goes on.

import { el, replaceChildren } from "../../dom.js";
import { drawFigure } from "../../figures/figure.js";
import { apiUrl, ask, pathOf } from "../api.js";
import { pauseAfter } from "../pauses.js";
import { withPoints } from "./points.js";

const AT_ONCE = 8;
const NEAR = "500px";
const AGAIN_MS = 3000;

/** Show the figures of a run in an element. */
export function newRunFigures(host, runId) {
  const path = pathOf("runs", runId);
  const slots = new Map();
  const settings = { smoothing: 0, logScale: false };
  const grid = el("div", { class: "mw-figures" });
  const none = el("p", { class: "mw-muted", hidden: true });
  const filter = el("input", { class: "mw-input", type: "search", placeholder: "Filter by name", "aria-label": "Filter figures by name" });
  const count = el("span", { class: "mw-muted", role: "status" });
  replaceChildren(host, el("div", { class: "mw-bar mw-figure-bar" }, filter, count, controls()), none, grid);
  filter.addEventListener("input", showFiltered);

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const slot = slots.get(target.dataset.name);
        if (slot !== undefined) {
          isIntersecting ? slot.near.add(target) : slot.near.delete(target);
        }
      }
      read();
    },
    { rootMargin: NEAR },
  );
  let isReading = false;
  let timer = null;

  const options = () => ({
    ...settings,
    image: (file, run) => apiUrl(`${pathOf("runs", run ?? runId)}/file`, { path: file }),
    rows: (id, offset, limit) => ask(`${path}/rows`, { id, offset, limit }),
    range: (id, { x, start, end }) => ask(`${path}/figure`, { id, x, start, end }),
    csvUrl: (id) => apiUrl(`${path}/csv`, { id }),
  });

  function controls() {
    const smoothing = el("input", { type: "range", min: "0", max: "0.99", step: "0.01", value: "0", "aria-label": "Smoothing" });
    const log = el("input", { type: "checkbox" });
    const x = el("select", { class: "mw-tool", "aria-label": "What curves are over" }, el("option", { value: "" }, "x as it is"), el("option", { value: "step" }, "Step"), el("option", { value: "relative" }, "Relative time"), el("option", { value: "time" }, "Time"));
    smoothing.addEventListener("input", () => setAll({ smoothing: Number(smoothing.value) }));
    log.addEventListener("change", () => setAll({ logScale: log.checked }));
    x.addEventListener("change", () => setAll({ x: x.value || null }));
    return [
      el("label", { class: "mw-control" }, "Smoothing", smoothing),
      el("label", { class: "mw-control" }, log, "Log scale"),
      x,
    ];
  }

  function setAll(changed) {
    Object.assign(settings, changed);
    for (const { figures } of slots.values()) {
      for (const { drawn } of figures.values()) {
        drawn.set(changed);
      }
    }
  }

  function showFiltered() {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const [name, slot] of slots) {
      slot.element.hidden = !name.toLowerCase().includes(wanted);
      shown += slot.element.hidden ? 0 : 1;
    }
    count.textContent = wanted ? `${shown} of ${slots.size}` : "";
    none.textContent = slots.size === 0 ? "No metric, image or table was logged yet." : "No name contains that.";
    none.hidden = shown > 0;
  }

  function addSlot(name) {
    const waiting = el("div", { class: "mw-figure is-waiting", dataset: { name } }, el("h3", { class: "mw-figure-title", title: name }, name));
    const element = el("div", { class: "mw-slot" }, waiting);
    slots.set(name, { element, waiting, figures: new Map(), near: new Set(), isStale: true, isHurried: false, meanwhile: null, readAt: 0, pause: 0 });
    grid.append(element);
    observer.observe(waiting);
  }

  // What is in view and not up to date, a few at a time; what was just read waits a little.
  async function read() {
    if (isReading) {
      return;
    }
    clearTimeout(timer);
    const now = performance.now();
    const stale = [...slots].filter(([, slot]) => slot.isStale && slot.near.size > 0);
    const due = stale.filter(([, slot]) => slot.readAt + slot.pause <= now).slice(0, AT_ONCE);
    if (due.length === 0) {
      const next = Math.min(...stale.map(([, slot]) => slot.readAt + slot.pause));
      if (Number.isFinite(next)) {
        timer = setTimeout(read, next - now);
      }
      return;
    }
    isReading = true;
    for (const [, slot] of due) {
      slot.isStale = false;
      slot.isHurried = false;
      slot.meanwhile = [];
    }
    try {
      const names = JSON.stringify(due.map(([name]) => name));
      const { figures } = await ask(`${path}/figures`, { names });
      const took = performance.now() - now;
      for (const [name, slot] of due) {
        slot.readAt = performance.now();
        // What was asked for at once while this was on its way does not wait for what this took.
        slot.pause = slot.isHurried ? 0 : pauseAfter(took);
        show(slot, name, figures.filter((figure) => JSON.parse(figure.id)[1] === name));
        // What was told while this was on its way may not be in it.
        addTo(slot, slot.meanwhile);
      }
    } catch (error) {
      for (const [, slot] of due) {
        slot.isStale = true;
        slot.readAt = performance.now();
        slot.pause = AGAIN_MS;
        slot.waiting.title = error.message;
      }
    } finally {
      isReading = false;
      for (const [, slot] of due) {
        slot.meanwhile = null;
      }
    }
    read();
  }

  function show(slot, name, figures) {
    const ids = new Set(figures.map(({ id }) => id));
    for (const [id, { drawn }] of slot.figures) {
      if (!ids.has(id)) {
        forget(slot, drawn);
        slot.figures.delete(id);
      }
    }
    for (const figure of figures) {
      const before = slot.figures.get(figure.id);
      if (before !== undefined) {
        before.drawn.update(figure);
        before.figure = figure;
        continue;
      }
      const drawn = drawFigure(slot.element, figure, options());
      drawn.element.dataset.name = name;
      slot.figures.set(figure.id, { figure, drawn });
      observer.observe(drawn.element);
    }
    if (figures.length > 0 && slot.waiting.isConnected) {
      observer.unobserve(slot.waiting);
      slot.near.delete(slot.waiting);
      slot.waiting.remove();
    } else if (figures.length === 0) {
      slot.element.remove();
      slots.delete(name);
    }
  }

  // Put points into the one figure of a metric; a figure that takes none is read again.
  function addTo(slot, points) {
    if (points.length === 0) {
      return;
    }
    const [shown] = slot.figures.values();
    const merged = slot.figures.size === 1 ? withPoints(shown.figure, points) : null;
    if (merged === null) {
      slot.isStale = true;
    } else if (merged !== shown.figure) {
      shown.figure = merged;
      shown.drawn.update(merged);
    }
  }

  function forget(slot, drawn) {
    observer.unobserve(drawn.element);
    slot.near.delete(drawn.element);
    drawn.destroy();
  }

  return {
    /** Show figures of these names, in this order; those that are there stay. */
    setNames(names) {
      for (const name of names) {
        if (!slots.has(name)) {
          addSlot(name);
        } else {
          grid.append(slots.get(name).element);
        }
      }
      showFiltered();
    },
    /** Read these again, at once or when they come into view. */
    again(names, { atOnce = false } = {}) {
      for (const name of names) {
        if (!slots.has(name)) {
          addSlot(name);
        }
        const slot = slots.get(name);
        slot.isStale = true;
        if (atOnce) {
          slot.isHurried = true;
          slot.pause = 0;
        }
      }
      showFiltered();
      read();
    },
    /** Put points into the figures of their metrics. */
    add(pointsByName) {
      const again = [];
      for (const [name, points] of Object.entries(pointsByName)) {
        const slot = slots.get(name);
        if (slot === undefined) {
          again.push(name);
        } else if (slot.meanwhile !== null) {
          slot.meanwhile.push(...points);
        } else if (!slot.isStale) {
          addTo(slot, points);
        }
      }
      this.again(again);
    },
    names: () => [...slots.keys()],
    /** The figures that are shown, by id: what the page's picture is made of. */
    shown: () => Object.fromEntries([...slots.values()].flatMap(({ figures }) => [...figures].map(([id, { figure }]) => [id, figure]))),
  };
}
