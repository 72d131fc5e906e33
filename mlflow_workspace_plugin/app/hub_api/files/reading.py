"""Which files are at a place, and what is in them."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from starlette.responses import Response, StreamingResponse

from mlflow_workspace_plugin.app.hub_api.answers import Asked, refusal
from mlflow_workspace_plugin.app.hub_api.files.asked import (
    above,
    bytes_of,
    location_asked,
    objects_of,
    place_at,
    sha256_of,
)
from mlflow_workspace_plugin.app.hub_api.files.contents import became, etag_of, hash_in_turn
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.artifacts.uploads import Uploads, name_of
from mlflow_workspace_plugin.protocol.files import ENDS_BEFORE, HASHED_AT_ONCE, REPLACED

_CHUNK = 2**20
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")


def list_files(asked: Asked) -> Response:
    """List what is directly in a folder, or all files below it, a line for each and one at the end.

    A listing may be as long as it likes, and who reads it knows whether it is whole.
    """
    body = asked.json()
    location = location_asked(asked, body.get("location"), "read")
    if body.get("deep"):
        repository, name = above(asked.hub, location)
        found = (
            {**asdict(each), "path": each.path[len(name) + 1 :]} for each in repository.files(name)
        )
    else:
        listed = place_at(asked.hub, location).list_artifacts(None)
        found = (
            {"path": each.path, "size": each.file_size, "is_folder": bool(each.is_dir)}
            for each in listed
        )
    # What goes wrong at once is answered with its status.
    first = next(found, None)
    return StreamingResponse(_lines(first, found), media_type="application/x-ndjson")


def _lines(first: dict[str, Any] | None, others: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    if first is not None:
        yield _line(first)
    for each in others:
        yield _line(each)
    yield _line({"end": True})


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def find(asked: Asked) -> dict[str, Any]:
    """Say of some places which file is there, and whether it is the one that the caller has.

    Of a file that grows it is asked whether it begins with that one; of one that is too large to be
    read for one request, whether it has so many bytes from a place on.
    """
    left = HASHED_AT_ONCE
    found = []
    for each in objects_of(asked, "files"):
        location = location_asked(asked, each.get("location"), "read")
        repository, name = above(asked.hub, location)
        known = repository.file_at(name)
        is_same: bool | None = None
        staged = 0
        # Whoever stored it said which hash it has.
        is_once = named_by_content(location) is not None
        sha256, size = each.get("sha256"), each.get("size")
        start = bytes_of(each.get("start", 0), "start")
        if sha256 is not None:
            sha256, size = sha256_of(sha256), bytes_of(size, "size")
            upload = name_of(location, size, sha256)
            uploads = Uploads(asked.hub.folder)
            staged = uploads.size(upload)
            its_size = -1 if known is None else known.size or 0
            is_whole, end = start == 0 and its_size == size, start + size
            if its_size != end and not (its_size > end and each.get("begins") is True):
                is_same = False
            elif is_whole and known is not None and known.sha256 is not None and not is_once:
                is_same = known.sha256 == sha256
            elif is_whole and became(asked.hub, upload, repository, name):
                is_same = True
            # What is not looked at is not known.
            elif size <= left and (its_hash := hash_in_turn(repository, name, size, start)):
                left -= size
                is_same = its_hash == sha256
            if staged and is_same and is_whole:
                # The server was killed, or the disk failed, just after it was stored.
                uploads.drop(upload)
        found.append(
            {
                "known": None if known is None else asdict(known),
                "is_same": is_same,
                "staged": staged,
                "start": start,
            }
        )
    return {"files": found}


def content(asked: Asked) -> Response:
    """Send a file, or a piece of it."""
    location = location_asked(asked, asked.query.get("location"), "read")
    repository, name = above(asked.hub, location)
    file = repository.open_file(name)
    try:
        size = file.seek(0, os.SEEK_END)
        etag = etag_of(file)
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            # A browser is never to show what somebody's script wrote as a page of the hub's.
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        }
        wanted_etag = asked.headers.get("if-match", etag)
        may_grow = asked.query.get("may_grow") == "1"
        if wanted_etag != etag and not (may_grow and _is_same_file(wanted_etag, etag)):
            file.close()
            return refusal(412, REPLACED, f"{name!r} was replaced meanwhile.", **headers)
        start, end = 0, size
        wanted = _RANGE.fullmatch(asked.headers.get("range", ""))
        if wanted is not None:
            start, end = int(wanted[1]), min(int(wanted[2]) + 1, size)
            if start >= end:
                file.close()
                headers["Content-Range"] = f"bytes */{size}"
                return refusal(416, ENDS_BEFORE, f"{name!r} ends before.", **headers)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        headers["Content-Length"] = str(end - start)
        file.seek(start)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _pieces(file, end - start),
        status_code=200 if wanted is None else 206,
        headers=headers,
        media_type="application/octet-stream",
    )


def _pieces(file: BinaryIO, left: int) -> Iterator[bytes]:
    with file:
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece


def _is_same_file(etag: str, other: str) -> bool:
    """Whether of two contents one was made by writing to the other; whole ones are new files."""
    file, dash, _ = etag.partition("-")
    return bool(dash) and file == other.partition("-")[0]
