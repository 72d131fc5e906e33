"""The store of a workspace as scripts use it: what is logged goes through the journal."""

import functools
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.entities import Metric, Param, Run, RunInfo, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_metric,
    _validate_param,
    _validate_param_keys_unique,
    _validate_run_id,
    _validate_tag,
)

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import AzureMLException
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.journal.folder import JournalFolder
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.journal.of_process import journal_of
from mlflow_workspace_plugin.journal.records import Kind, Record
from mlflow_workspace_plugin.stores.deliveries import is_away
from mlflow_workspace_plugin.stores.known_runs import KnownRuns
from mlflow_workspace_plugin.stores.metric_rows import integer
from mlflow_workspace_plugin.stores.run_reads import read_info
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.uris import WorkspaceUri

CONFLICT_TAG = "mlflow.workspace.refused"
"""What was refused after its call had returned. MLflow's UI hides tags of this prefix."""

_LONGEST_PAUSE_S = 2.0


class JournalledTrackingStore(WorkspaceTrackingStore):
    """One workspace of a hub, for scripts: a logging call does not wait for the database.

    Values of metrics are appended to the journal of the process and stored in the background.
    Params, tags and changes of a run go the same way, behind the metrics of the run, and are waited
    for. Whatever else is asked comes after what this process logged, and is asked again while the
    database is away.
    """

    def __init__(self, hub: Hub, workspace: str) -> None:
        super().__init__(hub, workspace)
        target = str(WorkspaceUri(hub.path, workspace))
        self._runs = KnownRuns()
        self._nested = threading.local()

        def _make() -> Journal:
            direct = WorkspaceTrackingStore(hub, workspace)
            return Journal(
                JournalFolder(target),
                direct,
                functools.partial(_note_refusal, direct),
                fsync=settings.FSYNC.get() == "1",
            )

        self.journal = journal_of(target, _make)

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one value; returns when the journal has it.

        Raises:
            MlflowException: as MLflow's own store: the metric is not valid, or the run does not
                exist, or was deleted.
        """
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        self._append_metrics(run_id, [metric])

    def log_batch(
        self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]
    ) -> None:
        """Log metrics, params and tags; returns when params and tags are stored.

        Raises:
            MlflowException: as MLflow's own store: something is not valid, a param has another
                value already, or the run does not exist, or was deleted.
        """
        _validate_run_id(run_id)
        metrics, params, tags = _validate_batch_log_data(metrics, params, tags)
        _validate_param_keys_unique(params)
        if not (metrics or params or tags):
            self._through(super().log_batch, run_id, [], [], [])
        if params:
            self._append(Kind.PARAMS, run_id, {param.key: param.value for param in params})
        if metrics:
            self._append_metrics(run_id, metrics)
        if tags:
            self._append(Kind.TAGS, run_id, {tag.key: tag.value for tag in tags})

    def log_param(self, run_id: str, param: Param) -> None:
        """Log one param; returns when it is stored.

        Raises:
            MlflowException: as MLflow's own store: it is not valid, it has another value already,
                or the run does not exist, or was deleted.
        """
        valid = _validate_param(param.key, param.value)
        self._append(Kind.PARAM, run_id, {valid.key: valid.value})

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set one tag; returns when it is stored.

        Raises:
            MlflowException: as MLflow's own store: it is not valid, or the run does not exist, or
                was deleted.
        """
        valid = _validate_tag(tag.key, tag.value)
        self._append(Kind.TAG, run_id, {valid.key: valid.value})

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Change the status, the end and the name of a run; None leaves each as it is.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace, or it was
                deleted.
        """
        status = None if run_status is None else RunStatus.to_string(run_status)
        stored = self._append(Kind.INFO, run_id, [status, end_time, run_name])
        known = self._runs.get(run_id)
        if known is not None:
            known.changed(status, end_time, run_name)
        if stored:
            with self._statements() as connection:
                return read_info(connection, run_id, self._workspace)
        if known is not None:
            return known.run.info
        return RunInfo(run_id, "", "", status, None, end_time, None, run_name=run_name)

    def create_run(self, *args: Any, **kwargs: Any) -> Run:
        """Create a run; see the store without a journal."""
        run = self._answered(super().create_run, *args, **kwargs)
        self._runs.remember(run)
        return run

    def get_run(self, run_id: str) -> Run:
        """Return a run with all that this process logged to it, even while the database is away.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace.
        """
        self.journal.flush()
        known = self._runs.get(run_id)
        try:
            run = super().get_run(run_id)
        except Exception as error:
            if not is_away(error):
                raise
            if known is None:
                return self._answered(super().get_run, run_id)
            return known.as_run()
        self._runs.remember(run)
        return run

    def delete_run(self, run_id: str) -> None:
        """Delete a run, after all that this process logged to it."""
        self._through(super().delete_run, run_id)
        self._runs.forget(run_id)

    def flush_async_logging(self) -> None:
        """Wait until all that was logged is stored, or the database is known to be away."""
        super().flush_async_logging()
        self.journal.flush()

    def _append_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        values = []
        try:
            for metric in metrics:
                value = [
                    metric.key,
                    float(metric.value),
                    integer(metric.timestamp),
                    integer(metric.step),
                ]
                if metric.model_id is not None:
                    value += [metric.model_id, metric.dataset_name, metric.dataset_digest]
                values.append(value)
        except (TypeError, OverflowError):
            # MLflow takes any number as a step; what becomes of it is up to the database.
            self._through(super().log_batch, run_id, metrics, [], [])
            return
        if run_id not in self._runs:
            self._check_writable(run_id, metrics)
        self.journal.append_metrics(run_id, time.time_ns() // 1_000_000, values)
        known = self._runs.get(run_id)
        if known is not None:
            for metric in metrics:
                known.logged(metric)

    def _check_writable(self, run_id: str, metrics: list[Metric]) -> None:
        """Refuse the first values for a run that cannot be logged to, if that can be known now."""
        if self.journal.away:
            return
        try:
            with self._statements() as connection:
                found = self._experiment_of_active_run(connection, run_id)
        except Exception as error:
            if not is_away(error):
                raise
            return
        if found is None:
            # MLflow's method knows what to raise.
            super()._log_metrics(run_id, metrics)
        self._runs.remember_writable(run_id)

    def _append(self, kind: Kind, run_id: str, content: Any) -> bool:
        """Append a record and wait for it; return whether it is stored, or the database away."""
        stored = self.journal.append_and_wait(kind, run_id, content)
        known = self._runs.get(run_id)
        if known is not None and kind in (Kind.PARAM, Kind.PARAMS):
            known.params |= content
        if known is not None and kind in (Kind.TAG, Kind.TAGS):
            known.tags |= content
        return stored

    def _through(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of the store beneath, after all that this process logged is stored."""
        if not self._is_nested:
            self.journal.flush()
        return self._answered(method, *args, **kwargs)

    def _answered(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of the store beneath, again and again while the database is away.

        Raises:
            Exception: what the method raised; after ``MLFLOW_WORKSPACE_WAIT`` seconds also that
                the database is away, with what waits for it.
        """
        if self._is_nested:
            return method(*args, **kwargs)
        deadline = time.monotonic() + float(settings.WAIT_S.get())
        pause = 0.1
        while True:
            try:
                with self._nesting():
                    return method(*args, **kwargs)
            except MlflowException as error:
                if error.error_code != ErrorCode.Name(TEMPORARILY_UNAVAILABLE):
                    raise
                if time.monotonic() + pause > deadline:
                    raise self._given_up(error) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _given_up(self, error: MlflowException) -> MlflowException:
        journal = self.journal
        return AzureMLException(
            f"{journal.folder.target} did not answer for {settings.WAIT_S.get()} s "
            f"({settings.WAIT_S.name}): {error.message} What was logged is kept: {journal.waiting} "
            f"calls wait in {journal.folder.path}; mlflow-workspace sync sends them."
        )

    @property
    def _is_nested(self) -> bool:
        return getattr(self._nested, "depth", 0) > 0

    @contextmanager
    def _nesting(self) -> Iterator[None]:
        self._nested.depth = getattr(self._nested, "depth", 0) + 1
        try:
            yield
        finally:
            self._nested.depth -= 1


def _after_the_journal(store: type[JournalledTrackingStore]) -> None:
    """Let every public method that is not said above come after what this process logged."""
    names = {name for name, _ in inspect.getmembers(AbstractStore, inspect.isfunction)}
    names |= {name for name, _ in inspect.getmembers(WorkspaceTrackingStore, inspect.isfunction)}
    own = vars(store)
    for name in names:
        if not name.startswith("_") and name not in own and not name.endswith("_async"):
            setattr(store, name, _through(getattr(store, name)))


def _through(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: JournalledTrackingStore, *args: Any, **kwargs: Any) -> Any:
        return self._through(functools.partial(method, self), *args, **kwargs)

    return call


_after_the_journal(JournalledTrackingStore)


def _note_refusal(store: WorkspaceTrackingStore, record: Record, error: Exception) -> None:
    """Note on its run that a param, a tag or a change was refused after its call had returned."""
    if record.kind == Kind.METRICS:
        return
    store.set_tag(record.run_id, RunTag(CONFLICT_TAG, f"{record.kind} {record.content}: {error}"))
