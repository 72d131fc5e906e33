// Points that came to a metric while its figure is shown: put where they belong, each once.

import { formatNumber } from "../../format.js";

const MOST = 2000;

/**
 * Put points into a figure.
 *
 * @param figure that is shown.
 * @param {Array} points step, timestamp and value of each.
 * @returns the figure with them, or null where it has to be read again.
 */
export function withPoints(figure, points) {
  const series = figure?.kind === "lines" && figure.series.length === 1 ? figure.series[0] : null;
  if (series === null || !series.is_exact || figure.x.choices.length === 0) {
    return null;
  }
  const isOverTime = figure.x.type === "time";
  const times = isOverTime ? series.x : series.time;
  if (times === null || (!isOverTime && figure.x.type !== "number")) {
    return null;
  }
  const { choices, only_step: onlyStep } = figure.x;
  if (!choices.includes("step") && points.some(([step]) => step !== onlyStep)) {
    // It was over the time as there was one step only.
    return null;
  }
  const placed = isOverTime ? points.map(([, time, value]) => [time, time, value]) : points;
  const known = series.x.map((x, index) => [x, times[index], series.y[index]]);
  const keys = new Set(known.map(String));
  const added = placed.filter((point) => !keys.has(String(point)) && keys.add(String(point)));
  if (known.length + added.length > MOST) {
    return null;
  }
  if (added.length === 0) {
    return figure;
  }
  const all = [...known, ...added].sort(inOrder);
  const merged = {
    ...series,
    x: all.map(([x]) => x),
    time: isOverTime ? null : all.map(([, time]) => time),
    y: all.map(([, , value]) => value),
    total: all.length,
    shown: all.length,
  };
  return { ...figure, note: noteOf(merged.y), series: [merged] };
}

// As the server says it of a curve of which all points are shown.
function noteOf(values) {
  const nans = values.filter((value) => value === "NaN").length;
  return nans === 0 ? null : `${formatNumber(nans)} ${nans === 1 ? "value is" : "values are"} NaN.`;
}

// As the server has them: a value that is not finite is stored as a number, too.
function inOrder([xA, timeA, a], [xB, timeB, b]) {
  return xA - xB || timeA - timeB || storedOf(a) - storedOf(b);
}

function storedOf(value) {
  if (typeof value === "number") {
    return value;
  }
  return value === "Infinity" ? Number.MAX_VALUE : value === "-Infinity" ? -Number.MAX_VALUE : 0;
}
