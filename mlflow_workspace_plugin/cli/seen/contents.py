"""What a report holds of runs, as JSON has it; ``web/report/report.js`` draws it."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.artifacts.hub_repository import stored_files
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.cli.layout.words import count, size
from mlflow_workspace_plugin.cli.seen.fitted import Room, length
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run, figures_of_runs
from mlflow_workspace_plugin.overview.run.log import tail_of_log
from mlflow_workspace_plugin.overview.run.overview import children_of_run, overview_of_run
from mlflow_workspace_plugin.overview.runs.compare import MOST_RUNS, comparison

if TYPE_CHECKING:
    from mlflow_workspace_plugin.figures.specification import Figure
    from mlflow_workspace_plugin.overview.source import Source

_FILES, _CHILDREN = 1_000, 200
_LOG_BYTES = 64_000
# What is of the moment at which it was read; and pages, which are of the server.
_OF_THE_MOMENT = ("now", "waits")
_OF_A_COMPARISON = ("runs", "differences", "same")


def contents_of(
    source: "Source", run_ids: Sequence[str], experiment: str, bytes_: int
) -> dict[str, Any]:
    """Return what a report holds of a run, or of several that are compared.

    Args:
        source: their workspace.
        run_ids: the runs; the first one is whose report it is.
        experiment: the name of the experiment of that one.
        bytes_: how much room there is.

    Raises:
        MlflowException: one of them is not in the workspace.
    """
    room = Room(bytes_)
    if left := len(run_ids[MOST_RUNS:]):
        room.left_out.append(f"{count(left, 'run')}: no more than {MOST_RUNS} are compared.")
        run_ids = run_ids[:MOST_RUNS]
    are_compared = len(run_ids) > 1
    facts = _compared(source, run_ids) if are_compared else _alone(source, run_ids[0], room)
    report = {"workspace": source.workspace, "experiment": experiment, **room.facts(facts)}
    # Whole, however much of the facts there is room for: a run has its colour by its place here.
    report["run_ids"] = room.whole(run_ids)
    report["log"] = None if are_compared else _log(source, run_ids[0], room)
    report["figures"] = room.figures(partial(_figures, source, run_ids))
    read = partial(_picture, source, run_ids[0])
    report["pictures"] = room.pictures(report["figures"], read)
    report["left_out"] = room.left_out
    return report


def _alone(source: "Source", run_id: str, room: Room) -> dict[str, Any]:
    run = overview_of_run(source, run_id)
    for each in _OF_THE_MOMENT:
        del run["head"][each]
    stored = stored_files(source.repository(run_id), left_out=INTERNAL_FOLDER)
    files = [
        {"path": each.path, "size": each.file_size or 0} for each in islice(stored, _FILES + 1)
    ]
    if files:
        named = f"The first {_FILES:,} files" if len(files) > _FILES else count(len(files), "file")
        total = size(sum(each["size"] for each in files[:_FILES]))
        room.left_out.append(f"{named} of the run ({total}): their names are here.")
    children = children_of_run(source, run_id, limit=_CHILDREN)
    if children["next"] is not None:
        room.left_out.append(f"Child runs but for the newest {_CHILDREN}.")
    return {
        "runs": [run],
        "comparison": None,
        "files": files[:_FILES],
        "children": children["children"],
    }


def _compared(source: "Source", run_ids: Sequence[str]) -> dict[str, Any]:
    found = comparison(source, run_ids)
    return {
        "runs": found["runs"],
        "comparison": {each: found[each] for each in _OF_A_COMPARISON},
        "files": [],
        "children": [],
    }


def _log(source: "Source", run_id: str, room: Room) -> dict[str, Any] | None:
    most = min(_LOG_BYTES, room.bytes // 8)
    found = tail_of_log(source.repository(run_id), size=most)
    if found is None:
        return None
    text = found.text
    # Of characters that take more in JSON than in a file there would be too many.
    while length(text) > 2 * most and len(text) > 1:
        text = text[len(text) // 2 :]
    log = {"name": found.name, "text": text, "start": found.start}
    room.bytes -= length(log)
    if found.start > 0:
        room.left_out.append(f"The first {size(found.start)} of the log {found.name}.")
    return log


def _figures(source: "Source", run_ids: Sequence[str], points: int) -> "list[Figure]":
    if len(run_ids) == 1:
        return figures_of_run(source, run_ids[0], points=points)
    return figures_of_runs(source, run_ids, points=points)


def _picture(source: "Source", first: str, run_id: str | None, path: str, most: int) -> bytes:
    """Return the beginning of a file, so many bytes; nothing of one that is not there."""
    try:
        return source.repository(run_id or first).read_from(path, 0, most)
    except MlflowException:
        return b""
