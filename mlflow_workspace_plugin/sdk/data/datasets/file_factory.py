"""SDK v1's ``Dataset.File``."""

import fnmatch
import os
import sys
from typing import Any

from mlflow_workspace_plugin.data.definition import DatasetDefinition, InDatastore
from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.data.tables.partitions import partitions_of
from mlflow_workspace_plugin.sdk.data.datasets.file_dataset import FileDataset
from mlflow_workspace_plugin.sdk.data.datasets.paths import datastore_and_path, paths_of
from mlflow_workspace_plugin.sdk.data.datastores import transfer


class FileDatasetFactory:
    """Makes datasets of files (SDK v1)."""

    @staticmethod
    def from_files(
        path: Any,
        validate: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        partition_format: str | None = None,
        is_file: bool = False,  # noqa: FBT001, FBT002
    ) -> FileDataset:
        """Return the dataset of some files, which are looked for when it is read (SDK v1).

        Args:
            path: a tuple of a datastore and a path below it, a ``DataPath``, a URL, a local path
                (ours), or a list of such. ``*`` stays within a folder, ``**`` goes through all
                below it.
            validate: with ``partition_format``, look now whether the paths have that form.
            partition_format: what of the paths is told by ``get_partition_key_values``.
            is_file: accepted and ignored.

        Raises:
            UserErrorException: the path is nothing of the kind.
            UnsafeArtifactPathError: it leads out of its datastore.
            DatasetValidationError: the format is none.
            DatasetExecutionError: a path is not of it.
        """
        del is_file
        paths, workspace = paths_of(path)
        definition = DatasetDefinition("file", paths, partition_format=partition_format or None)
        dataset = FileDataset._of(definition, workspace)
        if partition_format:
            partitions = partitions_of(partition_format)
            for file in dataset._found() if validate else ():
                partitions.values(file.key)
        return dataset

    @staticmethod
    def upload_directory(
        src_dir: "str | os.PathLike[str]",
        target: Any,
        pattern: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        show_progress: bool = True,  # noqa: FBT001, FBT002
    ) -> FileDataset:
        """Upload a folder, and return the dataset of all that is there then (SDK v1).

        Args:
            src_dir: the folder.
            target: where to: a tuple of a datastore and a path below it, a ``DataPath``, or a
                datastore.
            pattern: which of its files; it is compared with whole paths of this machine.
            overwrite: write over files that are there, which else are left as they are.
            show_progress: print what is done.

        Raises:
            UserErrorException: there is no such folder.
            ValueError: the target is nothing of the kind.
            AzureMLException: the datastore cannot be reached or used.
        """
        datastore, folder = datastore_and_path(target)
        files = [
            (file, path)
            for file, path in transfer.files_of_folder(os.fspath(src_dir))
            if pattern is None or fnmatch.fnmatch(file.absolute().as_posix(), pattern)
        ]
        storage = storage_of(datastore.workspace.tracking_store, datastore.name)
        if files:
            transfer.upload(storage, files, folder, overwrite=overwrite, are_shown=show_progress)
        elif show_progress:
            what = "No files found" if pattern is None else f"No files found with pattern {pattern}"
            sys.stdout.write(f"{what}\n")
        definition = DatasetDefinition("file", (InDatastore(datastore.name, folder),))
        return FileDataset._of(definition, datastore.workspace)
