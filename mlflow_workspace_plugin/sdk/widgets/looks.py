"""A run as it is now, for who looks once."""

import html
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.drawing.run_html import html_of_run
from mlflow_workspace_plugin.drawing.run_text import text_of_run
from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.sdk.widgets.live_run import LiveRun

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run

_WITHIN_S = 2.0
"""So long figures are read; how many are left out is said."""
_WAIT_S = 4.0
"""Who looks waits no longer, whatever the hub does, and however long one figure takes."""


def text_of(run: "Run") -> str:
    """Return a run as a terminal shows it.

    Args:
        run: the run.
    """
    seen = _seen_in_time(run)
    return seen if isinstance(seen, str) else text_of_run(seen)


def html_of(run: "Run") -> str:
    """Return a run as a notebook shows it.

    Args:
        run: the run.
    """
    seen = _seen_in_time(run)
    return f"<div>{html.escape(seen)}</div>" if isinstance(seen, str) else html_of_run(seen)


def _looks_at(run: "Run") -> Iterator[SeenRun]:
    """Yield what is seen of a run, with all that this process logged to it: first without figures.

    Args:
        run: the run.
    """
    source = Source(run.experiment.workspace.tracking_store)
    live = LiveRun(source, run.id, run._page_of_run, within_s=_WITHIN_S)
    live.look(reads=False)
    yield live.seen(f"Its figures could not be read within {_WAIT_S:.0f} s. They are on its page.")
    live.look()
    left_out = live.left_out
    are = "metric is" if left_out == 1 else "metrics are"
    yield live.seen(f"{left_out} more {are} on the run's page." if left_out else None)


def _seen_in_time(run: "Run") -> SeenRun | str:
    """Return what is seen of a run, or words, where that takes too long to be waited for.

    Raises:
        MlflowException: the run is not there, or cannot be read.
    """
    found: list[SeenRun | Exception] = []

    def look() -> None:
        try:
            for seen in _looks_at(run):
                found.append(seen)  # noqa: PERF402  each is there as soon as it is known
        except Exception as error:  # noqa: BLE001  it is raised where it is waited for
            found.append(error)

    thread = threading.Thread(target=look, name=f"mlflow-workspace-look {run.id}", daemon=True)
    thread.start()
    thread.join(_WAIT_S)
    if not found:
        return (
            f"Run {run.id} could not be read within {_WAIT_S:.0f} s. "
            f"Its page: {run._page_of_run(run.id)}"
        )
    newest = found[-1]
    if isinstance(newest, Exception):
        raise newest
    return newest
