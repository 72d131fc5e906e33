"""Snapshots: the files of a folder as one zip, named by what is in them."""

import hashlib
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.runs.files.local import files_below
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

IGNORE_FILES = (".amlignore", ".gitignore")
"""The first of them that there is says what is left out."""

# SDK v1 refuses more.
_MAX_BYTES = 300 * 2**20
_MAX_FILES = 2000

_CHUNK = 2**20


def write_snapshot(source: Path, target: BinaryIO, hub: Path | None) -> str:
    """Write the zip of a folder, or of a single file; no file is held in memory.

    The rules are SDK v1's: one ignore file at the top, ``.amlignore`` before ``.gitignore``, in
    git's syntax; without one, everything. A file that cannot be read is left out, and said.

    Args:
        source: the folder or file.
        target: where the zip goes.
        hub: the hub's folder, which is left out: it would bring all snapshots before this one.

    Returns:
        The id, which is made from the paths and contents: equal ones have one id.

    Raises:
        SnapshotException: there is no such folder or file, or its ignore file cannot be used.
        OSError: the zip cannot be written.
    """
    files = _files_of(source, hub)
    _warn_of_size(source, files)
    whole = hashlib.sha256()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, file in files.items():
            try:
                entry = _entry_of(path, file)
                content = file.open("rb")
            except OSError as error:
                _say_left_out(error)
                continue
            with content:
                digest = _add(archive, entry, content)
            whole.update(path.encode("utf-8", "surrogateescape") + b"\0" + digest)
    return str(uuid.UUID(bytes=whole.digest()[:16], version=5))


def _files_of(source: Path, hub: Path | None) -> dict[str, Path]:
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        raise SnapshotException(
            f"There is no folder {str(source)!r} to take a snapshot of. Name the folder of the "
            "script, or take none with snapshot_directory=None."
        )
    is_ignored = _ignored_in(source)

    def leave_out(path: str) -> bool:
        return is_ignored(path) or (path.endswith("/") and (source / path).resolve() == hub)

    return {
        path: source / path
        for path in files_below(source, on_error=_say_left_out, leave_out=leave_out)
    }


def _ignored_in(folder: Path) -> Callable[[str], bool]:
    file = next((folder / name for name in IGNORE_FILES if (folder / name).is_file()), None)
    if file is None:
        return lambda path: False
    # Only now: few folders have such a file.
    import pathspec

    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        spec = pathspec.GitIgnoreSpec.from_lines(lines)
    except (OSError, ValueError) as error:
        raise SnapshotException(
            f"Ignore file {str(file)!r} cannot be used: {error}. Correct or remove it."
        ) from error
    # With "!" a pattern may take back a file of a folder that another leaves out.
    takes_back = any(pattern.include is False for pattern in spec.patterns)
    return lambda path: spec.match_file(path) and not (takes_back and path.endswith("/"))


def _warn_of_size(source: Path, files: dict[str, Path]) -> None:
    size = sum(_size_of(file) for file in files.values())
    if len(files) > _MAX_FILES or size > _MAX_BYTES:
        _logger.warning(
            "The snapshot of %r holds %s files of %s MiB. Name what is not code in a .amlignore "
            "file there, or take none with snapshot_directory=None.",
            str(source),
            f"{len(files):,}",
            f"{size / 2**20:,.0f}",
        )


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # it went away meanwhile


def _entry_of(path: str, file: Path) -> zipfile.ZipInfo:
    # A zip's names are Unicode, and its times begin in 1980.
    name = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    entry = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _add(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, content: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    # It may grow past the size that a plain entry can have.
    with archive.open(entry, "w", force_zip64=True) as target:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.digest()


def _say_left_out(error: OSError) -> None:
    _logger.warning("Left out of the snapshot: %s", error)
