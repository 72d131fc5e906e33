"""``mlflow-workspace sync`` and ``verify``."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.repository import open_to_send
from mlflow_workspace_plugin.artifacts.staging.sending import send
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover, all_folders
from mlflow_workspace_plugin.journal.refused import count_refused
from mlflow_workspace_plugin.journal.replay import Replay, replay
from mlflow_workspace_plugin.journal.segments import segments_of
from mlflow_workspace_plugin.journal.status import damaged_lines, waiting
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.stores.build import open_hub_of, open_workspace_store
from mlflow_workspace_plugin.stores.receipts import (
    Receipt,
    receipts_of,
    stored_sequences,
    workspace_of,
)
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


@click.command()
@click.option(
    "--all-machines",
    is_flag=True,
    help="Also journals of other machines in the same folder. None of their processes may live.",
)
@click.option("--status", is_flag=True, help="Only say what waits; send nothing.")
@json_option
@plain_errors
def sync(all_machines: bool, status: bool, as_json: bool) -> None:  # noqa: FBT001
    """Send what processes on this machine logged and could not send before they ended.

    The journals of one workspace are sent one after the other; one that cannot be sent does not
    keep the others back.
    """
    rows = [
        _status(folder) if status else _sent(folder, of_all_machines=all_machines)
        for folder in all_folders()
    ]
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
        raise SystemExit(1)


@click.command()
@click.argument("run_id")
@hub_option
@json_option
@plain_errors
def verify(run_id: str, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Say whether all values that were logged to run RUN_ID can be read, or what is different."""
    opened = open_hub(hub)
    with opened.engine.connect() as connection:
        workspace = workspace_of(connection, run_id)
        if workspace is None:
            raise RunNotFoundError(
                f"Run {run_id!r} is not in hub {str(hub)!r}. "
                "Check the id, or name another hub with --hub."
            )
        folder = JournalFolder(journal_target(opened, workspace))
        held = waiting(folder, stored_sequences(connection, segments_of(folder.path)))
        of_run = {
            (key, writer): number
            for (run, key, writer), number in held.values.items()
            if run == run_id
        }
        receipts = receipts_of(connection, run_id, of_run)
    damaged = damaged_lines(folder, run_id)
    equal = not damaged and all(receipt.is_equal for receipt in receipts)
    if as_json:
        metrics = list(map(asdict, receipts))
        report = {"equal": equal, "damaged lines": damaged, "metrics": metrics}
        print_json({"run_id": run_id, **report})
    else:
        print_table(f"Values of run {run_id}", map(_columns, receipts))
        if damaged:
            echo(f"{damaged} damaged lines of journals name this run: {folder.damaged}")
        echo("equal" if equal else "different: see the columns behind 'repeated'")
    if not equal:
        raise SystemExit(1)


def _columns(receipt: Receipt) -> dict[str, Any]:
    return {name.replace("_", " "): cell for name, cell in asdict(receipt).items()}


def _sent(folder: JournalFolder, *, of_all_machines: bool) -> dict[str, Any]:
    """Send the journals of one workspace; return what became of them."""
    total, files, problem = Replay(), 0, None
    try:
        store = open_workspace_store(folder.target)
        for leftover in folder.leftovers(of_all_machines=of_all_machines):
            problem = _replay(folder, leftover, store, total) or problem
        open_at = partial(open_to_send, open_hub_of(folder.target))
        wait_s = settings.WAIT_S.number()
        for staged in _staged(folder, of_all_machines=of_all_machines):
            before = set(staged.names())
            for outcome in send(staged, open_at, wait_s):
                files += outcome.error is None
                problem = str(outcome.error) if outcome.error else problem
            if not problem and before.intersection(staged.names()):
                problem = "Another process of this machine sends the files just now."
    except Exception as error:  # noqa: BLE001
        problem = str(error)
    return {
        "workspace": folder.target,
        "sent calls": total.calls.total(),
        "sent files": files,
        "runs": total.calls,
        "refused": total.refused,
        "damaged lines": total.damaged,
        "problem": problem,
    }


def _staged(folder: JournalFolder, *, of_all_machines: bool) -> list[StagedFiles]:
    """Return the files that wait, machine by machine."""
    here = StagedFiles(folder)
    hosts = sorted(here.hosts()) if of_all_machines else [here.host]
    return [StagedFiles(folder, host) for host in hosts]


def _replay(
    folder: JournalFolder, leftover: Leftover, store: WorkspaceTrackingStore, total: Replay
) -> str | None:
    """Send one journal; return why that was not possible, so that the others are sent."""
    try:
        for part in replay(folder, leftover, store):
            total.calls += part.calls
            total.refused += part.refused
            total.damaged += part.damaged
    except Exception as error:  # noqa: BLE001
        return str(error)
    finally:
        leftover.lock.close()
    return None


def _status(folder: JournalFolder) -> dict[str, Any]:
    stored, problem = {}, None
    try:
        store = open_workspace_store(folder.target)
        with store.engine.connect() as connection:
            stored = stored_sequences(connection, segments_of(folder.path))
    except Exception as error:  # noqa: BLE001  what waits can be said all the same
        problem = str(error)
    held = waiting(folder, stored)
    return {
        "workspace": folder.target,
        "waiting calls": held.calls,
        "runs": held.runs,
        "in journals": held.journals,
        "waiting files": sum(len(each.names()) for each in _staged(folder, of_all_machines=True)),
        "refused": count_refused(folder.refused),
        "damaged lines": held.damaged,
        "journals kept as damaged": sum(1 for _ in folder.damaged.glob("*")),
        "MB on disk": round(folder.size() / 1e6, 1),
        "problem": problem or next(iter(held.unreadable), None),
    }
