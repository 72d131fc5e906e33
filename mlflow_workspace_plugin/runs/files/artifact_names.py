"""How the files of a run are named: below its artifacts, and in SDK v1's ``aml://`` form."""

import hashlib
import os
import posixpath
import re
from contextlib import suppress

from mlflow.exceptions import MlflowException
from mlflow.utils.uri import validate_path_is_safe

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.errors import UserErrorException

_SCHEME = "aml://artifactId/"
# Of the name of a file, in bytes, which file systems limit to 255; and what stands in for the rest.
_LONGEST_PART = 240
_ODD = re.compile(r"[^\w -]")
_SHOWN = 50
_IN_FRONT = re.compile(r"\A(?:\.{0,2}/)+")


def path_of(name: "str | os.PathLike[str]") -> str:
    """Return the path, below a run's artifacts, of the file that a caller names.

    ``./``, ``/`` and ``../`` in front are dropped: SDK v1 stores ``./plot.png`` under just that
    name, and its users see ``plot.png``.

    Raises:
        UserErrorException: the name is empty, or a folder's.
        UnsafeArtifactPathError: it leads out of the artifacts.
    """
    given = os.fspath(name)
    path = _IN_FRONT.sub("", given)
    check_path(path)
    if path.endswith("/") or posixpath.normpath(path) == ".":
        raise UserErrorException(
            f"File name {given!r} names no file. Give a path such as outputs/model.pkl."
        )
    return posixpath.normpath(path)


def path_of_metric(name: str, ending: str = "") -> str:
    """Return the path of the file that a metric of any name is: the name, where a file can have it.

    Args:
        name: of the metric.
        ending: what the file's name ends with.
    """
    with suppress(MlflowException, ValueError):
        path = path_of(name + ending)
        longest = max(len(part.encode()) for part in path.split("/"))
        # MLflow decodes paths that it reads, and refuses some.
        if longest <= _LONGEST_PART and validate_path_is_safe(path) == path:
            return path
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{_ODD.sub('_', name)[:_SHOWN].strip()}--{digest}{ending}"


def artifact_id(run_id: str, path: str) -> str:
    """Return SDK v1's id of a file: ``ExperimentRun/dcid.RUN/PATH``."""
    return f"ExperimentRun/dcid.{run_id}/{path}"


def artifact_uri(run_id: str, path: str) -> str:
    """Return SDK v1's URI of a file, which ``get_metrics`` returns for an image."""
    return _SCHEME + artifact_id(run_id, path)


def path_in_run(name: "str | os.PathLike[str]", run_id: str) -> str:
    """Return the path of a file that is named by its path, or by its ``aml://`` URI.

    Raises:
        UserErrorException: the URI is of another run's file, or the name is no file's.
        UnsafeArtifactPathError: the name leads out of the artifacts.
    """
    given = os.fspath(name)
    if not given.startswith(_SCHEME):
        return path_of(given)
    of_this_run = artifact_uri(run_id, "")
    if not given.startswith(of_this_run):
        raise UserErrorException(
            f"{given!r} is not a file of run {run_id!r}. "
            "Call download_file of the run whose id follows 'dcid.'."
        )
    return path_of(given[len(of_this_run) :])
