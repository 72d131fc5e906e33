"""SDK v1's ``RunDetails`` of ``azureml.widgets``: a run in a few lines of text."""

import time
from typing import Any

from mlflow_workspace_plugin.runs.metrics.latest import latest_values
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.terminal import shown

_METRICS = 20
_TEXT = 200


class RunDetails:
    """What a notebook shows of a run (SDK v1); text here, as of when it is asked for.

    Args:
        run_instance: the run.
    """

    def __init__(self, run_instance: Run) -> None:
        self._run = run_instance

    def show(self, render_lib: object = None, widget_settings: object = None) -> None:
        """Print how the run goes, and its newest metrics. SDK v1 went on doing so in a widget.

        Args:
            render_lib: accepted and ignored.
            widget_settings: accepted and ignored.
        """
        run, found = self._run, self._run._mlflow_run()
        detailed = run.get_detailed_status()
        facts = {
            "Run": f"{found.info.run_name} ({run.id})",
            "Experiment": run.experiment.name,
            "Status": detailed["status"],
            "Details": detailed["details"],
            "Reason": run.reason,
            "Duration": _duration(found.info.start_time, found.info.end_time),
            "Web View": run.get_portal_url(),
        }
        lines = [f"{name + ':':<12}{_line(fact)}" for name, fact in facts.items() if fact]
        values = list(latest_values(found))
        lines += [f"  {_line(name)}: {_line(value)}" for name, value in values[:_METRICS]]
        if len(values) > _METRICS:
            lines.append(f"  {len(values) - _METRICS} more: run.get_metrics()")
        print("\n".join(lines))  # noqa: T201  what show is for

    def get_widget_data(self, widget_settings: object = None) -> dict[str, Any]:
        """Return what is known of the run, under SDK v1's keys.

        Args:
            widget_settings: accepted and ignored.
        """
        run, details = self._run, self._run.get_details()
        return {
            "status": details["status"],
            "workbench_run_details_uri": run.get_portal_url(),
            "run_id": run.id,
            "run_properties": {
                "run_id": run.id,
                "created_utc": details.get("startTimeUtc"),
                "end_time_utc": details.get("endTimeUtc"),
                "status": details["status"],
                "properties": details["properties"],
                "tags": run.get_tags(),
                "log_files": details["logFiles"],
            },
            "run_metrics": [
                {"name": name, "run_id": run.id, **_series(value)}
                for name, value in run.get_metrics().items()
            ],
            "child_runs": [{"run_id": each.id} for each in run.get_children()],
        }


def _series(value: Any) -> dict[str, Any]:
    data = value if isinstance(value, list) else [value]
    return {"categories": list(range(len(data))), "series": [{"data": data}]}


def _duration(start_ms: int, end_ms: int | None) -> str:
    seconds = round((time.time() * 1000 if end_ms is None else end_ms) / 1000 - start_ms / 1000)
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def _line(text: object) -> str:
    line = shown(" ".join(str(text).split()))
    return f"{line[:_TEXT]}..." if len(line) > _TEXT else line
