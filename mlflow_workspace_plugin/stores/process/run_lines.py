"""One line when a run starts and one when it ends, which say where to look at it.

For people: in a terminal or a notebook, of runs that are nobody's children and that this process
has started, which is no worker of ``multiprocessing``. Nothing is asked of the hub for it, and
nothing that goes wrong with it is raised.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from mlflow.entities import Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.use import is_server
from mlflow_workspace_plugin.stores.process import notebook
from mlflow_workspace_plugin.terminal import shown, tell

_ENDS = {"FINISHED": "completed", "FAILED": "failed", "KILLED": "was canceled"}


Where = Callable[[str, str], str]
"""Says where to look: given a page of the UI and the command of ``mlflow-workspace`` for it."""


class _Line(NamedTuple):
    """What is said of a run beside how it goes."""

    name: str
    where: Where
    page: str
    command: str


_lines: dict[str, _Line] = {}
"""Of runs whose start was said."""
_is_silent = False


def started(run: Run, tags: Iterable[RunTag], where: Where) -> None:
    """Say that a run has started, if that is to be said.

    Args:
        run: the run.
        tags: that it was created with.
        where: says where to look at it.
    """
    with suppress(Exception):
        if not _is_seen() or any(each.key == MLFLOW_PARENT_RUN_ID for each in tags):
            return
        run_id = run.info.run_id
        page = f"experiments/{run.info.experiment_id}/runs/{run_id}"
        line = _Line(run.info.run_name or run_id, where, page, f"open {run_id}")
        _lines[run_id] = line
        _say(line, "started")


def ended(run_id: str, status: str | None) -> None:
    """Say that a run has ended, if its start was said.

    Args:
        run_id: the run.
        status: the status that it has now, whichever it is.
    """
    if run_id in _lines and status in _ENDS:
        with suppress(Exception):
            # Of several threads that come to know it, one says it.
            line = _lines.pop(run_id)
            if _is_seen():
                _say(line, _ENDS[status])


@contextmanager
def unsaid() -> Iterator[None]:
    """Say nothing of runs that start in the block, because who starts them says it."""
    global _is_silent
    _is_silent = True
    try:
        yield
    finally:
        _is_silent = False


def _say(line: _Line, what: str) -> None:
    where = line.where(line.page, line.command)
    tell(f"Run {shown(line.name)} {what}: {where}\n")


def _is_seen() -> bool:
    if _is_silent or settings.QUIET.get() == "1" or is_server():
        return False
    if multiprocessing.parent_process() is not None:
        return False
    return sys.stderr.isatty() or notebook.shell() is not None


if hasattr(os, "register_at_fork"):
    # They are the parent's.
    os.register_at_fork(after_in_child=_lines.clear)
