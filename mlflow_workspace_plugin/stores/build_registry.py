"""From a URI to a model registry. Who only logs does not import it."""

import functools

import mlflow
from mlflow.environment_variables import (
    MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS,
    MLFLOW_VERSION_PROMPT_CACHE_TTL_SECONDS,
)
from mlflow.store.model_registry.abstract_store import AbstractStore as RegistryStore
from packaging.version import Version

from mlflow_workspace_plugin.journal.use import writes_through
from mlflow_workspace_plugin.stores.build import open_patiently
from mlflow_workspace_plugin.stores.journalled_registry import JournalledRegistryStore
from mlflow_workspace_plugin.stores.registry import HubRegistryStore, WorkspaceRegistryStore
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


def build_registry_store(store_uri: str, tracking_uri: str) -> RegistryStore:
    """Build the model registry of a URI.

    Args:
        store_uri: a URI of ours.
        tracking_uri: where the logged models are that become model versions.

    Raises:
        InvalidUriError: the URI is malformed or not usable here.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    hub, workspace = open_patiently(store_uri)
    if workspace is None:
        return HubRegistryStore(hub)
    _keep_prompts_apart()
    store = WorkspaceRegistryStore if writes_through() else JournalledRegistryStore
    return store(hub, workspace, tracking_uri)


@functools.cache
def _keep_prompts_apart() -> None:
    """Turn MLflow's cache of prompts off where two workspaces would share its entries.

    Before 3.17 the cache knows a prompt by name and version only, not by registry. Its switch is
    in the environment, so the processes that this one starts inherit it, which does no harm.
    """
    if Version(mlflow.__version__) >= Version("3.17"):
        return
    for ttl in (MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS, MLFLOW_VERSION_PROMPT_CACHE_TTL_SECONDS):
        if ttl.is_set() and ttl.get() != 0:
            _logger.warning(
                "%s is ignored: MLflow %s would share cached prompts between workspaces. "
                "Upgrade MLflow to 3.17 to cache prompts.",
                ttl.name,
                mlflow.__version__,
            )
        ttl.set(0)
