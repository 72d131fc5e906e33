"""What SDK v1's widget was told of a run, under its keys."""

from datetime import datetime, timedelta, timezone
from typing import Any

from mlflow_workspace_plugin.drawing.texts import moment
from mlflow_workspace_plugin.runs.files.logs import streamed_log
from mlflow_workspace_plugin.sdk.runs.run import Run

_ENDED = ("Completed", "Canceled")
_SILENT = "NotResponding"
_NO_METRICS = {"categories": None, "series": None, "metricName": None}


def data_of_widget(run: Run, widget_settings: object) -> dict[str, Any]:
    """Return what is known of a run; metrics and logs are there at the first call (ours).

    Args:
        run: the run.
        widget_settings: returned as it is.
    """
    details = run.get_details()
    children = list(run.get_children())
    page = run.get_portal_url()
    return {
        "status": details["status"],
        "workbench_run_details_uri": page,
        "run_id": run.id,
        "run_properties": _properties(run, details),
        "child_runs": [_child(each) for each in children],
        # SDK v1 drew them over children where a sweep names a primary metric, and here none does.
        "children_metrics": dict(_NO_METRICS) if children else {},
        "run_metrics": [
            {"name": name, "run_id": run.id, **_series(value)}
            for name, value in run.get_metrics().items()
        ],
        "run_logs": _logs(run, details),
        "graph": {},
        "widget_settings": widget_settings,
    }


def _properties(run: Run, details: dict[str, Any]) -> dict[str, Any]:
    info = run._mlflow_run().info
    created = _time(info.start_time)
    definition = details.get("runDefinition") or {}
    names = sorted(details["logFiles"])
    return {
        "run_id": run.id,
        "created_utc": _iso(created),
        "properties": details["properties"],
        "tags": run.get_tags(),
        "script_name": definition.get("script"),
        "arguments": " ".join(map(str, definition.get("arguments") or [])) or None,
        "end_time_utc": details.get("endTimeUtc"),
        "status": details["status"],
        "log_files": details["logFiles"],
        "log_groups": [names] if names else [],
        "run_duration": _duration(details["status"], created, _time(info.end_time)),
        "run_number": str(run.number),
        "run_queued_details": run.get_detailed_status(),
    }


def _child(run: Run) -> dict[str, Any]:
    found = run._mlflow_run()
    status = run.get_status()
    created, ended = _time(found.info.start_time), _time(found.info.end_time)
    return {
        "run_id": run.id,
        "run_number": run.number,
        "metric": None,
        "status": status,
        "run_type": run.type,
        "training_percent": None,
        "start_time": _iso(created) or "",
        "end_time": _iso(ended) or "",
        "created_time": _iso(created) or "",
        "created_time_dt": created or "",
        "duration": _duration(status, created, ended),
    }


def _series(value: Any) -> dict[str, Any]:
    data = value if isinstance(value, list) else [value]
    return {"categories": list(range(len(data))), "series": [{"data": data}]}


def _logs(run: Run, details: dict[str, Any]) -> str:
    """Return the most telling log, and how the run has ended."""
    name = streamed_log(run._repository())
    text = "" if name is None else run._log_text(name)
    if text and not text.endswith("\n"):
        text += "\n"
    error = (details.get("error") or {}).get("error", {})
    if error:
        return f"{text}\nError occurred: {error.get('message') or ''}\n"
    if details["status"] in _ENDED:
        return f"{text}\nRun is {details['status'].lower()}."
    return text


def _duration(status: str, created: datetime | None, ended: datetime | None) -> str | None:
    if status == _SILENT or created is None:
        return None
    took = (ended or datetime.now(timezone.utc)) - created
    return str(timedelta(seconds=max(0, int(took.total_seconds()))))


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")
