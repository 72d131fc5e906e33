// What uPlot does not draw of curves: the diagonal, points far from each other, what is not finite.

import { seriesColour, withAlpha } from "../colours.js";
import { dot, positions } from "./paths.js";

/** Draw them; `look` tells of curves whether they are hidden or behind, and their places. */
export function drawMarks(plot, theme, drawn, look) {
  const { ctx, bbox } = plot;
  const ratio = uPlot.pxRatio;
  const { toX, toY } = positions(plot);
  ctx.save();
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.rect(
    bbox.left - 4 * ratio,
    bbox.top - 4 * ratio,
    bbox.width + 8 * ratio,
    bbox.height + 8 * ratio,
  );
  ctx.clip();
  if (drawn.figure.diagonal) {
    ctx.strokeStyle = theme.muted;
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    ctx.beginPath();
    const [from, to] = [Math.max(drawn.x[0], drawn.y[0]), Math.min(drawn.x[1], drawn.y[1])];
    ctx.moveTo(toX(from), toY(from));
    ctx.lineTo(toX(to), toY(to));
    ctx.stroke();
    ctx.setLineDash([]);
  }
  drawn.curves.forEach((curve, index) => {
    if (look.isHidden(curve)) {
      return;
    }
    const colour = withAlpha(
      seriesColour(look.placeOf(index)),
      look.isBehind(index) ? 0.2 : 1,
    );
    if (drawn.places[index].place === 0) {
      drawPoints(ctx, plot, curve, colour, theme, ratio);
    }
    drawUnreal(ctx, bbox, curve.marks, colour, toX, ratio);
  });
  ctx.restore();
}

function drawPoints(ctx, plot, curve, colour, theme, ratio) {
  const { toX, toY } = positions(plot);
  const [low, high] = [plot.scales.x.min, plot.scales.x.max];
  const inside = curve.xs.reduce((sum, x) => sum + (x >= low && x <= high ? 1 : 0), 0);
  if (inside === 0 || plot.bbox.width / ratio / inside < 9) {
    return;
  }
  const path = new Path2D();
  curve.xs.forEach((x, index) => {
    const y = curve.ys[index];
    if (y !== null && x >= low && x <= high && !(plot.scales.y.distr === 3 && y <= 0)) {
      dot(path, toX(x), toY(y), 2.5 * ratio);
    }
  });
  ctx.fillStyle = theme.surface;
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.25 * ratio;
  ctx.fill(path);
  ctx.stroke(path);
}

// A cross below for NaN; for infinities a triangle at the edge that they went to.
function drawUnreal(ctx, bbox, marks, colour, toX, ratio) {
  const taken = new Set();
  ctx.fillStyle = colour;
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.25 * ratio;
  for (const { x, value } of marks) {
    const left = Math.round(toX(x));
    const key = `${Math.round(left / (4 * ratio))} ${value}`;
    if (taken.has(key)) {
      continue;
    }
    taken.add(key);
    const size = 4 * ratio;
    const [top, bottom] = [bbox.top, bbox.top + bbox.height];
    ctx.beginPath();
    if (value === "NaN") {
      const middle = bottom - size;
      ctx.moveTo(left - size * 0.7, middle - size * 0.7);
      ctx.lineTo(left + size * 0.7, middle + size * 0.7);
      ctx.moveTo(left - size * 0.7, middle + size * 0.7);
      ctx.lineTo(left + size * 0.7, middle - size * 0.7);
      ctx.stroke();
    } else {
      const [tip, base] =
        value === "Infinity" ? [top, top + 1.6 * size] : [bottom, bottom - 1.6 * size];
      ctx.moveTo(left, tip);
      ctx.lineTo(left + size, base);
      ctx.lineTo(left - size, base);
      ctx.fill();
    }
  }
}
