// What is read of curves, by the pointer or by keys.

import { formatDuration, formatNumber, formatTime } from "../format.js";
import { nearestIndex } from "./curves.js";
import { newReadout } from "./readout.js";

const MOST_DIGITS = 6;

/**
 * Read curves of a plot.
 *
 * @param {HTMLElement} place of the plot.
 * @param {function} view gives what is seen now: {plot, drawn, isHidden(curve), colourOf(index),
 *   dashOf(index)}.
 * @returns {{move(left, top), step(by), hide(), x, destroy()}} `x` is where was read last, or null.
 */
export function newReading(place, view) {
  const readout = newReadout(place);
  let x = null;
  // Which of the points that keys go along was read last.
  let stepped = null;

  const hide = () => {
    readout.hide();
    stepped = null;
  };

  const show = (rows, top, isSpoken) => {
    const { plot, drawn, colourOf, dashOf } = view();
    if (rows.length === 0) {
      readout.hide();
      return;
    }
    const topOf = (row) => (typeof row.value === "number" ? plot.valToPos(row.value, "y") : null);
    const distance = (row) => Math.abs((topOf(row) ?? Infinity) - top);
    const near = rows.reduce((best, row) => (distance(row) < distance(best) ? row : best));
    const [first] = rows;
    x = first.x;
    const sorted = [...rows].sort((a, b) => (topOf(a) ?? Infinity) - (topOf(b) ?? Infinity));
    const content = {
      left: plot.valToPos(first.x, "x"),
      title: titleOf(drawn, first.x),
      detail: first.time === null ? null : formatTime(first.time),
      rows: sorted.map((row) => ({
        name: drawn.curves.length > 1 ? drawn.curves[row.index].name : "",
        value: valueOf(drawn, row),
        colour: colourOf(row.index),
        dash: dashOf(row.index),
        top: topOf(row),
        dotLeft: plot.valToPos(row.x, "x"),
        isNear: row === near,
      })),
    };
    readout.show(plot, content, isSpoken);
  };

  // The nearest point of each curve; the nearest of all is the first.
  const rowsAt = (left, top) => {
    const { plot, drawn, isHidden } = view();
    const at = plot.posToVal(left, "x");
    const found = drawn.curves.map((curve, index) => {
      if (isHidden(curve) || curve.xs.length === 0) {
        return null;
      }
      const place = curve.isSorted
        ? nearestIndex(curve, at)
        : nearestInPlane(plot, curve, left, top);
      return place === null ? null : pointOf(curve, place, index);
    });
    const rows = found.filter((row) => row !== null && row.value !== null);
    const distance = (row) => Math.abs(plot.valToPos(row.x, "x") - left);
    rows.sort((a, b) => distance(a) - distance(b) || a.index - b.index);
    // Curves that have no point near this x say nothing of it.
    const reach = Math.max(12, plot.over.clientWidth / 50);
    return rows.filter(
      (row) => Math.abs(plot.valToPos(row.x, "x") - plot.valToPos(rows[0].x, "x")) <= reach,
    );
  };

  // What keys go along: the points of one curve in their order, or each x of several curves.
  const stops = () => {
    const { drawn, isHidden } = view();
    const [low, high] = drawn.x;
    const seen = [...drawn.curves.keys()].filter((index) => !isHidden(drawn.curves[index]));
    if (seen.length === 1) {
      const curve = drawn.curves[seen[0]];
      return [...curve.xs.keys()]
        .map((place) => pointOf(curve, place, seen[0]))
        .filter((point) => point.value !== null && point.x >= low && point.x <= high);
    }
    const xs = new Set(seen.flatMap((index) => drawn.curves[index].xs));
    return [...xs]
      .filter((at) => at >= low && at <= high)
      .sort((a, b) => a - b)
      .map((at) => ({ x: at, index: null }));
  };

  return {
    get x() {
      return x;
    },
    hide,
    move(left, top) {
      if (left === undefined || left < 0) {
        hide();
        return;
      }
      stepped = null;
      show(rowsAt(left, top), top, false);
    },
    step(by) {
      const { plot } = view();
      const points = stops();
      if (points.length === 0) {
        return;
      }
      const from = stepped ?? (x === null ? -1 : points.findIndex((point) => point.x >= x));
      stepped = Math.min(Math.max(from + by, 0), points.length - 1);
      const point = points[stepped];
      const middle = plot.over.clientHeight / 2;
      const rows = point.index === null ? rowsAt(plot.valToPos(point.x, "x"), middle) : [point];
      show(rows, middle, true);
    },
    destroy: () => readout.destroy(),
  };
}

// A point of a curve; what was logged and is not finite is among its marks.
function pointOf(curve, place, index) {
  const point = { index, x: curve.xs[place], time: curve.times?.[place] ?? null };
  const raw = curve.raw[place] ?? curve.marks.find((mark) => mark.place === place)?.value ?? null;
  return { ...point, raw, value: curve.raw[place] === null ? raw : curve.ys[place] };
}

function nearestInPlane(plot, curve, left, top) {
  let [best, least] = [null, Infinity];
  curve.xs.forEach((x, place) => {
    const y = curve.ys[place];
    if (y !== null) {
      const distance = Math.hypot(plot.valToPos(x, "x") - left, plot.valToPos(y, "y") - top);
      if (distance < least) {
        [best, least] = [place, distance];
      }
    }
  });
  return best;
}

function titleOf({ xType, figure }, x) {
  if (xType === "time") {
    return formatTime(x);
  }
  if (xType === "duration") {
    return formatDuration(x);
  }
  return `${figure.x.label || "x"} ${formatNumber(x, MOST_DIGITS + 1)}`;
}

function valueOf({ isSmooth }, { value, raw }) {
  const shown = formatNumber(value, MOST_DIGITS);
  return isSmooth && typeof raw === "number"
    ? `${shown} (${formatNumber(raw, MOST_DIGITS)})`
    : shown;
}
