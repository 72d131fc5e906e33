// What is read under the pointer: a line at the x, dots on the curves, and their values.

import { el, replaceChildren } from "../dom.js";

const MOST_ROWS = 10;

/**
 * Make a read-out over a plot.
 *
 * @param {HTMLElement} place of the plot.
 * @returns {{show(plot, content, isSpoken), hide(), destroy()}} content: {left, title, detail,
 *   rows: [{name, value, colour, dash, top, isNear}]}, positions within the plotting area.
 */
export function newReadout(place) {
  const box = el("div", { class: "mw-readout", "aria-hidden": "true" });
  const spoken = el("div", { class: "mw-spoken", "aria-live": "polite" });
  place.append(box, spoken);
  let dots = [];

  const hide = () => {
    box.classList.remove("is-shown");
    dots.forEach((dot) => dot.remove());
    dots = [];
  };

  return {
    hide,
    show(plot, content, isSpoken) {
      const rows = visibleRows(content.rows);
      replaceChildren(
        box,
        el("div", { class: "mw-readout-title" }, content.title),
        content.detail ? el("div", { class: "mw-readout-title" }, content.detail) : null,
        rows.map((row) =>
          el(
            "div",
            { class: row.isNear && rows.length > 1 ? "mw-readout-row is-near" : "mw-readout-row" },
            row.colour ? swatch(row.colour, row.dash) : null,
            row.name === "" ? null : el("span", { class: "mw-readout-name" }, row.name),
            el("span", { class: "mw-readout-value" }, row.value),
          ),
        ),
        content.rows.length > rows.length
          ? el("div", { class: "mw-readout-more" }, `${content.rows.length - rows.length} more`)
          : null,
      );
      box.classList.add("is-shown");
      placeBox(box, plot, content.left, place);
      dots.forEach((dot) => dot.remove());
      dots = rows
        .filter((row) => row.top !== undefined && row.top !== null)
        .map((row) =>
          el("div", {
            class: "mw-dot",
            style: {
              left: `${row.dotLeft ?? content.left}px`,
              top: `${row.top}px`,
              "background-color": row.colour,
            },
          }),
        );
      plot.over.append(...dots);
      if (isSpoken) {
        spoken.textContent = `${content.title}: ${rows.map((row) => `${row.name} ${row.value}`.trim()).join(", ")}`;
      }
    },
    destroy() {
      hide();
      box.remove();
      spoken.remove();
    },
  };
}

/** A piece of a curve, to know it by. */
export function swatch(colour, dash) {
  const style = dash?.length
    ? {
        "background-image": `repeating-linear-gradient(90deg, ${colour} 0 4px, transparent 4px 7px)`,
      }
    : { "background-color": colour };
  return el("span", { class: "mw-swatch", style, dataset: dash?.length ? { dash: colour } : {} });
}

// Of many, those around the nearest.
function visibleRows(rows) {
  if (rows.length <= MOST_ROWS) {
    return rows;
  }
  const near = Math.max(
    0,
    rows.findIndex((row) => row.isNear),
  );
  const first = Math.min(Math.max(0, near - MOST_ROWS / 2), rows.length - MOST_ROWS);
  return rows.slice(first, first + MOST_ROWS);
}

// Beside the line, on the side with room.
function placeBox(box, plot, left, place) {
  const outer = place.getBoundingClientRect();
  const over = plot.over.getBoundingClientRect();
  const at = over.left - outer.left + left;
  const width = box.offsetWidth;
  const isRight = at + 14 + width <= outer.width;
  const x = isRight ? at + 14 : Math.max(0, at - 14 - width);
  box.style.setProperty(
    "transform",
    `translate(${Math.round(x)}px, ${Math.round(over.top - outer.top + 6)}px)`,
  );
}
