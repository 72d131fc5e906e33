// Parallel coordinates: many runs at once, each a line across the axes of what was set and what
// came of it.

import { onThemeChange, scaleColour, seriesColour, themeOf } from "../../colours.js";
import { el, replaceChildren, svg } from "../../dom.js";
import { formatCell } from "../../format.js";
import { logLabels, logTicks, numberLabels, numberTicks } from "../../figures/ticks.js";

const TOP = 48;
const BOTTOM = 40;
const SIDE = 56;
const HEIGHT = 340;
const LEAST_GAP = 74;
const TICKS = 5;
const FEW = 8;
const TITLE_PIXELS = 6.6;
const TICK_PIXELS = 6.2;
const MOST_OF_TICK = 12;
// Of an axis, in how many steps keys go along it.
const STEPS = 40;

/**
 * Draw runs across axes.
 *
 * @param {HTMLElement} host
 * @param {{axes, runs}} shown as the server compares runs: axes have `values`, one for each run.
 * @param {{onFocus: function(?string), onChosen: function(?string[])}} options what the pointer is
 *   at, and which runs go through all the ranges that were drawn on axes (null: no range is).
 * @returns {{update(shown), focus(?string), hide(Set<string>), destroy()}}
 */
export function drawParallel(host, first, { onFocus = () => {}, onChosen = () => {} } = {}) {
  let shown = first;
  let hidden = new Set();
  let focused = null;
  // By axis: which part of it was drawn over, in pixels from its top as a share.
  let ranges = new Map();
  let colouredBy = null;

  const said = el("p", { class: "mw-note", role: "status" });
  const place = el("div", { class: "mw-parallel" });
  host.append(place, said);

  const keyOf = (axis) => JSON.stringify([axis.of, axis.name]);
  const colourAxis = () =>
    shown.axes.find((axis) => keyOf(axis) === colouredBy) ?? (shown.runs.length > FEW ? shown.axes.at(-1) : null);

  const draw = () => {
    const theme = themeOf(host);
    const gaps = Math.max(shown.axes.length - 1, 1);
    const width = Math.max(place.clientWidth, 2 * SIDE + gaps * LEAST_GAP);
    const gap = (width - 2 * SIDE) / gaps;
    const scales = shown.axes.map((axis, index) => scaleOf(axis, SIDE + index * gap));
    const byColour = scales[shown.axes.indexOf(colourAxis())];
    const chosen = chosenRuns(scales);
    // What keys are at is drawn anew, too.
    const stop = stops().indexOf(document.activeElement);
    const lines = shown.runs
      .map((run, index) => ({ run, index }))
      .filter(({ run }) => !hidden.has(run.id))
      // What is chosen, and then what is looked at, lies above the others.
      .sort((a, b) => rank(a, chosen) - rank(b, chosen))
      .map(({ run, index }) => {
        const d = scales.map((scale, at) => `${at ? "L" : "M"}${scale.x.toFixed(1)} ${scale.y(index).toFixed(1)}`).join("");
        const isBehind = (chosen !== null && !chosen.has(run.id)) || (focused !== null && focused !== run.id);
        const colour = byColour ? scaleColour(theme, 0.3 + 0.7 * byColour.share(index)).background : seriesColour(index);
        return [
          svg("path", { d, class: isBehind ? "mw-parallel-line is-behind" : "mw-parallel-line", stroke: colour, "stroke-width": focused === run.id ? 3 : 1.6 }),
          svg("path", {
            d,
            class: "mw-parallel-target",
            onpointerenter: () => look(run.id),
            onpointerleave: () => look(null),
          }, svg("title", null, textOf(run, index))),
        ];
      });
    replaceChildren(
      place,
      svg(
        "svg",
        { width, height: HEIGHT, role: "group", "aria-label": `${shown.runs.length} runs across ${shown.axes.map((axis) => axis.name).join(", ")}` },
        scales.map((scale) => axisOf(scale, theme, gap)),
        svg("g", null, lines.map(([line]) => line)),
        svg("g", null, lines.map(([, target]) => target)),
        scales.map((scale) => brushOf(scale)),
      ),
    );
    stops()[stop]?.focus();
    const count = shown.runs.filter((run) => !hidden.has(run.id)).length;
    const missing = scales.some((scale) => scale.hasMissing);
    replaceChildren(
      said,
      chosen !== null
        ? `${chosen.size} of ${count} runs go through what was drawn. Click on an axis to take it off. `
        : "Draw along an axis, or press Down and Up on it, to choose runs; click on its name to colour by it. ",
      missing ? "At the foot of an axis are runs without a value there." : "",
    );
  };

  const stops = () => [...place.querySelectorAll("[tabindex]")];

  const rank = ({ run }, chosen) => (focused === run.id ? 2 : chosen?.has(run.id) ? 1 : 0);

  const chosenRuns = (scales) => {
    if (ranges.size === 0) {
      return null;
    }
    const within = shown.runs.filter(
      (run, index) =>
        !hidden.has(run.id) &&
        scales.every((scale) => {
          const range = ranges.get(keyOf(scale.axis));
          return range === undefined || (scale.y(index) >= range[0] - 1 && scale.y(index) <= range[1] + 1);
        }),
    );
    return new Set(within.map((run) => run.id));
  };

  const textOf = (run, index) =>
    [run.name, ...shown.axes.map((axis) => `${axis.name}: ${formatCell(axis.values[index]) || "none"}`)].join("\n");

  const look = (id) => {
    onFocus(id);
    focus(id);
  };

  const focus = (id) => {
    if (focused !== id) {
      focused = id;
      draw();
    }
  };

  const axisOf = (scale, theme, gap) => {
    const { axis, x, ticks } = scale;
    const index = shown.axes.indexOf(axis);
    // The names of neighbours are at two heights, so that each has twice the room.
    const room = shown.axes.length > 1 ? Math.floor((gap * 1.9) / TITLE_PIXELS) : 60;
    // What stands beside an axis ends before the one to its left, or at the edge.
    const roomOfTick = Math.floor(((index === 0 ? SIDE : gap) - 9) / TICK_PIXELS);
    const isColour = axis === colourAxis();
    const anchor = index === 0 ? "start" : index === shown.axes.length - 1 ? "end" : "middle";
    const at = anchor === "start" ? x - SIDE + 8 : anchor === "end" ? x + SIDE - 8 : x;
    return svg(
      "g",
      null,
      svg("line", { class: "mw-parallel-axis", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }),
      svg(
        "text",
        {
          class: isColour ? "mw-parallel-title is-colour" : "mw-parallel-title",
          x: at,
          y: index % 2 ? TOP - 28 : TOP - 12,
          "text-anchor": anchor,
          tabindex: 0,
          role: "button",
          onclick: () => colourBy(axis),
          onkeydown: (event) => event.key === "Enter" && colourBy(axis),
        },
        cutText(axis.name, room),
        svg("title", null, `${axis.name} (${axis.of}${axis.kind === "log" ? ", on a log scale" : ""}). Click to colour by it.`),
      ),
      ticks.map(([y, text]) => [
        svg("line", { class: "mw-parallel-axis", x1: x - 4, x2: x, y1: y, y2: y }),
        svg("text", { class: "mw-parallel-tick", x: x - 7, y: y + 4, "text-anchor": "end" }, cutText(text, Math.min(roomOfTick, MOST_OF_TICK)), svg("title", null, text)),
      ]),
      scale.hasMissing && svg("text", { class: "mw-parallel-tick", x, y: HEIGHT - 6, "text-anchor": "middle" }, "none"),
    );
  };

  const colourBy = (axis) => {
    colouredBy = keyOf(axis);
    draw();
  };

  const choose = (key, range) => {
    if (range === null) {
      ranges.delete(key);
    } else {
      ranges.set(key, range);
    }
    draw();
    const chosen = chosenRuns(shown.axes.map((axis) => scaleOf(axis, 0)));
    onChosen(chosen === null ? null : [...chosen]);
  };

  // Keys move the upper end of a range, with Shift the lower one, from the whole axis on.
  const chooseByKey = (event, key) => {
    const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape" && ranges.has(key)) {
      choose(key, null);
    } else if (way !== undefined) {
      const [first, last] = [TOP, HEIGHT - BOTTOM];
      const [low, high] = ranges.get(key) ?? [first, last];
      const by = (way * (last - first)) / STEPS;
      const within = (at, least, most) => Math.min(Math.max(at, least), most);
      choose(key, event.shiftKey ? [low, within(high + by, low, last)] : [within(low + by, first, high), high]);
    } else {
      return;
    }
    event.preventDefault();
  };

  const brushOf = (scale) => {
    const key = keyOf(scale.axis);
    const range = ranges.get(key);
    const drawn = svg("rect", {
      class: "mw-parallel-range",
      x: scale.x - 8,
      width: 16,
      y: range?.[0] ?? 0,
      height: range ? range[1] - range[0] : 0,
    });
    const area = svg("rect", {
      class: "mw-parallel-brush",
      x: scale.x - 12,
      width: 24,
      y: TOP - 6,
      height: HEIGHT - TOP - 4,
      tabindex: 0,
      role: "group",
      "aria-label": `Range of ${scale.axis.name}. Up and Down move its upper end, with Shift its lower end; Escape takes it off.`,
      onkeydown: (event) => chooseByKey(event, key),
    });
    area.addEventListener("pointerdown", (event) => {
      const top = place.firstChild.getBoundingClientRect().top;
      const from = event.clientY - top;
      area.setPointerCapture(event.pointerId);
      const extent = (moved) => [from, moved.clientY - top].sort((a, b) => a - b);
      const move = (moved) => {
        const [low, high] = extent(moved);
        drawn.setAttribute("y", low);
        drawn.setAttribute("height", high - low);
      };
      const end = (moved) => {
        area.removeEventListener("pointermove", move);
        const [low, high] = extent(moved);
        choose(key, high - low < 4 ? null : [low, high]);
      };
      area.addEventListener("pointermove", move);
      area.addEventListener("pointerup", end, { once: true });
    });
    return [drawn, area];
  };

  const resized = new ResizeObserver(() => draw());
  resized.observe(place);
  const stopTheme = onThemeChange(draw);

  return {
    update(other) {
      shown = other;
      const known = new Set(shown.axes.map(keyOf));
      ranges = new Map([...ranges].filter(([key]) => known.has(key)));
      draw();
    },
    focus,
    hide(runs) {
      hidden = runs;
      draw();
    },
    destroy() {
      resized.disconnect();
      stopTheme();
      place.remove();
      said.remove();
    },
  };
}

// Where the values of an axis are, from its top down, and what stands beside it.
function scaleOf(axis, x) {
  const height = HEIGHT - BOTTOM - TOP;
  const none = HEIGHT - 18;
  const place = placesOf(axis);
  const y = (share) => TOP + (1 - share) * height;
  return {
    axis,
    x,
    y: (index) => {
      const share = place.share(axis.values[index]);
      return share === null ? none : y(share);
    },
    share: (index) => place.share(axis.values[index]) ?? 0,
    ticks: place.ticks.map(([share, text]) => [y(share), text]),
    hasMissing: axis.values.some((value) => value === null),
  };
}

function placesOf(axis) {
  if (axis.kind === "category") {
    const { categories } = axis;
    const shareAt = (index) => (categories.length > 1 ? index / (categories.length - 1) : 0.5);
    const every = Math.ceil(categories.length / 14);
    return {
      share: (value) => (value === null ? null : shareAt(categories.indexOf(value))),
      ticks: categories.map((each, index) => [shareAt(index), each || '""']).filter((_, index) => index % every === 0),
    };
  }
  const numbers = axis.values.filter((value) => value !== null);
  let [low, high] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
  if (low === high) {
    [low, high] = low === 0 ? [-1, 1] : axis.kind === "log" ? [low / 2, low * 2] : [low - Math.abs(low) / 2, low + Math.abs(low) / 2];
  }
  const by = axis.kind === "log" ? Math.log10 : (value) => value;
  const share = (value) => (value === null ? null : (by(value) - by(low)) / (by(high) - by(low)));
  const values = axis.kind === "log" ? logTicks(low, high, TICKS) : numberTicks(low, high, TICKS, false);
  const labels = axis.kind === "log" ? logLabels(values) : numberLabels(values);
  return { share, ticks: values.map((value, index) => [share(value), labels[index]]) };
}

function cutText(text, most) {
  return text.length > most ? `${text.slice(0, Math.max(most - 1, 1))}…` : text;
}
