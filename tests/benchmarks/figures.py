"""How long a browser takes to draw a figure, and to draw it again when points come."""

import statistics

from tests.benchmarks.report import Line
from tests.benchmarks.sizes import Sizes
from tests.chromium import chromium
from tests.figure_page import FigurePage, figure_page

# Curves, and points of each.
_CASES = {
    "full": [(1, 2_000), (10, 2_000), (100, 1_000), (1, 100_000)],
    "quick": [(1, 100), (3, 100)],
}
# From the call until the frame with the picture is handed over.
_TIME = """([curves, points]) => {
  const series = Array.from({ length: curves }, (_, curve) => {
    const steps = Array.from({ length: points }, (_, step) => step);
    return {
      name: `curve ${curve}`, run: String(curve), x: steps,
      time: steps.map((step) => 1790000000000 + step * 1000 + curve),
      y: steps.map((step) => Math.exp(-step / points) + curve / 10 + Math.sin(step * 7) / 20),
      total: points, shown: points, is_exact: true, start_time: 1790000000000,
    };
  });
  const figure = {
    id: "a", title: "loss", kind: "lines", note: null, series, diagonal: false,
    x: { label: "step", type: "number", choices: ["step", "relative", "time"] },
    y: { label: "loss" }, start_time: null, limits: { x: null, y: null },
  };
  const drawn = () => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))));
  return (async () => {
    const start = performance.now();
    window.draw(figure, {});
    const first = (await drawn()) - start;
    const again = performance.now();
    window.handles.at(-1).update(figure);
    return [first, (await drawn()) - again];
  })();
}"""


def drawing_times(sizes: Sizes, rounds: int) -> list[Line]:
    """Each figure on an empty page, and again with points of the same number.

    Two frames of the browser's are in every time, of 16 ms each.
    """
    cases = _CASES[sizes.name]
    taken: dict[tuple[int, int], list[list[float]]] = {case: [] for case in cases}
    with chromium() as browser, figure_page() as address:
        shown = FigurePage(browser.new_page(viewport={"width": 1280, "height": 900}), address)
        for _ in range(rounds):
            for curves, points in cases:
                shown.clear()
                taken[curves, points].append(shown.page.evaluate(_TIME, [curves, points]))
    lines = []
    for (curves, points), times in taken.items():
        what = f"{curves:,} x {points:,} points" if curves > 1 else f"{points:,} points"
        first, again = (statistics.median(each) for each in zip(*times, strict=True))
        lines.append(Line(f"a figure of {what}, drawn", "", "ms", ours=first, rounds=rounds))
        lines.append(Line(f"a figure of {what}, again", "", "ms", ours=again, rounds=rounds))
    return lines
