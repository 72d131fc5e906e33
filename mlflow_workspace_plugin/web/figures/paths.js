// Paths of uPlot's: what is stroked and filled of a series, on the canvas. In mode 2, where every
// series has x of its own.

/** A line through the points in their order, broken where there is none; lone points are dots. */
export function linePath(plot, index) {
  const stroke = new Path2D();
  const [xs, ys] = plot.data[index];
  const { toX, toY } = positions(plot);
  const columns = plot.bbox.width * 2;
  const column =
    xs.length > columns && plot.mwCurves?.[index - 1]?.isSorted ? newColumn(stroke, toY) : null;
  let isOpen = false;
  for (let at = 0; at < xs.length; at += 1) {
    const y = ys[at];
    if (y === null || (plot.scales.y.distr === 3 && y <= 0)) {
      column?.end();
      isOpen = false;
      continue;
    }
    const x = toX(xs[at]);
    if (!isOpen) {
      stroke.moveTo(x, toY(y));
      if (!(at + 1 < xs.length && ys[at + 1] !== null)) {
        dot(stroke, x, toY(y), 1.5 * uPlot.pxRatio);
      }
    } else if (column === null) {
      stroke.lineTo(x, toY(y));
    }
    column?.add(Math.round(x), y);
    isOpen = true;
  }
  column?.end();
  return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 };
}

/** The area between two lines; `data` holds x, low, high. */
export function bandPath(plot, index) {
  const fill = new Path2D();
  const [xs, lows, highs] = plot.data[index];
  const { toX, toY } = positions(plot);
  const known = [...xs.keys()].filter((at) => lows[at] !== null && highs[at] !== null);
  known.forEach((at, place) => {
    fill[place === 0 ? "moveTo" : "lineTo"](toX(xs[at]), toY(highs[at]));
  });
  known.reverse().forEach((at) => fill.lineTo(toX(xs[at]), toY(lows[at])));
  fill.closePath();
  return { stroke: null, fill, clip: null, band: null, gaps: null, flags: 0 };
}

/** Bars from 0; `data` holds left edges, heights, right edges. */
export function barPath(plot, index) {
  const fill = new Path2D();
  const [lefts, heights, rights] = plot.data[index];
  const { toX, toY } = positions(plot);
  const zero = toY(0);
  lefts.forEach((left, at) => {
    const [from, to] = [toX(left), toX(rights[at])];
    const gap = Math.min(uPlot.pxRatio, (to - from) * 0.1);
    const top = toY(heights[at]);
    if (heights[at]) {
      const height = Math.max(zero - top, uPlot.pxRatio);
      fill.rect(from + gap, zero - height, Math.max(to - from - 2 * gap, 0.5), height);
    }
  });
  return { stroke: null, fill, clip: null, band: null, gaps: null, flags: 0 };
}

/** Add a dot to a path. */
export function dot(path, x, y, radius) {
  path.moveTo(x + radius, y);
  path.arc(x, y, radius, 0, 2 * Math.PI);
}

/** Functions from values to positions on the canvas, made once for many points. */
export function positions({ bbox, scales }) {
  const { x, y } = scales;
  const valueOfY = y.distr === 3 ? Math.log10 : (value) => value;
  const [lowX, lowY] = [x.min, valueOfY(y.min)];
  const perX = bbox.width / (x.max - lowX);
  const perY = bbox.height / (valueOfY(y.max) - lowY);
  const bottom = bbox.top + bbox.height;
  return {
    toX: (value) => bbox.left + (value - lowX) * perX,
    toY: (value) => bottom - (valueOfY(value) - lowY) * perY,
  };
}

// Many points in one column of pixels are a vertical line from the least to the greatest.
function newColumn(stroke, toY) {
  let column = null;
  const end = () => {
    if (column !== null) {
      const { x, first, low, high, last } = column;
      stroke.lineTo(x, toY(first));
      if (low !== high) {
        stroke.lineTo(x, toY(low));
        stroke.lineTo(x, toY(high));
        stroke.lineTo(x, toY(last));
      }
      column = null;
    }
  };
  const add = (x, y) => {
    if (column !== null && column.x === x) {
      column.low = Math.min(column.low, y);
      column.high = Math.max(column.high, y);
      column.last = y;
    } else {
      end();
      column = { x, first: y, low: y, high: y, last: y };
    }
  };
  return { add, end };
}
