"""Tags of a run that MLflow lets grow: lists as JSON, to which its clients add one entry at a time.

A client reads the tag, adds an entry and sets it. MLflow cuts the 8,001st character off, so that no
client can read it again, and of two clients at a time one undoes the other's entry. Here the list
goes on in tags of ours where one is full, and what is set adds to it what is not in it yet. ``[]``,
and what is no list, replace it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from mlflow.tracing.constant import TraceTagKey
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_MODELS
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH, _validate_batch_log_data, _validate_tag
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text

from mlflow_workspace_plugin.hub.databases import storable

GROWING = (MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_MODELS, TraceTagKey.LINKED_PROMPTS)

PIECE_PREFIX = "mlflow.workspace.more."
"""Of the tags that a list goes on in; MLflow's UI hides them, and a run is read without them."""

_LOCK = text("SELECT run_uuid FROM runs WHERE run_uuid = :run_id FOR NO KEY UPDATE")
_STORED = text(
    f"SELECT key, value FROM tags WHERE run_uuid = :run_id AND (key IN :keys OR "
    f"substr(key, 1, {len(PIECE_PREFIX)}) = '{PIECE_PREFIX}')"
).bindparams(bindparam("keys", expanding=True))
_DROP = text("DELETE FROM tags WHERE run_uuid = :run_id AND key IN :keys").bindparams(
    bindparam("keys", expanding=True)
)
_PATTERNS = ("LIKE", "ILIKE")


def valid_tag(key: str, value: str, path: str = "") -> RunTag:
    """Check a tag as MLflow does, but let a list be of any length.

    Raises:
        MlflowException: it is not valid, or an entry of the list is too long.
    """
    if not _is_list(key, value):
        return _validate_tag(key, value, path)
    for entry in _entries(value):
        _check_length(key, entry)
    return RunTag(key, value)


def valid_batch(
    metrics: list[Metric], params: list[Param], tags: list[RunTag]
) -> tuple[list[Metric], list[Param], list[RunTag]]:
    """Check a batch as MLflow does, but let lists be of any length; raises as MLflow."""
    short = [RunTag(tag.key, "[]") if _is_list(tag.key, tag.value) else tag for tag in tags]
    metrics, params, valid = _validate_batch_log_data(metrics, params, short)
    return (
        metrics,
        params,
        [
            checked if given is tag else valid_tag(tag.key, tag.value)
            for tag, given, checked in zip(tags, short, valid, strict=True)
        ],
    )


def with_pieces(connection: Connection, run_id: str, wanted: dict[str, str]) -> dict[str, str]:
    """Return the tags to be set for those that are wanted: what is new in each list is added.

    Args:
        connection: in the transaction that sets them.
        run_id: their run.
        wanted: the tags, checked.
    """
    keys = [key for key in wanted if key in GROWING]
    if not keys:
        return wanted
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"run_id": run_id})
    rows = connection.execute(_STORED, {"run_id": run_id, "keys": keys})
    stored = {row.key: row.value for row in rows}
    new = [key for key in keys if not (_is_list(key, wanted[key]) and _entries(wanted[key]))]
    pieces = [piece for key in new for piece in _pieces_of(key, stored)]
    if pieces:
        connection.execute(_DROP, {"run_id": run_id, "keys": pieces})
    added = {key: _added(key, wanted[key], stored) for key in keys if key not in new}
    kept = {key: value for key, value in wanted.items() if key not in added}
    return kept | {key: value for tags in added.values() for key, value in tags.items()}


def new_pieces(tags: Iterable[RunTag]) -> list[RunTag]:
    """Return the tags of a new run, with lists in as many as they need."""
    split: dict[str, str] = {}
    for tag in tags:
        is_long = _is_list(tag.key, tag.value) and _entries(tag.value)
        split |= _added(tag.key, tag.value, {}) if is_long else {tag.key: tag.value}
    return [RunTag(*each) for each in split.items()]


def without_pieces(tags: list[RunTag]) -> list[RunTag]:
    """Return the tags of a run as they are read: each list whole."""
    if not any(tag.key.startswith(PIECE_PREFIX) or _is_full(tag) for tag in tags):
        return tags
    stored = {tag.key: tag.value for tag in tags}
    whole = {key: _dumped(_stored_entries(key, stored)) for key in GROWING if key in stored}
    kept = {key: value for key, value in stored.items() if not key.startswith(PIECE_PREFIX)}
    return [RunTag(*each) for each in (kept | whole).items()]


def united(known: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that a run has when some more are set."""
    lists = {
        key: _dumped(_union(_entries(known[key]), _entries(value)))
        for key, value in wanted.items()
        if key in known and _is_list(key, value) and _entries(value)
    }
    return {**known, **wanted, **lists}


def drop_pieces(connection: Connection, run_id: str, key: str) -> None:
    """Delete what a tag that was deleted goes on in."""
    if key in GROWING:
        rows = connection.execute(_STORED, {"run_id": run_id, "keys": [key]})
        pieces = _pieces_of(key, {row.key: row.value for row in rows})
        if pieces:
            connection.execute(_DROP, {"run_id": run_id, "keys": pieces})


def split_filters(
    filters: list[dict[str, Any]], dialect: str
) -> tuple[list[dict[str, Any]], list[ColumnElement[bool]]]:
    """Return the filters that MLflow can apply, and the clauses on runs for the others.

    Those look for something in a list, which may be in any of its tags.
    """
    others, clauses = [], []
    for each in filters:
        key, comparator = each["key"], each["comparator"].upper()
        if each["type"] != "tag" or key not in GROWING or comparator not in _PATTERNS:
            others.append(each)
            continue
        matches: Callable[..., ColumnElement[bool]] = SearchUtils.get_sql_comparison_func(
            comparator, dialect
        )
        piece = _piece(key)
        is_of_list = (SqlTag.key == key) | (func.substr(SqlTag.key, 1, len(piece)) == piece)
        found = select(SqlTag.run_uuid).where(is_of_list, matches(SqlTag.value, each["value"]))
        clauses.append(SqlRun.run_uuid.in_(found))
    return others, clauses


def _added(key: str, value: str, stored: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that change when the entries of a list are added to what is stored."""
    present = {_dumped(entry) for entry in _stored_entries(key, stored)}
    tags = [key, *_pieces_of(key, stored)]
    last = _entries(stored.get(tags[-1], "[]"))
    changed: dict[str, str] = {}
    for entry in _entries(value):
        if _dumped(entry) in present:
            continue
        present.add(_dumped(entry))
        if len(_dumped([*last, entry])) > MAX_TAG_VAL_LENGTH:
            changed[tags[-1]] = _dumped(last)
            tags.append(f"{_piece(key)}{len(tags):06}")
            last = []
        last.append(entry)
        changed[tags[-1]] = ""
    if changed:
        changed[tags[-1]] = _dumped(last)
    return changed


def _is_full(tag: RunTag) -> bool:
    """Whether a tag holds a list that MLflow may have cut."""
    return tag.key in GROWING and len(tag.value) >= MAX_TAG_VAL_LENGTH


def _check_length(key: str, entry: Any) -> None:
    length = len(_dumped([entry]))
    if length > MAX_TAG_VAL_LENGTH:
        raise MlflowException(
            f"An entry of tag {key!r} takes {length} characters, and there is room for "
            f"{MAX_TAG_VAL_LENGTH}. Choose a shorter path or name.",
            INVALID_PARAMETER_VALUE,
        )


def _is_list(key: str, value: str) -> bool:
    if key not in GROWING:
        return False
    try:
        return isinstance(json.loads(value), list)
    except (TypeError, ValueError):
        return False


def _entries(value: str) -> list[Any]:
    """Return the entries of a list; of one that MLflow has cut, those that are whole."""
    for text_ in (value, f"{value.rpartition('}')[0]}}}]"):
        try:
            found = json.loads(text_)
        except ValueError:
            continue
        return found if isinstance(found, list) else []
    return []


def _union(first: list[Any], second: list[Any]) -> list[Any]:
    present = {_dumped(entry) for entry in first}
    return first + [entry for entry in second if _dumped(entry) not in present]


def _stored_entries(key: str, stored: Mapping[str, str]) -> list[Any]:
    return [
        entry
        for each in (key, *_pieces_of(key, stored))
        for entry in _entries(stored.get(each, "[]"))
    ]


def _pieces_of(key: str, stored: Mapping[str, str]) -> list[str]:
    return sorted(each for each in stored if each.startswith(_piece(key)))


def _piece(key: str) -> str:
    return f"{PIECE_PREFIX}{key}."


def _dumped(value: Any) -> str:
    # A search looks for a path as it is written. What no database stores stays an escape of JSON's.
    return storable.storable(json.dumps(value, ensure_ascii=False))
