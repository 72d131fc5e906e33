"""Files of the web, each by its URL. There is no listing of them."""

import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.file_space import StoredFile
from mlflow_workspace_plugin.data.storages.storage import Said, Storage, Uploaded, checked, silent
from mlflow_workspace_plugin.errors import (
    DatastoreError,
    DatastoreUnreachableError,
    UserErrorException,
    clause,
)
from mlflow_workspace_plugin.fresh_connections import FreshConnections

_TIMEOUT_S = (10.0, 60.0)
"""For connecting, and between two pieces of an answer."""
_TRIES = 5
_LONGEST_PAUSE_S = 8.0
_AT_ONCE = 8
_CHUNK = 2**20
_GONE = (404, 410)
_NOT_NOW = (408, 425, 429, 500, 502, 503, 504)
_NO_HEAD = (403, 405, 501)


class WebStorage(Storage):
    """The folder of a URL on a web server; of it, only files that are named can be had.

    Args:
        url: of the folder, without what comes behind ``?``.
        query: what comes behind it, for each file.
    """

    def __init__(self, url: str, query: str = "") -> None:
        self._url = url.rstrip("/")
        self._query = f"?{query}" if query else ""
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, FreshConnections())

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the file of a path, if it is there; the server is asked for its size."""
        if checked(prefix):
            found = self._look(prefix)
            if found is not None:
                yield found

    def upload(
        self, sources: Iterable[tuple[Path, str]], *, overwrite: bool = False, say: Said = silent
    ) -> Uploaded:
        """Refuse.

        Raises:
            UserErrorException: always.
        """
        del sources, overwrite, say
        raise UserErrorException(
            f"Nothing can be uploaded to {self.uri()!r}: a web server is only read. Upload to a "
            "datastore, such as ws.get_default_datastore()."
        )

    def fetch(self, files: Sequence[tuple[StoredFile, Path]], *, say: Said = silent) -> None:
        """Copy files to local paths, each whole or not at all, several at once."""

        def copy(file: StoredFile, place: Path) -> None:
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished = place.with_name(f".download-{uuid.uuid4().hex}")
            try:
                with unfinished.open("xb") as target:
                    self._copy(file.path, target)
                unfinished.replace(place)
            finally:
                unfinished.unlink(missing_ok=True)
            say("downloaded", file.path)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(copy, file, place) for file, place in files]:
                done.result()

    def open(self, path: str) -> BinaryIO:
        """Open a copy of a file, which is removed when it is closed."""
        copy = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
        try:
            self._copy(path, copy)
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return copy

    def uri(self, path: str = "") -> str:
        """Return the URL of a file, without a name and password, and what is behind ``?``."""
        parts = urlsplit(f"{self._url}/{path}" if path else self._url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

    def _look(self, path: str) -> StoredFile | None:
        with self._answer("HEAD", path) as head:
            answer = head
        if answer.status_code in _NO_HEAD:
            with self._answer("GET", path) as body:
                answer = body
        if answer.status_code in _GONE:
            return None
        self._check(answer, path)
        size, modified = _length(answer), answer.headers.get("Last-Modified")
        return StoredFile(
            path,
            size,
            _milliseconds(modified),
            answer.headers.get("ETag"),
        )

    def _copy(self, path: str, target: BinaryIO) -> None:
        """Copy a file into another one; what breaks off is gone on with, if it is still the same.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
            DatastoreError: the server does not give it.
        """
        version: str | None = None
        pause = 0.5
        for tried in range(_TRIES):
            start = target.tell()
            headers = {"Range": f"bytes={start}-", "If-Range": version} if start and version else {}
            try:
                with self._answer("GET", path, headers) as answer:
                    if answer.status_code in _GONE:
                        raise MlflowException(
                            f"No such file: {self.uri(path)!r}.", RESOURCE_DOES_NOT_EXIST
                        )
                    self._check(answer, path)
                    if answer.status_code != requests.codes.partial_content:
                        start = target.seek(0)
                        target.truncate()
                    version = _version_of(answer)
                    for chunk in answer.iter_content(_CHUNK):
                        target.write(chunk)
                    _check_length(answer, target.tell() - start)
            except (requests.RequestException, _CutShortError) as error:
                if tried == _TRIES - 1:
                    raise self._refusal(path, clause(error)) from None
            else:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _answer(
        self, method: str, path: str, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Return what the server answers; asked again where it cannot answer now.

        Raises:
            DatastoreUnreachableError: it does not answer.
        """
        url = f"{self._url}/{path}{self._query}"
        given = {"Accept-Encoding": "identity"} | (headers or {})
        pause = 0.5
        for tried in range(_TRIES):
            is_last = tried == _TRIES - 1
            try:
                answer = self._session.request(
                    method, url, headers=given, timeout=_TIMEOUT_S, stream=True
                )
            except requests.RequestException as error:
                if is_last or isinstance(error, (ValueError, requests.exceptions.InvalidURL)):
                    raise self._refusal(path, _without_address(error), is_away=True) from None
            else:
                if is_last or answer.status_code not in _NOT_NOW:
                    return answer
                answer.close()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        raise AssertionError

    def _check(self, answer: requests.Response, path: str) -> None:
        if not answer.ok:
            is_away = answer.status_code in _NOT_NOW
            said = f"it says {answer.status_code} {answer.reason}"
            raise self._refusal(path, said, is_away=is_away)

    def _refusal(self, path: str, reason: str, *, is_away: bool = False) -> DatastoreError:
        host = urlsplit(self._url).hostname
        kind = DatastoreUnreachableError if is_away else DatastoreError
        return kind(
            f"{self.uri(path)!r} cannot be read from {host}: {reason}. Look whether the address is "
            "right and the server answers, and try again."
        )


class _CutShortError(Exception):
    """An answer ended before all of it came."""


def web(url: str) -> tuple[WebStorage, str]:
    """Return the storage of a URL, and the path that the URL has in it.

    Raises:
        UserErrorException: it is no URL of a file on the web.
    """
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    folder, _, name = parts.path.rpartition("/") if is_web else ("", "", "")
    if not is_web or not name:
        raise UserErrorException(
            f"{uris.redact(url.partition('?')[0])!r} is no URL of a file on the web. Write "
            "https://HOST/FOLDER/FILE: a web server has no folders that could be listed."
        )
    # Decoded, it may lead elsewhere.
    checked(unquote(name))
    return WebStorage(f"{parts.scheme}://{parts.netloc}{folder}", parts.query), name


def _version_of(answer: requests.Response) -> str | None:
    """Return what the server goes on by; a weak ETag does not tell bytes apart."""
    etag = answer.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return str(etag)
    return answer.headers.get("Last-Modified")


def _length(answer: requests.Response) -> int | None:
    """Return the size of the content, if the answer tells it."""
    announced = answer.headers.get("Content-Length", "")
    is_packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    return int(announced) if announced.isdecimal() and not is_packed else None


def _check_length(answer: requests.Response, came: int) -> None:
    """Check that all came which was announced: not every version of urllib3 does."""
    size = _length(answer)
    if size is not None and came != size:
        raise _CutShortError(f"{came:,} of {size:,} bytes came")


def _milliseconds(date: str | None) -> int | None:
    if not date:
        return None
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None


def _without_address(error: requests.RequestException) -> str:
    """Return why there was no answer: the error's own text repeats the whole address."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return clause(reason).rpartition(": ")[2] if reason else type(error).__name__
