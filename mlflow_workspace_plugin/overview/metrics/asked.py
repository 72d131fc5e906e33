"""What part of a metric is asked for, and in how many points."""

from dataclasses import dataclass
from typing import Any, Literal

from mlflow_workspace_plugin.figures.lines import X
from mlflow_workspace_plugin.stores.charts.point import Point


@dataclass(frozen=True)
class Asked:
    """What curves are to be drawn over, from where to where.

    Attributes:
        x: over what.
        start: leave out what comes before: a step, milliseconds since 1970, or since the run's
            start.
        end: leave out what comes after.
        points: how many at most.
    """

    x: X = "step"
    start: int | None = None
    end: int | None = None
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
            "start": None if self.start is None else _storable(self.start + offset),
            "end": None if self.end is None else _storable(self.end + offset),
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


def _storable(number: int) -> int:
    """Return the nearest number that a database has."""
    return max(-(1 << 63), min(number, (1 << 63) - 1))
