"""What the processes of a run left on this machine, and who runs it delivers."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.paths import location_of, workspace_root
from mlflow_workspace_plugin.artifacts.repository import DATASTORES
from mlflow_workspace_plugin.artifacts.staging import sending
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.errors import NoAnswerError
from mlflow_workspace_plugin.journal.files.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.sending.leftovers import Leftovers
from mlflow_workspace_plugin.journal.sending.replay import replay
from mlflow_workspace_plugin.journal.sending.target import Target
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.remote.journal_folders import folders_to_send, remove_empty
from mlflow_workspace_plugin.stores.data.datastore_row import OWN_DATASTORE, OWN_SHARE
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.remote.leftovers import Destination

_LOOK_S = 0.2

_logger = get_logger(__name__)


def deliver_left_behind(
    store: WorkspaceTrackingStore, run_id: str, *, base: Path | None = None, wait_s: float = 10
) -> None:
    """Store what ended processes of this machine logged to a workspace, and their files.

    When this returns nothing of the run waits on this machine, but for what is refused for good.

    Args:
        store: of the workspace, without a journal.
        run_id: the run, for which other processes that send are waited for, too.
        base: the folder of all journals of those processes; by default as of this one.
        wait_s: for how long.

    Raises:
        NoAnswerError: it cannot be read, or other processes have not stored it by then.
        Exception: the hub is away; what is not stored stays where it is.
    """
    for folder, to in _destinations_of(store, run_id, base):
        _deliver(store, run_id, folder, to, wait_s)
    if isinstance(uris.parse(store.tracking_uri), uris.ServedWorkspaceUri):
        remove_empty(store.tracking_uri, run_id, base)


def _deliver(
    store: WorkspaceTrackingStore,
    run_id: str,
    folder: JournalFolder,
    to: "Destination",
    wait_s: float,
) -> None:
    workspace = uris.workspace_name(store.tracking_uri)
    for leftover in folder.leftovers():
        _send(folder, leftover, to.target)
    others = Leftovers(folder, to.target, Reminder(), "")
    others.take_over()
    deadline = time.monotonic() + wait_s
    while others.hold(run_id):
        if not others.send_part(run_id):
            _pause(deadline, f"Calls to run {run_id}", folder)
            others.take_over()
    staged = StagedFiles(folder)
    if not staged.names():
        return
    location = location_of(store.get_run(run_id).info.artifact_uri, workspace)
    # Its processes may have stored files in datastores, too: nobody else comes by for them here.
    datastores = workspace_root(workspace) / DATASTORES
    wanted = [location, datastores / OWN_DATASTORE, datastores / OWN_SHARE]
    while any(map(staged.names, wanted)):
        failed = {
            each.place[0]: each.error
            for each in sending.send(staged, to.open_files, wait_s)
            if each.error is not None and not each.is_aside
        }
        if location in failed:
            raise failed[location]
        # They may be another's: this run does not fail for them.
        wanted = [each for each in wanted if each not in failed]
        if any(map(staged.names, wanted)):
            _pause(deadline, f"Files of run {run_id}", folder)


def _destinations_of(
    store: WorkspaceTrackingStore, run_id: str, base: Path | None
) -> list[tuple[JournalFolder, "Destination"]]:
    """Return the journals of a workspace on this machine, and where each are sent."""
    # Only now: they take SQLAlchemy along, and are needed by few who import this.
    from mlflow_workspace_plugin.remote.leftovers import beneath, destination_of

    if isinstance(uris.parse(store.tracking_uri), uris.ServedWorkspaceUri):
        folders = folders_to_send(store.tracking_uri, run_id, base)
        return [(each, destination_of(each)) for each in folders]
    hub, workspace = store.place
    return [(JournalFolder(journal_target(hub, workspace), base), beneath(store))]


def _send(folder: JournalFolder, leftover: Leftover, target: Target) -> None:
    try:
        for _ in replay(folder, leftover, target):
            pass
    except Exception as error:  # noqa: BLE001  the others are to be sent, and this one again
        _logger.warning("The journal %s is not sent: %s", leftover.reader.path, error)
    finally:
        leftover.lock.close()


def _pause(deadline: float, what: str, folder: JournalFolder) -> None:
    if time.monotonic() > deadline:
        raise NoAnswerError(f"{what} wait in {str(folder.path)!r}, and another process sends them.")
    time.sleep(_LOOK_S)
