"""Which class of SDK v1's a stored dataset is of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.definition import DatasetDefinition
from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
from mlflow_workspace_plugin.sdk.data.datasets.file_dataset import FileDataset
from mlflow_workspace_plugin.stores.data.datasets import DatasetVersion, SavedDataset

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace


def dataset_of_version(workspace: "Workspace", version: DatasetVersion) -> AbstractDataset:
    """Return a version of a dataset."""
    dataset = _made(workspace, version.definition)
    dataset._id = version.id
    dataset._version = version
    return dataset


def dataset_of_saved(workspace: "Workspace", saved: SavedDataset) -> AbstractDataset:
    """Return a saved dataset, without a name."""
    dataset = _made(workspace, saved.definition)
    dataset._id = saved.id
    return dataset


def _made(workspace: "Workspace", stored: Mapping[str, Any]) -> AbstractDataset:
    definition = DatasetDefinition.from_json(stored)
    if definition.kind == "file":
        return FileDataset._of(definition, workspace)
    # Only of a table: what reads one takes a while to import.
    from mlflow_workspace_plugin.sdk.data.datasets.tabular.dataset import TabularDataset

    return TabularDataset._of(definition, workspace)
