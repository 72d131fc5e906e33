"""Logging the metrics of a run, and reading them, by SDK v1's methods."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import FunctionType, GeneratorType
from typing import Any

from mlflow_workspace_plugin.errors import AzureMLException, InvalidMetricError, UserErrorException
from mlflow_workspace_plugin.remote.files.open import open_repository
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.base import RunBase
from mlflow_workspace_plugin.runs.metrics import names as metric_names
from mlflow_workspace_plugin.runs.metrics import values as metric_values
from mlflow_workspace_plugin.runs.metrics.descriptors import SCALAR, TABLE
from mlflow_workspace_plugin.runs.metrics.reader import read_metrics
from mlflow_workspace_plugin.runs.metrics.writer import MetricWriter, Row
from mlflow_workspace_plugin.stores.writes.metric_rows import integer
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


class RunMetrics(RunBase):
    """Logs metrics of a run, and reads them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._metrics = MetricWriter(self._store, self._id)
        self._is_end_said = False

    def log(
        self,
        name: str,
        value: Any,
        description: str = "",
        step: int | None = None,
    ) -> None:
        """Log one value of a metric (SDK v1). Logging a name again appends.

        Args:
            name: the metric; any text.
            value: a number, a truth value, text or None; any other object is kept as text, with a
                warning. Arrays and tensors of one element are what they hold (ours).
            description: accepted and dropped, as in SDK v1.
            step: the step; by default the running index of the value within the metric.

        Values of one name are told apart and keep their order, by all threads that use this object.
        To a run that has ended they are logged with a warning (ours).

        Raises:
            UserErrorException: the name is empty or no text, or the value is a list, a range or a
                generator, which log_list takes.
            InvalidMetricError: the step is no integer, or none of 64 bits.
            mlflow.exceptions.MlflowException: the run does not exist, or was deleted.
        """
        taken = None if step is None else _step(name, step)
        if type(value) is float and 0 < abs(value) < math.inf:
            # What training loops log.
            if self._metrics.write_number(name, value, taken):
                self._say_if_ended()
                return
        elif isinstance(value, (list, range, FunctionType, GeneratorType)):
            raise UserErrorException(
                f"Metric {name!r} was given a {type(value).__name__}, and log takes one value. "
                "Use log_list for several."
            )
        metric_names.check(name)
        self._write(name, SCALAR, [{"": metric_values.scalar(name, value)}], taken)

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Log several values of a metric, in their order (SDK v1); the same as as many ``log``.

        Args:
            name: the metric.
            value: any iterable of what ``log`` takes as it is. Of an empty one nothing is logged,
                which is said (ours).
            description: accepted and dropped, as in SDK v1.

        Raises:
            UserErrorException: the name is empty or no text, or the value is no iterable: ``log``
                takes one value.
            AzureMLException: one of the values is of a type that SDK v1 does not take.
        """
        metric_names.check(name)
        cells = [metric_values.cell(each) for each in _elements(name, value)]
        if not cells:
            _logger.warning("The list of metric %r is empty: nothing is logged.", name)
            return
        if cells[0].type in ("int", "double") and any(cell.type == "double" for cell in cells):
            # SDK v1 goes by the first, and counts no number with a fraction among ints.
            cells = [
                metric_values.Cell("double", float(cell.value)) if cell.type == "int" else cell
                for cell in cells
            ]
        self._write(name, SCALAR, [{"": cell} for cell in cells])

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Log a row of a table (SDK v1). Rows of one name are appended to it.

        Args:
            name: the table.
            description: accepted and dropped, as in SDK v1.
            kwargs: the columns. A row may lack some that others have: it has None there (ours).

        Raises:
            UserErrorException: the name is empty or no text.
            AzureMLException: a cell is a list, or of a type that SDK v1 does not take.
        """
        metric_names.check(name)
        for column, value in kwargs.items():
            if isinstance(value, list):
                raise AzureMLException(
                    f"Rows cannot contain list values, and column {column!r} of {name!r} is one. "
                    "Use log_table."
                )
        row = {column: metric_values.cell(value) for column, value in kwargs.items()}
        self._write(name, TABLE, [row])

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """Log rows of a table by columns (SDK v1), appended to those that are there.

        Args:
            name: the table.
            value: a list of cells, or one cell, by column; the lists are of one length. Tuples and
                arrays of one dimension are taken as lists, so a data frame is a table, and of an
                empty one nothing is logged, which is said (ours).
            description: accepted and dropped, as in SDK v1.

        Raises:
            UserErrorException: the name is empty or no text.
            AzureMLException: it has no columns, they are of several lengths, or a cell is of a type
                that SDK v1 does not take.
        """
        metric_names.check(name)
        if not hasattr(value, "items"):
            raise AzureMLException(
                f"Table {name!r} was given a {type(value).__name__}, and log_table takes a dict of "
                "columns. Use log_list for one list, log_row for one row."
            )
        columns = {
            str(column): [metric_values.cell(each) for each in _cells(cells)]
            for column, cells in value.items()
        }
        lengths = {column: len(cells) for column, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            raise AzureMLException(
                f"The columns of table {name!r} are of several lengths: {lengths}. "
                "Give each as many cells."
            )
        rows = [
            dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
        if not rows:
            _logger.warning("Table %r is empty: nothing is logged.", name)
            return
        self._write(name, TABLE, rows)

    def get_metrics(
        self,
        name: str | None = None,
        recursive: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        run_type: str | None = None,
        populate: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        """Return the values of metrics, in the order they were logged (SDK v1).

        Args:
            name: only this metric; all when None.
            recursive: those of all descendants, too, by run id; runs without metrics are absent.
            run_type: only descendants of this type.
            populate: of metrics whose values are files, these in place of their addresses.

        Returns:
            By metric a value, or a list of several; of a table a dict of these by column; of an
            image or chart its address, or a :class:`MetricArtifact`.
        """
        own = self._own_metrics(name, populate=populate)
        if not recursive:
            return own
        found: dict[str, Any] = {}
        for child in self.get_children(recursive=True, type=run_type):  # type: ignore[attr-defined]
            of_child = child._own_metrics(name, populate=populate)
            if of_child:
                found[child.id] = of_child
        return found | ({self.id: own} if own else {})

    def flush(self, timeout_seconds: int = 300) -> None:
        """Wait until all that this process logged is stored (SDK v1).

        Args:
            timeout_seconds: how long to wait, in seconds; what is not stored by then is kept, and
                stored later.
        """
        if not self._store.flush(timeout_seconds):
            _logger.warning(
                "Not all that was logged was stored within %s s. It is kept, and stored later: "
                "mlflow-workspace sync --status says what waits.",
                timeout_seconds,
            )

    def _write(self, name: str, kind: str, rows: Sequence[Row], step: int | None = None) -> int:
        """Write rows of a metric, as ``MetricWriter.write`` does."""
        taken = self._metrics.write(name, kind, rows, step)
        self._say_if_ended()
        return taken

    def _say_if_ended(self) -> None:
        """Say, once, that what is logged comes after the end of the run, if that is known."""
        ended_as = self._store.ended_as(self._id)
        if ended_as is not None and not self._is_end_said:
            self._is_end_said = True
            _logger.warning(
                "Run %s has ended (%s). What is logged to it now is stored all the same.",
                self._id,
                run_status.of_mlflow(ended_as),
            )

    def _own_metrics(self, name: str | None, *, populate: bool) -> dict[str, Any]:
        info = self._client.get_run(self.id).info
        uri = self._store.tracking_uri
        repository = open_repository(info.artifact_uri, uri)
        return read_metrics(self._store, repository, self.id, name, populate=populate)


def _elements(name: str, given: Any) -> list[Any]:
    try:
        return list(given)
    except TypeError as error:
        raise UserErrorException(
            f"Metric {name!r} was given an object of type {type(given).__name__}, and log_list "
            "takes a list or another iterable. Use log for one value."
        ) from error


def _cells(given: Any) -> list[Any]:
    several = isinstance(given, (list, tuple, range)) or getattr(given, "ndim", 0) == 1
    return list(given) if several else [given]


def _step(name: str, step: Any) -> int:
    try:
        return integer(int(step))
    except (OverflowError, ValueError, TypeError) as error:
        raise InvalidMetricError(
            f"Metric {name!r} was given step {step!r}, which is no integer of 64 bits: "
            f"{str(error).rstrip('.')}. Leave it out to have the values counted."
        ) from error
