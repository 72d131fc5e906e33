"""Figures as JSON, version 1: what every renderer of ours draws, and all that it is told.

Titles, labels and cells are any text that somebody logged. A renderer takes them for text only.
"""

from typing import Literal, TypedDict

VERSION = 1

Number = float | Literal["NaN", "Infinity", "-Infinity"] | None
"""A number where curves are drawn. None is a gap: nothing was logged there."""


class LongNumber(TypedDict):
    """A number that JSON has none for: not finite, or an integer that a double does not hold."""

    number: str
    """``NaN``, ``Infinity``, ``-Infinity``, or the digits."""


Cell = float | str | bool | None | LongNumber
"""A value where values are shown as they were logged."""


class Axis(TypedDict):
    """What an axis says."""

    label: str


class OnlyStep(TypedDict, total=False):
    """What the x of curves is that have one step only."""

    only_step: int
    """The step that all values have, where they are not over the steps for that."""


class XAxis(OnlyStep):
    """What the x of curves is."""

    label: str
    type: Literal["number", "time", "duration"]
    """A time is in milliseconds since 1970, a duration in milliseconds."""
    choices: list[Literal["step", "relative", "time"]]
    """What else it may be: by the ``x`` of another request, or from what each curve holds."""


class Series(TypedDict):
    """A curve: its points in the order in which they are joined."""

    name: str
    run: str | None
    x: list[Number]
    time: list[int] | None
    """When each was logged, where x is the step."""
    y: list[Number]
    total: int
    """How many points there are in the range that was asked for."""
    shown: int
    is_exact: bool
    """Whether all of them are here. If not, the least and the greatest of each stretch are."""
    start_time: int | None
    """When its run started: what relative time counts from."""


class Limits(TypedDict):
    """What an axis is to reach; by itself, where it is None."""

    x: tuple[float, float] | None
    y: tuple[float, float] | None


class Head(TypedDict):
    """What each figure begins with."""

    id: str
    title: str
    note: str | None
    """What has to be said of it: what is left out, or why it is not what one expects."""


class Lines(Head):
    """Curves."""

    kind: Literal["lines"]
    x: XAxis
    y: Axis
    series: list[Series]
    diagonal: bool
    """Whether the line of equal x and y is drawn, dashed."""
    start_time: int | None
    """When the run started, if the curves are of one."""
    limits: Limits


class Bars(Head):
    """A histogram."""

    kind: Literal["bars"]
    x: Axis
    y: Axis
    edges: list[float]
    """One more than counts."""
    counts: list[Number]


class Band(Head):
    """A curve, and how far values are from it."""

    kind: Literal["band"]
    x: Axis
    y: Axis
    xs: list[float]
    mean: list[Number]
    low: list[Number]
    high: list[Number]
    ideal: bool
    """Whether the line of equal x and y is drawn, dashed."""


class Heatmap(Head):
    """A matrix, by counts or as parts of each row."""

    kind: Literal["heatmap"]
    rows: list[str]
    columns: list[str]
    row_label: str
    column_label: str
    counts: list[list[Number]]
    normalised: list[list[Number]]


class Table(Head):
    """A page of rows."""

    kind: Literal["table"]
    columns: list[str]
    rows: list[list[Cell]]
    total: int
    """How many rows there are."""
    offset: int
    """How many of them are before this page."""


class SingleValue(Head):
    """One value, that is no text."""

    kind: Literal["number"]
    value: Cell


class Text(Head):
    """One text."""

    kind: Literal["text"]
    value: str


class Image(TypedDict):
    """A picture among the files of a run."""

    path: str
    step: int | None
    time: int | None
    label: str
    run: str | None


class Images(Head):
    """Pictures: a series by step, or side by side."""

    kind: Literal["images"]
    images: list[Image]


Figure = Lines | Bars | Band | Heatmap | Table | SingleValue | Text | Images
