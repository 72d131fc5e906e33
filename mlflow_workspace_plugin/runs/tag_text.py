"""Any text as the key or value of an MLflow tag, and back.

What MLflow takes stays as it is. The rest, which it would refuse or cut, is stored like this:

==============================  ==================================================================
a key MLflow refuses            ``quoted:`` and the key, odd characters by their code: ``a:40:b``
a key too long for that         ``long:``, a digest, the key's beginning; the key itself in pieces
None                            empty text
empty text, and only quotes     the text with two quotes behind it, so ``""`` is empty text
a value too long, or of         its beginning and ``... [text DIGEST]``; the value itself in
characters no database takes    pieces
==============================  ==================================================================

Pieces are tags of their own, in ASCII JSON, under a prefix that MLflow's UI hides.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_TAG_VAL_LENGTH,
    path_not_unique,
    validate_param_and_metric_name,
)

from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.terminal import get_logger

OURS = "mlflow.workspace."
"""What tags of this package begin with. MLflow's UI hides tags that begin with ``mlflow.``."""

_PIECES = f"{OURS}text."
_QUOTED, _LONG = "quoted:", "long:"
_RESERVED = (_QUOTED, _LONG, OURS)
_CODE = re.compile(r":([0-9a-f]{1,5}|10[0-9a-f]{4}):")
_PIECED = re.compile(r"\.\.\. \[text ([0-9a-f]{16})\]\Z")
_SHOWN_OF_KEY, _SHOWN_OF_VALUE = 100, 1_000

_logger = get_logger(__name__)


def as_text(given: "Mapping[Any, Any] | str") -> dict[str, str | None]:
    """Return tags or properties with values of text or None, as SDK v1 makes them.

    Args:
        given: values by key; or one key alone, as SDK v1's documentation allows.

    Other values are converted by ``str``, with a warning.
    """
    if isinstance(given, str):
        return {given: None}
    converted: dict[str, str | None] = {}
    for key, value in given.items():
        if value is None or isinstance(value, str):
            converted[str(key)] = value
        else:
            converted[str(key)] = str(value)
            _logger.warning(
                "The value of %r is of type %s, and is stored as the text %r.",
                key,
                type(value).__name__,
                converted[str(key)],
            )
    return converted


def to_mlflow(tags: Mapping[str, str | None], prefix: str = "") -> dict[str, str]:
    """Return the MLflow tags that hold some tags, pieces before what they are pieces of.

    Args:
        tags: values by key.
        prefix: what MLflow's keys begin with.
    """
    stored: dict[str, str] = {}
    for key, value in tags.items():
        stored_key, pieces = _stored_key(key, prefix)
        stored |= pieces | value_to_mlflow(stored_key, value)
    return stored


def from_mlflow(stored: Mapping[str, str], prefix: str = "") -> dict[str, str | None]:
    """Return the tags that MLflow tags hold.

    Args:
        stored: all MLflow tags of a run or an experiment.
        prefix: what the keys of those that are meant begin with; all but this package's own if
            there is none.
    """
    return {
        _key_of(key, prefix, stored): value_from_mlflow(key, stored)
        for key in stored
        if (key.startswith(prefix) if prefix else not key.startswith(OURS))
    }


def value_to_mlflow(stored_key: str, value: str | None) -> dict[str, str]:
    """Return the MLflow tags that hold a value under a key that MLflow takes."""
    if value is None:
        return {stored_key: ""}
    if not value.strip('"'):
        value += '""'
    if not (
        len(value) > MAX_TAG_VAL_LENGTH or NO_DATABASE_TAKES.search(value) or _PIECED.search(value)
    ):
        return {stored_key: value}
    digest = _digest(value)
    shown = NO_DATABASE_TAKES.sub("?", value[:_SHOWN_OF_VALUE])
    return _pieces(stored_key, digest, value) | {stored_key: f"{shown}... [text {digest}]"}


def value_from_mlflow(stored_key: str, stored: Mapping[str, str]) -> str | None:
    """Return the value under a key of MLflow's; None where there is no such tag."""
    value = stored.get(stored_key, "")
    if pieced := _PIECED.search(value):
        value = _joined(stored_key, pieced[1], stored) or value
    if value.strip('"'):
        return value
    return value[:-2] if value else None


def stored_keys(keys: Iterable[str], stored: Mapping[str, str]) -> list[str]:
    """Return the keys of the MLflow tags that hold some tags; none for tags that are not there."""
    found: list[str] = []
    for key in keys:
        stored_key, _ = _stored_key(key, "")
        if stored_key in stored:
            found += [stored_key, *_keys_of_pieces([stored_key], stored)]
    return found


def is_piece(stored_key: str) -> bool:
    """Whether a key of MLflow's is that of a piece."""
    return stored_key.startswith(_PIECES)


def outdated_keys(written: Mapping[str, str], stored: Mapping[str, str]) -> list[str]:
    """Return the keys of pieces of the values that were replaced by what was just written."""
    return [each for each in _keys_of_pieces(written, stored) if each not in written]


def _stored_key(key: str, prefix: str) -> tuple[str, dict[str, str]]:
    """Return the key of MLflow's for a key, and its pieces."""
    room = MAX_ENTITY_KEY_LENGTH - len(prefix)
    if (
        len(key) <= room
        and not key.startswith(_RESERVED)
        and validate_param_and_metric_name(key)
        and not path_not_unique(prefix + key)
    ):
        return prefix + key, {}
    quoted = re.sub(r"[^\w. -]", lambda odd: f":{ord(odd[0]):x}:", key)
    if len(_QUOTED + quoted) <= room:
        return prefix + _QUOTED + quoted, {}
    stored_key = f"{prefix}{_LONG}{_digest(key)}:{quoted[:_SHOWN_OF_KEY]}"
    return stored_key, _pieces(stored_key, "key", key)


def _key_of(stored_key: str, prefix: str, stored: Mapping[str, str]) -> str:
    key = stored_key.removeprefix(prefix)
    if key.startswith(_QUOTED):
        return _CODE.sub(lambda code: chr(int(code[1], 16)), key.removeprefix(_QUOTED))
    if key.startswith(_LONG):
        return _joined(stored_key, "key", stored) or key
    return key


def _pieces(stored_key: str, name: str, text: str) -> dict[str, str]:
    written = json.dumps(text)
    return {
        f"{_PIECES}{_digest(stored_key)}.{name}.{start // MAX_TAG_VAL_LENGTH}": written[
            start : start + MAX_TAG_VAL_LENGTH
        ]
        for start in range(0, len(written), MAX_TAG_VAL_LENGTH)
    }


def _joined(stored_key: str, name: str, stored: Mapping[str, str]) -> str | None:
    """Return the text of some pieces; None where there are none, or not all."""
    first = f"{_PIECES}{_digest(stored_key)}.{name}."
    count = sum(each.startswith(first) for each in stored)
    try:
        return str(json.loads("".join(stored[f"{first}{number}"] for number in range(count))))
    except (KeyError, ValueError):
        return None


def _keys_of_pieces(keys: Iterable[str], stored: Mapping[str, str]) -> list[str]:
    first = tuple(f"{_PIECES}{_digest(key)}." for key in keys)
    return [each for each in stored if each.startswith(first)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
