"""What part of a metric is asked for, and in how many points."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mlflow_workspace_plugin.figures.lines import X
from mlflow_workspace_plugin.stores.charts.point import Point

_LARGEST = 2.0**64


@dataclass(frozen=True)
class Asked:
    """What curves are to be drawn over, from where to where.

    Attributes:
        x: over what.
        start: leave out what comes before: a step, milliseconds since 1970, or since the run's
            start; any number on the x of rows.
        end: leave out what comes after.
        points: how many at most.
    """

    x: X = "step"
    start: float | None = None
    end: float | None = None
    points: int = 2_000

    @property
    def is_range(self) -> bool:
        """Whether a part is asked for."""
        return self.start is not None or self.end is not None

    def of_store(self, start_time: int | None) -> dict[str, Any]:
        """Return what a store is asked for.

        Args:
            start_time: of the run.
        """
        offset = (start_time or 0) if self.x == "relative" else 0
        over: Literal["step", "time"] = "step" if self.x == "step" else "time"
        return {
            "x": over,
            "start": whole(self.start, math.floor, offset),
            "end": whole(self.end, math.ceil, offset),
            "points": self.points,
        }

    def x_of(self, point: Point, start_time: int | None) -> int:
        """Return where a point is.

        Args:
            point: of a store.
            start_time: of the run.
        """
        if self.x == "step":
            return point.step
        return point.timestamp - (start_time or 0 if self.x == "relative" else 0)


def whole(number: float | None, rounded: Callable[[float], int], offset: int = 0) -> int | None:
    """Return the whole number that a database is asked for, of 64 bits; None of None.

    Args:
        number: of a range, which may have a fraction, or be of any size.
        rounded: makes it whole.
        offset: what is added.
    """
    if number is None:
        return None
    near = number if isinstance(number, int) else max(-_LARGEST, min(number, _LARGEST))
    return max(-(1 << 63), min(rounded(near) + offset, (1 << 63) - 1))
