"""``mlflow-workspace verify``: whether all that was logged to a run can be read."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

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

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.reads.receipts import Receipt

# Exit codes; 2 is click's own, of wrong usage.
_SAID = {"different": "different: see the columns beside 'stored' and 'repeated'"}
_ALWAYS_SAID = ("metric", "logged", "stored")
_CODES = {"equal": 0, "different": 1, "unknown": 3}


@click.command()
@run_argument
@workspace_option
@hub_option
@json_option
@plain_errors
def verify(run: str, workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """Say whether all values that were logged to run RUN can be read, or what is different.

    RUN is a run's id, the beginning of it, or its name. The exit code is 0 for "equal", 1 for
    "different", and 3 for "unknown": a part of a journal is missing or damaged, or a process was
    killed that held values in memory only.
    """
    from mlflow_workspace_plugin.overview.run.receipt import receipt_of_run

    found = find_run(run, workspace, hub)
    receipt = receipt_of_run(found.source(), found.id)
    if as_json:
        print_json(
            {
                "run_id": found.id,
                "result": receipt.result,
                "equal": receipt.result == "equal",
                "unknown": receipt.unknown,
                "damaged lines": receipt.damaged_lines,
                "metrics": list(map(asdict, receipt.metrics)),
            }
        )
    else:
        print_table(f"Values of run {found.title}", _columns(receipt.metrics))
        for reason in receipt.unknown:
            echo(reason)
        if receipt.damaged_lines:
            places = ", ".join(receipt.damaged_files)
            echo(f"{receipt.damaged_lines} damaged lines of journals name this run: {places}")
        echo(_SAID.get(receipt.result, receipt.result))
    if receipt.result != "equal":
        raise SystemExit(_CODES[receipt.result])


def _columns(receipts: "list[Receipt]") -> list[dict[str, Any]]:
    """Return what is said of each metric, without what is 0 of all."""
    rows = [asdict(each) for each in receipts]
    said = [
        name
        for name in (rows[0] if rows else ())
        if name in _ALWAYS_SAID or any(row[name] for row in rows)
    ]
    return [{name.replace("_", " "): row[name] for name in said} for row in rows]
