"""What was logged to a run, by the names it was logged by; no value is read for that."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.overview.figures.exact_of_key import ExactOfKey
from mlflow_workspace_plugin.overview.figures.kept_values import exact_values
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs.metrics.descriptors import (
    SCALAR,
    TABLE,
    Column,
    Descriptor,
    read_descriptors,
)
from mlflow_workspace_plugin.runs.metrics.reader import columns_of, type_of
from mlflow_workspace_plugin.stores.tags.text_tags import marks_of

METRIC = "metric"
"""What the id of a metric's figure begins with. A name follows."""
KEY = "key"
"""The same, of a metric of MLflow's whose key is the name of one of SDK v1's."""

_SYSTEM = "system/"
_NUMBERS = re.compile(r"(\d+)")
_KINDS = (SCALAR, TABLE)
_MOST_DIGITS = 1_000


@dataclass(frozen=True)
class Logged:
    """A metric of a run."""

    parts: tuple[str, ...]
    """Of the ids of its figures."""
    name: str
    kind: str
    """As of its descriptors."""
    columns: dict[str, list[Column]] = field(default_factory=dict)
    """By name, each as often as it was declared."""
    is_described: bool = False
    """Whether its values are of types that MLflow does not know."""
    has_text: bool = False
    """Whether a text is among the values of a scalar."""

    @property
    def keys(self) -> list[str]:
        """MLflow's, of the metrics that hold its numbers."""
        return sorted({each.key for declared in self.columns.values() for each in declared})


class LoggedRun:
    """A run that is looked at once: what it holds, as it was when it was read.

    Args:
        source: the workspace.
        run: as MLflow returns it.
    """

    def __init__(self, source: Source, run: MlflowRun) -> None:
        self.source = source
        self.id: str = run.info.run_id
        self.name: str = run.info.run_name or run.info.run_id
        self.start_time: int | None = run.info.start_time
        self.tags: dict[str, str] = run.data.tags
        self._artifact_uri: str = run.info.artifact_uri
        self._keys = [metric.key for metric in run.data._metric_objs]
        self._away: HubUnreachableError | None = None

    @contextmanager
    def reading_files(self) -> Iterator[HubRepository]:
        """Yield where its files are, to be read within the block.

        Raises:
            HubUnreachableError: they are away, for which nobody waits a second time.
        """
        if self._away is not None:
            raise self._away
        try:
            with quietly():
                yield self._repository
        except HubUnreachableError as error:
            self._away = error
            raise

    @cached_property
    def _repository(self) -> HubRepository:
        return self.source.repository_at(self._artifact_uri)

    @cached_property
    def descriptors(self) -> list[Descriptor]:
        """What SDK v1's metrics are declared as."""
        return read_descriptors(self.tags)

    @cached_property
    def _exact(self) -> Mapping[str, ExactOfKey]:
        if not self.descriptors:
            return {}
        with self.reading_files() as repository:
            return exact_values(repository, self.source.tracking_uri, self.id)

    def exact(self, key: str) -> ExactOfKey:
        """Return what was logged where numbers do not say it, of the metric of a key."""
        return self._exact.get(key) or ExactOfKey()

    @cached_property
    def metrics(self) -> list[Logged]:
        """Its metrics, by name; those that MLflow takes of the machine are the last."""
        by_name: dict[str, dict[str, list[Descriptor]]] = defaultdict(lambda: defaultdict(list))
        for each in self.descriptors:
            by_name[each.name][each.kind].append(each)
        texts = {mark.metric for mark in marks_of(self.tags)}
        found: list[Logged] = []
        for name, kinds in by_name.items():
            for kind, descriptors in kinds.items():
                # The first kind is what SDK v1 reads; it would leave out the others.
                others = () if not found or found[-1].name != name else (kind,)
                found.append(_described(name, kind, descriptors, texts, (METRIC, name, *others)))
        owned = {key for each in found for key in each.keys}
        for key in {*self._keys, *texts} - owned:
            column = {"": [Column("", key, "double")]}
            of = KEY if key in by_name else METRIC
            found.append(Logged((of, key), key, SCALAR, column, has_text=key in texts))
        return sorted(found, key=_order)


def _described(
    name: str,
    kind: str,
    descriptors: Iterable[Descriptor],
    texts: set[str],
    parts: tuple[str, ...],
) -> Logged:
    columns = columns_of(descriptors)
    declared = columns.get("", [])
    has_text = kind == SCALAR and (
        any(each.type == "string" or each.key in texts for each in declared)
    )
    return Logged(parts, name, kind, columns, is_described=True, has_text=has_text)


def type_of_column(logged: Logged, column: str) -> str:
    """Return the type of a column that several processes may have declared."""
    return type_of(logged.columns[column])


def _order(logged: Logged) -> tuple[bool, int, list[tuple[int, str]]]:
    """Return what metrics are sorted by.

    Values come first, as they are what is asked for while a run goes on, then tables, then what is
    in files; those of the system last.
    """
    kind = _KINDS.index(logged.kind) if logged.kind in _KINDS else len(_KINDS)
    return logged.name.startswith(_SYSTEM), kind, _by_numbers(logged.name)


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Return what names are sorted by: numbers in them as numbers."""
    pieces = _NUMBERS.split(name.casefold())
    # Alternately text and digits.
    return [(_number(piece) if index % 2 else -1, piece) for index, piece in enumerate(pieces)]


def _number(digits: str) -> int:
    # Python reads no more than some thousand digits.
    return int(digits[:_MOST_DIGITS])
