"""The journal of this process for a workspace of a served hub."""

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.files.secret import JournalSecret
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.journal.of_process import keeper_of
from mlflow_workspace_plugin.remote.http import HubHttp
from mlflow_workspace_plugin.remote.journal_folders import folder_of
from mlflow_workspace_plugin.remote.journal_target import JournalTarget


def journal_of(http: HubHttp) -> Journal:
    """Return the journal of this process for a workspace.

    Args:
        http: asks the hub about the workspace.
    """
    target = str(http.uri)

    def _make() -> Journal:
        folder = folder_of(target)
        sends = JournalTarget(http.ask, http.uri.name, JournalSecret(folder))
        return Journal(folder, sends, fsync=settings.FSYNC.get() == "1")

    return keeper_of(Journal, target, _make)
