"""SDK v1's ``FileDataset``."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data import datasets
from mlflow_workspace_plugin.data.files.mount import Mount
from mlflow_workspace_plugin.sdk.data.datasets.subsets import SubsetsOfDataset
from mlflow_workspace_plugin.sdk.not_served import NotServedOfFileDataset

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
        DatasetConsumptionConfig,
    )


class FileDataset(SubsetsOfDataset, NotServedOfFileDataset):
    """Files of datastores, of the web, or of this machine (SDK v1).

    It is made by ``Dataset.File.from_files()``.
    """

    def to_path(self) -> list[str]:
        """Return where its files are below the folder that they are brought to (SDK v1).

        Raises:
            DatasetExecutionError: there are none, or not those of the registration.
            AzureMLException: a storage cannot be reached or used.
        """
        return [f"/{file.relative}" for file in self._found()]

    def download(
        self,
        target_path: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        ignore_not_found: bool = False,  # noqa: FBT001, FBT002
    ) -> list[str]:
        """Copy its files to this machine; return where they are (SDK v1).

        Args:
            target_path: the folder; a new one if None.
            overwrite: write over files that are there.
            ignore_not_found: leave out URLs at which nothing is.

        Raises:
            DatasetExecutionError: there are none, or one is there already and ``overwrite`` is
                False: then nothing is copied.
            AzureMLException: a storage cannot be reached or used.
        """
        files = self._found()
        if ignore_not_found:
            files = datasets.without_missing(files)
        given = str(target_path or "").strip()
        target = Path(given or tempfile.mkdtemp()).absolute()
        return [str(path) for path in datasets.download(files, target, overwrite=overwrite)]

    def mount(self, mount_point: str | None = None, **_kwargs: Any) -> Mount:
        """Return a context in which its files seem to be in a folder (SDK v1).

        It is no file system: links lead to the files of a hub in a folder, and else to copies on
        this machine. They cannot be written through, and go with the context.

        Args:
            mount_point: the folder, empty or not there yet; a new one if None.

        Raises:
            DatasetExecutionError: there are no files, or not those of the registration.
            AzureMLException: a storage cannot be reached or used.
        """
        given = str(mount_point or "").strip()
        return datasets.mount(self._definition, self._found(), Path(given) if given else None)

    def as_mount(self, path_on_compute: str | None = None) -> "DatasetConsumptionConfig":
        """Return it as an input of a job, which finds it as a folder (SDK v1).

        Args:
            path_on_compute: which folder.
        """
        return self.as_named_input(None).as_mount(path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> "DatasetConsumptionConfig":
        """Return it as an input of a job, for which it is copied (SDK v1).

        Args:
            path_on_compute: the folder.
        """
        return self.as_named_input(None).as_download(path_on_compute)

    def as_hdfs(self) -> "DatasetConsumptionConfig":
        """Return it as an input of a job of Spark's (SDK v1)."""
        return self.as_named_input(None).as_hdfs()
