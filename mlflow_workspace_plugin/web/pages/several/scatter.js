// A value over runs: a point for each, over when it started, its turn, or another value.

import { onThemeChange, seriesColour, themeOf } from "../../colours.js";
import { el, replaceChildren, svg } from "../../dom.js";
import { logLabels, logTicks, numberLabels, numberTicks, timeLabels, timeTicks } from "../../figures/ticks.js";

const HEIGHT = 240;
const [LEFT, RIGHT, TOP, BOTTOM] = [62, 14, 12, 34];
const TICKS = 5;
const TICK_PIXELS = 110;
const SHARE = 0.04;
const LETTER = 6.8;

/**
 * Draw points.
 *
 * @param {HTMLElement} host
 * @param {{points: Array<{id, x, y, text}>, xKind: string, xLabel: string, isLog: boolean,
 *   best: ?string}} shown `xKind` is "number" or "time"; `best` a run to be marked.
 * @param {{onFocus: function(?string), onOpen: function(string)}} options
 * @returns {{update(shown), focus(?string), destroy()}}
 */
export function drawScatter(host, first, { onFocus = () => {}, onOpen = () => {} } = {}) {
  let shown = first;
  let focused = null;
  const place = el("div", { class: "mw-scatter" });
  const said = el("div", { class: "mw-readout" });
  place.append(said);
  host.append(place);
  let drawn = svg("svg");
  place.prepend(drawn);

  const draw = () => {
    const theme = themeOf(host);
    const width = Math.max(place.clientWidth, 240);
    const points = shown.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y) && (!shown.isLog || y > 0));
    const next = svg("svg", { width, height: HEIGHT, role: "img", "aria-label": `${points.length} runs` });
    drawn.replaceWith(next);
    drawn = next;
    if (points.length === 0) {
      next.append(svg("text", { class: "mw-parallel-tick", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "No run has a number here."));
      return;
    }
    const toX = scaleOf(points.map(({ x }) => x), LEFT, width - RIGHT, false);
    const toY = scaleOf(points.map(({ y }) => y), HEIGHT - BOTTOM, TOP, shown.isLog);
    const xTicks = ticksOf(shown.xKind, toX, Math.floor((width - LEFT) / TICK_PIXELS), points.every(({ x }) => Number.isInteger(x)));
    const yTicks = ticksOf(shown.isLog ? "log" : "number", toY, TICKS, false);
    replaceChildren(
      next,
      yTicks.map(([value, text]) => [
        svg("line", { class: "mw-grid", x1: LEFT, x2: width - RIGHT, y1: toY(value), y2: toY(value) }),
        svg("text", { class: "mw-parallel-tick", x: LEFT - 8, y: toY(value) + 4, "text-anchor": "end" }, text),
      ]),
      xTicks.map(([value, text]) => {
        const lines = text.split("\n");
        // None is cut by the edge.
        const half = LETTER * Math.max(...lines.map((line) => line.length)) / 2;
        const x = Math.min(Math.max(toX(value), half), width - half);
        return lines.map((line, index) => svg("text", { class: "mw-parallel-tick", x, y: HEIGHT - BOTTOM + 16 + 12 * index, "text-anchor": "middle" }, line));
      }),
      points.map((point) => pointOf(point, toX(point.x), toY(point.y), theme)),
    );
  };

  const pointOf = (point, x, y, theme) => {
    const isFocused = point.id === focused;
    const isBest = point.id === shown.best;
    return svg(
      "a",
      {
        class: "mw-point",
        tabindex: 0,
        role: "link",
        "aria-label": point.text,
        onpointerenter: () => look(point, x, y),
        onpointerleave: () => look(null),
        onfocus: () => look(point, x, y),
        onblur: () => look(null),
        onclick: () => onOpen(point.id),
        onkeydown: (event) => event.key === "Enter" && onOpen(point.id),
      },
      svg("circle", { cx: x, cy: y, r: 11, fill: "transparent" }),
      svg("circle", {
        cx: x,
        cy: y,
        r: isFocused ? 6.5 : isBest ? 5.5 : 4,
        fill: isBest ? seriesColour(1) : seriesColour(0),
        "fill-opacity": isFocused || isBest ? 1 : 0.75,
        stroke: theme.surface,
        "stroke-width": 1.25,
      }),
    );
  };

  const look = (point, x, y) => {
    onFocus(point?.id ?? null);
    said.classList.toggle("is-shown", point !== null);
    if (point !== null) {
      said.textContent = point.text;
      const isRight = x + 14 + said.offsetWidth < place.clientWidth;
      said.style.transform = `translate(${Math.round(isRight ? x + 12 : Math.max(0, x - 12 - said.offsetWidth))}px, ${Math.round(Math.max(0, y - 20))}px)`;
    }
  };

  const resized = new ResizeObserver(draw);
  resized.observe(place);
  const stopTheme = onThemeChange(draw);
  return {
    update(other) {
      shown = other;
      draw();
    },
    focus(id) {
      if (id !== focused) {
        focused = id;
        draw();
      }
    },
    destroy() {
      resized.disconnect();
      stopTheme();
      place.remove();
    },
  };
}

function scaleOf(values, from, to, isLog) {
  const by = isLog ? Math.log10 : (value) => value;
  let [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))].map(by);
  const room = (high - low) * SHARE || Math.abs(high) * SHARE || 1;
  [low, high] = [low - room, high + room];
  const scale = (value) => from + ((by(value) - low) / (high - low)) * (to - from);
  scale.low = isLog ? 10 ** low : low;
  scale.high = isLog ? 10 ** high : high;
  return scale;
}

function ticksOf(kind, { low, high }, count, isWhole) {
  const [ticks, labels] = {
    number: () => [numberTicks(low, high, count, isWhole), numberLabels],
    log: () => [logTicks(low, high, count), logLabels],
    time: () => [timeTicks(low, high, count), timeLabels],
  }[kind]();
  const texts = labels(ticks);
  return ticks.map((tick, index) => [tick, texts[index]]);
}
