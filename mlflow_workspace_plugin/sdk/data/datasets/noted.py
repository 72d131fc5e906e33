"""Which datasets the code of a run reads is said beside the run, as SDK v1 did."""

import os
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.data import datasets, lineage
from mlflow_workspace_plugin.data.uses import uses_of
from mlflow_workspace_plugin.stores.process.attached import RUN_ID_VARIABLE
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_logger = get_logger(__name__)


def used(workspace: "Workspace", dataset: "AbstractDataset") -> lineage.Used:
    """Return what is told of a dataset, which is saved for that.

    Args:
        workspace: where.
        dataset: the dataset.
    """
    dataset_id, version = dataset._ensure_saved(workspace), dataset._version
    return lineage.Used(
        dataset._definition,
        dataset_id,
        dataset.name,
        dataset.version,
        manifest=None
        if version is None
        else datasets.registered_files(workspace.tracking_store, version),
    )


def note_read(workspace: "Workspace", dataset: "AbstractDataset") -> None:
    """Say in the run around this code that it reads a dataset, unless that is said already.

    Args:
        workspace: of the dataset.
        dataset: the dataset, which is saved.
    """
    run_id = os.environ.get(RUN_ID_VARIABLE)
    if run_id is None:
        return
    store = workspace.tracking_store
    try:
        known = uses_of(store.get_run(run_id))
    except MlflowException as error:
        # It is the run of another workspace, or the hub is away: what is read matters more.
        _logger.debug("Run %s does not say what it reads: %s", run_id, error)
        return
    if all(each.dataset != dataset.id for each in known):
        told = used(workspace, dataset)
        lineage.record_use(store, run_id, told, used_as=dataset.name or "", mode="")
