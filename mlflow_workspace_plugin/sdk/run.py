"""SDK v1's ``Run``."""

import io
import json
import numbers
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from mlflow.entities import Metric
from mlflow.entities import Run as MlflowRun
from mlflow.tracking.fluent import get_active_model_id

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.errors import InvalidMetricError, UserErrorException
from mlflow_workspace_plugin.sdk.metric_order import MetricOrder

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.offline_run import OfflineRun

ERROR_TAG = "mlflow.workspace.error"
"""Why a run failed, as JSON. MLflow's UI hides tags that begin with ``mlflow.``."""


class Run:
    """A run of an experiment, under SDK v1's name.

    Args:
        experiment: the experiment it belongs to.
        run_id: the id of an existing run.
        outputs: accepted and ignored: files are stored by ``upload_file``.

    Raises:
        mlflow.exceptions.MlflowException: the workspace holds no such run.
    """

    def __init__(
        self,
        experiment: "Experiment",
        run_id: str,
        outputs: object = None,
        **_kwargs: Any,
    ) -> None:
        self._experiment = experiment
        self._client = experiment.workspace.client
        self._store = experiment.workspace.tracking_store
        self._id: str = self._client.get_run(run_id).info.run_id
        self._orders: dict[str, MetricOrder] = {}

    @classmethod
    def get_context(
        cls,
        allow_offline: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        used_for_context_manager: bool = False,  # noqa: FBT001, FBT002
        **_kwargs: Any,
    ) -> "Run | OfflineRun":
        """Return the run around this code; the same object each time (SDK v1).

        That is the active MLflow run, or the one that ``MLFLOW_RUN_ID`` names, if the tracking URI
        is a workspace's.

        Args:
            allow_offline: return an offline run, which prints, when there is none.
            used_for_context_manager: accepted and ignored.

        Raises:
            RunEnvironmentException: there is none, and ``allow_offline`` is False.
        """
        from mlflow_workspace_plugin.sdk import context

        return context.current_run(allow_offline=allow_offline)

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self._id

    @property
    def experiment(self) -> "Experiment":
        """The experiment it belongs to."""
        return self._experiment

    def log(
        self,
        name: str,
        value: object,
        description: str = "",
        step: int | None = None,
    ) -> None:
        """Log one number as a value of a metric (SDK v1). Logging a name again appends.

        Args:
            name: the metric.
            value: any number. NaN is kept; MLflow's store keeps an infinity as the largest float.
            description: accepted and dropped, as in SDK v1.
            step: the step; by default the running index of the value within the metric.

        Equal values logged in one millisecond are told apart, by all threads that use this object.

        Raises:
            InvalidMetricError: the value is not one number, or the step no integer.
            mlflow.exceptions.MlflowException: MLflow refuses the name, or the run was deleted.
        """
        if type(value) is not float and not isinstance(value, numbers.Real):
            raise InvalidMetricError(
                f"Metric {name!r} was given {value!r} of type {type(value).__name__}, which is "
                "not one number. Log each number by a call of its own; log text with tag()."
            )
        try:
            number, given_step = float(value), None if step is None else int(step)
        except (OverflowError, ValueError, TypeError) as error:
            raise InvalidMetricError(
                f"Metric {name!r} was given a value or step that MLflow cannot hold: {error}. "
                "A value is a 64-bit float, a step an integer."
            ) from error
        timestamp, taken = self._order_of(name).next(given_step)
        # Past MLflow's client, whose own part of a call is more than all of this.
        self._store.log_metric(
            self._id, Metric(name, number, timestamp, taken, model_id=get_active_model_id())
        )

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
            recursive: not served yet.
            run_type: of SDK v1's jobs; accepted and ignored.
            populate: of SDK v1's file metrics; accepted and ignored.

        Returns:
            Each metric's values: a bare number if it has one, a list of numbers if several.

        Raises:
            UserErrorException: ``recursive`` was asked for.
        """
        if recursive:
            raise UserErrorException(
                "get_metrics(recursive=True) is not served yet: child runs have no names of their "
                "own here. Call get_metrics() on each run."
            )
        found = self._store.get_run_metrics(self.id, name)
        return {each: values[0] if len(values) == 1 else values for each, values in found.items()}

    def tag(self, key: str, value: str | None = None) -> None:
        """Set a tag (SDK v1). A tag without a value is empty text, for MLflow has no other."""
        self._client.set_tag(self.id, key, "" if value is None else value)

    def upload_file(
        self,
        name: str,
        path_or_stream: "str | os.PathLike[str] | BinaryIO",
        datastore_name: str | None = None,
    ) -> None:
        """Store a file among the run's artifacts (SDK v1); one of that name is replaced.

        Args:
            name: the path below the run's artifacts, such as ``outputs/model.pkl``.
            path_or_stream: a local file, or an open binary stream, read from where it stands.
            datastore_name: accepted and ignored.

        Raises:
            UserErrorException: the name leads out of the artifacts, or the source is neither.
            FileNotFoundError: there is no such local file.
        """
        check_path(name)
        folder, base = posixpath.split(posixpath.normpath(name))
        if name.endswith("/") or base in ("", "."):
            raise UserErrorException(
                f"File name {name!r} names no file. Give a path such as outputs/model.pkl."
            )
        with _under_name(base, path_or_stream) as local:
            self._client.log_artifact(self.id, str(local), folder or None)

    def get_file_names(self) -> list[str]:
        """Return the paths of all files of the run, sorted."""
        return sorted(self._files_below(None))

    def flush(self, timeout_seconds: int = 300) -> None:
        """Wait until all that this process logged is stored (SDK v1).

        Args:
            timeout_seconds: how long to wait, in seconds; what is not stored by then is kept, and
                stored later.
        """
        self._experiment.workspace.tracking_store.flush(timeout_seconds)

    def complete(self, _set_status: bool = True) -> None:  # noqa: FBT001, FBT002  SDK v1's
        """End the run as finished."""
        if _set_status:
            self._client.set_terminated(self.id, "FINISHED")

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """End the run as failed.

        Args:
            error_details: what happened, as text or as the exception.
            error_code: a word for it; ``UserError`` when None (SDK v1).

        Raises:
            TypeError: ``error_details`` is neither; the run has ended as failed all the same.
        """
        try:
            self._record_error(error_details, error_code)
        finally:
            if _set_status:
                self._client.set_terminated(self.id, "FAILED")

    def get_portal_url(self) -> str:
        """Return the address of the run's page, as ``mlflow-workspace ui`` serves it."""
        page = f"experiments/{self._experiment.id}/runs/{self.id}"
        return self._experiment.workspace.portal_url(page)

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        left_in_peace = isinstance(error, SystemExit) and error.code in (None, 0)
        if error is None or left_in_peace:
            self.complete()
        else:
            self.fail(error)

    def __repr__(self) -> str:
        status = self._mlflow_run().info.status
        return f"Run(Experiment: {self._experiment.name},\nId: {self.id},\nStatus: {status})"

    def _record_error(self, details: str | BaseException | None, code: str | None) -> None:
        if details is None:
            return
        if isinstance(details, BaseException):
            message = f"User program failed with {type(details).__name__}: {details}"
        elif isinstance(details, str):
            message = details
        else:
            raise TypeError(
                f"error_details is of type {type(details).__name__}. Pass text or an exception."
            )
        record = {"code": code or "UserError", "message": message}
        self._client.set_tag(self.id, ERROR_TAG, json.dumps(record, ensure_ascii=False))

    def _mlflow_run(self) -> MlflowRun:
        return self._client.get_run(self.id)

    def _order_of(self, name: str) -> MetricOrder:
        order = self._orders.get(name)
        if order is None:
            # The run may have values that this object did not log: go on behind them.
            latest = {m.key: m.step for m in self._mlflow_run().data.to_proto().metrics}
            order = self._orders.setdefault(name, MetricOrder(latest.get(name, -1)))
        return order

    def _files_below(self, folder: str | None) -> Iterator[str]:
        for entry in self._client.list_artifacts(self.id, folder):
            if entry.is_dir:
                yield from self._files_below(entry.path)
            else:
                yield entry.path


@contextmanager
def _under_name(base: str, path_or_stream: object) -> Iterator[Path]:
    """Yield a local file that has the wanted name: MLflow stores files under their own."""
    if not isinstance(path_or_stream, (str, os.PathLike)):
        with _copied(path_or_stream, base) as copy:
            yield copy
        return
    source = Path(path_or_stream)
    if not source.is_file():
        raise FileNotFoundError(f"There is no file {str(source)!r} to upload.")
    if source.name == base:
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / base
        named.symlink_to(source.resolve())
        yield named


@contextmanager
def _copied(stream: Any, base: str) -> Iterator[Path]:
    if not hasattr(stream, "read") or isinstance(stream, io.TextIOBase):
        raise UserErrorException(
            f"Cannot upload an object of type {type(stream).__name__} as {base!r}. "
            "Pass the path of a file, or a stream opened in binary mode."
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / base
        with copy.open("wb") as target:
            shutil.copyfileobj(stream, target)
        yield copy
