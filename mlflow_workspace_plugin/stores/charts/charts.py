"""A metric in few points, whatever it holds, and what changed of a run's metrics."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlflow.entities import Metric
from mlflow.entities.metric import MetricWithRunId
from mlflow.exceptions import MlflowException
from sqlalchemy import Connection, text

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.journal.files.records import OTHERS, UNCOUNTED
from mlflow_workspace_plugin.stores.charts import kept
from mlflow_workspace_plugin.stores.charts.buckets import shown
from mlflow_workspace_plugin.stores.charts.kept import Finding
from mlflow_workspace_plugin.stores.charts.point import NO_POINTS, ChartPoints, Point, X
from mlflow_workspace_plugin.stores.charts.reading import BY_TIME, Wanted, read_all, read_sketch
from mlflow_workspace_plugin.stores.reads.metric_history import MetricHistory
from mlflow_workspace_plugin.terminal import get_logger

_LATEST = text("""
    SELECT key, step, timestamp, value, is_nan FROM latest_metrics WHERE run_uuid = :run_id
""")
# By the index that has points by time: what it costs does not grow with what the run holds.
_SINCE = "timestamp >= :since ORDER BY timestamp, step, value, is_nan LIMIT :limit"
_SINCE_ON = {
    "sqlite": text(f"""
        SELECT key, step, timestamp, value, is_nan FROM metrics {BY_TIME}
        WHERE run_uuid = :run_id AND key = :key AND {_SINCE}
    """),
    "postgresql": text(f"""
        SELECT wanted.key, found.* FROM unnest(CAST(:keys AS text[])) AS wanted(key), LATERAL (
            SELECT step, timestamp, value, is_nan FROM metrics
            WHERE run_uuid = :run_id AND metrics.key = wanted.key AND {_SINCE}
        ) AS found
    """),
}
_STORED = text("""
    SELECT key, sum(stored) FROM workspace_plugin_receipts WHERE run_uuid = :run_id GROUP BY key
""")
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
        found: dict[str, ChartPoints] = {}
        findings: list[Finding] = []
        with self._large_reads() as connection:
            self._check_accessible(connection, run_ids)
            for run_id in run_ids:
                wanted = Wanted(run_id, key, x, start, end)
                found[run_id] = self._chart(connection, wanted, max(1, points), findings)
        # Who waits for a connection holds none.
        for finding in findings:
            self._keep(finding)
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
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            return _latest(connection, run_id)

    def points_since(
        self, run_id: str, keys: Sequence[str] | None, timestamp_ms: int, limit: int
    ) -> dict[str, list[Point]]:
        """Return the points of metrics from a time on, by time, step and value (ours).

        Args:
            run_id: the run.
            keys: the metrics; all of the run's when None.
            timestamp_ms: the time, in milliseconds since 1970; what was logged at it is returned.
            limit: how many points of each metric at most, the earliest of them.

        Returns:
            By metric; those without such a point are left out.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        found: dict[str, list[Point]] = {}
        parameters = {"run_id": run_id, "since": timestamp_ms, "limit": limit}
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            wanted = _latest(connection, run_id) if keys is None else filter(self._may_be, keys)
            asked = [{"key": key} for key in wanted] if self._is_sqlite else [{"keys": [*wanted]}]
            statement = _SINCE_ON[connection.dialect.name]
            for each in asked:
                for key, *point in connection.execute(statement, parameters | each):
                    found.setdefault(key, []).append(Point.of(*point))
        return found

    def stored_counts(self, run_id: str) -> dict[str, int]:
        """Return how many values of each metric of a run our clients stored (ours).

        It is the sum of their receipts, which costs nothing, and knows nothing of other clients.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            rows = connection.execute(_STORED, {"run_id": run_id}).all()
        return {key: int(stored) for key, stored in rows if key not in (OTHERS, UNCOUNTED)}

    @contextmanager
    def _large_reads(self) -> Iterator[Connection]:
        """Open a transaction that reads, whose statements may be told how to be run."""
        with self._errors(), self._hub.engine.connect() as connection, self._driver_errors():
            yield connection

    def _chart(
        self, connection: Connection, wanted: Wanted, points: int, findings: list[Finding]
    ) -> ChartPoints:
        if not self._may_be(wanted.key):
            return NO_POINTS
        everything = read_all(connection, wanted, points)
        if everything is not None:
            return everything
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

    def _keep(self, finding: Finding) -> None:
        try:
            with self._transaction(_KEEPING_WAIT_MS) as connection:
                if not self._is_sqlite:
                    connection.execute(text(f"SET LOCAL lock_timeout = {_KEEPING_WAIT_MS}"))
                kept.keep(connection, finding)
        except MlflowException as error:
            # The answer is there. Others write just now, or this user must not.
            _logger.debug("A chart was not kept: %s", error)


def _latest(connection: Connection, run_id: str) -> dict[str, Point]:
    rows = connection.execute(_LATEST, {"run_id": run_id})
    return {key: Point.of(*row) for key, *row in rows}


def _metric(key: str, point: Point) -> Metric:
    value = math.nan if point.is_nan else point.value
    return Metric(key, value, point.timestamp, point.step)
