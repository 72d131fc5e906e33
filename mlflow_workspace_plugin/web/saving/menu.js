// What is saved of a figure: its values, and its picture.

import { themeOf } from "../colours.js";
import { el, icon } from "../dom.js";
import { paintElement } from "./picture.js";
import { csvOfFigure, isWholeFigure } from "./values.js";

const SAVE = "M8 2.5v7M5 7l3 3 3-3M3 12.5h10";
const KINDS_WITH_ROOM = ["lines", "bars", "band", "heatmap"];
const LONGEST_NAME = 80;

/**
 * Make the menu by which a figure is saved.
 *
 * @param {{element: HTMLElement, figure: function(): object, csvUrl: ?function(string): string,
 *   say: function(?string)}} given `csvUrl` is where all values are, of which some are here.
 * @returns {HTMLElement}
 */
export function newSaveMenu({ element, figure, csvUrl, say }) {
  const close = () => {
    menu.open = false;
  };
  const saveCsv = () => {
    const shown = figure();
    if (csvUrl && !isWholeFigure(shown)) {
      saveFrom(csvUrl(shown.id), "");
    } else {
      saveBlob(new Blob([csvOfFigure(shown)], { type: "text/csv" }), fileNameOf(shown, "csv"));
    }
  };
  const savePng = async () => {
    const shown = figure();
    const canvas = await pictureOfFigure(element, shown);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    saveBlob(blob, fileNameOf(shown, "png"));
  };
  const button = (name, title, save) =>
    el(
      "button",
      {
        type: "button",
        class: "mw-tool",
        title,
        onclick: async () => {
          close();
          try {
            await save();
            say(null);
          } catch (error) {
            say(`It could not be saved: ${error.message}`);
          }
        },
      },
      name,
    );
  const menu = el(
    "details",
    { class: "mw-menu" },
    el("summary", { class: "mw-tool is-icon", title: "Save", "aria-label": "Save" }, icon(SAVE)),
    el(
      "div",
      { class: "mw-menu-list", tabindex: "-1" },
      button("CSV", "Its values, for other programs", saveCsv),
      button("PNG", "Its picture, as it is shown", savePng),
    ),
  );
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      close();
      menu.firstChild.focus();
      event.stopPropagation();
    }
  });
  menu.addEventListener("focusout", (event) => {
    if (!menu.contains(event.relatedTarget)) {
      close();
    }
  });
  return menu;
}

// Charts are painted as large as a slide has room for, whatever the screen.
async function pictureOfFigure(element, figure) {
  const hasRoom = KINDS_WITH_ROOM.includes(figure.kind);
  const gap = el("div", { style: { height: `${element.offsetHeight}px` } });
  if (hasRoom) {
    element.before(gap);
    element.classList.add("is-picture");
  }
  try {
    if (hasRoom) {
      // Plots are told of their size by then.
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
    return paintElement(element, themeOf(element).surface);
  } finally {
    element.classList.remove("is-picture");
    gap.remove();
  }
}

function fileNameOf(figure, ending) {
  const name = [...figure.title.replace(/[^\p{L}\p{N}_. -]+/gu, "-")].slice(0, LONGEST_NAME).join("");
  return `${name.replace(/^[-. ]+|[-. ]+$/g, "") || "figure"}.${ending}`;
}

function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  saveFrom(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function saveFrom(url, name) {
  const link = el("a", { href: url });
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
