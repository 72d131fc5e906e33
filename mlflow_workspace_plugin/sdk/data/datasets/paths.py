"""What SDK v1's ``path=`` may be: where the files of a dataset are."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urlsplit
from urllib.request import url2pathname

from mlflow_workspace_plugin.data import urls
from mlflow_workspace_plugin.data.definition import AtUrl, InDatastore, OnThisMachine, PathOf
from mlflow_workspace_plugin.data.files.patterns import is_pattern, normalized
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.data.datastores.base import AbstractDatastore
from mlflow_workspace_plugin.sdk.data.datastores.data_path import DataPath
from mlflow_workspace_plugin.sdk.data.datastores.references import DataReference

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SIGNED_BLOB = re.compile(r"https?://\w*\.blob\.[\w./]*\?.*", re.IGNORECASE)
_WHAT = (
    "`path` is a local path, a URL of http or https, a DataPath, a tuple of a datastore and a path "
    "below it, or a list of such"
)


def paths_of(path: Any) -> "tuple[tuple[PathOf, ...], Workspace | None]":
    """Return the paths that SDK v1's ``path=`` names, and the workspace of its datastores.

    Args:
        path: a local path (ours), a URL, a ``DataPath``, a ``DataReference``, a tuple of a
            datastore and a path, or a list of such. A list names URLs or datastores, not both.

    Raises:
        UserErrorException: it is nothing of the kind.
        UnsafeArtifactPathError: a path leads out of its datastore.
    """
    given = path if isinstance(path, list) else [path]
    if not given:
        raise UserErrorException(f"No path was given. {_WHAT}.")
    if all(isinstance(each, str | os.PathLike) for each in given):
        return tuple(_outside(os.fspath(each)) for each in given), None
    named = [_in_datastore(each) for each in given]
    workspaces = {datastore.workspace.get_mlflow_tracking_uri() for datastore, _ in named}
    if len(workspaces) > 1:
        raise UserErrorException(
            "The paths name datastores of several workspaces, and a dataset is of one. Upload the "
            "files to a datastore of the workspace that the dataset is used in."
        )
    paths = tuple(InDatastore(datastore.name, below) for datastore, below in named)
    return paths, named[0][0].workspace


def datastore_and_path(target: Any) -> tuple[AbstractDatastore, str]:
    """Return the datastore and the path that SDK v1's ``target=`` of an upload names.

    Args:
        target: a datastore, a ``DataPath``, or a tuple of a datastore and a path.

    Raises:
        ValueError: it is nothing of the kind (SDK v1).
        UnsafeArtifactPathError: the path leads out of the datastore.
    """
    if isinstance(target, AbstractDatastore):
        return target, ""
    try:
        return _in_datastore(target)
    except UserErrorException as error:
        if type(error) is not UserErrorException:
            raise
        raise ValueError(
            f"The target type is not supported, target: {target}. Give a datastore, a DataPath, or "
            "a tuple of a datastore and a path below it."
        ) from None


def _in_datastore(given: Any) -> tuple[AbstractDatastore, str]:
    if isinstance(given, DataReference):
        return given.datastore, normalized(given.path_on_datastore or "")
    if isinstance(given, DataPath):
        return given._datastore, normalized(given.path_on_datastore or "")
    if isinstance(given, tuple):
        if not _is_pair(given):
            raise UserErrorException(
                "A tuple as a path is a datastore and a path below it, such as (datastore, "
                f"'data/*.csv'), and not {given!r}."
            )
        return given[0], normalized(given[1])
    raise UserErrorException(
        f"{_WHAT}, and not an object of the type {type(given).__name__}. A list names URLs or "
        "datastores, not both."
    )


def _is_pair(given: Sequence[Any]) -> bool:
    return len(given) == 2 and isinstance(given[0], AbstractDatastore) and isinstance(given[1], str)


def _outside(path: str) -> AtUrl | OnThisMachine:
    scheme = found[1].lower() if (found := _SCHEME.match(path)) else ""
    if scheme in ("http", "https"):
        return _at_url(path)
    if scheme == "file":
        path = url2pathname(urlsplit(path).path)
    elif scheme:
        raise UserErrorException(
            f"Path {urls.shown(path)!r} is of a scheme that is not read here. Register the "
            "storage as a datastore, such as by Datastore.register_azure_blob_container(), and "
            f"give (datastore, path). {_WHAT}."
        )
    if not path.strip():
        raise UserErrorException(f"Path {path!r} names nothing. {_WHAT}.")
    # Not resolved: what a link leads to may be another file when the dataset is read.
    return OnThisMachine(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


def _at_url(url: str) -> AtUrl:
    try:
        # What is behind "#" is no server's.
        url, _ = urldefrag(url)
        parts = urlsplit(url)
    except ValueError as error:
        raise UserErrorException(f"A URL was given that is none: {error}. {_WHAT}.") from None
    if _SIGNED_BLOB.match(url):
        raise UserErrorException(
            f"URL {urls.shown(url)!r} was given with a token, and a dataset keeps no secret. "
            "Register the container as a datastore instead."
        )
    if not parts.netloc or parts.path.endswith("/") or not parts.path or is_pattern(parts.path):
        raise UserErrorException(
            f"URL {urls.shown(url)!r} names no single file. The web lists no folders: give the URL "
            "of each file."
        )
    return AtUrl(url)
