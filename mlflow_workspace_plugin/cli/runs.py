"""``mlflow-workspace runs`` and ``metrics``: what ``get_runs`` and ``get_metrics`` return."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.completion import complete_runs
from mlflow_workspace_plugin.cli.options import (
    hub_option,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.workspace import Workspace


@click.command()
@click.option("--experiment", "-e", help="Only the runs of this experiment.")
@workspace_option
@hub_option
@json_option
@plain_errors
def runs(experiment: str | None, workspace: str | None, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """List the runs of a workspace that are nobody's children, newest first.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder.
    """
    from mlflow_workspace_plugin.sdk.runs import search as run_search

    found = open_workspace(workspace, hub)
    rows = [
        _run_facts(each, run)
        for each in _experiments(found, experiment)
        for run in run_search.top_level_runs(each, run_search.RunFilter())
    ]
    rows.sort(key=lambda row: row["started"] or "", reverse=True)
    if as_json:
        print_json(rows)
    else:
        where = f"workspace {found.name}" if experiment is None else f"experiment {experiment}"
        print_table(f"Runs of {where}", rows)


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_runs)
@click.argument("name", required=False)
@workspace_option
@hub_option
@json_option
@plain_errors
def metrics(
    run_id: str,
    name: str | None,
    workspace: str | None,
    hub: Path,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show the metrics of run RUN: what each is, or all values of metric NAME.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder, else the one in the hub that holds the run.
    """
    found = _workspace_of_run(run_id, workspace, hub).get_run(run_id).get_metrics(name)
    if as_json:
        print_json(found)
    elif name is None:
        print_table(f"Metrics of run {run_id}", map(_summary, found, found.values()))
    else:
        print_table(f"Metric {name} of run {run_id}", values_by_row(name, found.get(name, [])))


def values_by_row(name: str, value: Any) -> list[dict[str, Any]]:
    """Return the values of a metric, whatever its kind, as the rows of a table.

    Args:
        name: the metric.
        value: what ``get_metrics`` returns for it: a value, a list of values, or a dictionary of
            those by column.
    """
    columns = value if isinstance(value, Mapping) else {name: value}
    values = [each if isinstance(each, list) else [each] for each in columns.values()]
    return [
        {"": number, **dict(zip(columns, row, strict=True))}
        for number, row in enumerate(zip_longest(*values))
    ]


def _summary(name: str, value: Any) -> dict[str, Any]:
    rows = values_by_row(name, value)
    last = {key: cell for key, cell in rows[-1].items() if key} if rows else {}
    is_table = isinstance(value, Mapping)
    shown = ", ".join(f"{key}={cell}" for key, cell in last.items()) if is_table else last.get(name)
    return {"metric": name, "values": len(rows), "last": shown}


def _run_facts(experiment: "Experiment", run: "MlflowRun") -> dict[str, Any]:
    from mlflow_workspace_plugin.sdk.runs import status as run_status

    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "experiment": experiment.name,
        "status": run_status.of_mlflow(run.info.status),
        "started": _time(run.info.start_time),
        "ended": _time(run.info.end_time),
    }


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="seconds")


def _experiments(workspace: "Workspace", name: str | None) -> "Iterator[Experiment]":
    from mlflow_workspace_plugin.errors import UserErrorException

    known = workspace.experiments
    if name is None:
        yield from known.values()
    elif name in known:
        yield known[name]
    else:
        raise UserErrorException(
            f"Experiment {name!r} is not among the active ones of workspace {workspace.name!r}."
            + names.did_you_mean(name, known)
        )


def _workspace_of_run(run_id: str, name: str | None, hub: Path) -> "Workspace":
    from mlflow_workspace_plugin.errors import ConfigFileError
    from mlflow_workspace_plugin.hub.database import connected
    from mlflow_workspace_plugin.hub.hub import open_hub
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.receipts import workspace_of

    try:
        return open_workspace(name, hub)
    except ConfigFileError:
        # MLflow's id is enough: it is in one workspace of the hub.
        with connected(open_hub(hub).engine) as connection:
            found = workspace_of(connection, run_id)
        if found is None:
            raise
        return Workspace.get(found, hub=hub)
