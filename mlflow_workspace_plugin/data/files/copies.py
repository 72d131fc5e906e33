"""Copies of a dataset's files in a folder that the user names."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.data.files.found import FoundFile, reading
from mlflow_workspace_plugin.data.storages.storage import Storage, StoredFile
from mlflow_workspace_plugin.errors import DatasetExecutionError


def download(files: Sequence[FoundFile], target: Path, *, overwrite: bool = False) -> list[Path]:
    """Copy files into a folder, each under its relative path; return where they are, in order.

    Args:
        files: of a dataset.
        target: the folder, which is made.
        overwrite: write over files that are there.

    Raises:
        DatasetExecutionError: a file is there already, and nothing was copied; or one cannot be
            read or written.
        UnsafeArtifactPathError: a file's name leads out of the folder.
    """
    for file in files:
        check_relative(file.relative)
    places = [target / file.relative for file in files]
    if not overwrite:
        for place in places:
            if os.path.lexists(place):
                raise DatasetExecutionError(
                    f'File "{place}" already exists. Set overwrite=True to overwrite it, or choose '
                    "an empty target path."
                )
    fetch(zip(files, places, strict=True))
    return places


def fetch(wanted: Iterable[tuple[FoundFile, Path]]) -> None:
    """Copy files to local paths, each whole or not at all.

    Raises:
        DatasetExecutionError: a file is gone, or a copy cannot be written.
    """
    # A file may be in a dataset twice.
    by_storage: dict[Storage, dict[Path, StoredFile]] = defaultdict(dict)
    for file, place in wanted:
        by_storage[file.storage][place] = file.stored
    for storage, group in by_storage.items():
        with reading(storage):
            storage.fetch([(stored, place) for place, stored in group.items()])


def check_relative(path: str) -> None:
    """Check that the relative path of a file stays within the folder it is brought to.

    Raises:
        UnsafeArtifactPathError: it leads out of it.
    """
    check_path(path, is_only_here=True)
