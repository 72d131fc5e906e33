"""Uploads and downloads of datastores, and the lines that SDK v1 printed of them."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from mlflow_workspace_plugin.artifacts.local_files import files_in
from mlflow_workspace_plugin.data.storages.storage import Storage, StoredFile, Uploaded, checked
from mlflow_workspace_plugin.errors import UserErrorException, clause
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)
# What SDK v1 took away from the beginning of a path.
_CLIMBING = re.compile(r"^(\.*[/\\])*")


class Lines:
    """Prints a line for each file, as SDK v1 did.

    Args:
        verb: ``Upload`` or ``Download``.
        total: how many files there may be.
        are_shown: whether anything is printed.
        names: of the files, by their paths on the storage; by default those are their names.
    """

    def __init__(
        self, verb: str, total: int, *, are_shown: bool, names: dict[str, Path] | None = None
    ) -> None:
        self._verb = verb
        self._total = total
        self._are_shown = are_shown
        self._names = names or {}
        self.count = 0

    def print(self, line: str) -> None:
        """Print a line."""
        if self._are_shown:
            sys.stdout.write(f"{line}\n")

    def say(self, what: str, path: str) -> None:
        """Say what became of a file."""
        name = self._names.get(path, path)
        if what == "skipped":
            self._total -= 1
            if self._verb == "Upload":
                self.print(f"Target already exists. Skipping upload for {path}")
            return
        if what == "kept":
            self._total -= 1
            return
        self.count += 1
        self.print(f"{self._verb}ing {name}")
        self.print(
            f"{self._verb}ed {name}, {self.count} files out of an estimated total of {self._total}"
        )


def target_folder(path: str | None) -> str:
    """Return the path of a folder of a storage, without what SDK v1 took away from it.

    Raises:
        UnsafeArtifactPathError: it leads out of the storage.
    """
    return checked(_CLIMBING.sub("", path or ""))


def files_of_folder(src_dir: str) -> list[tuple[Path, str]]:
    """Return the files of a folder, however deep, each with its path below it.

    Unlike in SDK v1, folders that links lead to are part of it, as of a folder of artifacts.

    Raises:
        UserErrorException: it is no folder, or something in it is no file.
        OSError: a folder in it cannot be read.
    """
    folder = os.fspath(src_dir).rstrip("/\\") or os.fspath(src_dir)
    if not os.path.isdir(folder):  # noqa: PTH112  as it was given
        raise UserErrorException(
            f"src_path must be a directory. {folder!r} is none: correct src_dir."
        )
    found = [os.path.join(folder, path) for path in files_in(Path(folder))]  # noqa: PTH118
    return _below(found, folder)


def files_given(files: Iterable[str], relative_root: str | None) -> list[tuple[Path, str]]:
    """Return files that were given, each with its path below the folder they have in common.

    Args:
        files: their paths.
        relative_root: the folder; by default the deepest that all are in.

    Raises:
        UserErrorException: one is no file, or is not in the folder.
    """
    if isinstance(files, (str, bytes, os.PathLike)):
        raise UserErrorException(f"`files` is a list of paths. Write [{files!r}].")
    given = [os.fspath(each) for each in files]
    if not relative_root:
        folders = {os.path.dirname(os.path.abspath(each)) for each in given}  # noqa: PTH100, PTH120
        relative_root = os.path.commonpath(folders) if folders else "/"
        given = [os.path.abspath(each) for each in given]  # noqa: PTH100
    return _below(given, os.fspath(relative_root))


def upload(
    storage: Storage,
    files: list[tuple[Path, str]],
    folder: str,
    *,
    overwrite: bool,
    are_shown: bool,
) -> Uploaded:
    """Upload files to a folder of a storage.

    Args:
        storage: where to.
        files: with their paths below the folder.
        folder: its path on the storage.
        overwrite: whether to store them over those that are there.
        are_shown: whether lines are printed.
    """
    below = f"{folder}/" if folder else ""
    placed = [(source, f"{below}{path}") for source, path in files]
    names = {checked(path): source for source, path in placed}
    lines = Lines("Upload", len(placed), are_shown=are_shown, names=names)
    lines.print(f"Uploading an estimated of {len(placed)} files")
    done = storage.upload(placed, overwrite=overwrite, say=lines.say)
    lines.print(f"Uploaded {done.count} files")
    if done.waiting:
        lines.print(
            f"{done.waiting} files are kept on this machine until {storage.uri()} can be reached; "
            "mlflow-workspace sync sends them."
        )
    return done


def download(
    storage: Storage, target_path: str, prefix: str | None, *, overwrite: bool, are_shown: bool
) -> int:
    """Copy the files of a storage to a local folder, below which they have their paths.

    Args:
        storage: where from.
        target_path: the folder, which is made.
        prefix: what the paths begin with.
        overwrite: whether to copy them over files that are there.
        are_shown: whether lines are printed.

    Returns:
        How many were copied.

    Raises:
        UserErrorException: they cannot be written there.
    """
    start = _CLIMBING.sub("", prefix or "")
    folder = start.rpartition("/")[0]
    # Of a prefix that is a file or folder itself there may be neighbours that begin with it.
    found = [each for each in storage.files(folder) if each.path.startswith(start)]
    found = _without_folders(found)
    target = Path(target_path)
    for file in found if not overwrite else ():
        if (target / file.path).exists():
            _logger.warning("Path already exists. Skipping download for %s", target / file.path)
    lines = Lines("Download", len(found), are_shown=are_shown)
    try:
        return len(storage.download(found, target, overwrite=overwrite, say=lines.say))
    except OSError as error:
        raise UserErrorException(
            f"Files cannot be copied to {str(target)!r}: {clause(error)}. Make room, or choose "
            "another folder."
        ) from error


def _without_folders(files: list[StoredFile]) -> list[StoredFile]:
    """Leave out the empty files that other programs make in the place of folders."""
    folders: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        folders.update("/".join(parts[:length]) for length in range(1, len(parts)))
    return [file for file in files if file.size != 0 or file.path not in folders]


def _below(files: list[str], folder: str) -> list[tuple[Path, str]]:
    found = []
    for file in files:
        if not _is_within(file, folder):
            raise UserErrorException(
                f"relative_root: '{folder}' is not part of the file_path: '{file}'."
            )
        if not os.path.isfile(file):  # noqa: PTH113  as it was given
            raise UserErrorException(
                f"'{file}' does not point to a file. Remove it, or leave it out."
            )
        found.append((Path(file), Path(os.path.relpath(file, folder)).as_posix()))
    return found


def _is_within(file: str, folder: str) -> bool:
    absolute, above = os.path.abspath(file), os.path.abspath(folder)  # noqa: PTH100
    return os.path.commonpath([absolute, above]) == above
