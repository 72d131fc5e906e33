"""What SDK v1 knows of a metric and MLflow does not: its kind, its columns and their types.

A descriptor says it of one name. It never changes once it is written, so any number of processes
may write their own: whoever reads takes them together. It is a tag of the run, which MLflow's UI
hides. A metric without one is a scalar whose values are floats and whose key is its name: what
MLflow's own calls log.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from mlflow_workspace_plugin.stores.tags.own_tags import DESCRIPTOR_PREFIX, is_descriptor

SCALAR = "scalar"
TABLE = "table"
IMAGE = "image"


class Column(NamedTuple):
    """A column of a metric; a scalar has one, without a name."""

    name: str
    key: str
    """Of the metric that holds its numbers; empty, if it has none."""
    type: str
    """What its numbers stand for, where nothing else is kept; see :class:`Cell`."""


@dataclass(frozen=True)
class Descriptor:
    """Columns of one metric, as one process declared them."""

    name: str
    kind: str
    """``scalar``, ``table``, ``image``, or that of a chart; the last two are files."""
    columns: tuple[Column, ...]
    declared_at: int = field(compare=False)
    """In milliseconds since 1970."""

    def tags(self) -> Iterator[tuple[str, str]]:
        """Return the tags that say it: several, if there are too many columns for one."""
        fitting: list[Column] = []
        for column in self.columns:
            if fitting and len(self._text([*fitting, column])) > MAX_TAG_VAL_LENGTH:
                yield self._tag(fitting)
                fitting = []
            fitting.append(column)
        yield self._tag(fitting)

    def _tag(self, columns: Iterable[Column]) -> tuple[str, str]:
        text = self._text(columns)
        known = json.dumps([self.name, self.kind, list(columns)])
        return DESCRIPTOR_PREFIX + hashlib.sha256(known.encode()).hexdigest()[:20], text

    def _text(self, columns: Iterable[Column]) -> str:
        return json.dumps([self.declared_at, self.name, self.kind, list(columns)])


def read_descriptors(tags: Mapping[str, str]) -> list[Descriptor]:
    """Return the descriptors among the tags of a run, in the order in which they were declared."""
    found = []
    for key, text in tags.items():
        if key.startswith(DESCRIPTOR_PREFIX) and is_descriptor(text):
            declared_at, name, kind, columns = json.loads(text)
            declared = tuple(Column(*column) for column in columns)
            found.append(Descriptor(name, kind, declared, declared_at))
    return sorted(found, key=lambda each: each.declared_at)


def columns_by_key(tags: Mapping[str, str]) -> dict[str, tuple[str, Column]]:
    """Return the columns of a run's metrics by MLflow's keys, and what each was logged as.

    A column of a table is ``NAME/COLUMN``. A metric that is not there has its key as its name.

    Args:
        tags: all of the run's.
    """
    return {
        column.key: ("/".join(filter(None, (each.name, column.name))), column)
        for each in read_descriptors(tags)
        for column in each.columns
        if column.key
    }


def names_by_key(tags: Mapping[str, str]) -> dict[str, str]:
    """Return what the metrics of a run were called when they were logged, by MLflow's keys.

    Args:
        tags: as for :func:`columns_by_key`.
    """
    return {key: name for key, (name, _) in columns_by_key(tags).items()}
