// One number, or a text.

import { el } from "../dom.js";
import { formatCell } from "../format.js";

/** Draw a figure of kind "number". */
export function drawNumber(body, first, frame) {
  const value = el("div", { class: "mw-number" });
  body.append(value);
  const update = (figure) => {
    const text = figure.value === null ? "–" : formatCell(figure.value);
    value.textContent = text;
    value.classList.toggle("is-long", text.length > 12);
    value.title = typeof figure.value === "number" ? String(figure.value) : text;
    frame.setNote([figure.note]);
  };
  update(first);
  return { update, set() {}, destroy() {} };
}

/** Draw a figure of kind "text". */
export function drawText(body, first, frame) {
  const value = el("div", {
    class: "mw-text",
    tabindex: "0",
    role: "group",
    "aria-label": first.title,
  });
  body.append(value);
  const update = (figure) => {
    value.textContent = figure.value;
    value.classList.toggle("is-short", figure.value.length <= 24 && !figure.value.includes("\n"));
    frame.setNote([figure.note]);
  };
  update(first);
  return { update, set() {}, destroy() {} };
}
