"""What ``mlflow-workspace sync`` says of each folder of journals."""

import shlex
from collections import Counter
from collections.abc import Callable
from typing import Any

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.hub import glance
from mlflow_workspace_plugin.hub.files.layout import Layout
from mlflow_workspace_plugin.journal.files.folder import JournalFolder, UnknownFolder
from mlflow_workspace_plugin.journal.sending.refused import count_refused
from mlflow_workspace_plugin.journal.status import names_of_writers, waiting

Row = dict[str, Any]
ENDS = "ends of jobs"
"""Of a row: how jobs ended whose runners could not tell that, by run."""
Folder = JournalFolder | UnknownFolder


def row_of(folder: Folder, make: Callable[[JournalFolder, Row], None]) -> Row:
    """Return what is to be said of a folder. What is wrong with it is told there, not raised.

    Args:
        folder: the folder.
        make: does something with it, and fills in what is to be said.
    """
    row: Row = {"workspace": str(folder.path), "runs": Counter(), ENDS: {}, "problem": None}
    known = folder
    if isinstance(known, UnknownFolder):
        remedy = f"mlflow-workspace sync --drop {shlex.quote(str(known.path))}"
        row["problem"] = f"{known.problem} To remove it: {remedy}"
        known = JournalFolder("", path=known.path)
    else:
        row["workspace"] = known.target
    try:
        make(known, row)
    except Exception as error:  # noqa: BLE001
        row["problem"] = row["problem"] or str(error)
    # It is read last.
    row["problem"] = row.pop("problem")
    return row


def show(folder: JournalFolder, row: Row) -> None:
    """Fill in what waits in a folder."""
    stored = {}
    try:
        if folder.target:
            stored = _stored(folder, names_of_writers([folder]))
    except Exception as error:  # noqa: BLE001  what waits can be said all the same
        row["problem"] = str(error)
    held = waiting([folder], stored)
    row["problem"] = row["problem"] or next(iter(held.unreadable), None)
    row |= {"waiting calls": held.calls, "in journals": held.journals, "waiting files": 0}
    row |= {"refused": 0, "damaged lines": held.damaged, "lost calls": held.lost}
    row |= {"runs": held.runs, "journals kept as damaged": 0, "MB on disk": 0.0}
    row["refused"] = count_refused(folder.refused)
    row["journals kept as damaged"] = sum(1 for _ in folder.damaged.glob("*"))
    row["MB on disk"] = round(folder.size() / 1e6, 1)
    row["waiting files"] = sum(
        len(each.names()) for each in staged_files(folder, of_all_machines=True)
    )


def staged_files(folder: JournalFolder, *, of_all_machines: bool) -> list[StagedFiles]:
    """Return the files that wait, machine by machine."""
    here = StagedFiles(folder)
    hosts = sorted(here.hosts()) if of_all_machines else [here.host]
    return [StagedFiles(folder, host) for host in hosts]


def _stored(folder: JournalFolder, writers: set[str]) -> dict[str, int]:
    """Return what the hub of a workspace says of writers, and open it only if that is needed."""
    parsed = uris.parse(folder.target)
    if isinstance(parsed, uris.WorkspaceUri):
        workspace = parsed.name
        # A folder of that name may be a hub, which is refused.
        if not Layout(parsed.hub / workspace).database.exists():
            found = glance.look(parsed.hub, lambda seen: _seen(seen, workspace, writers))
            if found is not None:
                return found
    from mlflow_workspace_plugin.remote.leftovers import destination_of

    return destination_of(folder).stored(writers)


def _seen(seen: glance.Glance, workspace: str, writers: set[str]) -> dict[str, int] | None:
    if not any(record.name == workspace for record in seen.workspaces()):
        return None
    return seen.stored_sequences(writers)
