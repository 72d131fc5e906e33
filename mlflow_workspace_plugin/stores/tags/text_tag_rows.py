"""Writing the tags of the last texts of metrics, in the transaction that stores the texts."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, text

from mlflow_workspace_plugin.stores.tags.text_tags import (
    DIGEST_LENGTH,
    NOBODYS,
    TEXT_PREFIX,
    Mark,
    Texts,
    changes_of,
    mark_of,
    tag_of,
)

_INSERT = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) ON CONFLICT DO NOTHING"
)
_FOUND = "SELECT key, value FROM tags WHERE run_uuid = :run_id AND key IN :keys ORDER BY key"
_SET = text("UPDATE tags SET value = :value WHERE run_uuid = :run_id AND key = :key")
_DISOWN = text(
    f"UPDATE tags SET value = '{NOBODYS}' || substr(value, {DIGEST_LENGTH + 1}) "
    "WHERE run_uuid = :run_id AND key = :key"
)


def set_texts(connection: Connection, run_id: str, texts: Texts) -> None:
    """Let the tags of a run show the last texts of metrics, unless they show later ones.

    A tag that somebody else set stays as it is.

    Args:
        connection: in the transaction that stores the texts.
        run_id: the run, which may be written to.
        texts: the last one of each metric.
    """
    marks = {mark_of(tag_of(metric)): metric for metric in sorted(texts)}
    connection.execute(
        _INSERT,
        [
            {"run_id": run_id, "key": key, "value": Mark(NOBODYS, -1, 0, metric).value}
            for key, metric in sorted(marks.items())
        ],
    )
    stored = _found(connection, run_id, marks)
    stored |= _found(connection, run_id, map(tag_of, texts))
    for metric, last in texts.items():
        for key, value in changes_of(stored, metric, last):
            # A tag that is not there yet may be set by somebody else at this moment: it is his.
            statement = _SET if key in stored else _INSERT
            connection.execute(statement, {"run_id": run_id, "key": key, "value": value})


def disown(connection: Connection, run_id: str, keys: Iterable[str]) -> None:
    """Take notice that somebody sets tags, which are his from now on, whatever their values.

    Args:
        connection: in the transaction that sets them, before it does.
        run_id: their run.
        keys: of the tags.
    """
    marks = sorted(mark_of(key) for key in keys if key.startswith(TEXT_PREFIX))
    if marks:
        connection.execute(_DISOWN, [{"run_id": run_id, "key": mark} for mark in marks])


def _found(connection: Connection, run_id: str, keys: Iterable[str]) -> dict[str, str]:
    """Return some tags of a run that are there, and lock them."""
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    statement = text(_FOUND + lock).bindparams(bindparam("keys", expanding=True))
    rows = connection.execute(statement, {"run_id": run_id, "keys": list(keys)})
    return {row.key: row.value for row in rows}
