"""What was found of a long metric of an ended run, kept for who asks next.

Nobody but readers writes it, and nobody waits for it: without it all is as it is, but slower.
"""

import json
import time
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.hub.tables import CHARTS
from mlflow_workspace_plugin.stores.charts.buckets import Bucket, Grid, Sketch
from mlflow_workspace_plugin.stores.charts.point import Point, X
from mlflow_workspace_plugin.stores.charts.reading import BUCKETS, is_fine_enough

LONG = 300_000
"""How many values a metric has of which more than nothing is kept."""
VERSION = 2
"""Of what is kept, and of how it was found. What another version kept is not used."""

_SEEN = text("""
    SELECT runs.status, latest.step, latest.timestamp, latest.value, latest.is_nan,
        charts.total, charts.latest, charts.buckets
    FROM runs
    LEFT JOIN latest_metrics AS latest ON latest.run_uuid = runs.run_uuid AND latest.key = :key
    LEFT JOIN workspace_plugin_charts AS charts ON charts.run_uuid = runs.run_uuid
        AND charts.key = :key AND charts.x = :x AND charts.version = :version
    WHERE runs.run_uuid = :run_id
""")
_COUNT = text("SELECT count(*) FROM metrics WHERE run_uuid = :run_id AND key = :key")
# A run that is being deleted, or was, gets no row: what goes with it went already.
_HELD = {
    "postgresql": text("SELECT 1 FROM runs WHERE run_uuid = :run_id FOR KEY SHARE"),
    "sqlite": text("SELECT 1 FROM runs WHERE run_uuid = :run_id"),
}
_ENDED = ("FINISHED", "FAILED", "KILLED")


class Seen(NamedTuple):
    """What a reader saw of a metric before it read it."""

    has_ended: bool
    """Whether the run has."""
    latest: list[Any] | None
    """The metric's latest point."""
    sketch: Sketch | None
    """What was kept, if it still is what would be found, for as many points."""


class Finding(NamedTuple):
    """What is to be kept."""

    run_id: str
    key: str
    x: X
    latest: list[Any]
    sketch: Sketch
    points: int
    """For how many points it was read."""


def look(connection: Connection, run_id: str, key: str, x: X, points: int) -> Seen:
    """Return what is known of a metric of a run that there is, to show so many points of it."""
    parameters = {"run_id": run_id, "key": key, "x": x, "version": VERSION}
    row = connection.execute(_SEEN, parameters).one()
    latest = None
    if row.step is not None:
        latest = [row.step, row.timestamp, row.value, bool(row.is_nan)]
    has_ended = row.status in _ENDED
    sketch = None
    if row.buckets is not None and has_ended and _parsed(row.latest) == latest:
        total = connection.execute(_COUNT, parameters).scalar_one()
        sketch = _unpacked(row.buckets, points) if total == row.total else None
    return Seen(has_ended, latest, sketch)


def keep(connection: Connection, finding: Finding) -> None:
    """Keep what was found, in the place of what was kept before.

    Args:
        connection: in a transaction.
        finding: what was found.
    """
    run_id, key, x, latest, sketch, points = finding
    if connection.execute(_HELD[connection.dialect.name], {"run_id": run_id}).first() is None:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    found = {
        "version": VERSION,
        "total": sketch.total,
        "latest": latest,
        "buckets": _packed(sketch, points),
        "created_at": time.time_ns() // 1_000_000,
    }
    connection.execute(
        dialect.insert(CHARTS)
        .values(found | {"run_uuid": run_id, "key": key, "x": x})
        .on_conflict_do_update(index_elements=["run_uuid", "key", "x"], set_=found)
    )


def is_worth_keeping(sketch: Sketch, points: int) -> bool:
    """Whether a sketch that was read for so many points is one to keep."""
    return sketch.total > LONG and points <= BUCKETS


def _parsed(latest: Any) -> Any:
    # SQLite's driver gives the text.
    return json.loads(latest) if isinstance(latest, str) else latest


def _packed(sketch: Sketch, points: int) -> bytes:
    grid = sketch.grid
    content = {
        "grid": [grid.x, grid.low, grid.high, grid.number],
        "ends": [sketch.first, sketch.last],
        "counts": [sketch.total, sketch.nans],
        "points": points,
        "buckets": sketch.buckets,
    }
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def _unpacked(packed: bytes, points: int) -> Sketch | None:
    """Return what was kept; None if it was read for fewer points, and finer would show more."""
    content = json.loads(zlib.decompress(packed))
    first, last = (Point(*each) for each in content["ends"])
    buckets = [
        Bucket(place, *(_point(each) for each in found)) for place, *found in content["buckets"]
    ]
    sketch = Sketch(Grid(*content["grid"]), buckets, first, last, *content["counts"])
    return sketch if points <= content["points"] or is_fine_enough(sketch, points) else None


def _point(found: Sequence[Any] | None) -> Point | None:
    return None if found is None else Point(*found)
