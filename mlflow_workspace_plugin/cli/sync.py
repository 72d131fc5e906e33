"""``mlflow-workspace sync`` and ``verify``."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.journal_folders import drop_rest, row_of, send, show
from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.hub.database import connected
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.journal.folder import all_folders, folders_of
from mlflow_workspace_plugin.journal.status import damaged_lines, names_of_writers, waiting
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.stores.receipts import (
    Receipt,
    receipts_of,
    stored_sequences,
    uncounted_of,
    workspace_of,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mlflow_workspace_plugin.hub.hub import Hub

_LOOKS = 3
# Exit codes; 2 is click's own, of wrong usage.
_SAID = {"different": "different: see the columns behind 'repeated'"}
_CODES = {"equal": 0, "different": 1, "unknown": 3}


@click.command()
@click.option(
    "--all-machines",
    is_flag=True,
    help="Also journals of other machines in the same folder. None of their processes may live.",
)
@click.option("--status", is_flag=True, help="Only say what waits; send nothing.")
@click.option(
    "--drop",
    metavar="FOLDER|URI",
    help="Send what of this folder of journals, or workspace, can be sent, show the rest, and "
    "remove it for good: of a hub that is gone, say.",
)
@click.option("--yes", is_flag=True, help="Drop without asking.")
@click.option(
    "--give-up-hub",
    is_flag=True,
    help="Drop although the hub, which is there, cannot be opened now: what waits is never sent.",
)
@json_option
@plain_errors
def sync(
    all_machines: bool,  # noqa: FBT001
    status: bool,  # noqa: FBT001
    drop: str | None,
    yes: bool,  # noqa: FBT001
    give_up_hub: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Send what processes on this machine logged and could not send before they ended.

    The journals of one workspace are sent one after the other; one that cannot be sent does not
    keep the others back.
    """
    if drop is not None:
        if status or all_machines or (as_json and not yes):
            raise click.UsageError("--drop goes alone, or with --yes, --give-up-hub and --json.")
        drop_rest(drop, is_confirmed=yes, is_given_up=give_up_hub, as_json=as_json)
        return
    if give_up_hub:
        raise click.UsageError("--give-up-hub goes with --drop.")
    make = show if status else partial(send, of_all_machines=all_machines)
    rows = [row_of(folder, make) for folder in all_folders()]
    if as_json:
        print_json(rows)
    else:
        calls = [
            {"workspace": row["workspace"], "run": run_id, "calls": number}
            for row in rows
            for run_id, number in row.pop("runs").items()
        ]
        print_table("Calls that wait" if status else "Calls that were sent", calls)
        print_table("Journals", rows)
    if any(row["problem"] for row in rows):
        if not as_json:
            echo(
                "What can never be sent, of a hub that is gone, say, is shown and removed by: "
                "mlflow-workspace sync --drop WORKSPACE"
            )
        raise SystemExit(1)


@click.command()
@click.argument("run_id")
@hub_option
@json_option
@plain_errors
def verify(run_id: str, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Say whether all values that were logged to run RUN_ID can be read, or what is different.

    The exit code is 0 for "equal", 1 for "different", and 3 for "unknown": a part of a journal is
    missing or damaged, or a process was killed that held values in memory only.
    """
    opened = open_hub(hub)
    with connected(opened.engine) as connection:
        workspace = workspace_of(connection, run_id)
    if workspace is None:
        raise RunNotFoundError(
            f"Run {run_id!r} is not in hub {str(hub)!r}. "
            "Check the id, or name another hub with --hub."
        )
    folders = folders_of(journal_target(opened, workspace))
    # What seems to be missing may have been sent between two looks.
    for _ in range(_LOOKS):
        with connected(opened.engine) as connection:
            held = waiting(folders, stored_sequences(connection, names_of_writers(folders)))
            waits, dropped = _of_run(held.values, run_id), _of_run(held.dropped, run_id)
            unread: list[str] = []
            texts = partial(_texts, opened, connection, workspace, run_id, unread)
            receipts = receipts_of(connection, run_id, waits, dropped, texts)
            uncounted = uncounted_of(connection, run_id)
        reasons = sorted(held.unknown_of(run_id)) + unread
        if not reasons:
            break
    if uncounted:
        reasons.append(
            f"Calls were lost that nobody counted, in {uncounted} places: a part of a "
            "journal was missing or damaged, or a process was killed that held values in memory "
            "only."
        )
    damaged = sum(damaged_lines(folder, run_id) for folder in folders)
    is_whole = not damaged and all(receipt.is_whole for receipt in receipts)
    result = _result(is_whole=is_whole, is_known=not reasons, waits=bool(waits))
    if as_json:
        print_json(
            {
                "run_id": run_id,
                "result": result,
                "equal": result == "equal",
                "unknown": reasons,
                "damaged lines": damaged,
                "metrics": list(map(asdict, receipts)),
            }
        )
    else:
        print_table(f"Values of run {run_id}", map(_columns, receipts))
        for reason in reasons:
            echo(reason)
        if damaged:
            places = ", ".join(str(folder.damaged) for folder in folders)
            echo(f"{damaged} damaged lines of journals name this run: {places}")
        echo(_SAID.get(result, result))
    if result != "equal":
        raise SystemExit(_CODES[result])


def _result(*, is_whole: bool, is_known: bool, waits: bool) -> str:
    """Return what verify answers. What is lost for sure comes first, what only waits comes last."""
    if not is_whole:
        return "different"
    if not is_known:
        return "unknown"
    return "different" if waits else "equal"


def _texts(
    hub: "Hub", connection: "Connection", workspace: str, run_id: str, unread: list[str]
) -> Mapping[str, int] | None:
    """Return how many texts of a run can be read, by metric; None, and why, if nobody knows."""
    from mlflow.exceptions import MlflowException

    from mlflow_workspace_plugin.stores.typed_values import texts_of

    try:
        return texts_of(hub, connection, workspace, run_id)
    except (MlflowException, OSError) as error:
        unread.append(f"The texts of it, which are among its files, cannot be read: {error}")
        return None


def _of_run(counts: Mapping[tuple[str, str, str], int], run_id: str) -> dict[tuple[str, str], int]:
    """Return what is counted of a run, by metric and writer."""
    return {(key, writer): n for (run, key, writer), n in counts.items() if run == run_id}


def _columns(receipt: Receipt) -> dict[str, Any]:
    return {name.replace("_", " "): cell for name, cell in asdict(receipt).items()}
