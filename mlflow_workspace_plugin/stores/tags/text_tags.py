"""The last text of each metric as a tag of its run, ``text/NAME``, which MLflow's UI shows.

MLflow keeps numbers only, so a text has no row among its metrics. Beside each such tag stands a
mark of ours: a digest of what was set, by which the tag is told from one that somebody else set,
and the place of the text, so that nothing that comes late overwrites what is newer. Whoever writes
locks the mark first and then the tag.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_TAG_VAL_LENGTH

from mlflow_workspace_plugin.hub.databases.storable import storable

TEXT_PREFIX = "text/"
MARK_PREFIX = "mlflow.workspace.last-text."
"""Of the marks. MLflow's UI hides them, and a search leaves them out."""

DIGEST_LENGTH = 16
NOBODYS = "-" * DIGEST_LENGTH
"""In place of a digest: the tag is not ours."""

_MARK = re.compile(
    rf"(.{{{DIGEST_LENGTH}}}) (-?\d{{1,19}}) (-?\d{{1,19}}) (.*)", re.DOTALL | re.ASCII
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
    def of(cls, value: str | None) -> "Mark | None":
        """Return the mark that the value of a tag is; None if it is none: anybody may set it."""
        found = _MARK.fullmatch(value or "")
        if found is None:
            return None
        digest, timestamp, step, metric = found.groups()
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
        if key.startswith(MARK_PREFIX) and (mark := Mark.of(value)) is not None:
            yield mark


def last_texts(tags: Mapping[str, str]) -> Iterator[tuple[Mark, str]]:
    """Yield the marks among the tags of a run, and the texts that they stand for.

    One whose tag somebody else set stands for none.
    """
    for mark in marks_of(tags):
        text = tags.get(mark.tag)
        if text is not None and mark.digest == _digest(text):
            yield mark, text


def without_texts(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run but for those that are the last texts of metrics."""
    ours = {mark.tag for mark, _ in last_texts(tags)}
    return {key: value for key, value in tags.items() if key not in ours}


def with_texts(tags: Mapping[str, str], texts: Texts) -> dict[str, str]:
    """Return the tags of a run as they are when texts were logged."""
    return {
        **tags,
        **{key: value for each in texts.items() for key, value in changes_of(tags, *each)},
    }


def disowned(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Return the marks among the tags of a run that change when somebody sets tags."""
    marks = {mark_of(key) for key in keys if key.startswith(TEXT_PREFIX)}
    return {
        key: mark._replace(digest=NOBODYS).value
        for key in marks
        if (mark := Mark.of(tags.get(key))) is not None
    }


def changes_of(
    stored: Mapping[str, str], metric: str, last: tuple[int, int, str]
) -> Iterator[tuple[str, str]]:
    """Yield the tags that change when a text is the last one of a metric."""
    timestamp, step, given = last
    key = tag_of(metric)
    mark_key = mark_of(key)
    known = Mark.of(stored.get(mark_key)) or Mark(NOBODYS, -1, 0, metric)
    if (timestamp, step) < (known.timestamp, known.step):
        return
    shown = _shown(given)
    if key not in stored or known.digest == _digest(stored[key]):
        yield key, shown
        known = known._replace(digest=_digest(shown))
    yield mark_key, known._replace(timestamp=timestamp, step=step).value


def _shown(given: str) -> str:
    """Return a text as a tag holds it."""
    shown = storable(given)
    return shown if len(shown) <= MAX_TAG_VAL_LENGTH else shown[: MAX_TAG_VAL_LENGTH - 1] + "…"


def mark_of(tag: str) -> str:
    """Return the key of the mark beside a tag."""
    return MARK_PREFIX + _digest(tag)


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]
