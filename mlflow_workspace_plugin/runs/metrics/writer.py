"""Writing SDK v1's metrics of a run to MLflow's tables, and beside them what these cannot hold."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlflow.entities import Metric, Run
from mlflow.tracking.fluent import get_active_model_id

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.runs.metrics.descriptors import (
    SCALAR,
    TABLE,
    Column,
    Descriptor,
    read_descriptors,
)
from mlflow_workspace_plugin.runs.metrics.names import key_of, marked_key_of, table_id
from mlflow_workspace_plugin.runs.metrics.order import MetricOrder
from mlflow_workspace_plugin.runs.metrics.values import Cell
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.tags.text_tags import marks_of

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

Row = Mapping[str, Cell]
"""The cells of a row by column; of a scalar the one without a name."""

_ROWS_AT_ONCE = 2_000

_lock = fork_safe_lock()


class MetricWriter:
    """Writes the metrics of a run.

    Args:
        store: of the run's workspace.
        run_id: the run.
    """

    def __init__(self, store: "WorkspaceTrackingStore", run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._metrics: dict[tuple[str, str], _Known] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        self._found: _Found | None = None

    def write_number(self, name: str, number: float, step: int | None) -> bool:
        """Write a float of a metric whose values are floats, the quick way.

        Returns:
            Whether it is such a metric, as far as this object knows. If not, nothing is written.
        """
        known = self._metrics.get((name, SCALAR))
        if known is None or known.plain_key is None:
            return False
        timestamp, taken = known.order.next(step)
        metric = Metric(known.plain_key, number, timestamp, taken, model_id=get_active_model_id())
        # Past MLflow's client, whose own part of a call is more than all of this.
        self._store.log_metric(self._run_id, metric)
        return True

    def write(self, name: str, kind: str, rows: Sequence[Row], step: int | None = None) -> int:
        """Write rows of a metric.

        Args:
            name: the metric.
            kind: of its descriptors.
            rows: in the order in which they are to be read.
            step: of a single row; by default the running index of the row within the metric.

        Returns:
            The step of the last row.
        """
        with _lock:
            known = self._known(name, kind)
            new = self._declare(known, name, kind, rows)
        descriptors = dict(new.tags()) if new is not None else {}
        # Parts of many rows, so that nobody waits long for the one before.
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[first : first + _ROWS_AT_ONCE]
            last = self._write_rows(known, name, kind, part, step, descriptors)
            descriptors = {}
        return last

    def _write_rows(
        self,
        known: "_Known",
        name: str,
        kind: str,
        rows: Sequence[Row],
        step: int | None,
        descriptors: dict[str, str],
    ) -> int:
        model_id = get_active_model_id()
        metrics, exact = [], []
        for row in rows:
            timestamp, taken = known.order.next(step)
            for name_of_column, cell in row.items():
                column = known.columns[name_of_column]
                is_told = column.key != "" and cell.is_told_by(column.type)
                is_alone = not is_told and column.key != "" and cell.is_text_in(column.type)
                if column.key and not is_alone:
                    metrics.append(
                        Metric(column.key, cell.number, timestamp, taken, model_id=model_id)
                    )
                if not is_told:
                    at = column.key or name
                    exact.append(ExactValue(at, timestamp, taken, cell.value, is_alone))
        table = table_id(name) if kind == TABLE else None
        self._store.log_values(self._run_id, metrics, exact, descriptors, table)
        return taken

    def _known(self, name: str, kind: str) -> "_Known":
        known = self._metrics.get((name, kind))
        if known is None:
            known = self._metrics[name, kind] = self._look_up(name, kind)
        return known

    def _look_up(self, name: str, kind: str) -> "_Known":
        """Return what is known of a metric that this object writes for the first time."""
        if self._found is None:
            self._found = _Found(self._store.get_run(self._run_id))
            self._owners |= self._found.owners
        descriptors = self._found.descriptors.get((name, kind), [])
        columns: dict[str, Column] = {}
        for descriptor in descriptors:
            for column in descriptor.columns:
                columns.setdefault(column.name, column)
        # The run may have values that this object did not log: go on behind them.
        keys = {column.key for column in columns.values()}
        if kind == SCALAR:
            keys.add(key_of(name))
        last_step = max((self._found.steps.get(key, -1) for key in keys), default=-1)
        return _Known(MetricOrder(last_step), columns, is_described=bool(descriptors))

    def _declare(
        self, known: "_Known", name: str, kind: str, rows: Sequence[Row]
    ) -> Descriptor | None:
        """Let the columns of rows be known; return the descriptor of new ones, if they need one."""
        new = []
        for row in rows:
            for column, cell in row.items():
                if column not in known.columns:
                    key = self._own_key(name, kind, column)
                    known.columns[column] = Column(column, key, cell.type)
                    new.append(known.columns[column])
        if kind == SCALAR and known.columns[""] == Column("", name, "double"):
            known.plain_key = name
            if all(row[""].is_told_by("double") for row in rows):
                return None
            new = [known.columns[""]]
        if known.is_described and (not new or known.plain_key is not None):
            return None
        known.is_described = True
        return Descriptor(name, kind, tuple(new), time.time_ns() // 1_000_000)

    def _own_key(self, name: str, kind: str, column: str) -> str:
        """Return the key of a column: another one, if that is another metric's."""
        if kind not in (SCALAR, TABLE):
            return ""
        parts = (name, column) if kind == TABLE else (name,)
        key = key_of(*parts)
        if self._owners.setdefault(key, (name, kind)) != (name, kind):
            key = marked_key_of(kind, *parts)
            self._owners[key] = (name, kind)
        return key


class _Found:
    """What a run held when it was looked at, before the first value: once, for it takes a while."""

    def __init__(self, run: Run) -> None:
        self.descriptors: dict[tuple[str, str], list[Descriptor]] = defaultdict(list)
        self.owners: dict[str, tuple[str, str]] = {}
        for descriptor in read_descriptors(run.data.tags):
            self.descriptors[descriptor.name, descriptor.kind].append(descriptor)
            for column in descriptor.columns:
                self.owners.setdefault(column.key, (descriptor.name, descriptor.kind))
        self.steps = {mark.metric: mark.step for mark in marks_of(run.data.tags)}
        for metric in run.data._metric_objs:
            self.steps[metric.key] = max(metric.step, self.steps.get(metric.key, metric.step))
        """By key, the highest step of its numbers, or that of its last text."""


class _Known:
    """What is known of a metric."""

    def __init__(
        self, order: MetricOrder, columns: dict[str, Column], *, is_described: bool
    ) -> None:
        self.order = order
        self.columns = columns
        self.is_described = is_described
        self.plain_key: str | None = None
        """Set, if all of it is what a metric without a descriptor is."""
