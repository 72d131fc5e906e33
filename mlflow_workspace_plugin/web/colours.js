// Colours: what curves are told apart by, also by the colour-blind, on light and on dark.

import { SERIES_COLOURS, SERIES_DASHES } from "./palette.js";

const LIGHT = {
  isDark: false,
  surface: "#ffffff",
  ink: "#1b1f24",
  muted: "#5b6570",
  grid: "#e9edf1",
  axis: "#c3ccd5",
  accent: "#0b62c4",
  scale: [
    [247, 250, 253],
    [158, 200, 240],
    [33, 113, 200],
    [6, 42, 94],
  ],
};
const DARK = {
  isDark: true,
  surface: "#171b21",
  ink: "#e7ebf0",
  muted: "#9aa6b2",
  grid: "#262c34",
  axis: "#3d4753",
  accent: "#5aa9ff",
  scale: [
    [27, 33, 41],
    [22, 66, 120],
    [47, 128, 214],
    [190, 224, 255],
  ],
};

/** The colours to draw with where an element is: those of the ink that it inherits. */
export function themeOf(element) {
  const [red, green, blue] = channelsOf(getComputedStyle(element).color);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? DARK : LIGHT;
}

/**
 * Call back when light becomes dark or dark light.
 *
 * @returns {function} what ends it.
 */
export function onThemeChange(callback) {
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(callback);
  const attributes = {
    attributes: true,
    attributeFilter: ["data-theme", "data-jp-theme-light", "class"],
  };
  scheme.addEventListener("change", callback);
  observer.observe(document.documentElement, attributes);
  observer.observe(document.body, attributes);
  return () => {
    scheme.removeEventListener("change", callback);
    observer.disconnect();
  };
}

/** The colour of the curve at an index. */
export function seriesColour(index) {
  return SERIES_COLOURS[index % SERIES_COLOURS.length];
}

/**
 * The dashes of the curve at an index: none until the colours come again.
 *
 * @param {number} index
 * @param {number} turn how many curves have the same colour for another reason.
 */
export function seriesDash(index, turn = 0) {
  return SERIES_DASHES[(Math.floor(index / SERIES_COLOURS.length) + turn) % SERIES_DASHES.length];
}

/** The colour of a share from 0 to 1 on the scale of heat maps, and the ink to write on it. */
export function scaleColour(theme, share) {
  const clamped = Math.min(Math.max(share, 0), 1) * (theme.scale.length - 1);
  const below = Math.min(Math.floor(clamped), theme.scale.length - 2);
  const rest = clamped - below;
  const channels = theme.scale[below].map((from, index) =>
    Math.round(from + (theme.scale[below + 1][index] - from) * rest),
  );
  const light = relativeLuminance(channels);
  // Whichever of white and near-black stands out more.
  const ink = (light + 0.05) / 0.06 > 1.05 / (light + 0.05) ? "#0d1117" : "#ffffff";
  return { background: `rgb(${channels.join(", ")})`, ink };
}

/** A colour with a share of its strength. */
export function withAlpha(colour, alpha) {
  return `rgba(${channelsOf(colour).join(", ")}, ${alpha})`;
}

function channelsOf(colour) {
  if (colour.startsWith("#")) {
    return [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  }
  return (colour.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);
}

function relativeLuminance(channels) {
  const [red, green, blue] = channels.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
