// The charts of several runs: each is asked for when its place comes into view.

import { el, replaceChildren } from "../../dom.js";
import { drawFigure } from "../../figures/figure.js";
import { newTurns } from "../../turns.js";
import { apiUrl, ask, pathOf } from "../api.js";
import { pauseAfter } from "../pauses.js";

// The next ones are read while the last ones are drawn.
const AT_ONCE = 2;
const ASKING = 2;
const FEW = 8;
const AGAIN_MS = 5000;

/**
 * Show charts, one place for each name.
 *
 * @param {HTMLElement} host
 * @param {{runs: function(): string[], names: function(): string[], definition,
 *   placeOf: function(string): number, onHidden: function(string),
 *   onZoomed: function(string, ?object)}} given `definition` of the view
 *   is read anew on each update.
 * @returns {{update(), reread(?string[], {atOnce: boolean}), set(settings), filter(text),
 *   focus(?string), hide(Set)}} `reread` reads charts of these names again, or all, when their
 *   pauses are over or at once.
 */
export function showCharts(host, { runs, names, definition, placeOf, onHidden, onZoomed }) {
  const places = new Map();
  const grid = el("div", { class: "mw-figures" });
  const empty = el("p", { class: "mw-empty" });
  host.append(grid, empty);
  let wanted = "";
  let hidden = new Set();
  let waiting = [];
  let asking = 0;
  let isPlanned = false;

  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const place = places.get(entry.target.dataset.name);
        if (place) {
          place.isNear = entry.isIntersecting;
          if (place.isNear && place.isOld) {
            wantSoon(place);
          }
        }
      }
    },
    { rootMargin: "300px" },
  );

  const settingsOf = (name) => {
    const chart = definition.charts?.find((each) => each.metric === name) ?? {};
    return {
      x: chart.x ?? definition.x,
      smoothing: chart.smoothing ?? definition.smoothing,
      logScale: chart.log_scale ?? definition.log_scale,
    };
  };

  const newPlace = (name) => {
    const waits = el("section", { class: "mw-figure is-waiting", dataset: { name } }, el("h3", { class: "mw-figure-title", title: name }, name), el("p", { class: "mw-empty" }, "…"));
    observer.observe(waits);
    return { name, waits, host: el("div", { class: "mw-place" }, waits), drawn: new Map(), turn: newTurns(), isNear: false, isOld: true, isAsked: false, isReading: false, readAt: 0, pause: 0, timer: null };
  };

  // Several that come into view together are asked for together.
  const want = (place) => {
    if (!place.isAsked) {
      place.isAsked = true;
      waiting.push(place);
    }
    if (!isPlanned) {
      isPlanned = true;
      queueMicrotask(() => {
        isPlanned = false;
        send();
      });
    }
  };

  // What was just read waits a little; what is being read, for its answer.
  const wantSoon = (place) => {
    clearTimeout(place.timer);
    if (place.isReading) {
      return;
    }
    const wait = place.readAt + place.pause - performance.now();
    if (wait <= 0) {
      want(place);
    } else {
      place.timer = setTimeout(() => place.isOld && place.isNear && places.get(place.name) === place && want(place), wait);
    }
  };

  const send = () => {
    while (waiting.length > 0 && asking < ASKING) {
      const batch = waiting.splice(0, AT_ONCE);
      asking += 1;
      read(batch).finally(() => {
        asking -= 1;
        send();
      });
    }
  };

  const read = async (batch) => {
    batch.forEach((place) => {
      place.isAsked = false;
      place.isOld = false;
      place.isReading = true;
    });
    const asked = runs().join(",");
    const began = performance.now();
    const isLast = batch.map((place) => place.turn());
    const found = await figuresOf(asked, batch.map(({ name }) => name)).catch((error) => error);
    const now = performance.now();
    // One that was taken off, or asked for again meanwhile, is not drawn.
    for (const place of batch.filter((each, index) => isLast[index]() && places.get(each.name) === each)) {
      place.isReading = false;
      if (asked !== runs().join(",")) {
        // There are other runs meanwhile.
        Object.assign(place, { isOld: true, pause: 0 });
      } else if (found instanceof Error) {
        replaceChildren(place.waits, el("h3", { class: "mw-figure-title" }, place.name), el("p", { class: "mw-empty mw-fault" }, found.message));
        Object.assign(place, { isOld: true, readAt: now, pause: AGAIN_MS });
      } else {
        Object.assign(place, { readAt: now, pause: pauseAfter(now - began) });
        show(place, found.filter((figure) => nameOf(figure) === place.name));
      }
      if (place.isOld && place.isNear) {
        wantSoon(place);
      }
    }
  };

  const figuresOf = (ids, metrics) => ask("/compare/figures", { runs: ids, names: JSON.stringify(metrics) });

  const show = (place, figures) => {
    const ids = new Set(figures.map((figure) => figure.id));
    for (const [id, handle] of place.drawn) {
      if (!ids.has(id)) {
        observer.unobserve(handle.element);
        handle.destroy();
        place.drawn.delete(id);
      }
    }
    for (const figure of figures) {
      const known = place.drawn.get(figure.id);
      if (known) {
        known.update(figure);
      } else {
        const handle = drawFigure(place.host, figure, optionsOf(place, figure.id));
        addHide(handle, place.name);
        handle.element.dataset.name = place.name;
        observer.observe(handle.element);
        handle.hide?.(hidden);
        place.drawn.set(figure.id, handle);
      }
    }
    if (figures.length === 0) {
      replaceChildren(place.waits, el("h3", { class: "mw-figure-title" }, place.name), el("p", { class: "mw-empty" }, "Nothing was logged."));
    }
    if (figures.length > 0) {
      place.waits.remove();
    } else {
      place.host.append(place.waits);
    }
  };

  const rangeOf = (id) => (Object.hasOwn(definition.ranges, id) ? definition.ranges[id] : null);

  // Read anew whenever the figure is drawn anew: what was zoomed to, and over what.
  const optionsOf = (place, id) => ({
    ...settingsOf(place.name),
    get x() {
      return rangeOf(id)?.x ?? settingsOf(place.name).x;
    },
    get zoomed() {
      return rangeOf(id);
    },
    onZoom: (zoomed) => onZoomed(id, zoomed),
    image: (path, run) => apiUrl(pathOf("runs", run, "file"), { path }),
    rows: (figure, offset, limit) => ask(pathOf("runs", runOf(figure), "rows"), { id: figure, offset, limit }),
    range: async (figure, { x, start, end }) => {
      const found = await ask("/compare/figures", { runs: runs().join(","), names: JSON.stringify([place.name]), x, start, end });
      return found.find((each) => each.id === figure) ?? found[0];
    },
    csvUrl: (id) => apiUrl("/compare/csv", { runs: runs().join(","), id }),
    place: (series) => placeOf(series.run),
    hasLegend: runs().length <= FEW,
    isCompact: false,
  });

  const addHide = (handle, name) => {
    const tools = handle.element.querySelector(".mw-tools");
    tools?.append(
      el("button", { type: "button", class: "mw-tool is-icon", title: "Take this chart off", "aria-label": `Take ${name} off`, onclick: () => onHidden(name) }, "×"),
    );
  };

  const update = () => {
    const chosen = definition.charts === null ? names() : definition.charts.map((chart) => chart.metric);
    const isFirst = places.size === 0;
    for (const [name, place] of places) {
      if (!chosen.includes(name)) {
        observer.unobserve(place.waits);
        place.drawn.forEach((handle) => {
          observer.unobserve(handle.element);
          handle.destroy();
        });
        place.host.remove();
        places.delete(name);
      }
    }
    for (const name of chosen) {
      const place = places.get(name) ?? newPlace(name);
      places.set(name, place);
      const settings = settingsOf(name);
      const text = JSON.stringify(settings);
      if (place.settings !== undefined && place.settings !== text) {
        const before = JSON.parse(place.settings);
        const changed = Object.fromEntries(Object.entries(settings).filter(([part, value]) => value !== before[part]));
        place.drawn.forEach((handle) => handle.set?.(changed));
        dropRanges(place, changed);
      }
      place.settings = text;
    }
    const hosts = chosen.map((name) => places.get(name).host);
    if (hosts.length !== grid.children.length || hosts.some((each, index) => grid.children[index] !== each)) {
      replaceChildren(grid, hosts);
    }
    if (isFirst) {
      // They come into view, and can be read before anything is laid out.
      chosen.slice(0, AT_ONCE * ASKING).forEach((name) => want(places.get(name)));
    }
    showFiltered();
  };

  // Those of figures that are drawn are told by them; what was zoomed to over another x is none.
  const dropRanges = (place, { x }) => {
    for (const [id, range] of Object.entries(definition.ranges)) {
      if (x !== undefined && nameOf({ id }) === place.name && !place.drawn.has(id) && range.x !== null && range.x !== x) {
        onZoomed(id, null);
      }
    }
  };

  const showFiltered = () => {
    let count = 0;
    for (const { name, host: element } of places.values()) {
      const isShown = name.toLowerCase().includes(wanted);
      element.hidden = !isShown;
      count += isShown;
    }
    empty.textContent = places.size === 0 ? "No charts: nothing was logged to these runs, or none is chosen." : "No chart has that in its name.";
    empty.hidden = count > 0;
  };

  return {
    update,
    reread(changed = null, { atOnce = false } = {}) {
      for (const place of places.values()) {
        if (changed === null || changed.includes(place.name)) {
          place.isOld = true;
          if (atOnce) {
            // What is on its way is not waited for, and not drawn.
            place.turn();
            place.isReading = false;
            place.pause = 0;
          }
          if (place.isNear) {
            wantSoon(place);
          }
        }
      }
    },
    set(settings) {
      places.forEach((place) => place.drawn.forEach((handle) => handle.set?.(settings)));
    },
    filter(text) {
      wanted = text.trim().toLowerCase();
      showFiltered();
    },
    focus(run) {
      places.forEach((place) => place.drawn.forEach((handle) => handle.focus?.(run)));
    },
    hide(ids) {
      hidden = ids;
      places.forEach((place) => place.drawn.forEach((handle) => handle.hide?.(ids)));
    },
  };
}

function nameOf(figure) {
  return JSON.parse(figure.id)[1];
}

// What is one run's only says so at the end of its id.
function runOf(id) {
  return JSON.parse(id).at(-1);
}
