"""The model registry of a workspace as scripts use it: it waits for its database."""

from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.commits import watch_commits
from mlflow_workspace_plugin.stores.journalled import journal_of_workspace
from mlflow_workspace_plugin.stores.journalling.patience import Patient, after_the_journal
from mlflow_workspace_plugin.stores.registry import WorkspaceRegistryStore
from mlflow_workspace_plugin.stores.retries.created_meanwhile import prompt_created_or_found


class JournalledRegistryStore(Patient, WorkspaceRegistryStore):
    """The models of one workspace; each call comes after what this process logged."""

    def __init__(self, hub: Hub, workspace: str, tracking_uri: str) -> None:
        super().__init__(hub, workspace, tracking_uri)
        watch_commits(self)
        self.journal = journal_of_workspace(hub, workspace)


after_the_journal(JournalledRegistryStore, WorkspaceRegistryStore)
# Once more: what the store beneath does may be done in a thread of its own.
prompt_created_or_found(JournalledRegistryStore)
