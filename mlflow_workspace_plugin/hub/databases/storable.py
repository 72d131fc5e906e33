"""Texts, and JSON, that a database cannot store, seen before they are sent."""

import json
import re
from typing import Any

from mlflow_workspace_plugin.errors import UnstorableValueError

NO_DATABASE_TAKES = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of surrogate pairs."""
_SHOWN = 60
_DEEPEST = 100
"""So many objects within each other is less than any reader takes, and more than is of use."""


def refuse(what: str, text: str, *, is_sqlite: bool, limit: int | None = None) -> None:
    """Refuse a text that a database would not store as it is.

    Args:
        what: names the text, such as ``The key of a param``.
        text: what is to be stored.
        is_sqlite: whether the database is SQLite, which takes NUL, and texts of any length.
        limit: how many characters the column holds.

    Raises:
        UnstorableValueError: it cannot be stored.
    """
    flaw = flaw_of(text, is_sqlite=is_sqlite)
    if flaw is not None:
        raise UnstorableValueError(f"{what}, {shown(text)}, cannot be stored: it has {flaw}.")
    if limit is not None and not is_sqlite and len(text) > limit:
        raise UnstorableValueError(
            f"{what}, {shown(text)}, cannot be stored: it has {len(text)} characters, and the "
            f"database holds {limit}. Shorten it."
        )


def as_json(what: str, value: Any) -> Any:
    """Return a value as JSON holds it, which every database stores and every reader takes.

    Args:
        what: names the value, such as ``The definition of a job``.
        value: any.

    Raises:
        UnstorableValueError: JSON cannot hold it, or some readers could not read it.
    """
    try:
        found = json.loads(json.dumps(value, allow_nan=False))
        is_too_deep = _is_deeper(found, _DEEPEST)
    except RecursionError:
        is_too_deep = True
    except (TypeError, ValueError) as error:
        raise UnstorableValueError(
            f"{what} cannot be stored: it is not what JSON holds ({error}). Give texts, finite "
            "numbers, truth values, None, and lists and dicts of them."
        ) from None
    if is_too_deep:
        raise UnstorableValueError(
            f"{what} cannot be stored: more than {_DEEPEST} lists or dicts of it are within each "
            "other. Make it flatter."
        )
    return found


def _is_deeper(value: Any, most: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return most == 0 or any(_is_deeper(each, most - 1) for each in value)


def flaw_of(text: str, *, is_sqlite: bool) -> str | None:
    """Return what in a text the database cannot store, and the remedy; None if it can."""
    if not is_sqlite and "\0" in text:
        return "a NUL character, which PostgreSQL does not store. Remove it"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = text[error.start]
            return f"{half!r}, half of a surrogate pair, which is no character. Remove it"
    return None


def shown(text: str) -> str:
    """Return a text as it is shown in a message: quoted, escaped, and no longer than a line."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def storable(text: str) -> str:
    """Return a text with escapes in the place of what no database stores."""
    return NO_DATABASE_TAKES.sub(lambda found: ascii(found[0])[1:-1], text)
