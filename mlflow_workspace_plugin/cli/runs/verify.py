"""``mlflow-workspace verify``: whether all that was logged to a run can be read."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.options import (
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
    from sqlalchemy import Connection

    from mlflow_workspace_plugin.cli.runs.find import FoundRun
    from mlflow_workspace_plugin.stores.reads.receipts import Receipt

_LOOKS = 3
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
def verify(run: str, workspace: str | None, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Say whether all values that were logged to run RUN can be read, or what is different.

    RUN is a run's id, the beginning of it, or its name. The exit code is 0 for "equal", 1 for
    "different", and 3 for "unknown": a part of a journal is missing or damaged, or a process was
    killed that held values in memory only.
    """
    from mlflow_workspace_plugin.hub.databases.database import connected
    from mlflow_workspace_plugin.journal.files.folder import folders_of
    from mlflow_workspace_plugin.journal.status import damaged_lines, names_of_writers, waiting
    from mlflow_workspace_plugin.journal.use import journal_target
    from mlflow_workspace_plugin.runs.metrics.descriptors import names_by_key
    from mlflow_workspace_plugin.stores.reads.receipts import (
        receipts_of,
        stored_sequences,
        uncounted_of,
    )
    from mlflow_workspace_plugin.stores.reads.run_reads import read_descriptor_tags

    found = find_run(run, workspace, hub)
    opened, run_id = found.hub, found.id
    folders = folders_of(journal_target(opened, found.place.workspace))
    # What seems to be missing may have been sent between two looks.
    for _ in range(_LOOKS):
        with connected(opened.engine) as connection:
            held = waiting(folders, stored_sequences(connection, names_of_writers(folders)))
            waits, dropped = _of_run(held.values, run_id), _of_run(held.dropped, run_id)
            unread: list[str] = []
            texts = partial(_texts, found, connection, unread)
            receipts = receipts_of(connection, run_id, waits, dropped, texts)
            uncounted = uncounted_of(connection, run_id)
            tags = read_descriptor_tags(connection, [run_id]).get(run_id, {})
        reasons = sorted(held.unknown_of(run_id)) + unread
        if not reasons:
            break
    if uncounted:
        reasons.append(
            f"Calls were lost that nobody counted, in {uncounted} places: a part of a "
            "journal was missing or damaged, or a process was killed that held values in memory "
            "only."
        )
    names = names_by_key(tags)
    receipts = [replace(each, metric=names.get(each.metric, each.metric)) for each in receipts]
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
        print_table(f"Values of run {found.title}", _columns(receipts))
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
    found: "FoundRun", connection: "Connection", unread: list[str]
) -> Mapping[str, int] | None:
    """Return how many texts of a run can be read, by metric; None, and why, if nobody knows."""
    from mlflow.exceptions import MlflowException

    from mlflow_workspace_plugin.stores.writes.typed_values import texts_of

    try:
        return texts_of(found.hub, connection, found.place.workspace, found.id)
    except (MlflowException, OSError) as error:
        unread.append(f"The texts of it, which are among its files, cannot be read: {error}")
        return None


def _of_run(counts: Mapping[tuple[str, str, str], int], run_id: str) -> dict[tuple[str, str], int]:
    """Return what is counted of a run, by metric and writer."""
    return {(key, writer): n for (run, key, writer), n in counts.items() if run == run_id}


def _columns(receipts: "list[Receipt]") -> list[dict[str, Any]]:
    """Return what is said of each metric, without what is 0 of all."""
    rows = [asdict(each) for each in receipts]
    said = [
        name
        for name in (rows[0] if rows else ())
        if name in _ALWAYS_SAID or any(row[name] for row in rows)
    ]
    return [{name.replace("_", " "): row[name] for name in said} for row in rows]
