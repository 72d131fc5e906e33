"""Values that a database cannot store, known by the error of its driver."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)

from mlflow_workspace_plugin.errors import UnstorableValueError, clause
from mlflow_workspace_plugin.hub.databases.storable import flaw_of, shown

# Data, constraints, and what is larger than the server can hold or index.
_CLASSES_OF_CONTENT = ("22", "23", "54")
_OUT_OF_RANGE = "22003"
# What a driver raises by itself, about what it was given; it has no SQLSTATE then.
_OF_CONTENT = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
# SQLite's, of Python 3.10, for what later ones have another error.
_NOT_BOUND = "binding parameter"
_TOO_LONG = re.compile(r"too long for type character varying\((\d+)\)")


def is_of_content(error: BaseException) -> bool:
    """Whether an error of a database, as SQLAlchemy raises it, is one of what was to be stored."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_CLASSES_OF_CONTENT)
    return isinstance(error, _OF_CONTENT) or (
        isinstance(error, InterfaceError) and _NOT_BOUND in str(error.orig)
    )


def translate(
    error: BaseException | None, hub: str, *, is_read: bool
) -> UnstorableValueError | None:
    """Return the error of ours for one of what was to be stored; None for others.

    A broken constraint, and a number out of range that was to be stored, are left as they are:
    callers know MLflow's.

    Args:
        error: what was raised.
        hub: the hub's folder.
        is_read: whether something was looked for, and nothing to be stored.
    """
    if isinstance(error, UnicodeEncodeError):
        return UnstorableValueError(
            f"Hub {hub!r} cannot hold {shown(error.object)}: it has "
            f"{flaw_of(error.object, is_sqlite=True) or error.reason}."
        )
    if isinstance(error, OverflowError):
        return _too_large(error, hub) if is_read else None
    if error is None or isinstance(error, IntegrityError) or not is_of_content(error):
        return None
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _OUT_OF_RANGE:
        is_read = (error.statement or "").lstrip().startswith("SELECT")
        return _too_large(error.orig, hub) if is_read else None
    texts = list(_texts(getattr(error, "params", None)))
    reason = clause(error)
    too_long = _TOO_LONG.search(reason)
    for text in texts:
        flaw = flaw_of(text, is_sqlite=False)
        if flaw is not None and too_long is None:
            return UnstorableValueError(f"Hub {hub!r} cannot hold {shown(text)}: it has {flaw}.")
        if too_long is not None and len(text) > int(too_long[1]):
            return UnstorableValueError(
                f"Hub {hub!r} cannot hold {shown(text)}: it has {len(text)} characters, and the "
                f"database holds {too_long[1]}. Shorten it."
            )
    return UnstorableValueError(
        f"Hub {hub!r} cannot hold this: {reason}. Shorten or correct what was given."
    )


def _too_large(error: object, hub: str) -> UnstorableValueError:
    return UnstorableValueError(
        f"Hub {hub!r} holds no number of more than 64 bits ({error}). Give a smaller one."
    )


def _texts(parameters: Any) -> Iterator[str]:
    """Return all texts among the parameters of a statement, or of several."""
    if isinstance(parameters, str):
        yield parameters
    elif isinstance(parameters, Mapping):
        yield from _texts(list(parameters.values()))
    elif isinstance(parameters, Iterable) and not isinstance(parameters, bytes):
        for each in parameters:
            yield from _texts(each)
