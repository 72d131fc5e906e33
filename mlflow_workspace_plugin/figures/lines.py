"""Curves: of a metric over its steps or the time, and of one column over another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlflow_workspace_plugin.figures.cells import numbers, text
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.specification import Limits, Lines, Series, XAxis

X = Literal["step", "relative", "time"]

_AXES: dict[X, tuple[str, Literal["number", "duration", "time"]]] = {
    "step": ("step", "number"),
    "relative": ("time since start", "duration"),
    "time": ("time", "time"),
}
_CHOICES: list[X] = ["step", "relative", "time"]


@dataclass(frozen=True)
class Curve:
    """Points of a curve, as far as they are shown."""

    name: str
    x: Sequence[float | None]
    y: Sequence[float | None]
    total: int
    """How many there are."""
    time: Sequence[int] | None = None
    """When each was logged, in milliseconds since 1970."""
    run: str | None = None
    start_time: int | None = None
    """When its run started."""
    nans: int = 0
    """How many of all are no numbers."""

    @property
    def is_exact(self) -> bool:
        """Whether all of its points are here."""
        return len(self.y) >= self.total


def over_steps(
    figure: str,
    title: str,
    curves: Sequence[Curve],
    *,
    x: X = "step",
    is_stepped: bool = True,
    only_step: int | None = None,
) -> Lines:
    """Return curves of a metric, of one run or several.

    Args:
        figure: the id.
        title: the metric's name.
        curves: their x is that of ``x``; for ``relative`` since the start of each one's run.
        x: over what they are drawn.
        is_stepped: whether there is more than one step, so that they can be drawn over it.
        only_step: the step that all values have; None where there are several.
    """
    label, kind = _AXES[x]
    choices = _CHOICES if is_stepped else _CHOICES[1:]
    axis: XAxis = {"label": label, "type": kind, "choices": list(choices)}
    if only_step is not None:
        axis["only_step"] = only_step
    return _lines(figure, title, curves, axis, text(title))


def y_over_x(
    figure: str,
    title: str,
    curves: Sequence[Curve],
    *,
    x: str,
    y: str,
    diagonal: bool = False,
    limits: Limits | None = None,
    note: str | None = None,
) -> Lines:
    """Return curves of which each point is joined to the one before, wherever it is.

    Args:
        figure: the id.
        title: of the figure.
        curves: its points in order.
        x: the label of the axis.
        y: the label of the axis.
        diagonal: draw where both are equal.
        limits: of the axes.
        note: what else has to be said.
    """
    axis: XAxis = {"label": text(x), "type": "number", "choices": []}
    lines = _lines(figure, title, curves, axis, text(y))
    lines["diagonal"] = diagonal
    lines["limits"] = limits or lines["limits"]
    if note is not None:
        lines["note"] = " ".join(filter(None, (note, lines["note"])))
    return lines


def _lines(figure: str, title: str, curves: Sequence[Curve], x: XAxis, y: str) -> Lines:
    starts = {curve.run: curve.start_time for curve in curves}
    return {
        **head(figure, title, _note(curves)),
        "kind": "lines",
        "x": x,
        "y": {"label": y},
        "series": [_series(curve) for curve in curves],
        "diagonal": False,
        "start_time": next(iter(starts.values())) if len(starts) == 1 else None,
        "limits": {"x": None, "y": None},
    }


def _series(curve: Curve) -> Series:
    return {
        "name": text(curve.name),
        "run": curve.run,
        "x": numbers(curve.x),
        "time": None if curve.time is None else list(curve.time),
        "y": numbers(curve.y),
        "total": curve.total,
        "shown": len(curve.y),
        "is_exact": curve.is_exact,
        "start_time": curve.start_time,
    }


def _note(curves: Sequence[Curve]) -> str | None:
    """Say what is left out, and how much is no number."""
    said: list[str | None] = []
    sampled = [curve for curve in curves if not curve.is_exact]
    if sampled:
        total = sum(curve.total for curve in sampled)
        shown = sum(len(curve.y) for curve in sampled)
        of = "" if len(curves) == 1 else f" of {len(sampled):,} of {len(curves):,} curves"
        said.append(f"{total:,} points{of} shown as {shown:,}, extremes kept.")
    nans = sum(curve.nans for curve in curves)
    said.append(words_of_nans(nans))
    return " ".join(filter(None, said)) or None


def words_of_nans(count: int) -> str | None:
    """Return what is said of values that are no numbers; None of none."""
    return f"{count:,} {'value is' if count == 1 else 'values are'} NaN." if count else None
