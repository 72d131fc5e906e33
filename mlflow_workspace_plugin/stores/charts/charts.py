"""A metric in few points, whatever it holds, and what changed of a run's metrics."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mlflow.entities import Metric
from mlflow.entities.metric import MetricWithRunId
from mlflow.exceptions import MlflowException
from sqlalchemy import Connection, String, bindparam, text

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.journal.files.records import OTHERS, UNCOUNTED
from mlflow_workspace_plugin.stores.charts import kept
from mlflow_workspace_plugin.stores.charts.buckets import shown
from mlflow_workspace_plugin.stores.charts.kept import Finding
from mlflow_workspace_plugin.stores.charts.point import NO_POINTS, ChartPoints, Point, X
from mlflow_workspace_plugin.stores.charts.reading import Wanted, read_few, read_sketch
from mlflow_workspace_plugin.stores.charts.recent import Recent, Window, count_recent
from mlflow_workspace_plugin.stores.charts.since import read_since
from mlflow_workspace_plugin.stores.reads.many_objects import many_objects
from mlflow_workspace_plugin.stores.reads.metric_history import MetricHistory
from mlflow_workspace_plugin.terminal import get_logger

_LATEST = text("""
    SELECT run_uuid, key, step, timestamp, value, is_nan FROM latest_metrics
    WHERE run_uuid IN :run_ids
""").bindparams(bindparam("run_ids", type_=String, expanding=True))
_STORED = text("""
    SELECT run_uuid, key, sum(stored) FROM workspace_plugin_receipts
    WHERE run_uuid IN :run_ids GROUP BY run_uuid, key
""").bindparams(bindparam("run_ids", type_=String, expanding=True))
_KEEPING_WAIT_MS = 200

_logger = get_logger(__name__)


class Charts(MetricHistory):
    """Reads metrics as charts show them."""

    def chart_points(
        self,
        run_id: str,
        key: str,
        *,
        x: X = "step",
        start: int | None = None,
        end: int | None = None,
        points: int = 2000,
    ) -> ChartPoints:
        """Return at most so many points of a metric, extremes kept (ours).

        The smallest and the greatest value and a NaN of each stretch of x are among them, and the
        first and the last point of all. All points are returned where they fit.

        Args:
            run_id: the run.
            key: the metric.
            x: what the chart is over. The values of one step only are always taken over time.
            start: leave out what comes before this step, or these milliseconds since 1970.
            end: leave out what comes after it.
            points: how many points at most, at least 1.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        found = self.chart_points_of_runs([run_id], key, x=x, start=start, end=end, points=points)
        return found[run_id]

    def chart_points_of_runs(
        self,
        run_ids: Sequence[str],
        key: str,
        *,
        x: X = "step",
        start: int | None = None,
        end: int | None = None,
        points: int = 2000,
    ) -> dict[str, ChartPoints]:
        """Return at most so many points of a metric of each run (ours).

        Args:
            run_ids: the runs.
            key: the metric.
            x: as for one run.
            start: as for one run.
            end: as for one run.
            points: how many points of each run at most.

        Raises:
            MlflowException: one of the runs is not in the workspace.
        """
        points = max(1, points)
        wanted = [Wanted(run_id, key, x, start, end) for run_id in dict.fromkeys(run_ids)]
        findings: list[Finding] = []
        with self._snapshot() as connection, many_objects():
            self._check_accessible(connection, run_ids)
            if not wanted or not self._may_be(key):
                return dict.fromkeys(run_ids, NO_POINTS)
            found = read_few(connection, wanted, points)
            for each in wanted:
                if each.run_id not in found:
                    found[each.run_id] = self._chart(connection, each, points, findings)
            if findings:
                self._keep(connection, findings)
        return found

    def get_metric_history_bulk_interval(
        self,
        run_ids: list[str],
        metric_key: str,
        max_results: int,
        start_step: int | None,
        end_step: int | None,
    ) -> list[MetricWithRunId]:
        """Return few points of each run for a chart, never more than ``max_results``.

        MLflow keeps the first of each stretch, in which a spike is lost. Here they are those of
        :meth:`chart_points` over the steps.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace, or only
                one of the two steps is given.
        """
        if (start_step is None) != (end_step is None):
            raise MlflowException.invalid_parameter_value(
                "Give start_step and end_step together, or neither."
            )
        found = self.chart_points_of_runs(
            run_ids, metric_key, start=start_step, end=end_step, points=max_results
        )
        return [
            MetricWithRunId(run_id=run_id, metric=_metric(metric_key, point))
            for run_id in run_ids
            for point in found[run_id].points
        ]

    def latest_points(self, run_id: str) -> dict[str, Point]:
        """Return the latest point of each metric of a run, which MLflow keeps in a table (ours).

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        return self.latest_points_of_runs([run_id])[run_id]

    def latest_points_of_runs(self, run_ids: Sequence[str]) -> dict[str, dict[str, Point]]:
        """Return the latest point of each metric of runs, by run, by one query (ours).

        Raises:
            MlflowException: one of the runs is not in the workspace.
        """
        with self._statements() as connection:
            self._check_accessible(connection, run_ids)
            return _latest(connection, run_ids)

    def points_since(
        self, run_id: str, keys: Sequence[str] | None, timestamp_ms: int, limit: int
    ) -> dict[str, list[Point]]:
        """Return the points of metrics from a time on, by time, step and value (ours).

        Where other runs logged much under the same name since then, only the last points by step
        are looked at.

        Args:
            run_id: the run.
            keys: the metrics; all of the run's when None.
            timestamp_ms: the time, in milliseconds since 1970; what was logged at it is returned.
            limit: how many points of each metric at most: the earliest of them, or of those that
                were looked at.

        Returns:
            By metric; those without such a point are left out.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        with self._statements() as connection, self._driver_errors():
            self._check_accessible(connection, [run_id])
            if keys is None:
                wanted = list(_latest(connection, [run_id])[run_id])
            else:
                wanted = list(filter(self._may_be, keys))
            return read_since(connection, run_id, wanted, timestamp_ms, limit)

    def stored_counts(self, run_id: str) -> dict[str, int]:
        """Return how many values of each metric of a run our clients stored (ours).

        It is the sum of their receipts, which costs nothing, and knows nothing of other clients.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        return self.stored_counts_of_runs([run_id])[run_id]

    def stored_counts_of_runs(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return how many values of each metric of runs our clients stored, by run (ours).

        Raises:
            MlflowException: one of the runs is not in the workspace.
        """
        found: dict[str, dict[str, int]] = {run_id: {} for run_id in run_ids}
        with self._statements() as connection:
            self._check_accessible(connection, run_ids)
            for run_id, key, stored in connection.execute(_STORED, {"run_ids": list(run_ids)}):
                if key not in (OTHERS, UNCOUNTED):
                    found[run_id][key] = int(stored)
        return found

    def recent_counts_of_runs(
        self, run_ids: Sequence[str], windows: Mapping[str, Sequence[Window]]
    ) -> dict[str, dict[str, Recent]]:
        """Return how many points metrics of runs have within some times, by run and metric (ours).

        Whoever logged them, and at whatever step.

        Args:
            run_ids: the runs.
            windows: of each metric: the first and the last millisecond since 1970. They have no
                time in common.

        Returns:
            Metrics without such a point are left out.

        Raises:
            MlflowException: one of the runs is not in the workspace.
        """
        with self._statements() as connection, self._driver_errors():
            self._check_accessible(connection, run_ids)
            wanted = {key: each for key, each in windows.items() if self._may_be(key)}
            return count_recent(connection, run_ids, wanted)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Open a transaction that reads, and sees nothing of what comes meanwhile."""
        with self._errors(), self._hub.engine.connect() as connection, self._driver_errors():
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def _chart(
        self, connection: Connection, wanted: Wanted, points: int, findings: list[Finding]
    ) -> ChartPoints:
        """Return what is shown of a metric that holds many values."""
        seen, sketch = None, None
        if wanted.is_whole:
            seen = kept.look(connection, wanted.run_id, wanted.key, wanted.x, points)
            sketch = seen.sketch
        if sketch is None:
            sketch = read_sketch(connection, wanted, points)
            if seen and seen.has_ended and seen.latest and kept.is_worth_keeping(sketch, points):
                of_metric = wanted.run_id, wanted.key, wanted.x
                findings.append(Finding(*of_metric, seen.latest, sketch, points))
        return ChartPoints(shown(sketch, points), sketch.total, sketch.nans, is_exact=False)

    def _may_be(self, key: str) -> bool:
        """Whether the database could hold a metric of that name."""
        return storable.flaw_of(key, is_sqlite=self._is_sqlite) is None

    def _keep(self, connection: Connection, findings: list[Finding]) -> None:
        """Keep what was found, by the connection that it was read by: nobody waits for another."""
        try:
            with self._errors():
                connection.rollback()
                with self._writing(connection, _KEEPING_WAIT_MS):
                    if not self._is_sqlite:
                        connection.execute(text(f"SET LOCAL lock_timeout = {_KEEPING_WAIT_MS}"))
                    for finding in findings:
                        kept.keep(connection, finding)
        except MlflowException as error:
            # The answer is there. Others write just now, or this user must not.
            _logger.debug("A chart was not kept: %s", error)


def _latest(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, Point]]:
    found: dict[str, dict[str, Point]] = {run_id: {} for run_id in run_ids}
    for run_id, key, *row in connection.execute(_LATEST, {"run_ids": list(run_ids)}):
        found[run_id][key] = Point.of(*row)
    return found


def _metric(key: str, point: Point) -> Metric:
    value = math.nan if point.is_nan else point.value
    return Metric(key, value, point.timestamp, point.step)
