"""The last text of each metric as a tag of its run, ``text/NAME``, which MLflow's UI shows.

MLflow keeps numbers only, so a text has no row among its metrics. Beside each such tag stands a
mark of ours: a digest of what was set, by which the tag is told from one that somebody else set,
and the place of the text, so that nothing that comes late overwrites what is newer. Whoever writes
locks the mark first and then the tag.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_TAG_VAL_LENGTH
from sqlalchemy import Connection, bindparam, text

from mlflow_workspace_plugin.hub import unstorable

TEXT_PREFIX = "text/"
MARK_PREFIX = "mlflow.workspace.last-text."
"""Of the marks. MLflow's UI hides them, and a search leaves them out."""

_DIGEST_LENGTH = 16
_NOBODYS = "-" * _DIGEST_LENGTH
"""In place of a digest: the tag is not ours."""

_INSERT = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) ON CONFLICT DO NOTHING"
)
_FOUND = "SELECT key, value FROM tags WHERE run_uuid = :run_id AND key IN :keys ORDER BY key"
_SET = text("UPDATE tags SET value = :value WHERE run_uuid = :run_id AND key = :key")
_DISOWN = text(
    f"UPDATE tags SET value = '{_NOBODYS}' || substr(value, {_DIGEST_LENGTH + 1}) "
    "WHERE run_uuid = :run_id AND key = :key"
)

Texts = Mapping[str, tuple[int, int, str]]
"""By the key of a metric: timestamp, step and text of the last one."""


class Mark(NamedTuple):
    """What is known of the tag of a metric's last text."""

    digest: str
    timestamp: int
    step: int
    metric: str
    """The key of the metric."""

    @classmethod
    def of(cls, value: str) -> "Mark":
        """Return the mark that the value of a tag is."""
        digest, timestamp, step, metric = value.split(" ", 3)
        return cls(digest, int(timestamp), int(step), metric)

    @property
    def value(self) -> str:
        """The value of the tag that it is."""
        return " ".join(map(str, self))

    @property
    def tag(self) -> str:
        """The key of the tag that it stands beside."""
        return tag_of(self.metric)


def tag_of(metric: str) -> str:
    """Return the key of the tag for the texts of a metric: its own key, prefixed."""
    key = TEXT_PREFIX + metric
    if len(key) <= MAX_ENTITY_KEY_LENGTH:
        return key
    digest = _digest(metric)
    return f"{key[: MAX_ENTITY_KEY_LENGTH - len(digest) - 2].rstrip('/. ')}--{digest}"


def marks_of(tags: Mapping[str, str]) -> Iterator[Mark]:
    """Yield the marks among the tags of a run."""
    for key, value in tags.items():
        if key.startswith(MARK_PREFIX):
            yield Mark.of(value)


def without_texts(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run but for those that are the last texts of metrics."""
    ours = {mark.tag for mark in marks_of(tags) if mark.digest == _digest(tags.get(mark.tag, ""))}
    return {key: value for key, value in tags.items() if key not in ours}


def with_texts(tags: Mapping[str, str], texts: Texts) -> dict[str, str]:
    """Return the tags of a run as they are when texts were logged."""
    return {
        **tags,
        **{key: value for each in texts.items() for key, value in _changes(tags, *each)},
    }


def set_texts(connection: Connection, run_id: str, texts: Texts) -> None:
    """Let the tags of a run show the last texts of metrics, unless they show later ones.

    A tag that somebody else set stays as it is.

    Args:
        connection: in the transaction that stores the texts.
        run_id: the run, which may be written to.
        texts: the last one of each metric.
    """
    marks = {_mark_of(tag_of(metric)): metric for metric in sorted(texts)}
    connection.execute(
        _INSERT,
        [
            {"run_id": run_id, "key": key, "value": Mark(_NOBODYS, -1, 0, metric).value}
            for key, metric in sorted(marks.items())
        ],
    )
    stored = _found(connection, run_id, marks)
    stored |= _found(connection, run_id, map(tag_of, texts))
    for metric, last in texts.items():
        for key, value in _changes(stored, metric, last):
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
    marks = sorted(_mark_of(key) for key in keys if key.startswith(TEXT_PREFIX))
    if marks:
        connection.execute(_DISOWN, [{"run_id": run_id, "key": mark} for mark in marks])


def disowned(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Return the marks among the tags of a run that change when somebody sets tags."""
    marks = {_mark_of(key) for key in keys if key.startswith(TEXT_PREFIX)}
    return {key: Mark.of(tags[key])._replace(digest=_NOBODYS).value for key in marks if key in tags}


def _changes(
    stored: Mapping[str, str], metric: str, last: tuple[int, int, str]
) -> Iterator[tuple[str, str]]:
    """Yield the tags that change when a text is the last one of a metric."""
    timestamp, step, given = last
    key = tag_of(metric)
    mark_key = _mark_of(key)
    known = Mark.of(stored[mark_key]) if mark_key in stored else Mark(_NOBODYS, -1, 0, metric)
    if (timestamp, step) < (known.timestamp, known.step):
        return
    shown = _shown(given)
    if key not in stored or known.digest == _digest(stored[key]):
        yield key, shown
        known = known._replace(digest=_digest(shown))
    yield mark_key, known._replace(timestamp=timestamp, step=step).value


def _found(connection: Connection, run_id: str, keys: Iterable[str]) -> dict[str, str]:
    """Return some tags of a run that are there, and lock them."""
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    statement = text(_FOUND + lock).bindparams(bindparam("keys", expanding=True))
    rows = connection.execute(statement, {"run_id": run_id, "keys": list(keys)})
    return {row.key: row.value for row in rows}


def _shown(given: str) -> str:
    """Return a text as a tag holds it."""
    shown = unstorable.storable(given)
    return shown if len(shown) <= MAX_TAG_VAL_LENGTH else shown[: MAX_TAG_VAL_LENGTH - 1] + "…"


def _mark_of(tag: str) -> str:
    return MARK_PREFIX + _digest(tag)


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
