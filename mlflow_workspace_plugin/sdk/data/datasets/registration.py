"""The datasets of a workspace by name, as SDK v1 lists them."""

import pprint
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.stores.data.datasets import DatasetVersion

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
    from mlflow_workspace_plugin.sdk.workspace import Workspace


class Registration:
    """What a dataset is registered as.

    Args:
        workspace: where.
        version: under which name, and which version of it.
    """

    def __init__(self, workspace: "Workspace", version: DatasetVersion) -> None:
        self.workspace = workspace
        self.saved_id = version.id
        self.name = version.name
        self.version = version.version
        self.description = version.description
        self.tags = dict(version.tags)

    def __repr__(self) -> str:
        return (
            f"DatasetRegistration(id={self.saved_id!r}, name={self.name!r}, "
            f"version={self.version}, description={self.description or ''!r}, tags={self.tags})"
        )


class RegisteredDatasets(Mapping[str, "AbstractDataset"]):
    """The newest version of each dataset of a workspace, by name (SDK v1).

    Args:
        workspace: whose they are.
    """

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace

    @property
    def registrations(self) -> list[Registration]:
        """What they are registered as (SDK v1)."""
        return list(self._listed.values())

    def __getitem__(self, name: str) -> "AbstractDataset":
        from mlflow_workspace_plugin.sdk.data.datasets.kinds import dataset_of_version

        version = (
            self._workspace.tracking_store.dataset_version(name) if isinstance(name, str) else None
        )
        if version is None:
            raise KeyError(name)
        return dataset_of_version(self._workspace, version)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __str__(self) -> str:
        return pprint.pformat(self._listed, indent=2)

    def __repr__(self) -> str:
        return repr(self._listed)

    @cached_property
    def _listed(self) -> dict[str, Registration]:
        return {
            each.name: Registration(self._workspace, each)
            for each in self._workspace.tracking_store.newest_datasets()
        }
