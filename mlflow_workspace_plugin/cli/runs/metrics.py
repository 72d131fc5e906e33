"""``mlflow-workspace metrics``: what was logged to a run."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.cli.runs.find import find_run, run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_option
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run


@click.command()
@run_argument
@click.argument("name", required=False)
@workspace_option
@hub_option
@json_option
@plain_errors
def metrics(
    run: str,
    name: str | None,
    workspace: str | None,
    hub: HubPlace,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show the metrics of run RUN: the last value of each, or all values of metric NAME.

    RUN is a run's id, the beginning of it, or its name. Without --workspace it is looked for in
    the workspace of MLFLOW_TRACKING_URI, else of the config.json above this folder, then in all
    workspaces of the hub.
    """
    found = find_run(run, workspace, hub)
    read = found.read()
    if name is not None:
        name, values = _metric(read, name, found.title)
        if as_json:
            print_json({name: values})
        else:
            print_table(f"Metric {name} of run {found.title}", values_by_row(name, values))
        return
    logged = read.get_metrics()
    if as_json:
        print_json(logged)
    elif logged:
        echo(f"Metrics of run {found.title}")
        _print_summary(logged)
    else:
        echo(f"Metrics of run {found.title}: none")


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


def _metric(run: "Run", name: str, title: str) -> tuple[str, Any]:
    """Return the name that a metric was logged under, and its values.

    Args:
        run: the run.
        name: that name, or the key that MLflow has for it.
        title: of the run, for the message.

    Raises:
        UserErrorException: there is no such metric.
    """
    from mlflow_workspace_plugin.errors import UserErrorException
    from mlflow_workspace_plugin.runs.metrics.descriptors import read_descriptors

    found = run.get_metrics(name)
    if name in found:
        return name, found[name]
    descriptors = read_descriptors(run._mlflow_run().data.tags)
    for each in descriptors:
        if name in {column.key for column in each.columns}:
            return _metric(run, each.name, title)
    known = run.get_metrics()
    raise UserErrorException(
        f"There is no such metric: '{shown(name)}', of run {title}."
        + (names.did_you_mean(name, known) or " It has none.")
    )


def _print_summary(logged: Mapping[str, Any]) -> None:
    from mlflow_workspace_plugin.cli.layout.tables import Column, print_columns

    rows = [_summary(name, value) for name, value in logged.items()]
    headings = "metric", "values", "last"
    print_columns(
        [
            Column(
                heading,
                [row[number] for row in rows],
                is_number=heading == "values",
                may_shrink=heading != "values",
            )
            for number, heading in enumerate(headings)
        ]
    )


def _summary(name: str, value: Any) -> tuple[str, str, str]:
    rows = values_by_row(name, value)
    last = {key: cell for key, cell in rows[-1].items() if key} if rows else {}
    if isinstance(value, Mapping):
        return name, f"{len(rows):,}", ", ".join(f"{key}={cell}" for key, cell in last.items())
    return name, f"{len(rows):,}", str(last.get(name, ""))
