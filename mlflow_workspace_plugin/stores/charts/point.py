"""Points of a metric, and those of them that are shown."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

X = Literal["step", "time"]
"""What a chart is over."""


class Point(NamedTuple):
    """A value of a metric. The order of points is that of MLflow's charts."""

    step: int
    timestamp: int
    """In milliseconds since 1970."""
    value: float
    """0 in the place of NaN, as it is stored."""
    is_nan: bool

    @classmethod
    def of(cls, step: int, timestamp: int, value: float, is_nan: object) -> "Point":
        """Return the point of a row, in which a truth value may be a number."""
        return cls(step, timestamp, value, bool(is_nan))

    def at(self, x: X) -> int:
        """Return where the point is on a chart."""
        return self.step if x == "step" else self.timestamp

    def place(self, x: X) -> tuple[int, int, float, bool]:
        """Return what points are ordered by on a chart."""
        if x == "step":
            return self
        return self.timestamp, self.step, self.value, self.is_nan


@dataclass(frozen=True)
class ChartPoints:
    """What is shown of a metric, or of a range of it.

    Attributes:
        points: in the order of the chart's x.
        total: how many values there are.
        nans: how many of them are NaN.
        is_exact: whether all of them are shown.
    """

    points: list[Point]
    total: int
    nans: int
    is_exact: bool


NO_POINTS = ChartPoints([], 0, 0, is_exact=True)
"""Of a metric without values."""
