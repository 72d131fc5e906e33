// Which curve is which: buttons that hide and show, in at most two lines, the rest by scrolling.

import { el, replaceChildren } from "../dom.js";
import { swatch } from "./readout.js";

/**
 * Make a legend.
 *
 * @param events {onToggle(index), onAlone(index), onFocus(index or null)}
 * @returns {{element, show(entries)}} entries: [{name, colour, dash, isHidden}]
 */
export function newLegend(events) {
  const element = el("div", { class: "mw-legend", role: "group", "aria-label": "Curves" });
  let shown = "";

  const button = (entry, index) =>
    el(
      "button",
      {
        type: "button",
        class: "mw-legend-entry",
        title: `${entry.name}\nClick hides or shows it, double click shows it alone.`,
        "aria-pressed": entry.isHidden ? "false" : "true",
        onclick: (event) => (event.detail > 1 ? null : events.onToggle(index)),
        ondblclick: () => events.onAlone(index),
        onpointerenter: () => events.onFocus(index),
        onpointerleave: () => events.onFocus(null),
        onfocus: () => events.onFocus(index),
        onblur: () => events.onFocus(null),
      },
      swatch(entry.colour, entry.dash),
      el("span", { class: "mw-legend-name" }, entry.name),
    );

  return {
    element,
    show(entries) {
      const key = JSON.stringify(entries);
      if (key === shown) {
        return;
      }
      // The same buttons stay, which a hand or the keyboard may be on.
      const isSame = element.children.length === entries.length && sameNames(shown, entries);
      shown = key;
      element.hidden = entries.length < 2;
      if (!isSame) {
        replaceChildren(element, element.hidden ? [] : entries.map(button));
        return;
      }
      entries.forEach((entry, index) => {
        element.children[index].setAttribute("aria-pressed", entry.isHidden ? "false" : "true");
        element.children[index].firstChild.replaceWith(swatch(entry.colour, entry.dash));
      });
    },
  };
}

function sameNames(shown, entries) {
  const before = shown ? JSON.parse(shown) : [];
  return before.every((entry, index) => entry.name === entries[index]?.name);
}
