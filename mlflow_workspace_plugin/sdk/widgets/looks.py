"""A run as it is now, for who looks once."""

from typing import TYPE_CHECKING

from mlflow_workspace_plugin.drawing.run_html import html_of_run
from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.sdk.widgets.live_run import LiveRun

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run

_WITHIN_S = 2.0
"""Who looks waits for it, so figures are read for so long; how many are left out is said."""


def look_at(run: "Run") -> SeenRun:
    """Return what is seen of a run, with all that this process logged to it.

    Args:
        run: the run.
    """
    source = Source(run.experiment.workspace.tracking_store)
    live = LiveRun(source, run.id, run._page_of_run, within_s=_WITHIN_S)
    live.look()
    left_out = live.left_out
    are = "metric is" if left_out == 1 else "metrics are"
    return live.seen(f"{left_out} more {are} on the run's page." if left_out else None)


def html_of(run: "Run") -> str:
    """Return a run as a notebook shows it.

    Args:
        run: the run.
    """
    return html_of_run(look_at(run))
