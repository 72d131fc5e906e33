"""Pictures that were logged."""

from collections.abc import Sequence
from typing import NamedTuple

from mlflow_workspace_plugin.figures.cells import text
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.specification import Images

MOST = 500
"""How many pictures a figure holds."""


class Picture(NamedTuple):
    """A picture among the files of a run."""

    path: str
    step: int | None = None
    time: int | None = None
    label: str = ""
    run: str | None = None


def images(figure: str, title: str, pictures: Sequence[Picture]) -> Images:
    """Return the figure of pictures; of too many those that are evenly apart, which is said.

    Args:
        figure: the id.
        title: the name they were logged by.
        pictures: in order.
    """
    total, note = len(pictures), None
    if total > MOST:
        pictures = [pictures[index * (total - 1) // (MOST - 1)] for index in range(MOST)]
        note = f"{total:,} images, of which {MOST:,} are shown, evenly apart."
    return {
        **head(figure, title, note),
        "kind": "images",
        "images": [
            {
                "path": each.path,
                "step": each.step,
                "time": each.time,
                "label": text(each.label or title),
                "run": each.run,
            }
            for each in pictures
        ],
    }
