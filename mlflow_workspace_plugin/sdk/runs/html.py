"""How notebooks show a run."""

from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.runs import search as run_search
from mlflow_workspace_plugin.runs.metrics.latest import latest_values
from mlflow_workspace_plugin.runs.reason import reason_of_ended
from mlflow_workspace_plugin.sdk.html_table import html_line, html_rows, html_table

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run

_METRICS = 30
_CHILDREN = 10
_TEXT = 200
"""Of a text, so many characters."""


def html_of_run(run: "Run") -> str:
    """Return what a run is, its metrics and its newest children, as HTML.

    Args:
        run: the run.
    """
    found = run._mlflow_run()
    experiment = run.experiment
    facts = {
        "Name": found.info.run_name,
        "Experiment": experiment.name,
        "Id": run.id,
        "Type": str(found.data.tags.get(run_search.TYPE_TAG)),
        "Status": run.get_status(),
    }
    reason = reason_of_ended(found)
    if reason:
        facts["Reason"] = reason
    parts = [html_table(facts, {"Details Page": run.get_portal_url()})]
    values = list(latest_values(found))
    if values:
        rows = [(name, _shortened(value)) for name, value in values[:_METRICS]]
        parts.append(html_rows(("Metric", "Latest value"), rows))
    if len(values) > _METRICS:
        parts.append(html_line(f"{len(values) - _METRICS} more: run.get_metrics()"))
    children = list(islice(run.get_children(), _CHILDREN + 1))
    if children:
        listed = [(each.display_name, each.id, each.get_status()) for each in children[:_CHILDREN]]
        parts.append(html_rows(("Child", "Id", "Status"), listed))
    if len(children) > _CHILDREN:
        parts.append(html_line("More: run.get_children()"))
    return "".join(parts)


def _shortened(value: Any) -> Any:
    is_long = isinstance(value, str) and len(value) > _TEXT
    return f"{value[:_TEXT]}..." if is_long else value
