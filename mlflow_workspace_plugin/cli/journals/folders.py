"""What ``mlflow-workspace sync`` does with each folder of journals: send, drop."""

import shutil
from pathlib import Path

import click

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.artifacts.staging import sending
from mlflow_workspace_plugin.cli.journals.ends import ends_of, tell_ends
from mlflow_workspace_plugin.cli.journals.status import (
    ENDS,
    Folder,
    Row,
    row_of,
    show,
    staged_files,
)
from mlflow_workspace_plugin.cli.options import echo, print_facts, print_json
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubNotFoundError,
    WorkspaceNotFoundError,
    clause,
)
from mlflow_workspace_plugin.journal.files.folder import (
    JournalFolder,
    Leftover,
    UnknownFolder,
    all_folders,
    base_folder,
)
from mlflow_workspace_plugin.journal.sending.again import send_again
from mlflow_workspace_plugin.journal.sending.dropping import drop
from mlflow_workspace_plugin.journal.sending.replay import Replay, replay
from mlflow_workspace_plugin.journal.sending.target import Target
from mlflow_workspace_plugin.remote.leftovers import destination_of
from mlflow_workspace_plugin.runner.folder import remove_unused

# Why a workspace cannot be opened that does not come back by itself.
_GONE = (HubNotFoundError, WorkspaceNotFoundError)


def send(
    folder: JournalFolder,
    row: Row,
    *,
    of_all_machines: bool = False,
    is_refused_sent: bool = False,
) -> None:
    """Send the journals and files of a workspace; fill in what became of them.

    Args:
        folder: the journals.
        row: what is said of them, filled in.
        of_all_machines: those that were written on other machines, too.
        is_refused_sent: send what was refused again, too.
    """
    total = Replay()
    row |= {"sent calls": 0, "sent files": 0} | _facts_of(total)
    if not folder.target:
        return
    to = destination_of(folder)
    for leftover in folder.leftovers(of_all_machines=of_all_machines):
        row["problem"] = _replay(folder, leftover, to.target, total) or row["problem"]
        row |= _facts_of(total)
    if is_refused_sent:
        _send_refused(folder, row, to.target, total)
    wait_s = settings.WAIT_S.number()
    for staged in staged_files(folder, of_all_machines=of_all_machines):
        before = set(staged.names())
        for outcome in sending.send(staged, to.open_files, wait_s):
            row["sent files"] += outcome.error is None
            row["problem"] = str(outcome.error) if outcome.error else row["problem"]
        if not row["problem"] and before.intersection(staged.names()):
            row["problem"] = "Another process of this machine sends the files just now."


def _send_refused(folder: JournalFolder, row: Row, target: Target, total: Replay) -> None:
    """Send what was refused again; fill in what became of it."""
    try:
        again = send_again(folder, target)
    except Exception as error:  # noqa: BLE001  what else there is is to be sent
        row["problem"] = clause(error)
        return
    row["sent again"] = again.sent
    total.refused += again.refused
    row |= _facts_of(total)


def drop_rest(name: str, *, is_confirmed: bool, is_given_up: bool, as_json: bool) -> None:
    """Send what can be sent of a folder, show the rest, and remove it.

    Args:
        name: the folder, or the URI of its workspace.
        is_confirmed: do not ask.
        is_given_up: remove it although its hub, which may come back, cannot be opened now.
        as_json: say it to a program.

    Raises:
        AzureMLException: there is no such folder, a process that lives uses it, or its hub cannot
            be opened though it may come back.
    """
    folder = _find(name)
    known = JournalFolder("", path=folder.path) if isinstance(folder, UnknownFolder) else folder
    if known.is_used() or any(each.is_used() for each in staged_files(known, of_all_machines=True)):
        raise _used(known.path)
    sent = row_of(folder, send)
    tell_ends(known.target)
    rest = row_of(folder, show)
    ends = ends_of(known.target)
    rest[ENDS] = {each.run_id: each.state for each in ends}
    is_unknown = isinstance(folder, UnknownFolder)
    problem = None if is_unknown else _why_not_opened(known)
    if not as_json:
        print_facts({"folder": known.path, **rest, **_said(rest)})
    if problem is not None and not (is_given_up or isinstance(problem, _GONE)):
        raise AzureMLException(
            f"Nothing was removed: {known.target} cannot be opened now, and what waits for it can "
            f"be sent once it can be. The reason: {clause(problem)}. Mend that, and call again. If "
            "it never comes back, add --give-up-hub, which removes what waits without a note in "
            "the hub."
        )
    if not is_confirmed:
        click.confirm("Remove this for good?", abort=True)
    for ended in ends:
        if not remove_unused(ended.folder):
            raise _used(ended.folder)
    _remove(known, is_whole=is_unknown or problem is not None)
    if as_json:
        print_json({"sent": sent, "dropped": rest})
    else:
        echo("Removed.")


def _remove(folder: JournalFolder, *, is_whole: bool) -> None:
    """Remove a folder of journals, or what waits in it, which its hub is told."""
    if is_whole:
        if folder.path.exists():
            shutil.rmtree(folder.path)
        return
    to = destination_of(folder)
    for leftover in folder.leftovers(of_all_machines=True):
        drop(folder, leftover, to.target, to.stored)
    for staged in staged_files(folder, of_all_machines=True):
        for each in staged.names():
            staged.remove(each)


def _used(path: Path) -> AzureMLException:
    return AzureMLException(f"A process that lives uses {str(path)!r}. End it, and call again.")


def _find(name: str) -> Folder:
    found = all_folders()
    wanted = {name, str(Path(name).expanduser().absolute())}
    try:
        wanted.add(str(uris.parse(name)))
    except AzureMLException:
        wanted.add(str(base_folder() / name))
    for folder in found:
        target = folder.target if isinstance(folder, JournalFolder) else None
        if str(folder.path) in wanted or target in wanted:
            return folder
    for ended in ends_of(None):
        if ended.uri in wanted:
            return JournalFolder(ended.uri)
    raise AzureMLException(
        f"{name!r} is no folder of journals in {str(base_folder())!r}, and no workspace that has "
        "one there. mlflow-workspace sync --status lists them."
    )


def _why_not_opened(folder: JournalFolder) -> Exception | None:
    try:
        destination_of(folder).target.ping()
    except Exception as error:  # noqa: BLE001  it is judged by who asks
        return error
    return None


def _said(row: Row) -> dict[str, str]:
    return {
        "runs": ", ".join(f"{run_id}: {number} calls" for run_id, number in row["runs"].items()),
        ENDS: ", ".join(f"{run_id}: {state}" for run_id, state in row[ENDS].items()),
    }


def _facts_of(total: Replay) -> Row:
    return {
        "sent calls": total.calls.total(),
        "runs": total.calls,
        "refused": total.refused,
        "damaged lines": total.damaged,
        "lost calls": total.lost,
    }


def _replay(folder: JournalFolder, leftover: Leftover, target: Target, total: Replay) -> str | None:
    """Send one journal; return why that was not possible, so that the others are sent."""
    try:
        for part in replay(folder, leftover, target):
            total.calls += part.calls
            total.refused += part.refused
            total.damaged += part.damaged
            total.lost += part.lost
    except Exception as error:  # noqa: BLE001
        return str(error)
    finally:
        leftover.lock.close()
    return None
