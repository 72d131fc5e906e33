"""Logging metrics: the same rows and exceptions as MLflow's own store, without its sessions."""

from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR
from mlflow.store.tracking.dbmodels.models import SqlLoggedModelMetric
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.validation import (
    _validate_metric,
    _validate_param_keys_unique,
    _validate_run_id,
)
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.tags.growing_tags import valid_batch
from mlflow_workspace_plugin.stores.writes.metric_rows import (
    MetricRow,
    integer,
    rows_of,
    write_to_postgresql,
    write_to_sqlite,
)

# A transaction of more would keep SQLite's other writers waiting.
_ROWS_IN_TRANSACTION = 10_000


class MetricWrites(Connections, WorkspaceAwareSqlAlchemyStore):
    """Writes metrics in bulk. What is not usual is left to MLflow's own methods."""

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one value, and link it to the model that it names.

        Raises:
            MlflowException: as MLflow's own store: the metric is not valid, or the run or model
                does not exist, or was deleted.
        """
        if metric.model_id is not None:
            self._link_to_models(run_id, [metric])
        self._log_metrics(run_id, [metric])

    def log_batch(
        self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]
    ) -> None:
        """Log metrics, params and tags, in this order of failure: params, metrics, tags.

        Unlike in MLflow's own store a batch may be of any size; it is split here.

        Raises:
            MlflowException: as MLflow's own store: something is not valid, a param has another
                value already, or the run or a model does not exist, or was deleted.
        """
        _validate_run_id(run_id)
        metrics, params, tags = valid_batch(metrics, params, tags)
        _validate_param_keys_unique(params)
        # What is refused leaves nothing of the others.
        self._check_batch(metrics, params, tags)
        try:
            if params:
                self._log_params(run_id, params)
            if metrics or not (params or tags):
                self._write_metrics(run_id, metrics)
            if any(metric.model_id is not None for metric in metrics):
                self._link_to_models(run_id, metrics)
            if tags:
                self._set_tags(run_id, tags)
        except MlflowException:
            raise
        except Exception as error:
            raise MlflowException(error, INTERNAL_ERROR) from error

    def _log_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        for index, metric in enumerate(metrics):
            path = "" if len(metrics) == 1 else f"metrics[{index}]"
            _validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path=path)
        self._write_metrics(run_id, metrics)

    def _write_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        try:
            rows = rows_of(metrics, self.sanitize_metric_value)
        except (TypeError, OverflowError):
            # MLflow takes any number as a step; what becomes of it is up to the database.
            rows = []
        for start in range(0, len(rows), _ROWS_IN_TRANSACTION):
            chunk = rows[start : start + _ROWS_IN_TRANSACTION]
            if not self._run_with_deadlock_retry(self._write_rows, run_id, chunk):
                break
        else:
            if rows:
                self._hub.statistics.wrote(len(rows))
                return
        # No row was written, or the run was deleted: MLflow's method knows what to raise.
        super()._log_metrics(run_id, metrics)

    def _write_rows(self, run_id: str, rows: list[MetricRow]) -> bool:
        workspace = self._get_active_workspace()
        write = write_to_sqlite if self._is_sqlite else write_to_postgresql
        with self._driver_transaction() as driver:
            return write(driver, run_id, workspace, rows)

    def _link_to_models(self, run_id: str, metrics: list[Metric]) -> None:
        with self._statements() as connection:
            experiment_id = self._experiment_of_active_run(connection, run_id)
        if experiment_id is None:
            experiment_id = self._experiment_or_refusal(run_id)
        self._log_model_metrics(run_id, metrics, experiment_id=experiment_id)

    def _experiment_or_refusal(self, run_id: str) -> int:
        with self.ManagedSessionMaker() as session:
            run = self._get_run(session, run_id)
            self._check_run_is_active(run)
            return int(run.experiment_id)

    def _log_model_metrics(
        self,
        run_id: str,
        metrics: list[Metric],
        experiment_id: int,
        dataset_uuid: str | None = None,
    ) -> None:
        linked: dict[Metric, dict[str, Any]] = {}
        try:
            for index, metric in enumerate(metrics):
                if metric.model_id is not None and metric not in linked:
                    path = "" if len(metrics) == 1 else f"metrics[{index}]"
                    _validate_metric(
                        metric.key, metric.value, metric.timestamp, metric.step, path=path
                    )
                    linked[metric] = self._model_row(metric, run_id, experiment_id, dataset_uuid)
            if linked:
                with self._transaction() as connection:
                    connection.execute(insert(SqlLoggedModelMetric), list(linked.values()))
        except (TypeError, OverflowError):
            usual = False
        except MlflowException as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            usual = False
        else:
            usual = True
        if not usual:
            # A step that no column holds, or rows that exist, perhaps with another value.
            super()._log_model_metrics(run_id, metrics, experiment_id, dataset_uuid)

    def _model_row(
        self, metric: Metric, run_id: str, experiment_id: int, dataset_uuid: str | None
    ) -> dict[str, Any]:
        return {
            "model_id": metric.model_id,
            "metric_name": metric.key,
            "metric_timestamp_ms": integer(metric.timestamp),
            "metric_step": integer(metric.step),
            "metric_value": float(self.sanitize_metric_value(metric.value)[1]),
            "experiment_id": experiment_id,
            "run_id": run_id,
            "dataset_uuid": dataset_uuid,
            "dataset_name": metric.dataset_name,
            "dataset_digest": metric.dataset_digest,
        }
