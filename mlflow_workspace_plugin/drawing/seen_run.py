"""What is seen of a run at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class MetricSeen(NamedTuple):
    """A metric in a few values, which are cells as figures have them; None is not known."""

    name: str
    last: Any
    least: Any = None
    greatest: Any = None
    values: int | None = None
    """How many values there are."""


class ChildSeen(NamedTuple):
    """A run below another."""

    depth: int
    """0 of a child, 1 of a child's child."""
    name: str
    run_id: str
    status: str
    duration_ms: int | None = None
    page: str | None = None
    """The address of its page."""


@dataclass(frozen=True)
class SeenRun:
    """A run, as it was at a time."""

    run_id: str
    name: str
    experiment: str
    status: str
    is_over: bool
    at: int
    """When that was, in milliseconds since 1970."""
    duration_ms: int | None = None
    facts: Sequence[tuple[str, str]] = ()
    """What else is said of it: labels and texts."""
    reason: str | None = None
    """Why it failed or was canceled."""
    page: str | None = None
    """The address of its page."""
    metrics: Sequence[MetricSeen] = ()
    figures: Sequence[Mapping[str, Any]] = ()
    children: Sequence[ChildSeen] = ()
    are_more_children: bool = False
    log_name: str | None = None
    log: str = ""
    """Its last lines."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Addresses that hold images of the figures, by path."""
    note: str | None = None
    """What is to be said of the picture: that it is old."""
