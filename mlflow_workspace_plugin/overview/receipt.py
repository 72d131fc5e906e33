"""Whether all that was logged to a run can be read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.journal.files.folder import folders_of
from mlflow_workspace_plugin.journal.status import damaged_lines, names_of_writers, waiting
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.runs.metrics.descriptors import names_by_key
from mlflow_workspace_plugin.stores.reads.receipts import (
    Receipt,
    receipts_of,
    stored_sequences,
    uncounted_of,
)
from mlflow_workspace_plugin.stores.reads.run_reads import read_descriptor_tags
from mlflow_workspace_plugin.stores.writes.typed_values import texts_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mlflow_workspace_plugin.hub.hub import Hub
    from mlflow_workspace_plugin.overview.source import Source

_LOOKS = 3
_COUNTS = ("logged", "stored", "repeated", "refused", "dropped", "waiting", "lost", "missing")
_SHOWN = 200


@dataclass(frozen=True)
class RunReceipt:
    """What became of the values that were logged to a run.

    Attributes:
        result: ``equal``, ``different``, or ``unknown``, where nobody can tell.
        metrics: what became of the values of each metric, by the names that they were logged by.
        unknown: why it is unknown, in sentences.
        damaged_lines: how many lines of journals are damaged that name the run.
        damaged_files: where these lines are.
    """

    result: str
    metrics: list[Receipt]
    unknown: list[str]
    damaged_lines: int
    damaged_files: list[str]


def receipt_of_run(hub: "Hub", workspace: str, run_id: str) -> RunReceipt:
    """Compare what was logged to a run with what is stored, and what waits on this machine.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        run_id: a run of the workspace.
    """
    folders = folders_of(journal_target(hub, workspace))
    # What seems to be missing may have been sent between two looks.
    for _ in range(_LOOKS):
        with connected(hub.engine) as connection:
            held = waiting(folders, stored_sequences(connection, names_of_writers(folders)))
            waits, dropped = _of_run(held.values, run_id), _of_run(held.dropped, run_id)
            unread: list[str] = []
            texts = partial(_texts, hub, workspace, run_id, connection, unread)
            receipts = receipts_of(connection, run_id, waits, dropped, texts)
            uncounted = uncounted_of(connection, run_id)
            tags = read_descriptor_tags(connection, [run_id]).get(run_id, {})
        unknown = sorted(held.unknown_of(run_id)) + unread
        if not unknown:
            break
    if uncounted:
        unknown.append(
            f"Calls were lost that nobody counted, in {uncounted} places: a part of a "
            "journal was missing or damaged, or a process was killed that held values in memory "
            "only."
        )
    names = names_by_key(tags)
    receipts = [replace(each, metric=names.get(each.metric, each.metric)) for each in receipts]
    damaged = sum(damaged_lines(folder, run_id) for folder in folders)
    is_whole = not damaged and all(receipt.is_whole for receipt in receipts)
    result = _result(is_whole=is_whole, is_known=not unknown, waits=bool(waits))
    return RunReceipt(result, receipts, unknown, damaged, [str(each.damaged) for each in folders])


def receipt_as_json(source: "Source", run_id: str) -> dict[str, Any]:
    """Return the receipt of a run as pages show it.

    Returns:
        ``result`` and ``unknown``; the sums over all metrics, by name; and ``metrics``, those of
        which not all is stored, or else all, as many as are shown.

    Raises:
        MlflowException: there is no such run in the workspace.
    """
    source.store.get_run(run_id)
    receipt = receipt_of_run(source.hub, source.workspace, run_id)
    odd = [each for each in receipt.metrics if not each.is_equal]
    return {
        "result": receipt.result,
        "unknown": receipt.unknown,
        "damaged_lines": receipt.damaged_lines,
        "sums": {
            name: sum(getattr(each, name) for each in receipt.metrics)
            for name in (*_COUNTS, "not_ours")
        },
        "metrics": [asdict(each) for each in (odd or receipt.metrics)[:_SHOWN]],
    }


def _result(*, is_whole: bool, is_known: bool, waits: bool) -> str:
    """Return what is answered. What is lost for sure comes first, what only waits comes last."""
    if not is_whole:
        return "different"
    if not is_known:
        return "unknown"
    return "different" if waits else "equal"


def _texts(
    hub: "Hub", workspace: str, run_id: str, connection: "Connection", unread: list[str]
) -> Mapping[str, int] | None:
    """Return how many texts of a run can be read, by metric; None, and why, if nobody knows."""
    try:
        return texts_of(hub, connection, workspace, run_id)
    except (MlflowException, OSError) as error:
        unread.append(f"The texts of it, which are among its files, cannot be read: {error}")
        return None


def _of_run(counts: Mapping[tuple[str, str, str], int], run_id: str) -> dict[tuple[str, str], int]:
    """Return what is counted of a run, by metric and writer."""
    return {(key, writer): n for (run, key, writer), n in counts.items() if run == run_id}
