"""The snapshot of a run: what is in it, and what is different in that of another run."""

import difflib
import io
import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.overview.run.files import shown_text
from mlflow_workspace_plugin.overview.viewer import viewer
from mlflow_workspace_plugin.runs.snapshots.manifest import File, Manifest
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG, SnapshotFiles

if TYPE_CHECKING:
    from mlflow_workspace_plugin.overview.source import Source

_SHOWN_FILES = 2_000
_LARGEST_SHOWN = 200_000
_SHOWN_LINES = 5_000
_MOST_S = 10.0


def snapshot_of_run(source: "Source", run_id: str) -> dict[str, Any]:
    """Return what is in the snapshot of a run.

    Returns:
        ``id``, ``files`` (``path``, ``size``, ``may_run``), how many there are in ``total`` and how
        many ``bytes`` they have, and ``links``.

    Raises:
        MlflowException: there is no such run in the workspace, or it has no snapshot.
    """
    snapshot_id, manifest = _manifest(source, run_id)
    paths = sorted(manifest.files)
    return {
        "id": snapshot_id,
        "files": [
            {
                "path": _text(path),
                "size": manifest.files[path].size,
                "may_run": manifest.files[path].may_run,
            }
            for path in paths[:_SHOWN_FILES]
        ],
        "links": [[_text(path), _text(to)] for path, to in sorted(manifest.links.items())],
        "total": len(paths),
        "bytes": sum(each.size for each in manifest.files.values()),
    }


def file_of_snapshot(source: "Source", run_id: str, path: str) -> dict[str, Any]:
    """Return what is shown of a file of a run's snapshot, as ``preview_of_file`` does."""
    snapshots, (snapshot_id, manifest) = _snapshots(source), _manifest(source, run_id)
    file = _named(manifest, path)
    if file is None:
        raise SnapshotException(
            f"Snapshot {snapshot_id} holds no file {path!r}. Choose one of those that are listed."
        )
    if file.size > _LARGEST_SHOWN:
        return {"kind": "binary", "size": file.size}
    return {**shown_text(_content(snapshots, snapshot_id, file)), "size": file.size}


def zip_of_snapshot(source: "Source", run_id: str) -> tuple[str, Generator[bytes, None, None]]:
    """Return the id of a run's snapshot, and what it holds as a zip, piece by piece.

    Raises:
        MlflowException: there is no such run in the workspace, or it has no snapshot, or none that
            can be a zip.
    """
    snapshot_id = _id(source, run_id)
    pieces = _snapshots(source).pieces_of_zip(snapshot_id)
    # What can be said of it before it is read is said now, and not where its end should be.
    first = next(pieces)
    return snapshot_id, _from(first, pieces)


def _from(first: bytes, others: Iterator[bytes]) -> Generator[bytes, None, None]:
    yield first
    yield from others


def difference_of_snapshots(source: "Source", run_id: str, other_id: str) -> dict[str, Any]:
    """Return what is different in the snapshot of another run.

    Args:
        source: the workspace.
        run_id: the run.
        other_id: the one that it is compared with: lines that only this has begin with ``-``.

    Returns:
        ``files``: ``path``, ``change`` (``added``, ``removed`` or ``changed``) and ``lines``, which
        are None where the contents are no text or too much to be shown; ``same``, how many files
        are equal.

    Raises:
        MlflowException: there is no such run in the workspace, or it has no snapshot.
    """
    snapshots = _snapshots(source)
    old_id, old = _manifest(source, other_id)
    new_id, new = _manifest(source, run_id)
    changed = [path for path in sorted({*old.files, *new.files}) if _differs(old, new, path)]
    files: list[dict[str, Any]] = []
    left = _SHOWN_LINES
    # Contents may be far away, and texts that repeat themselves take long to be compared.
    until = time.monotonic() + _MOST_S
    for path in changed[:_SHOWN_FILES]:
        before, after = old.files.get(path), new.files.get(path)
        lines = None
        if left > 0 and time.monotonic() < until:
            lines = _difference(
                _lines(snapshots, old_id, before), _lines(snapshots, new_id, after), left
            )
            left -= len(lines or ())
        change = "added" if before is None else "removed" if after is None else "changed"
        files.append({"path": _text(path), "change": change, "lines": lines})
    same = len({*old.files, *new.files}) - len(changed)
    return {"files": files, "total": len(changed), "same": same}


def _differs(old: Manifest, new: Manifest, path: str) -> bool:
    before, after = old.files.get(path), new.files.get(path)
    if before is None or after is None:
        return True
    return (before.digest, before.may_run) != (after.digest, after.may_run)


def _lines(snapshots: SnapshotFiles, snapshot_id: str, file: File | None) -> list[str] | None:
    """Return the lines of a file; none of one that is not there, None of one that is no text."""
    if file is None:
        return []
    if file.size > _LARGEST_SHOWN:
        return None
    shown = shown_text(_content(snapshots, snapshot_id, file))
    return shown["text"].splitlines() if shown["kind"] == "text" else None


def _difference(old: list[str] | None, new: list[str] | None, most: int) -> list[str] | None:
    if old is None or new is None:
        return None
    # The first two name the files.
    return list(islice(difflib.unified_diff(old, new, lineterm="", n=3), 2, most + 2))


def _content(snapshots: SnapshotFiles, snapshot_id: str, file: File) -> bytes:
    content = io.BytesIO()
    snapshots.copy_file(snapshot_id, file, content)
    return content.getvalue()


def _named(manifest: Manifest, path: str) -> File | None:
    """Return the file of a path as it is shown."""
    return next((file for each, file in manifest.files.items() if _text(each) == path), None)


def _manifest(source: "Source", run_id: str) -> tuple[str, Manifest]:
    snapshot_id = _id(source, run_id)
    return snapshot_id, _snapshots(source).contents(snapshot_id)


def _id(source: "Source", run_id: str) -> str:
    snapshot_id: str | None = source.store.get_run(run_id).data.tags.get(SNAPSHOT_TAG)
    if not snapshot_id:
        raise SnapshotException(f"Run {run_id} has no snapshot. It was started without one.")
    looking = viewer.get()
    if looking is not None and not looking.sees_shared(source.workspace):
        # Any run of theirs may be given the id of any snapshot.
        raise MlflowException(
            "Your roles do not let you see the code of runs: snapshots belong to all in the "
            "workspace. Ask a manager of it for a role in all of it.",
            PERMISSION_DENIED,
        )
    return snapshot_id


def _snapshots(source: "Source") -> SnapshotFiles:
    return snapshots_of(source.tracking_uri)


def _text(path: str) -> str:
    """Return a path as text; what is no character in it is replaced."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
