// A plot: uPlot with axes of ours, colours of the theme, a size that follows its place, a range that
// is dragged out, and keys. What is drawn in it are series with x of their own.

import { onThemeChange, themeOf } from "../colours.js";
import {
  durationLabels,
  durationTicks,
  logLabels,
  logTicks,
  numberLabels,
  numberTicks,
  timeLabels,
  timeTicks,
} from "./ticks.js";

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const LINE_HEIGHT = 13;
const X_TICKS = {
  number: [numberTicks, numberLabels],
  duration: [durationTicks, durationLabels],
  time: [timeTicks, timeLabels],
};

/**
 * Make a plot that fills an element.
 *
 * @param {HTMLElement} place whose size is not that of its content.
 * @param {function} describe called whenever something changed; gives {xType, isWholeX, xLabel,
 *   isLog, x: [low, high], y: [low, high], series: [uPlot series], data: [[xs, ys...]], curves}.
 * @param events {onSelect({x, y}), onReset(), onMove(left, top) or null outside, onDraw(plot, theme),
 *   onKey(event) -> whether it was used}
 * @returns {{redraw, plot, destroy}}
 */
export function newPlot(place, describe, events) {
  let plot = null;
  let described = null;
  let signature = null;
  // Whether there was no room to draw what changed.
  let isBehind = false;

  const redraw = () => {
    const [width, height] = [place.clientWidth, place.clientHeight];
    isBehind = width < 10 || height < 10;
    if (isBehind) {
      return;
    }
    const theme = themeOf(place);
    described = describe();
    const asked = [
      theme.isDark,
      described.isLog,
      described.xType,
      described.xLabel,
      described.series.length,
    ];
    if (plot === null || signature !== asked.join()) {
      plot?.destroy();
      signature = asked.join();
      plot = build(width, height, theme);
    } else {
      described.series.forEach((series, index) =>
        Object.assign(plot.series[index + 1], own(series)),
      );
      show();
    }
  };

  const show = () => {
    plot.mwCurves = described.curves;
    plot.batch(() => {
      plot.setData([null, ...described.data], false);
      plot.setScale("x", { min: described.x[0], max: described.x[1] });
      plot.setScale("y", { min: described.y[0], max: described.y[1] });
    });
  };

  const build = (width, height, theme) => {
    const axis = {
      stroke: theme.muted,
      font: FONT,
      grid: { stroke: theme.grid, width: 1 },
      ticks: { show: false },
      border: { show: false },
      // All of the ticks that are ours; uPlot's own would leave some of a logarithmic axis out.
      filter: (_self, ticks) => ticks,
      // Its list of distances ends at 1e15; one that it takes is all that it asks for.
      incrs: (_self, _axis, low, high) => [Math.max(high - low, 5)],
      space: 1,
      gap: 6,
      labelFont: FONT,
      labelGap: 0,
      labelSize: 15,
    };
    const made = new uPlot(
      {
        mode: 2,
        width,
        height,
        padding: [10, 12, 0, 0],
        legend: { show: false },
        focus: { alpha: 1 },
        cursor: {
          y: false,
          points: { show: false },
          dataIdx: () => null,
          drag: { x: true, y: true, uni: 24, setScale: false },
          bind: { dblclick: () => () => events.onReset?.() },
        },
        scales: {
          x: { time: false, auto: false, range: () => described.x },
          y: { distr: described.isLog ? 3 : 1, auto: false, range: () => described.y },
        },
        axes: [
          {
            ...axis,
            scale: "x",
            label: described.xLabel || undefined,
            size: described.xType === "time" ? 2 * LINE_HEIGHT + 8 : LINE_HEIGHT + 10,
            splits: (self, _axis, low, high) => {
              const count = Math.max(2, Math.floor(self.bbox.width / uPlot.pxRatio / 64));
              return X_TICKS[described.xType][0](low, high, count, described.isWholeX);
            },
            values: (self, ticks) => X_TICKS[described.xType][1](ticks),
          },
          {
            ...axis,
            scale: "y",
            size: (self, labels) => labelWidth(self, labels) + 10,
            splits: (self, _axis, low, high) => {
              const count = Math.max(2, Math.floor(self.bbox.height / uPlot.pxRatio / 34));
              return described.isLog
                ? logTicks(low, high, count)
                : numberTicks(low, high, count, false);
            },
            values: (self, ticks) => (described.isLog ? logLabels(ticks) : numberLabels(ticks)),
          },
        ],
        series: [null, ...described.series],
        hooks: {
          setSelect: [onSelect],
          setCursor: [(self) => events.onMove?.(self.cursor.left, self.cursor.top)],
          draw: [(self) => events.onDraw?.(self, themeOf(place))],
        },
      },
      [null, ...described.data],
      place,
    );
    made.mwCurves = described.curves;
    followTouch(made, events);
    return made;
  };

  const onSelect = (self) => {
    const { left, top, width, height } = self.select;
    self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    const isWide = width >= 8;
    const isHigh = height >= 8 && height < self.over.clientHeight;
    if (isWide || isHigh) {
      events.onSelect?.({
        x:
          isWide && width < self.over.clientWidth
            ? [self.posToVal(left, "x"), self.posToVal(left + width, "x")]
            : null,
        y: isHigh ? [self.posToVal(top + height, "y"), self.posToVal(top, "y")] : null,
      });
    }
  };

  const observer = new ResizeObserver(() => {
    const [width, height] = [place.clientWidth, place.clientHeight];
    if (plot === null || isBehind) {
      redraw();
    }
    if (
      plot !== null &&
      width >= 10 &&
      height >= 10 &&
      (plot.width !== width || plot.height !== height)
    ) {
      plot.setSize({ width, height });
    }
  });
  observer.observe(place);
  const endOfTheme = onThemeChange(redraw);
  const onKey = (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && events.onKey?.(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  place.addEventListener("keydown", onKey);
  redraw();

  return {
    redraw,
    get plot() {
      return plot;
    },
    destroy() {
      observer.disconnect();
      endOfTheme();
      place.removeEventListener("keydown", onKey);
      plot?.destroy();
      plot = null;
    },
  };
}

/** A series of a plot: its colour, and what makes its path. */
export function newSeries(props) {
  return {
    facets: [
      { scale: "x", auto: false },
      { scale: "y", auto: false },
    ],
    points: { show: false },
    ...props,
  };
}

/** A range with a little room around it; of one value, some. */
export function padded([low, high], share, isLog) {
  if (isLog) {
    const factor = low === high ? 2 : (high / low) ** share;
    return [low / factor, high * factor];
  }
  const room = low === high ? Math.abs(low) * 0.1 || 0.5 : (high - low) * share;
  return [low - room, high + room];
}

// What of a series may change in a plot that is there.
function own({ stroke, fill, width, dash, alpha, paths, show }) {
  const changed = {
    stroke: () => stroke,
    fill: () => fill,
    width,
    dash,
    paths,
    show: show !== false,
  };
  return alpha === undefined ? changed : { ...changed, alpha };
}

function labelWidth(plot, labels) {
  plot.ctx.save();
  plot.ctx.font = FONT;
  const widest = Math.max(24, ...(labels ?? []).map((label) => plot.ctx.measureText(label).width));
  plot.ctx.restore();
  return Math.ceil(widest);
}

// A finger that moves along reads values, two zoom; up and down scrolls the page.
function followTouch(plot, events) {
  const over = plot.over;
  const fingers = new Map();
  // What was below two fingers when they came down, and the range that keeps it there.
  let pinch = null;
  over.style.touchAction = "pan-y";

  const place = (event) => {
    const box = over.getBoundingClientRect();
    fingers.set(event.pointerId, event.clientX - box.left);
    if (fingers.size === 1) {
      plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
    }
  };
  const down = (event) => {
    if (event.pointerType === "touch") {
      place(event);
      const lefts = [...fingers.values()];
      const values = lefts.map((left) => plot.posToVal(left, "x"));
      pinch = lefts.length === 2 && lefts[0] !== lefts[1] ? { values, range: null } : null;
    }
  };
  const move = (event) => {
    if (!fingers.has(event.pointerId)) {
      return;
    }
    place(event);
    if (pinch !== null) {
      const [first, second] = fingers.values();
      const perPixel = (pinch.values[1] - pinch.values[0]) / (second - first);
      if (Number.isFinite(perPixel) && perPixel > 0) {
        const low = pinch.values[0] - first * perPixel;
        pinch.range = [low, low + over.clientWidth * perPixel];
        plot.setScale("x", { min: pinch.range[0], max: pinch.range[1] });
      }
    }
  };
  const up = (event) => {
    fingers.delete(event.pointerId);
    if (pinch?.range) {
      events.onSelect?.({ x: pinch.range, y: null });
    }
    pinch = null;
  };
  over.addEventListener("pointerdown", down);
  over.addEventListener("pointermove", move);
  over.addEventListener("pointerup", up);
  over.addEventListener("pointercancel", up);
}
