"""Figures of every kind, as JSON in ``data/figures``, which every renderer is tested with.

``python -m tests.figure_cases`` writes them anew, after a change that is meant.
"""

import json
import math
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.figures.charts import schemas
from mlflow_workspace_plugin.figures.charts.chart import figures_of_chart
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.images import Picture, images
from mlflow_workspace_plugin.figures.lines import Curve, over_steps, y_over_x
from mlflow_workspace_plugin.figures.specification import Figure
from mlflow_workspace_plugin.figures.tables import of_columns, table
from mlflow_workspace_plugin.figures.thinning import kept_rows
from mlflow_workspace_plugin.figures.values import single

FOLDER = Path(__file__).parent / "data" / "figures"

RUN = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
START = 1_790_000_000_000
MARKUP = "</script><img src=x onerror=alert(1)> & \"'"
JAPANESE = "検証データの損失"
LONG = "a name of 500 characters " * 20

NAMES = {"markup": MARKUP, "japanese": JAPANESE, "long": LONG, "half-a-pair": "half \ud800 a pair"}


def cases() -> dict[str, Figure]:
    """Return all of them by the names of their files."""
    found = _curves() | _rows() | _values() | _pictures()
    for name, kind, data in _charts():
        document = json.dumps({"schema_type": kind, "schema_version": "1.0.0", "data": data})
        title = MARKUP if "markup" in name else name
        for figure in figures_of_chart(("metric", title), title, kind, document.encode()):
            last = json.loads(figure["id"])[-1]
            found[f"{name}-{last}" if last != title else name] = figure
    return found


def _curves() -> dict[str, Figure]:
    steps = list(range(40))
    loss = [round(2 * math.exp(-step / 12) + 0.05 * math.sin(step), 6) for step in steps]
    found: dict[str, Figure] = {
        "line": _line("loss", [_curve("loss", steps, loss)]),
        "line-one-point": _line("loss", [_curve("loss", [3], [0.5])]),
        "line-of-many": _line("loss", [_many("loss", 1_000_000, spike=777_777)]),
        "line-constant": _line("rate", [_curve("rate", steps, [0.001] * 40)]),
        "line-huge-and-tiny": _line(
            "wide", [_curve("wide", [0, 1, 2, 3], [1e-300, 1e300, -1e12, 0])]
        ),
        "line-of-nothing-but-nan": _line("nan", [_curve("nan", [0, 1, 2], [math.nan] * 3)]),
        "line-odd-values": _line(
            "odd",
            [
                _curve(
                    "odd",
                    [0, 1, 2, 3, 5, 8, 9, 10],
                    [0.5, math.nan, math.inf, 0.75, -math.inf, None, 1, 0.25],
                )
            ],
        ),
        "line-repeated-steps": _line("twice", [_curve("twice", [0, 0, 1, 1, 2], [1, 2, 2, 3, 1])]),
        "line-by-time": _by_time("time", [START + 1_500 * step for step in steps], loss),
        "line-by-relative-time": _by_time("relative", [1_500 * step for step in steps], loss),
        "lines-of-runs": _line(
            "loss",
            [
                _curve("happy_fish", steps, loss),
                _curve("sad_owl", steps[:25], [2 * each for each in loss[:25]], run=OTHER),
                _curve(MARKUP, [100, 200], [1, 0.5], run="2" * 32),
            ],
        ),
        "lines-that-coincide": _line(
            "acc", [_curve("one", steps, loss), _curve("two", steps, loss, run=OTHER)]
        ),
        "lines-of-many-runs": _line(
            "loss",
            [
                _curve(
                    f"run {each}", steps, [value + each / 20 for value in loss], run=f"{each:032x}"
                )
                for each in range(30)
            ],
        ),
        "lines-of-runs-of-many": _line(
            "loss", [_many("long", 1_000_000, spike=5), _curve("short", steps, loss, run=OTHER)]
        ),
    }
    for name, title in NAMES.items():
        found[f"line-{name}"] = _line(title, [_curve(title, steps[:5], loss[:5])])
    return found


def _rows() -> dict[str, Figure]:
    angles = [round(angle / 2, 1) for angle in range(-10, 10)]
    cosines = [round(math.cos(angle), 6) for angle in angles]
    turns = [round(0.1 * each, 6) for each in range(200)]
    spiral = {
        "x": [round(turn * math.cos(turn), 6) for turn in turns],
        "y": [round(turn * math.sin(turn), 6) for turn in turns],
    }
    many = list(range(1_000_000))
    wave = [math.sin(each / 50_000) for each in many]
    wave[777_777] = 9.0
    kept = kept_rows([many, wave], 2_000)
    rows = [[each, f"row {each}", each % 2 == 0] for each in range(250)]
    return {
        "rows-y-over-x": _columns("Cosine Wave", {"angle": angles, "cos": cosines}),
        "rows-spiral": _columns("spiral", spiral),
        "rows-odd-values": _columns(
            "odd", {"x": [1, 2, math.inf, None, 5, 6.5], "y": [1, math.nan, 3, 4, None, -2]}
        ),
        "rows-one-column": _columns("only", {"y": [3, 1, 2]}),
        "rows-several-curves": _columns(
            "several", {"epoch": [1, 2, 3, 4], "train": [4, 3, 2, 1], "valid": [4, 3.5, 3.2, None]}
        ),
        "rows-of-many": y_over_x(
            figure_id("metric", "wave"),
            "wave",
            [Curve("wave", kept, [round(wave[each], 6) for each in kept], len(many), run=RUN)],
            x="t",
            y="wave",
        ),
        "rows-markup": _columns(MARKUP, {MARKUP: [1, 2], JAPANESE: [3, 4]}),
        "table": _columns(
            "confusing",
            {
                "number": [1, 2.5, 1e-12, math.nan, math.inf, None],
                "long number": [2**53, 2**53 + 1, -(10**30), 0, 1, None],
                "text": ["a", "", MARKUP, JAPANESE, LONG, None],
                "truth": [True, False, None, True, False, None],
                "half \ud800": ["half \udfff", None, None, None, None, None],
            },
        ),
        "table-one-row": _columns("final", {"accuracy": [0.9], "f1": [0.8]}),
        "table-knot": _columns("knot", {"a": [1, 3, 2], "b": [1, 2, 3], "c": [3, 2, 1]}),
        "table-empty": _columns("empty", {}),
        "table-second-page": table(
            figure_id("metric", "paged"),
            "paged",
            ["number", "text", "even"],
            rows[100:200],
            total=len(rows),
            offset=100,
        ),
        "table-wide": _columns(
            "wide", {f"column {each}": [each, f"text {each}"] for each in range(40)}
        ),
    }


def _values() -> dict[str, Figure]:
    values = {
        "number": 0.954321,
        "number-integer": 42,
        "number-long": 12345678901234567890,
        "number-tiny": 1.5e-300,
        "number-nan": math.nan,
        "number-infinity": -math.inf,
        "number-true": True,
        "number-none": None,
        "text": "one line",
        "text-markup": f"{MARKUP}\n{JAPANESE}\n\ttabs \x1b[31m and colours\u202e",
        "text-long": "0123456789" * 11_000,
    }
    return {name: single(figure_id("metric", name), name, each) for name, each in values.items()}


def _pictures() -> dict[str, Figure]:
    series = [
        Picture(f"images/sample+step+{step}.png", step, START + 60_000 * step, run=RUN)
        for step in (0, 5, 10, 40)
    ]
    side_by_side = [
        Picture("plot.png", label="happy_fish", run=RUN),
        Picture("plot.png", label=MARKUP, run=OTHER),
        Picture(f"{JAPANESE} #1.png", label="sad_owl", run="2" * 32),
    ]
    many = [Picture(f"images/{step}.png", step, START + step, run=RUN) for step in range(2_000)]
    return {
        "images": images(figure_id("metric", "sample"), "sample", series),
        "images-one": images(figure_id("metric", "food"), "food", [Picture("food.jpg", run=RUN)]),
        "images-side-by-side": images(figure_id("metric", "plot"), "plot", side_by_side),
        "images-of-many": images(figure_id("metric", "frames"), "frames", many),
    }


def _charts() -> list[tuple[str, str, object]]:
    labels = ["cat", "dog", "owl"]
    bins = {
        "bin_edges": [-3, -1, 0, 1, 3],
        "bin_counts": [2, 30, 41, 5],
    }
    predictions = {
        "bin_edges": [0, 1, 2, 3, 4],
        "bin_counts": [10, 20, 0, 3],
        "bin_averages": [0.6, 1.4, 0, 3.9],
        "bin_errors": [0.1, 0.3, 0, 0.8],
    }
    matrix = {"class_labels": labels, "matrix": [[50, 2, 1], [3, 40, 0], [0, 0, 0]]}
    unbounded = {"bin_edges": [-math.inf, -1, 0, 1, math.inf], "bin_counts": [2, 30, 41, 5]}
    many_bins = {
        "bin_edges": [each / 10 for each in range(10_001)],
        "bin_counts": [each % 97 for each in range(10_000)],
        "bin_averages": [each / 10 + each % 7 for each in range(10_000)],
        "bin_errors": [1 + each % 3 for each in range(10_000)],
    }
    odd_means = {
        "bin_averages": [0.6, None, math.nan, math.inf],
        "bin_errors": [None, 0.1, 0.3, 0.2],
        "bin_counts": [10, 20, 5, 3],
    }
    odd_cell = accuracy_table(["neg", "pos"])
    odd_cell["probability_tables"][0][3][1] = None
    one_threshold = accuracy_table(["neg", "pos"])
    for each in ("probability", "percentile"):
        one_threshold[f"{each}_thresholds"] = [0.5]
        one_threshold[f"{each}_tables"] = [[table[10]] for table in one_threshold[f"{each}_tables"]]
    many_classes = accuracy_table([f"class {each}" for each in range(15)], cases_of_class=6)
    many = [
        [10 * (row == column) + (row + column) % 3 for column in range(200)] for row in range(200)
    ]
    return [
        ("confusion-matrix", schemas.CONFUSION_MATRIX, matrix),
        (
            "confusion-matrix-markup",
            schemas.CONFUSION_MATRIX,
            {"class_labels": [MARKUP, LONG], "matrix": [[1, None], [math.nan, 4]]},
        ),
        (
            "confusion-matrix-of-many",
            schemas.CONFUSION_MATRIX,
            {"class_labels": [f"class {each}" for each in range(200)], "matrix": many},
        ),
        (
            "confusion-matrix-of-text",
            schemas.CONFUSION_MATRIX,
            {"class_labels": ["a"], "matrix": [["many"]]},
        ),
        ("confusion-matrix-broken", schemas.CONFUSION_MATRIX, {"class_labels": labels}),
        ("accuracy-table", schemas.ACCURACY_TABLE, accuracy_table(["neg", "pos"])),
        ("accuracy-table-of-classes", schemas.ACCURACY_TABLE, accuracy_table(labels)),
        ("accuracy-table-markup", schemas.ACCURACY_TABLE, accuracy_table([MARKUP, LONG])),
        ("accuracy-table-odd", schemas.ACCURACY_TABLE, odd_cell),
        ("accuracy-table-one-threshold", schemas.ACCURACY_TABLE, one_threshold),
        ("accuracy-table-of-many-classes", schemas.ACCURACY_TABLE, many_classes),
        ("residuals", schemas.RESIDUALS, bins),
        ("residuals-odd", schemas.RESIDUALS, bins | {"bin_counts": [1, None, math.nan, math.inf]}),
        ("residuals-unbounded", schemas.RESIDUALS, unbounded),
        (
            "residuals-one-edge",
            schemas.RESIDUALS,
            {"bin_edges": [-math.inf, 0, math.inf], "bin_counts": [3, 4]},
        ),
        ("residuals-one-bin", schemas.RESIDUALS, {"bin_edges": [0, 2], "bin_counts": [3]}),
        (
            "residuals-odd-edges",
            schemas.RESIDUALS,
            bins | {"bin_edges": [-3, None, math.nan, 1, 3]},
        ),
        ("residuals-of-many", schemas.RESIDUALS, many_bins),
        ("predictions", schemas.PREDICTIONS, predictions),
        ("predictions-odd", schemas.PREDICTIONS, predictions | odd_means),
        ("predictions-unbounded", schemas.PREDICTIONS, unbounded | odd_means),
        ("predictions-empty", schemas.PREDICTIONS, predictions | {"bin_counts": [0] * 4}),
        (
            "predictions-one-bin",
            schemas.PREDICTIONS,
            {key: predictions[key][:1] for key in predictions} | {"bin_edges": [0, 1]},
        ),
        ("predictions-of-many", schemas.PREDICTIONS, many_bins),
    ]


def accuracy_table(labels: list[str], cases_of_class: int = 50, steps: int = 20) -> dict[str, Any]:
    """Return the data of an accuracy table, of a classifier that is better than none."""
    numbers = list(range(cases_of_class))
    tables: dict[str, list[object]] = {"probability": [], "percentile": []}
    thresholds = [round(each / steps, 6) for each in range(steps + 1)]
    for each in range(len(labels)):
        positives = [
            ((number + 0.5) / cases_of_class) ** max(0.1, 0.4 - 0.1 * each) for number in numbers
        ]
        others = [
            ((number + 0.5) / (cases_of_class * (len(labels) - 1))) ** 2
            for number in range(cases_of_class * (len(labels) - 1))
        ]
        ordered = sorted(positives + others, reverse=True)
        by_percentile = [
            ordered[min(len(ordered) - 1, int(part * len(ordered)))] for part in thresholds
        ]
        for kind, cuts in (("probability", thresholds), ("percentile", by_percentile)):
            tables[kind].append(
                [
                    [
                        sum(value >= cut for value in positives),
                        sum(value >= cut for value in others),
                        sum(value < cut for value in others),
                        sum(value < cut for value in positives),
                    ]
                    for cut in cuts
                ]
            )
    return {
        "probability_tables": tables["probability"],
        "percentile_tables": tables["percentile"],
        "probability_thresholds": thresholds,
        "percentile_thresholds": thresholds,
        "class_labels": labels,
    }


def _curve(name, x, y, run=RUN) -> Curve:
    return Curve(
        name,
        x,
        y,
        len(x),
        [START + 1_500 * each for each in x],
        run,
        START - 500,
        sum(each is not None and math.isnan(each) for each in y),
    )


def _many(name: str, total: int, *, spike: int) -> Curve:
    values = [round(math.exp(-step / 300_000) + (step % 97) / 2_000, 5) for step in range(total)]
    values[spike] = 3.0
    values[total // 2] = math.nan
    kept = kept_rows([values], 2_000)
    times = [START + each for each in kept]
    return Curve(name, kept, [values[each] for each in kept], total, times, RUN, START - 500, 1)


def _line(title: str, curves: list[Curve]) -> Figure:
    return over_steps(figure_id("metric", title), title, curves)


def _by_time(x, xs, ys) -> Figure:
    curve = Curve("loss", xs, ys, len(xs), None, RUN, START - 500)
    return over_steps(figure_id("metric", "loss"), "loss", [curve], x=x, is_stepped=x != "time")


def _columns(title, columns) -> Figure:
    return of_columns(figure_id("metric", title), title, columns, run=RUN)


def as_json(figure: Figure) -> str:
    """Return what is in a file."""
    return json.dumps(figure, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def write() -> None:
    """Write all of them, and nothing else, into the folder."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name, figure in cases().items():
        (FOLDER / f"{name}.json").write_text(as_json(figure), encoding="utf-8")


if __name__ == "__main__":
    write()
