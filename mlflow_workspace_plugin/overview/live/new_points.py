"""Which points came to the metrics of a run since somebody looked last, and which are late."""

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.charts.point import Point
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

WINDOW_MS = 60_000
"""So late a point may be to be noticed by itself."""

_SHORTEST_WINDOW_MS = 1_000
_MOST_READ = 4_000
_LEAST_READ = 20
_MOST_SENT = 1_000
"""Points of numbers, which are some 25 kB."""
_SINCE_ROUNDED_MS = 5_000


class Seen(NamedTuple):
    """What somebody has seen of a metric.

    Attributes:
        mark: of its latest point.
        newest: the greatest timestamp.
        window: for how many milliseconds before that it is looked for late points.
        recent: how many points there were in them, ``newest`` too; None is unknown.
        stored: how many our clients had stored when that was known for sure, and
        since: how many points came since then.
    """

    mark: str
    newest: int
    window: int
    recent: int | None
    stored: int
    since: int


@dataclass
class Looked:
    """What was found.

    Attributes:
        latest: the latest point of each metric.
        points: those that may be new, by metric, in order of time.
        again: metrics whose points are not all among ``points``, or may not be.
        seen: what is seen of each metric by now.
    """

    latest: "dict[str, Point]"
    points: "dict[str, list[Point]]" = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    seen: dict[str, Seen] = field(default_factory=dict)


def new_points(
    store: "WorkspaceTrackingStore", run_id: str, seen: dict[str, Seen] | None
) -> Looked:
    """Look for points that came to the metrics of a run.

    Args:
        store: of the workspace.
        run_id: the run.
        seen: what was seen of each metric; None is nothing of the run.
    """
    before = store.stored_counts(run_id)
    latest = store.latest_points(run_id)
    looked = Looked(latest)
    seen = {key: each for key, each in (seen or {}).items() if key in latest}
    recently = max((each.newest for each in seen.values()), default=0) - WINDOW_MS
    read = {
        key: since
        for key, since in seen.items()
        if since.mark != _mark(latest[key])
        or since.stored + since.since != before.get(key, since.stored + since.since)
        or since.newest >= recently
    }
    # Below its last step, and without a receipt: nothing else tells of a late point of the others.
    quiet = seen.keys() - read.keys()
    if quiet:
        late = store.points_since(run_id, sorted(quiet), recently, _most_of(quiet))
        read |= {key: seen[key] for key in late}
    most = _most_of(read)
    found = _read(store, run_id, read, most)
    after = store.stored_counts(run_id)
    for key, point in latest.items():
        if key not in seen:
            looked.again.add(key)
            # Whoever has seen nothing reads all of it, which is later than this.
            count = after.get(key, 0)
            looked.seen[key] = Seen(_mark(point), point.timestamp, WINDOW_MS, None, count, 0)
        elif key not in read:
            looked.seen[key] = seen[key]
        else:
            is_settled = before.get(key) == after.get(key)
            stored = before.get(key, 0) if is_settled else None
            _compare(looked, key, seen[key], found.get(key, []), stored, most)
    if sum(map(len, looked.points.values())) > _MOST_SENT:
        looked.again |= looked.points.keys()
        looked.points = {}
    return looked


def _most_of(keys: Collection[str]) -> int:
    """Return how many points of each metric are read."""
    return max(_LEAST_READ, _MOST_READ // max(1, len(keys)))


def _read(
    store: "WorkspaceTrackingStore", run_id: str, read: dict[str, Seen], most: int
) -> "dict[str, list[Point]]":
    """Read the windows of metrics, those that begin at about the same time together."""
    groups: dict[int, list[str]] = defaultdict(list)
    for key, each in read.items():
        groups[(each.newest - each.window) // _SINCE_ROUNDED_MS].append(key)
    found: dict[str, list[Point]] = {}
    for keys in groups.values():
        start = min(read[key].newest - read[key].window for key in keys)
        found |= store.points_since(run_id, keys, start, most)
    return found


def _compare(
    looked: Looked, key: str, seen: Seen, found: "list[Point]", stored: int | None, most: int
) -> None:
    """Tell what is new of a metric from what was read of it.

    Args:
        looked: told.
        key: the metric.
        seen: what was seen of it.
        found: its points since the beginning of the window, or earlier; ``most`` of them at most.
        stored: how many our clients have stored; None while that changes.
        most: how many are read.
    """
    mark = _mark(looked.latest[key])
    if len(found) >= most:
        # It is logged so fast that a figure of it leaves out most points anyway.
        looked.again.add(key)
        newest = max(seen.newest, looked.latest[key].timestamp)
        window = max(_SHORTEST_WINDOW_MS, seen.window // 4)
        looked.seen[key] = Seen(
            mark, newest, window, None, *((stored, 0) if stored is not None else seen[4:])
        )
        return
    begin = seen.newest - seen.window
    known = [each for each in found if begin <= each.timestamp <= seen.newest]
    new = [each for each in found if each.timestamp > seen.newest]
    # It is not said which of the known ones is late: a point is told from others by itself.
    is_late = seen.recent is None or len(known) != seen.recent
    came = len(new) + (len(known) - seen.recent if seen.recent is not None else 0)
    if is_late:
        looked.points[key] = sorted([*known, *new], key=lambda each: each.timestamp)
    elif new:
        looked.points[key] = sorted(new, key=lambda each: each.timestamp)
    since = seen.since + max(0, came)
    if stored is not None:
        # Where other clients log the metric, too, their points may hide that some of ours are late.
        if stored and stored - seen.stored != since:
            looked.again.add(key)
        seen = seen._replace(stored=stored)
        since = 0
    newest = max((each.timestamp for each in new), default=seen.newest)
    window = _window(seen.window, len(found), most)
    recent = (
        sum(newest - window <= each.timestamp for each in found) if window <= seen.window else None
    )
    looked.seen[key] = Seen(mark, newest, window, recent, seen.stored, since)


def _window(window: int, read: int, most: int) -> int:
    """Return how long the next window is: one that is read with room to spare, a minute at most."""
    if read > most // 2:
        return max(_SHORTEST_WINDOW_MS, window // 2)
    return min(WINDOW_MS, window * 2) if read < most // 8 else window


def _mark(point: "Point") -> str:
    text = repr((point.step, point.timestamp, point.value, bool(point.is_nan)))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
