"""Runs that look like those of a training, with every kind of figure; the same each time."""

import io
import math
import random
from typing import Any

EPOCHS = 30
STEPS = 3000
CLASSES = ["cat", "dog", "fox"]


def train(run: Any, rate: float, folder: Any, *, children: int = 0) -> None:
    """Log what a training logs.

    Args:
        run: of SDK v1.
        rate: of learning; what comes of it depends on it.
        folder: for files that are uploaded.
        children: how many child runs there are, which have ended.
    """
    chance = random.Random(rate)
    client = run.experiment.workspace.client
    for name, value in {"batch_size": 64, "learning_rate": rate, "optimizer": "adam"}.items():
        client.log_param(run.id, name, value)
    run.tag("owner", "ana")
    run.log_list(
        "loss",
        [
            0.3 + math.exp(-step * rate / 150) * (0.7 + 0.15 * chance.random())
            for step in range(STEPS)
        ],
    )
    lines = []
    for epoch in range(EPOCHS):
        accuracy = 0.92 - 0.45 * math.exp(-epoch * rate) + 0.01 * chance.random()
        run.log("val_accuracy", accuracy)
        lines.append(f"epoch {epoch:>2}  val_accuracy {accuracy:.4f}")
    for i in range(60):
        run.log_row("Cosine Wave", angle=i / 10, cos=math.cos(i / 10))
    run.log("note", "converged")
    run.log_table(
        "errors",
        {"actual": CLASSES, "predicted": ["dog", "fox", "cat"], "count": [3, 5, 2]},
    )
    for epoch in range(3):
        run.log_image("features", plot=_Plot(epoch, rate))
    _log_charts(run, chance)
    log = folder / "user_log.txt"
    log.write_text("\n".join(lines) + "\n")
    run.upload_file("logs/user_log.txt", str(log))
    run.upload_file("outputs/model.pkl", str(log))
    for number in range(children):
        child = run.child_run(f"fold-{number}")
        child.log("val_accuracy", 0.8 + 0.1 * chance.random())
        child.complete()
    run.complete()


def _log_charts(run: Any, chance: random.Random) -> None:
    def table(kind: str, data: dict[str, Any], version: str = "1.0.0") -> dict[str, Any]:
        return {"schema_type": kind, "schema_version": version, "data": data}

    matrix = [[38, 3, 1], [4, 41, 0], [2, 5, 30]]
    run.log_confusion_matrix(
        "confusion", table("confusion_matrix", {"class_labels": CLASSES, "matrix": matrix})
    )
    edges = [-40, -28, -16, -4, 8, 20, 32, 44]
    run.log_residuals(
        "residuals",
        table("residuals", {"bin_edges": edges, "bin_counts": [2, 8, 31, 80, 42, 9, 3]}),
    )
    bins = [25.0 * number for number in range(9)]
    middles = [low + 12.5 for low in bins[:-1]]
    predictions = {
        "bin_averages": [middle * 0.95 + 4 * chance.random() for middle in middles],
        "bin_errors": [6 + 4 * chance.random() for _ in middles],
        "bin_counts": [20 + 3 * number for number, _ in enumerate(middles)],
        "bin_edges": bins,
    }
    run.log_predictions("predictions", table("predictions", predictions))
    thresholds = [number / 20 for number in range(21)]
    # True and false positives, true and false negatives, by how sure one has to be.
    cells = [
        [
            round(50 * (1 - each**3)),
            round(70 * (1 - each) ** 3),
            70 - round(70 * (1 - each) ** 3),
            50 - round(50 * (1 - each**3)),
        ]
        for each in thresholds
    ]
    accuracy = {
        "probability_tables": [cells, cells],
        "percentile_tables": [cells, cells],
        "probability_thresholds": thresholds,
        "percentile_thresholds": thresholds,
        "class_labels": ["negative", "positive"],
    }
    run.log_accuracy_table("accuracy", table("accuracy_table", accuracy, "1.0.1"))


class _Plot:
    """A picture, as a plot is."""

    def __init__(self, epoch: int, rate: float) -> None:
        self._epoch, self._rate = epoch, rate

    def savefig(self, stream: io.BytesIO, **_: Any) -> None:
        from PIL import Image

        side = 120
        values = [
            int(127 + 120 * math.sin((x * (1 + self._epoch) + y) * self._rate / 3))
            for y in range(side)
            for x in range(side)
        ]
        picture = Image.new("L", (side, side))
        picture.putdata(values)
        picture.save(stream, format="PNG")
