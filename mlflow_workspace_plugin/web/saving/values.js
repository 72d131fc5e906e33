// What a figure is drawn from, as rows: CSV (RFC 4180) of all that is here.

import { formatNumber } from "../format.js";

const LATEST_YEAR = 9999;

/** Whether all that a figure is of is here, and not only what is drawn of it. */
export function isWholeFigure(figure) {
  if (figure.kind === "lines") {
    return figure.series.every((series) => series.is_exact);
  }
  return figure.kind !== "table" || figure.rows.length === figure.total;
}

/** The values of a figure, as CSV. */
export function csvOfFigure(figure) {
  return rowsOfFigure(figure)
    .map((row) => row.map(csvField).join(","))
    .join("\r\n")
    .concat("\r\n");
}

function rowsOfFigure(figure) {
  switch (figure.kind) {
    case "lines":
      return rowsOfLines(figure);
    case "bars":
      return [
        ["from", "to", "count"],
        ...figure.counts.map((count, at) => [figure.edges[at], figure.edges[at + 1], count]),
      ];
    case "band":
      return [
        [figure.x.label || "x", "mean", "low", "high"],
        ...figure.xs.map((x, at) => [x, figure.mean[at], figure.low[at], figure.high[at]]),
      ];
    case "heatmap":
      return [
        [figure.row_label || "row", figure.column_label || "column", "count", "share"],
        ...figure.rows.flatMap((row, i) =>
          figure.columns.map((column, j) => [row, column, figure.counts[i][j], figure.normalised?.[i]?.[j] ?? null]),
        ),
      ];
    case "table":
      return [figure.columns, ...figure.rows];
    case "images":
      return [
        ["run", "path", "step", "time", "label"],
        ...figure.images.map((image) => [image.run ?? null, image.path, image.step ?? null, momentOf(image.time ?? null), image.label]),
      ];
    default:
      return [["value"], [figure.value]];
  }
}

// One below the other, as they were logged; of several curves the first column says which it is.
function rowsOfLines(figure) {
  const { series, x, y } = figure;
  const who = new Set(series.map((each) => each.run)).size > 1 ? "run" : "series";
  const isMeasured = (x.choices ?? []).length > 0;
  const columns = !isMeasured ? [x.label || "x", y.label || "value"] : x.type === "number" ? ["step", "time", "value"] : ["time", "value"];
  const rows = series.flatMap((each) => {
    const points = each.x.map((at, index) => [at, each.time?.[index] ?? null, each.y[index]]);
    if (!isMeasured) {
      return points.map(([at, , value]) => [each.name, at, value]);
    }
    if (x.type !== "number") {
      return points.map(([at, , value]) => [each.name, momentOf(at), value]);
    }
    points.sort(([stepA, timeA], [stepB, timeB]) => timeA - timeB || stepA - stepB);
    return points.map(([step, time, value]) => [each.name, step, momentOf(time), value]);
  });
  return series.length > 1 ? [[who, ...columns], ...rows] : [columns, ...rows.map(([, ...row]) => row)];
}

/** A time, in milliseconds, as ISO 8601 has it; as it is, where that has no word for it. */
export function momentOf(milliseconds) {
  const moment = new Date(milliseconds ?? NaN);
  const year = moment.getUTCFullYear();
  return year >= 1 && year <= LATEST_YEAR ? moment.toISOString() : milliseconds;
}

function csvField(value) {
  if (value === null || value === undefined) {
    return "";
  }
  const text = typeof value === "object" ? formatNumber(value).replaceAll(",", "") : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
