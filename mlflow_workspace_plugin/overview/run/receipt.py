"""Whether all that was logged to a run can be read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.journal.files.folder import folders_of
from mlflow_workspace_plugin.journal.status import damaged_lines, names_of_writers, waiting
from mlflow_workspace_plugin.runs.metrics.descriptors import names_by_key
from mlflow_workspace_plugin.stores.reads.receipts import Receipt, receipts_of

if TYPE_CHECKING:
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


def receipt_of_run(source: "Source", run_id: str) -> RunReceipt:
    """Compare what was logged to a run with what is stored, and what waits on this machine.

    Args:
        source: the workspace.
        run_id: a run of the workspace.
    """
    folders = folders_of(source.journal_target)
    # What seems to be missing may have been sent between two looks.
    for _ in range(_LOOKS):
        stored = source.store.run_receipts(run_id, sorted(names_of_writers(folders)))
        held = waiting(folders, stored.sequences)
        waits, dropped = _of_run(held.values, run_id), _of_run(held.dropped, run_id)
        receipts = receipts_of(stored, waits, dropped)
        unknown = sorted(held.unknown_of(run_id)) + stored.unread
        if not unknown:
            break
    if stored.uncounted:
        unknown.append(
            f"Calls were lost that nobody counted, in {stored.uncounted} places: a part of a "
            "journal was missing or damaged, or a process was killed that held values in memory "
            "only."
        )
    names = names_by_key(source.store.descriptor_tags([run_id]).get(run_id, {}))
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
    receipt = receipt_of_run(source, run_id)
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


def _of_run(counts: Mapping[tuple[str, str, str], int], run_id: str) -> dict[tuple[str, str], int]:
    """Return what is counted of a run, by metric and writer."""
    return {(key, writer): n for (run, key, writer), n in counts.items() if run == run_id}
