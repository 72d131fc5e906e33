"""Whether a process keeps journals, and what they are for."""

import os

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.uris import WorkspaceUri

# Where MLflow's server tells its workers what it serves. The constant's module imports the whole
# server.
_SERVER_STORE = "_MLFLOW_SERVER_FILE_STORE"


def is_server() -> bool:
    """Whether this process is one of MLflow's server, and answers others."""
    return _SERVER_STORE in os.environ


def writes_through() -> bool:
    """Whether each call is to wait for the hub: as a server has to, which answers others."""
    return is_server() or settings.JOURNAL.get() == "off" or settings.STRICT.get() == "1"


def journal_target(hub: Hub, workspace: str) -> str:
    """Return what names the journals of a workspace, by whatever path its hub was opened."""
    return str(WorkspaceUri(hub.path.resolve(), workspace))
