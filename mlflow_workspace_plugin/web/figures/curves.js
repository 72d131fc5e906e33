// From the series of a figure to curves: what is drawn, over which x, how smooth. Pure.

const PROBES = 48;

/**
 * The curves of a figure of lines over the chosen x.
 *
 * @param figure of kind "lines".
 * @param {string} choice "step", "relative" or "time"; what has no choice is drawn as it is.
 * @returns {Array<{name, run, xs, ys, marks, times, isSorted}>} `ys` holds null where there is
 *   no finite number; `marks` are those that were logged: {place, x, value}; `times` are the
 *   moments of points over steps, or null.
 */
export function curvesOf(figure, choice) {
  return figure.series.map((series) => {
    let { xs, values } = withoutMissing(xsOf(figure, series, choice), series.y);
    let times = choice === "step" && figure.x.type === "number" ? series.time : null;
    let isSorted = isAscending(xs);
    if (!isSorted && figure.x.choices?.length) {
      // Over time late values are between others; rows and tables keep the order of logging.
      const order = xs.map((_, index) => index).sort((a, b) => xs[a] - xs[b] || a - b);
      xs = order.map((index) => xs[index]);
      values = order.map((index) => values[index]);
      times = times && order.map((index) => times[index]);
      isSorted = true;
    }
    const marks = [];
    const ys = values.map((value, index) => {
      if (typeof value === "number") {
        return value;
      }
      if (typeof value === "string") {
        marks.push({ place: index, x: xs[index], value });
      }
      return null;
    });
    return { name: series.name, run: series.run, xs, ys, marks, times, isSorted };
  });
}

/** Whether the points that are here are those that the choice asks for. */
export function canShow(figure, choice) {
  if (figure.x.type !== "number") {
    return choice !== "step";
  }
  return (
    choice === "step" || figure.series.every((series) => series.is_exact && series.time !== null)
  );
}

/** When a series began, for time since then. */
export function startOf(figure, series) {
  const times = figure.x.type === "time" ? series.x : series.time;
  return series.start_time ?? figure.start_time ?? times?.[0] ?? 0;
}

/**
 * The exponential moving average, by the distance of the points: a sampled curve is as smooth as
 * the whole one.
 *
 * @param {number} strength from 0, nothing, to 1.
 */
export function smoothed(curve, strength) {
  const { xs, ys } = curve;
  const span = Math.abs(xs[xs.length - 1] - xs[0]);
  if (!(strength > 0) || !curve.isSorted || !(span > 0)) {
    return ys;
  }
  const keep = Math.min(strength, 0.999);
  const scale = Math.min(ys.length - 1, 1000) / span;
  let [sum, weight, before] = [0, 0, null];
  return ys.map((y, index) => {
    if (y === null) {
      return null;
    }
    const decay = before === null ? 0 : keep ** ((xs[index] - before) * scale);
    before = xs[index];
    sum = sum * decay + y * (1 - keep);
    weight = weight * decay + (1 - keep);
    return sum / weight;
  });
}

/** Least and greatest of the x of curves, or null. */
export function extentOfX(curves) {
  return extentOf(curves, (curve, index) => curve.xs[index]);
}

/** Least and greatest of the y of curves between two x, or null; on a log scale of those above 0. */
export function extentOfY(curves, range, isLog) {
  const [low, high] = range ?? [-Infinity, Infinity];
  const least = isLog ? Number.MIN_VALUE : -Infinity;
  return extentOf(curves, ({ xs, ys }, index) => {
    const isSeen = ys[index] >= least && xs[index] >= low && xs[index] <= high;
    return isSeen ? ys[index] : null;
  });
}

/** The place of the point of a curve whose x is nearest. */
export function nearestIndex(curve, x) {
  const { xs, isSorted } = curve;
  if (!isSorted) {
    return xs.reduce(
      (best, at, index) => (Math.abs(at - x) < Math.abs(xs[best] - x) ? index : best),
      0,
    );
  }
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return Math.abs(xs[high] - x) < Math.abs(xs[low] - x) ? high : low;
}

/**
 * Groups of curves that lie on each other, in which the later ones would hide the first.
 *
 * @returns {Array<{place: number, size: number}>} of each curve, its place within its group.
 */
export function coincidences(curves) {
  const extent = extentOfY(curves, null, false);
  const places = curves.map(() => ({ place: 0, size: 1 }));
  if (extent === null || curves.length > 60) {
    return places;
  }
  const tolerance = (extent[1] - extent[0]) * 0.004;
  const groups = [];
  curves.forEach((curve, index) => {
    const group = groups.find(([first]) => areOnEachOther(curves[first], curve, tolerance));
    if (group) {
      group.push(index);
    } else {
      groups.push([index]);
    }
  });
  for (const group of groups) {
    group.forEach((index, place) => {
      places[index] = { place, size: group.length };
    });
  }
  return places;
}

function xsOf(figure, series, choice) {
  if (!figure.x.choices?.length || choice === "step") {
    return series.x;
  }
  const start = startOf(figure, series);
  if (figure.x.type === "duration") {
    return choice === "time" ? series.x.map((x) => x + start) : series.x;
  }
  const times = (figure.x.type === "time" ? series.x : series.time) ?? series.x;
  return choice === "relative" ? times.map((time) => time - start) : times;
}

// A point without an x is a gap between the others.
function withoutMissing(xs, values) {
  if (xs.every(Number.isFinite)) {
    return { xs, values };
  }
  let before = xs.find(Number.isFinite) ?? 0;
  const isKnown = xs.map(Number.isFinite);
  return {
    xs: xs.map((x, index) => (before = isKnown[index] ? x : before)),
    values: values.map((value, index) => (isKnown[index] ? value : null)),
  };
}

function isAscending(xs) {
  return xs.every((x, index) => index === 0 || xs[index - 1] <= x);
}

function extentOf(curves, valueOf) {
  let [low, high] = [Infinity, -Infinity];
  for (const curve of curves) {
    for (let index = 0; index < curve.xs.length; index += 1) {
      const value = valueOf(curve, index);
      if (value !== null && value < low) {
        low = value;
      }
      if (value !== null && value > high) {
        high = value;
      }
    }
  }
  return low <= high ? [low, high] : null;
}

function areOnEachOther(first, second, tolerance) {
  if (!first.isSorted || !second.isSorted) {
    return (
      first.xs.length === second.xs.length &&
      first.xs.every((x, index) => x === second.xs[index] && first.ys[index] === second.ys[index])
    );
  }
  let [compared, equal] = [0, 0];
  const step = Math.max(1, Math.floor(second.xs.length / PROBES));
  for (let index = 0; index < second.xs.length; index += step) {
    const y = second.ys[index];
    const at = valueAt(first, second.xs[index]);
    if (y !== null) {
      compared += 1;
      equal += at !== null && Math.abs(at - y) <= tolerance ? 1 : 0;
    }
  }
  return compared > 0 && equal / compared > 0.6;
}

function valueAt(curve, x) {
  const { xs, ys } = curve;
  if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) {
    return null;
  }
  const near = nearestIndex(curve, x);
  const other = xs[near] < x ? near + 1 : near - 1;
  if (
    xs[near] === x ||
    other < 0 ||
    other >= xs.length ||
    ys[near] === null ||
    ys[other] === null
  ) {
    return ys[near];
  }
  const share = (x - xs[near]) / (xs[other] - xs[near]);
  return ys[near] + (ys[other] - ys[near]) * share;
}
