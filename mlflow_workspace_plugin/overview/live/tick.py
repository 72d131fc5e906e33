"""What changed in a run since somebody looked last: the tick of pages, widgets and terminals.

A tick holds nothing: what its caller has seen stands in a cursor, which is JSON that the caller
keeps and gives back. So any number of pages may look, whoever answers them. Histories are never
read.

Points that came to a metric of numbers are handed over. Where that cannot be all of them, or they
do not say it all (texts, rows, files, a metric that is new, a NaN that may stand for None), the
names of the metrics are, whose figures are to be read again. What is late is noticed in three ways:
values of the run's last minute are read again, our clients' receipts say how many are stored, and
at the end everything is to be read again.
"""

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.overview.figures import mlflow_files
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.live.new_points import Looked, Seen, new_points
from mlflow_workspace_plugin.overview.run.log import LogPiece, tail_of_log
from mlflow_workspace_plugin.overview.run.overview import facts_of_run
from mlflow_workspace_plugin.overview.run.status import head_of_run
from mlflow_workspace_plugin.runs.metrics.descriptors import SCALAR, read_descriptors
from mlflow_workspace_plugin.stores.reads.exact_values import FOLDER as VALUES_FOLDER
from mlflow_workspace_plugin.stores.tags.text_tags import marks_of

if TYPE_CHECKING:
    from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
    from mlflow_workspace_plugin.overview.source import Source
    from mlflow_workspace_plugin.stores.charts.point import Point

MOST_FOLDERS = 20
"""So many folders of a run are looked into for one caller."""

_VERSION = 2
_NUMBERS = ("int", "double")
# Files whose coming says that there is a new figure, or more of one.
_FOLDERS = (None, "images", "outputs")


@dataclass(frozen=True)
class Tick:
    """What changed.

    Attributes:
        cursor: to be given with the next tick.
        head: as :func:`~.status.head_of_run` has it, if it changed.
        points: of metrics that are numbers: step, timestamp and value of points by the name of the
            metric, in order of time. They may have been there before: a point is told from others
            by all three. A value that is not finite is a text.
        again: the names of metrics whose figures are to be read again: they may be new.
        latest: the latest numbers by name, of what is in ``points`` or ``again``.
        log: what came to the log.
        facts: whether tags, parameters, datasets or models changed.
        files: whether there are other files than before, at the places where all look.
        folders: those of the folders that the caller named in which there are others, or into
            which nobody looked for it before.
        is_over: nothing changes any more. In the last tick all metrics are in ``again``.
    """

    cursor: dict[str, Any]
    head: dict[str, Any] | None = None
    points: dict[str, list[tuple[int, int, float | str]]] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    latest: dict[str, float | str] = field(default_factory=dict)
    log: LogPiece | None = None
    facts: bool = False
    files: bool = False
    folders: list[str] = field(default_factory=list)
    is_over: bool = False


def tick(
    source: "Source",
    run_id: str,
    cursor: Mapping[str, Any] | None = None,
    folders: Sequence[str] = (),
) -> Tick:
    """Return what changed in a run.

    Args:
        source: the workspace.
        run_id: the run.
        cursor: of the tick before; None, or what is none, for the first one.
        folders: of the run's files that the caller shows; the first ``MOST_FOLDERS`` are looked
            into.

    Raises:
        MlflowException: there is no such run in the workspace (any more), or one of the folders
            leads out of its files.
    """
    seen = cursor if cursor is not None and cursor.get("version") == _VERSION else {}
    run = source.store.get_run(run_id)
    repository = source.repository_at(run.info.artifact_uri)
    head = head_of_run(source, run)
    is_over = bool(head["is_over"])
    described = _described(run)
    looked = new_points(source.store, run_id, _seen_metrics(seen))
    if any(point.is_nan for found in looked.points.values() for point in found):
        # That it may be None is stored before it, maybe since the run was read.
        described = _described(source.store.get_run(run_id))
    log = tail_of_log(repository, seen=_seen_log(seen))
    listed = {folder: _digest(_listed(repository, folder)) for folder in folders[:MOST_FOLDERS]}
    now = {
        "version": _VERSION,
        "head": _digest({name: value for name, value in head.items() if name != "now"}),
        "facts": _digest([facts_of_run(run), _outputs(run)]),
        "files": _digest([_listed(repository, folder) for folder in _FOLDERS]),
        "values": _digest([sorted(described.others), _listed(repository, VALUES_FOLDER)]),
        "folders": listed,
        "log": seen.get("log") if log is None else [log.name, log.end],
        "metrics": {key: list(each) for key, each in looked.seen.items()},
    }
    again = {described.name(key) for key in looked.again}
    points: dict[str, list[tuple[int, int, float | str]]] = {}
    for key, found in looked.points.items():
        if described.is_told(key, found):
            points[described.name(key)] = [
                (each.step, each.timestamp, _told(each.value, is_nan=each.is_nan)) for each in found
            ]
        else:
            again.add(described.name(key))
    if now["values"] != seen.get("values"):
        again |= described.others
    if is_over or now["files"] != seen.get("files"):
        # Images and tables of MLflow's calls are files, and have no points.
        logged = LoggedRun(source, run)
        again |= {*mlflow_files.image_series(logged), *mlflow_files.table_paths(logged)}
    if is_over:
        again |= described.others | {described.name(key) for key in looked.latest}
    return Tick(
        now,
        head if now["head"] != seen.get("head") else None,
        {name: found for name, found in points.items() if name not in again},
        sorted(again),
        _latest(looked, described, again | points.keys()),
        log,
        now["facts"] != seen.get("facts"),
        now["files"] != seen.get("files"),
        [name for name, files in listed.items() if files != _seen_folder(seen, name)],
        is_over,
    )


def tick_json(found: Tick) -> dict[str, Any]:
    """Return a tick as JSON has it."""
    return asdict(found)


@dataclass(frozen=True)
class _Described:
    """What the metrics of a run are called, and which of them are more than numbers.

    Attributes:
        names: by MLflow's keys, of metrics that a descriptor tells of.
        others: the names of those whose numbers do not say it all.
        typed: the names of those of which a number may stand for something else.
    """

    names: dict[str, str]
    others: set[str]
    typed: set[str]

    def name(self, key: str) -> str:
        return self.names.get(key, key)

    def is_number(self, key: str) -> bool:
        return self.name(key) not in self.others

    def is_told(self, key: str, points: "Iterable[Point]") -> bool:
        """Whether points say all that was logged."""
        may_be_none = self.name(key) in self.typed and any(each.is_nan for each in points)
        return self.is_number(key) and not may_be_none


def _described(run: MlflowRun) -> _Described:
    names: dict[str, str] = {}
    others: set[str] = set()
    for each in read_descriptors(run.data.tags):
        names |= {column.key: each.name for column in each.columns if column.key}
        if each.kind != SCALAR or any(column.type not in _NUMBERS for column in each.columns):
            others.add(each.name)
    # A text among numbers has a mark.
    others |= {names.get(mark.metric, mark.metric) for mark in marks_of(run.data.tags)}
    return _Described(names, others, set(names.values()))


def _latest(looked: Looked, described: _Described, wanted: set[str]) -> dict[str, float | str]:
    return {
        described.name(key): _told(point.value, is_nan=point.is_nan)
        for key, point in looked.latest.items()
        if described.is_told(key, [point]) and described.name(key) in wanted
    }


def _told(value: float, *, is_nan: bool) -> float | str:
    """Return a number as JSON has it, which knows finite ones only."""
    if is_nan or math.isnan(value):
        return "NaN"
    # MLflow stores what is infinite as the greatest number that there is.
    if abs(value) >= sys.float_info.max:
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _listed(repository: "HubRepository", folder: str | None) -> list[tuple[str, int | None]]:
    return [(each.path, each.file_size) for each in repository.list_artifacts(folder)]


def _outputs(run: MlflowRun) -> list[str]:
    logged = [] if run.outputs is None else run.outputs.model_outputs
    return sorted(each.model_id for each in logged)


def _seen_metrics(seen: Mapping[str, Any]) -> dict[str, Seen] | None:
    """Return what a cursor says of metrics; None where it is none of ours."""
    metrics = seen.get("metrics")
    if not isinstance(metrics, Mapping) or not all(map(_is_seen, metrics.values())):
        return None
    return {key: Seen(*each) for key, each in metrics.items()}


def _is_seen(given: Any) -> bool:
    if not isinstance(given, list) or len(given) != len(Seen._fields):
        return False
    mark, newest, window, recent, *counts = given
    numbers = [newest, window, *([] if recent is None else [recent]), *counts]
    return isinstance(mark, str) and all(map(_is_storable, numbers))


def _seen_log(seen: Mapping[str, Any]) -> tuple[str, int] | None:
    log = seen.get("log")
    if not isinstance(log, list) or [type(each) for each in log] != [str, int] or log[1] < 0:
        return None
    return log[0], log[1]


def _seen_folder(seen: Mapping[str, Any], name: str) -> Any:
    folders = seen.get("folders")
    return folders.get(name) if isinstance(folders, Mapping) else None


def _is_storable(given: Any) -> bool:
    """Whether it is a number that a database has, and the difference of two of them."""
    return isinstance(given, int) and abs(given) < 1 << 62


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
