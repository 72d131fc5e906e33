"""From any text that SDK v1 takes as a metric's name to a key that MLflow takes."""

import hashlib
import re
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

from mlflow_workspace_plugin.errors import UserErrorException

_REFUSED = re.compile(r"[^\w.\- /]")


def check(name: Any) -> None:
    """Check that a metric can have a name.

    Raises:
        UserErrorException: it is empty, or no text.
    """
    if not isinstance(name, str) or not name:
        given = "is empty" if isinstance(name, str) else f"is of type {type(name).__name__}"
        raise UserErrorException(f"The name of a metric {given}. Give it a name that is text.")


def key_of(*parts: str) -> str:
    """Return the key of a metric, or of a column of one: its name, where MLflow takes that.

    Another name keeps what MLflow takes of it, and is told from all others by a digest. The same
    name has the same key in every process.

    Args:
        parts: the metric's name, and the column's, if it has columns.
    """
    key = "/".join(parts)
    return key if _is_taken(key) else marked_key_of(*parts)


def marked_key_of(*parts: str) -> str:
    """Return a key that no name is equal to, for where :func:`key_of` is another metric's."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:10]
    readable = "/".join(filter(None, (_readable(part) for part in parts)))
    return f"{readable[: MAX_ENTITY_KEY_LENGTH - 12].rstrip('/. ')}~{digest}".replace("~", "--")


def table_id(name: str) -> str:
    """Return what a table of any name is known by where names are short."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _readable(part: str) -> str:
    # No dots and slashes that could lead anywhere.
    pieces = (piece.strip(". ") for piece in _REFUSED.sub("_", part).split("/"))
    return "/".join(filter(None, pieces))


def _is_taken(key: str) -> bool:
    if len(key) > MAX_ENTITY_KEY_LENGTH:
        return False
    try:
        _validate_metric_name(key)
    except (MlflowException, TypeError):
        return False
    return True
