"""SDK v1's ``RunDetails`` of ``azureml.widgets``."""

from typing import Any

from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.sdk.widgets.front_end import is_notebook, this_cell
from mlflow_workspace_plugin.sdk.widgets.live_run import LiveRun
from mlflow_workspace_plugin.sdk.widgets.looks import text_of
from mlflow_workspace_plugin.sdk.widgets.watching import Watching
from mlflow_workspace_plugin.sdk.widgets.widget_data import data_of_widget


class RunDetails:
    """What a notebook shows of a run while it goes on (SDK v1).

    Args:
        run_instance: the run.
    """

    def __init__(self, run_instance: Run) -> None:
        self._run = run_instance

    def show(self, render_lib: object = None, widget_settings: object = None) -> None:
        """Show how the run goes on: its status, metrics, charts, children and log.

        In a notebook a thread keeps the output as the run is, until it has ended. Elsewhere what
        is known of it is printed once; SDK v1 did not return there. It waits some seconds at most.

        Args:
            render_lib: accepted and ignored.
            widget_settings: accepted and ignored.
        """
        run = self._run
        if not is_notebook():
            print(text_of(run))  # noqa: T201  what show is for
            return
        uri = run.experiment.workspace.get_mlflow_tracking_uri()

        def opened() -> LiveRun:
            return LiveRun(source_of(uri), run.id, run._page_of_run)

        Watching(opened, run.id).start(this_cell(), run.id)

    def get_widget_data(self, widget_settings: object = None) -> dict[str, Any]:
        """Return what is known of the run, under SDK v1's keys.

        Args:
            widget_settings: returned as it is.
        """
        return data_of_widget(self._run, widget_settings)
