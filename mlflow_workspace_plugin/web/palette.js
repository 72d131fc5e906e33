// What curves are told apart by: in pages, notebooks, reports and pictures, on light and on dark.
// Each colour stands out from white and from near-black, and apart from the others for those who
// see two kinds of colours only. Dashes are of curves whose colours come again.
// Python reads this file, too: what is behind each name is JSON.

export const SERIES_COLOURS = ["#1f7ad8", "#d87000", "#00794d", "#dc00c6", "#d11600", "#6e638f", "#799a6e", "#b084b0"];
export const SERIES_DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
