// Bars of a histogram, and a mean with the band around it.

import { seriesColour, withAlpha } from "../colours.js";
import { el } from "../dom.js";
import { formatNumber } from "../format.js";
import { bandPath, barPath, dot, linePath, positions } from "./paths.js";
import { newPlot, newSeries, padded } from "./plot.js";
import { newReadout } from "./readout.js";

/** Draw a figure of kind "bars". */
export function drawBars(body, first, frame) {
  return drawReadable(body, first, frame, {
    describe(figure) {
      const { edges, counts } = figure;
      const heights = counts.map(finite);
      return {
        ...common(figure),
        x: padded([edges[0], edges[edges.length - 1]], 0.02),
        y: [Math.min(0, ...heights), Math.max(1e-9, ...heights) * 1.06],
        series: [
          newSeries({
            stroke: null,
            fill: withAlpha(seriesColour(0), 0.75),
            width: 0,
            paths: barPath,
          }),
        ],
        data: [[edges.slice(0, -1), heights, edges.slice(1)]],
      };
    },
    read(figure, x) {
      const { edges, counts } = figure;
      const index = counts.findIndex((_, at) => x >= edges[at] && x < edges[at + 1]);
      if (index < 0) {
        return null;
      }
      const [low, high] = [edges[index], edges[index + 1]];
      const row = {
        name: figure.y.label,
        value: formatNumber(counts[index]),
        colour: seriesColour(0),
      };
      return {
        x: (low + high) / 2,
        title: `${formatNumber(low)} to ${formatNumber(high)}`,
        rows: [row],
      };
    },
    places: (figure) => figure.counts.map((_, at) => (figure.edges[at] + figure.edges[at + 1]) / 2),
    drawOver: () => {},
  });
}

/** Draw a figure of kind "band". */
export function drawBand(body, first, frame) {
  return drawReadable(body, first, frame, {
    describe(figure) {
      const colour = seriesColour(0);
      const [means, lows, highs] = [figure.mean, figure.low, figure.high].map((list) =>
        list.map(finite),
      );
      const values = [...means, ...lows, ...highs].filter((value) => value !== null);
      const xs = figure.xs;
      const ends = xs.length ? [Math.min(...xs), Math.max(...xs)] : [0, 1];
      const all = figure.ideal ? [...values, ...ends] : values;
      return {
        ...common(figure),
        x: padded(ends, 0.03),
        y: padded(all.length ? [Math.min(...all), Math.max(...all)] : [0, 1], 0.05),
        series: [
          newSeries({ stroke: null, fill: withAlpha(colour, 0.2), width: 0, paths: bandPath }),
          newSeries({ stroke: colour, fill: null, width: 2, paths: linePath }),
        ],
        data: [
          [xs, lows, highs],
          [xs, means],
        ],
      };
    },
    read(figure, x) {
      const { xs } = figure;
      if (xs.length === 0) {
        return null;
      }
      const index = xs.reduce(
        (best, at, i) => (Math.abs(at - x) < Math.abs(xs[best] - x) ? i : best),
        0,
      );
      const colour = seriesColour(0);
      return {
        x: xs[index],
        title: `${figure.x.label} ${formatNumber(xs[index])}`,
        rows: [
          { name: "high", value: formatNumber(figure.high[index]) },
          {
            name: figure.y.label || "mean",
            value: formatNumber(figure.mean[index]),
            colour,
            y: figure.mean[index],
          },
          { name: "low", value: formatNumber(figure.low[index]) },
        ],
      };
    },
    places: (figure) => figure.xs,
    drawOver(plot, figure, theme) {
      const { ctx } = plot;
      const ratio = uPlot.pxRatio;
      const { toX, toY } = positions(plot);
      ctx.save();
      ctx.setLineDash([]);
      if (figure.ideal) {
        const [low, high] = [
          Math.max(plot.scales.x.min, plot.scales.y.min),
          Math.min(plot.scales.x.max, plot.scales.y.max),
        ];
        ctx.strokeStyle = theme.muted;
        ctx.lineWidth = ratio;
        ctx.setLineDash([5 * ratio, 4 * ratio]);
        ctx.beginPath();
        ctx.moveTo(toX(low), toY(low));
        ctx.lineTo(toX(high), toY(high));
        ctx.stroke();
        ctx.setLineDash([]);
      }
      const path = new Path2D();
      figure.xs.forEach((x, index) => {
        if (typeof figure.mean[index] === "number") {
          dot(path, toX(x), toY(figure.mean[index]), 2.5 * ratio);
        }
      });
      ctx.fillStyle = theme.surface;
      ctx.strokeStyle = seriesColour(0);
      ctx.lineWidth = 1.5 * ratio;
      ctx.fill(path);
      ctx.stroke(path);
      ctx.restore();
    },
  });
}

// A plot without zoom whose values are read by pointer and keys.
function drawReadable(body, first, frame, kind) {
  let figure = first;
  let cursor = null;
  const place = el("div", {
    class: "mw-plot",
    tabindex: "0",
    role: "img",
    "aria-roledescription": "chart",
  });
  const yLabel = el("div", { class: "mw-y-label" });
  body.append(yLabel, place);
  const readout = newReadout(place);

  const show = (x, isSpoken) => {
    const u = plot.plot;
    const content = kind.read(figure, x);
    if (u === null || content === null) {
      readout.hide();
      return;
    }
    cursor = content.x;
    const rows = content.rows.map((row) => ({
      ...row,
      top: typeof row.y === "number" ? u.valToPos(row.y, "y") : null,
    }));
    readout.show(u, { ...content, rows, left: u.valToPos(content.x, "x") }, isSpoken);
  };
  const onKey = (event) => {
    const places = kind.places(figure);
    const at = cursor === null ? -1 : places.indexOf(cursor);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: places.length - 1 }[
      event.key
    ];
    if (to === undefined || places.length === 0) {
      return false;
    }
    show(places[Math.min(Math.max(to, 0), places.length - 1)], true);
    return true;
  };
  const label = () => {
    yLabel.textContent = figure.y.label;
    yLabel.hidden = !figure.y.label;
    place.setAttribute("aria-label", `${figure.title}. Arrow keys read values.`);
    frame.setNote([figure.note]);
  };
  label();
  const plot = newPlot(place, () => kind.describe(figure), {
    onMove: (left) =>
      left === undefined || left < 0 ? readout.hide() : show(plot.plot.posToVal(left, "x"), false),
    onDraw: (u, theme) => kind.drawOver(u, figure, theme),
    onKey,
  });
  place.addEventListener("blur", () => readout.hide());
  return {
    update(other) {
      figure = other;
      label();
      plot.redraw();
    },
    set() {},
    destroy() {
      plot.destroy();
      readout.destroy();
    },
  };
}

function common(figure) {
  return {
    xType: figure.x.type ?? "number",
    isWholeX: false,
    xLabel: figure.x.label,
    isLog: false,
    curves: [],
  };
}

function finite(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
