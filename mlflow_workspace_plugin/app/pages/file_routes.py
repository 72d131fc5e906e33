"""Files of runs and of their snapshots: listed, looked into, downloaded.

They are what somebody's script wrote. A browser is given an image, or text, and never markup that
it would take for a page of ours: each file is sandboxed, and its type is not guessed.
"""

import posixpath
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from mlflow_workspace_plugin.app.pages.answers import Asked, disposition_of, reading
from mlflow_workspace_plugin.app.streams import GeneratedResponse
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.overview.run.files import files_of_run, preview_of_file, size_of_file
from mlflow_workspace_plugin.overview.run.snapshot import (
    difference_of_snapshots,
    file_of_snapshot,
    snapshot_of_run,
    zip_of_snapshot,
)

_RUN = "/runs/{run_id}"
_PIECE = 2**20
_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
}


def _files(asked: Asked) -> dict[str, Any]:
    return files_of_run(asked.source, asked.path["run_id"], asked.query.get("path", ""))


def _preview(asked: Asked) -> dict[str, Any]:
    return preview_of_file(asked.source, asked.path["run_id"], asked.query.get("path", ""))


def _file(asked: Asked) -> Response:
    """Answer with the bytes of a file: to be saved, but for images and where text is asked for."""
    path = asked.query.get("path", "")
    repository = asked.source.repository(asked.path["run_id"])
    size = size_of_file(repository, path)
    media_type = _TYPES.get(posixpath.splitext(path)[1].lower())
    headers = _headers(path, is_saved="download" in asked.query or media_type is None)
    # Not more than that: it may be growing.
    headers["Content-Length"] = str(size)
    return StreamingResponse(
        _pieces(repository, path, size),
        media_type=media_type or "application/octet-stream",
        headers=headers,
    )


def _snapshot(asked: Asked) -> dict[str, Any]:
    return snapshot_of_run(asked.source, asked.path["run_id"])


def _snapshot_file(asked: Asked) -> dict[str, Any]:
    return file_of_snapshot(asked.source, asked.path["run_id"], asked.query.get("path", ""))


def _snapshot_difference(asked: Asked) -> dict[str, Any]:
    other = asked.query.get("other", "")
    return difference_of_snapshots(asked.source, asked.path["run_id"], other)


def _snapshot_zip(asked: Asked) -> Response:
    # It is made while it is sent: no disk is filled, and nothing is done for who has left.
    snapshot_id, pieces = zip_of_snapshot(asked.source, asked.path["run_id"])
    headers = _headers(f"snapshot-{snapshot_id}.zip", is_saved=True)
    return GeneratedResponse(pieces, media_type="application/zip", headers=headers)


def _headers(path: str, *, is_saved: bool) -> dict[str, str]:
    return {
        "Content-Security-Policy": _POLICY,
        "Content-Disposition": disposition_of(posixpath.basename(path), is_saved=is_saved),
        "X-Frame-Options": "DENY",
    }


def _pieces(repository: HubRepository, path: str, size: int) -> Iterator[bytes]:
    start = 0
    while start < size:
        piece = repository.read_from(path, start, min(_PIECE, size - start))
        if not piece:
            return  # it was cut meanwhile; the browser says that it is not whole
        start += len(piece)
        yield piece


ROUTES = [
    reading(_RUN + "/files", _files),
    reading(_RUN + "/preview", _preview),
    reading(_RUN + "/file", _file),
    reading(_RUN + "/snapshot", _snapshot),
    reading(_RUN + "/snapshot/file", _snapshot_file),
    reading(_RUN + "/snapshot/difference", _snapshot_difference),
    reading(_RUN + "/snapshot/zip", _snapshot_zip),
]
