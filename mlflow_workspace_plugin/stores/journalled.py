"""The store of a workspace as scripts use it: the journal over the SQL of a hub."""

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.journal.of_process import keeper_of
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.stores.commits import watch_commits
from mlflow_workspace_plugin.stores.data.data import Data
from mlflow_workspace_plugin.stores.jobs.jobs import Jobs
from mlflow_workspace_plugin.stores.journalling.journalled import Journalled
from mlflow_workspace_plugin.stores.journalling.patience import (
    after_the_journal,
    beside_the_journal,
)
from mlflow_workspace_plugin.stores.retries.created_meanwhile import experiment_created_or_found
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.stores.views import Views

_LOCK_WAIT_MS = 500


def journal_of_workspace(hub: Hub, workspace: str) -> Journal:
    """Return the journal of this process for a workspace of a hub."""
    target = journal_target(hub, workspace)

    def _make() -> Journal:
        store = WorkspaceTrackingStore(hub, workspace)
        store.lock_wait_ms = _LOCK_WAIT_MS
        return Journal(JournalFolder(target), store, fsync=settings.FSYNC.get() == "1")

    return keeper_of(Journal, target, _make)


class JournalledTrackingStore(Journalled, WorkspaceTrackingStore):
    """One workspace of a hub, for scripts: a logging call does not wait for the database."""

    def __init__(self, hub: Hub, workspace: str) -> None:
        super().__init__(hub, workspace)
        watch_commits(self)
        self.journal = journal_of_workspace(hub, workspace)


beside_the_journal(JournalledTrackingStore, Jobs)
beside_the_journal(JournalledTrackingStore, Data)
beside_the_journal(JournalledTrackingStore, Views)
after_the_journal(JournalledTrackingStore, WorkspaceTrackingStore)
# Once more: what the store beneath does may be done in a thread of its own.
experiment_created_or_found(JournalledTrackingStore)
