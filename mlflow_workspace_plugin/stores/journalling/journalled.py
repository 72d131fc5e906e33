"""What a journal does for the runs of a store: what is logged goes through it."""

import functools
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mlflow.entities import Metric, Param, Run, RunInfo, RunStatus, RunTag
from mlflow.utils.async_logging.run_operations import RunOperations
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.validation import (
    _validate_metric,
    _validate_param,
    _validate_param_keys_unique,
    _validate_run_id,
)

from mlflow_workspace_plugin.errors import HubError, NoAnswerError, clause
from mlflow_workspace_plugin.journal.files.records import Kind
from mlflow_workspace_plugin.stores.checked_texts import RUN_NAME_LENGTH
from mlflow_workspace_plugin.stores.jobs.creation import NewJob
from mlflow_workspace_plugin.stores.jobs.job import Beat
from mlflow_workspace_plugin.stores.journalling.patience import wait_s
from mlflow_workspace_plugin.stores.journalling.traces import Traces
from mlflow_workspace_plugin.stores.process import active_runs, run_lines
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.reads.known_runs import KnownRun, KnownRuns
from mlflow_workspace_plugin.stores.reads.run_status import status_of
from mlflow_workspace_plugin.stores.retries.faults import is_away
from mlflow_workspace_plugin.stores.tags.failure import is_kept, tags_of_current_exception
from mlflow_workspace_plugin.stores.tags.growing_tags import valid_batch, valid_tag
from mlflow_workspace_plugin.stores.writes.metric_rows import integer
from mlflow_workspace_plugin.stores.writes.run_writes import NewRun
from mlflow_workspace_plugin.stores.writes.typed_values import add_texts


class Journalled(Traces):
    """Over the store beneath, which comes next in a class: a logging call does not wait for it.

    Values of metrics are appended to the journal of the process and stored in the background.
    Params, tags and changes of a run go the same way, behind the metrics of the run, and are waited
    for. Whatever else is asked comes after what this process logged, and is asked again while the
    database is away.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._runs = KnownRuns()
        self._models: set[str] = set()

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one value; returns when the journal has it.

        Raises:
            MlflowException: as MLflow's own store: the metric is not valid, or the run does not
                exist, or was deleted.
        """
        key, value, timestamp, step = metric.key, metric.value, metric.timestamp, metric.step
        known = self._runs.get(run_id)
        if (
            known is None
            or not known.takes(key, value, timestamp, step)
            or metric.model_id is not None
            or run_id in self.journal.refused_runs
        ):
            _validate_metric(key, value, timestamp, step)
            self._check_batch([metric], (), ())
            self._append_metrics(run_id, [metric])
            return
        called_at = time.time_ns() // 1_000_000
        self.journal.append_metric(run_id, called_at, key, value, timestamp, step)
        known.logged(key, value, timestamp, step)

    def log_batch(
        self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]
    ) -> None:
        """Log metrics, params and tags; returns when params and tags are stored.

        Raises:
            MlflowException: as MLflow's own store: something is not valid, a param has another
                value already, or the run does not exist, or was deleted.
        """
        _validate_run_id(run_id)
        known = self._runs.get(run_id)
        are_valid = known is not None and all(
            known.takes(metric.key, metric.value, metric.timestamp, metric.step)
            for metric in metrics
        )
        _, params, tags = valid_batch([] if are_valid else metrics, params, tags)
        _validate_param_keys_unique(params)
        unknown = [] if are_valid else metrics
        self._check_batch(unknown, params, tags, is_away=self.journal.away)
        if not (metrics or params or tags):
            self._through(super().log_batch, run_id, [], [], [])
        if params:
            self._append(Kind.PARAMS, run_id, {param.key: param.value for param in params})
        if metrics:
            # When a model is logged MLflow sends the run's values again, by batches that name it.
            again = any(metric.model_id is not None for metric in metrics)
            self._append_metrics(run_id, metrics, sent_again=again)
        if tags:
            self._append(Kind.TAGS, run_id, {tag.key: tag.value for tag in tags})

    def log_values(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        exact: Sequence[ExactValue] = (),
        descriptors: dict[str, str] | None = None,
        table: str | None = None,
    ) -> None:
        """Log numbers, what was logged in their place, and tags; returns when the journal has it.

        Raises:
            MlflowException: the run does not exist, or was deleted.
            UnstorableValueError: the database cannot store one of the texts.
        """
        self._check_batch(metrics, (), [RunTag(*each) for each in (descriptors or {}).items()])
        self._check_text("The name of a table", table)
        if self._runs.get(run_id) is None or run_id in self.journal.refused_runs:
            self._look_up(run_id)
        # In this order: a number is never there without what it stands for.
        if descriptors:
            self.journal.append(Kind.DESCRIBED, run_id, descriptors)
            known = self._runs.get(run_id)
            if known is not None:
                known.tags = descriptors | known.tags
        if metrics or exact:
            self._append_metrics(run_id, metrics, exact, table)

    def log_param(self, run_id: str, param: Param) -> None:
        """Log one param; returns when it is stored.

        Raises:
            MlflowException: as MLflow's own store: it is not valid, it has another value already,
                or the run does not exist, or was deleted.
        """
        valid = _validate_param(param.key, param.value)
        self._check_batch((), [valid], ())
        self._append(Kind.PARAM, run_id, {valid.key: valid.value})

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set one tag; returns when it is stored.

        Raises:
            MlflowException: as MLflow's own store: it is not valid, or the run does not exist, or
                was deleted.
        """
        valid = valid_tag(tag.key, tag.value)
        self._check_batch((), (), [valid], is_away=self.journal.away)
        self._append(Kind.TAG, run_id, {valid.key: valid.value})

    def set_tag_now(self, run_id: str, tag: RunTag) -> None:
        """Set one tag past the journal, after all that this process logged to the run (ours).

        Raises:
            NoAnswerError: the database is away.
            MlflowException: as :meth:`set_tag`.
        """
        self._through(super().set_tag_now, run_id, tag, of_runs=[run_id])
        known = self._runs.get(run_id)
        if known is not None:
            known.tagged({tag.key: tag.value})

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Change the status, the end and the name of a run; None leaves each as it is.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace, or it was
                deleted.
        """
        status = None if run_status is None else RunStatus.to_string(run_status)
        if status == RunStatus.to_string(RunStatus.FAILED):
            self._keep_reason(run_id)
        limit = RUN_NAME_LENGTH if self.journal.away else None
        self._check_text("The name of a run", run_name, limit)
        run_name = self._name_given(run_id, run_name)
        stored = self._append(Kind.INFO, run_id, [status, end_time, run_name])
        known = self._runs.get(run_id)
        if known is not None:
            known.changed(status, end_time, run_name)
        run_lines.ended(run_id, status)
        if stored and known is None:
            return self.get_run(run_id).info
        if known is not None:
            return known.run.info
        # MLflow wants something in the place of what cannot be known now.
        return RunInfo(run_id, "", "", status or "", 0, end_time, "", run_name=run_name)

    def _may_name(self, run_id: str) -> bool:
        """Whether who attaches to a run may name it; not while that cannot be known."""
        if self.journal.away:
            return False
        try:
            return self._soon(functools.partial(super().name_job, run_id))
        except Exception as error:
            if is_away(error):
                return False
            raise

    def _keep_reason(self, run_id: str) -> None:
        """Keep the exception that fails a run, as one that leaves ``with mlflow.start_run()``."""
        known = self._runs.get(run_id)
        if known is None or not is_kept(known.run.data.tags | known.tags):
            tags = tags_of_current_exception()
            # The run is to be ended all the same.
            with suppress(Exception):
                if tags:
                    self._append(Kind.TAGS, run_id, tags)

    def ended_as(self, run_id: str) -> str | None:
        """Return the status of a run of which this process knows that it has ended (ours)."""
        known = self._runs.get(run_id)
        return known.run.info.status if known is not None and known.has_ended else None

    def status_now(self, run_id: str) -> str | None:
        """Return the status of a run as it is stored, or ``deleted`` (ours).

        None where it cannot be known soon.
        """
        if self.journal.away:
            return None
        try:
            run: Run = self._soon(functools.partial(super().get_run, run_id))
        except Exception as error:
            if is_away(error):
                return None
            raise
        return status_of(run)

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: list[RunTag],
        run_name: str | None,
    ) -> Run:
        """Create a run; one whose answer was lost is not created twice.

        Raises:
            MlflowException: as MLflow's own store: there is no such experiment in the workspace, it
                was deleted, or the run has two names.
        """
        new = NewRun.of(user_id, start_time, tags, run_name)
        run: Run = self._answered(self._create, experiment_id, new)
        self._runs.remember(run)
        active_runs.created(run.info.run_id)
        self._say_started(run, new.tags)
        return run

    def create_job(self, *args: Any, **kwargs: Any) -> Run:
        """Create a job; one whose answer was lost is not created twice."""
        # What is asked again is :meth:`_create_job`, which knows its id.
        run: Run = super().create_job(*args, **kwargs)
        return run

    def _create_job(self, experiment_id: str | int, new: NewJob) -> Run:
        run: Run = self._answered(super()._create_job, experiment_id, new)
        self._runs.remember(run)
        return run

    def beat(self, run_id: str, owner: str) -> Beat:
        """Take a sign of life of a job's runner; for as long as a logging call may take.

        Raises:
            HubError: the database is away, or busy.
        """
        try:
            return self._soon(functools.partial(super().beat, run_id, owner))
        except Exception as error:
            if isinstance(error, HubError) or not is_away(error):
                raise
            raise NoAnswerError(
                f"{self.journal.folder.target} did not take a sign of life of run {run_id}: "
                f"{clause(error)}. It is asked again with the next one."
            ) from error

    def _create(self, experiment_id: str, new: NewRun) -> Run:
        return self._create_run(self._own_experiment(experiment_id), new)

    def get_run(self, run_id: str) -> Run:
        """Return a run with all that this process logged to it, even while the database is away.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace.
        """
        known = self._runs.get(run_id)
        if known is None:
            run = self._through(super().get_run, run_id, of_runs=[run_id])
        elif self.journal.away:
            return known.as_run()
        elif not self.journal.settle([run_id], seconds := wait_s(), unless_away=True):
            if self.journal.away or self.journal.waiting:
                return known.as_run()
            raise self._not_stored([run_id], seconds)
        else:
            try:
                run = self._soon(functools.partial(super().get_run, run_id))
            except Exception as error:
                if not is_away(error):
                    raise
                return known.as_run()
        self._runs.remember(run)
        return run

    def delete_run(self, run_id: str) -> None:
        """Delete a run, after all that this process logged to it."""
        self._through(super().delete_run, run_id, of_runs=[run_id])
        self._runs.forget(run_id)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment and its runs, after all that this process logged to them."""
        self._through(super().delete_experiment, experiment_id)
        self._runs.forget_all()

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag, after all that this process logged to the run."""
        self._through(super().delete_tag, run_id, key, of_runs=[run_id])
        self._runs.remember(self._answered(super().get_run, run_id))

    def log_batch_async(
        self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]
    ) -> RunOperations:
        """Log metrics at once, which takes no time, and params and tags in a thread of MLflow's."""
        if metrics:
            self.log_batch(run_id, metrics, [], [])
        if not params and not tags:
            return RunOperations([])
        operations: RunOperations = super().log_batch_async(run_id, [], params, tags)
        return operations

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was logged is stored; return whether it is.

        Args:
            timeout_s: how long to wait, in seconds.
        """
        deadline = time.monotonic() + timeout_s
        return self.journal.flush(timeout_s) and self._flush_files(
            max(0, deadline - time.monotonic())
        )

    def flush_async_logging(self) -> None:
        """Wait until all that was logged is stored, or the database is known to be away.

        For ``MLFLOW_WORKSPACE_WAIT`` seconds at most.
        """
        super().flush_async_logging()
        self.journal.flush(wait_s(), unless_away=True)

    def _append_metrics(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        exact: Sequence[ExactValue] = (),
        table: str | None = None,
        *,
        sent_again: bool = False,
    ) -> None:
        called_at = None if sent_again else time.time_ns() // 1_000_000
        values = []
        models = set()
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
                    models.add(metric.model_id)
                values.append(value)
        except (TypeError, OverflowError):
            # MLflow takes any number as a step; what becomes of it is up to the database.
            self._through(super().log_values, run_id, metrics, exact, None, table)
            return
        known = self._runs.get(run_id)
        if known is None or run_id in self.journal.refused_runs:
            known = self._look_up(run_id)
        if not models <= self._models and not self._are_own(models):
            # MLflow's method knows what to raise.
            self._through(super().log_values, run_id, metrics, exact, None, table)
            return
        self.journal.append_metrics(run_id, called_at, values, exact, table)
        if known is not None:
            for key, value, timestamp, step, *_ in values:
                known.logged(key, value, timestamp, step)
            if exact and table is None:
                add_texts(known.texts, exact)

    def _look_up(self, run_id: str) -> KnownRun | None:
        """Return the run of the first values, and refuse one that cannot be logged to.

        Returns:
            None when the database is away, so that nothing can be known of the run.
        """
        self._check_text("The id of a run", run_id)
        if self.journal.away:
            return None
        try:
            known = self._runs.remember(self._soon(functools.partial(super().get_run, run_id)))
        except Exception as error:
            if is_away(error):
                return None
            raise
        if known is None:
            # It was deleted, which is what is raised.
            self._refuse_deleted(run_id)
        self.journal.refused_runs.discard(run_id)
        return known

    def _are_own(self, models: set[str]) -> bool:
        """Whether models are of the workspace, as far as that can be known now."""
        if self.journal.away:
            return True
        try:
            found = self._soon(functools.partial(self._own_models, models))
        except Exception as error:
            if is_away(error):
                return True
            raise
        self._models |= found
        return models <= found

    def _append(self, kind: Kind, run_id: str, content: Any) -> bool:
        """Append a record and wait for it; return whether it is stored, or the database away."""
        self._check_text("The id of a run", run_id)
        stored = self.journal.append_and_wait(kind, run_id, content)
        known = self._runs.get(run_id)
        if known is not None and kind in (Kind.PARAM, Kind.PARAMS):
            known.params |= content
        if known is not None and kind in (Kind.TAG, Kind.TAGS):
            known.tagged(content)
            known.changed(None, None, content.get(MLFLOW_RUN_NAME))
        return stored
