"""How a run goes and ends, by SDK v1's methods."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import RunStatus, RunTag
from mlflow.utils.time import get_current_time_millis

from mlflow_workspace_plugin.errors import AzureMLAggregatedException
from mlflow_workspace_plugin.runs import left_open, tag_text
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.files.captured_folders import CapturedOutputs, WatchedLogs
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.runs.reason import reason_of_ended
from mlflow_workspace_plugin.runs.user_log import USER_LOG, user_log
from mlflow_workspace_plugin.stores.tags.failure import ERROR_TAG, record_of, seen_tag
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_logger = get_logger(__name__)

Entered = TypeVar("Entered", bound="RunLifecycle")

_LOGS = "./logs"


class RunLifecycle(RunFiles):
    """The status of a run, and its end.

    Args:
        client: MLflow's, of the run's workspace.
        store: the tracking store of that workspace.
        run_id: MLflow's id of the run.
        outputs: the folder whose files are stored with the run when this object ends it, made if
            it is missing; True is ``./outputs``, None and False are none.
    """

    def __init__(
        self,
        client: MlflowClient,
        store: "WorkspaceTrackingStore",
        run_id: str,
        outputs: Any = None,
    ) -> None:
        super().__init__(client, store, run_id)
        self._inside = ExitStack()
        self._captured: CapturedOutputs | None = None
        if outputs:
            self._captured = CapturedOutputs(self, "./outputs" if outputs is True else outputs)

    @property
    def status(self) -> str:
        """SDK v1's word for the status. SDK v1 kept what it had read last; this is read anew."""
        return self.get_status()

    def get_status(self) -> str:
        """Return SDK v1's word for the status: Queued, Running, Completed, Failed or Canceled."""
        return run_status.of_mlflow(self._mlflow_run().info.status)

    def get_detailed_status(self) -> dict[str, str | None]:
        """Return the status, and under ``details`` None, as SDK v1 does for what is not queued."""
        return {"status": self.get_status(), "details": None}

    @property
    def reason(self) -> str | None:
        """Why the run failed or was canceled, as far as that is known; else None (ours)."""
        return reason_of_ended(self._mlflow_run())

    def start(self) -> None:
        """Say that the run is running (SDK v1)."""
        self._client.update_run(self.id, "RUNNING")

    def complete(self, _set_status: bool = True) -> None:  # noqa: FBT001, FBT002  SDK v1's
        """End the run as completed, after all that was logged is stored (SDK v1).

        Raises:
            AzureMLAggregatedException: files of the run's folder could not be stored; the run has
                ended all the same (ours).
        """
        try:
            self._store_rest()
        finally:
            if _set_status:
                self._set_terminated("FINISHED")

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """End the run as failed, after all that was logged is stored (SDK v1).

        Args:
            error_details: what happened, as text or as the exception.
            error_code: a word for it; ``UserError`` when None. An exception of SDK v1's tree has a
                word of its own.

        Raises:
            TypeError: ``error_details`` is neither; the run has ended as failed all the same.
            AzureMLAggregatedException: as for :meth:`complete`.
        """
        try:
            try:
                self._record_error(error_details, error_code)
            finally:
                self._store_rest()
        finally:
            if _set_status:
                self._set_terminated("FAILED")

    def cancel(self) -> None:
        """End the run as canceled, then store what was logged (SDK v1)."""
        self._set_terminated("KILLED")
        self._store_rest()

    def end_as(self, status: str, reason: str | BaseException | None) -> None:
        """End the run, and note why if that is to say; what is printed and written goes on (ours).

        Args:
            status: MLflow's word.
            reason: what happened, as text or as the exception.
        """
        try:
            self._record_error(reason, None)
        finally:
            self._set_terminated(status)

    def ended_as(self) -> str | None:
        """Return MLflow's word for how the run ended, if this process knows it by itself (ours)."""
        return self._store.ended_as(self.id)

    def status_now(self) -> str | None:
        """Return MLflow's word for the status as it is stored; None where it cannot be known soon.

        Of a run that was deleted it is ``deleted`` (ours).
        """
        return self._store.status_now(self.id)

    def store_rest(self) -> None:
        """Store what the run still holds in this process, files being written too (ours).

        Raises:
            AzureMLAggregatedException: as for :meth:`complete`.
        """
        self._inside.close()
        self._store_rest()

    def __enter__(self: Entered) -> Entered:
        self._inside.enter_context(self._watched())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._inside.close()
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        """End the run as the code inside ``with run:`` ended. SDK v1 swallowed ``sys.exit(0)``."""
        left_in_peace = isinstance(error, SystemExit) and error.code in (None, 0)
        if error is None or left_in_peace:
            self.complete()
            return
        try:
            self.fail(error)
        except AzureMLAggregatedException as missing:
            # What the code raised is what its caller is to see.
            _logger.warning("Run %s lacks files: %s", self.id, missing)

    def _watched(self) -> AbstractContextManager[None]:
        """Return what goes on while the code is inside ``with run:``."""
        return _kept_logs(self)

    def _store_rest(self) -> None:
        """Store what the run still holds in this process, before it ends."""
        self._store.flush_async_logging()
        if self._captured is not None:
            self._captured.upload()

    def _set_terminated(self, status: str) -> None:
        # As MLflow's client does it, which at a hub's server prints links besides: SDK v1 printed
        # none, and they name no workspace.
        self._store.shut_down_async_logging()
        self._store.update_run_info(
            self.id, RunStatus.from_string(status), get_current_time_millis(), None
        )
        left_open.ended(self.id)

    def _record_error(self, details: str | BaseException | None, code: str | None) -> None:
        if details is None:
            return
        if not isinstance(details, (str, BaseException)):
            raise TypeError(
                f"error_details is of type {type(details).__name__}. Pass text or an exception."
            )
        record = record_of(details, code)
        written = tag_text.value_to_mlflow(ERROR_TAG, json.dumps(record, ensure_ascii=False))
        tags = written | seen_tag(record["message"])
        self._client.log_batch(self.id, tags=[RunTag(*each) for each in tags.items()])


@contextmanager
def _kept_logs(run: RunFiles) -> Iterator[None]:
    """Keep what is printed, and store what is written to ``./logs``, while it is.

    What is printed goes to a folder of its own: SDK v1 added it to a file in ``./logs``, which was
    left there, and held what runs before this one had printed.
    """
    with ExitStack() as inside:
        inside.enter_context(_folder_made(_LOGS))
        try:
            folder = Path(tempfile.mkdtemp(prefix="mlflow-workspace-log-"))
            inside.callback(shutil.rmtree, folder, ignore_errors=True)
            # It ends last: the file counts before one of its name in ./logs.
            _watch(inside, WatchedLogs(run, folder, name=_LOGS))
            _watch(inside, WatchedLogs(run, _LOGS))
            inside.enter_context(user_log(folder / Path(USER_LOG).name))
        except OSError as error:
            _logger.warning("What run %s prints is not kept: %s.", run.id, error)
        yield


def _watch(inside: ExitStack, logs: WatchedLogs) -> None:
    logs.start()
    inside.callback(logs.stop)


@contextmanager
def _folder_made(folder: str) -> Iterator[None]:
    """Make a folder, which scripts of SDK v1 find there; remove it if nothing was put into it."""
    path = Path(folder).absolute()
    is_made = False
    with suppress(OSError):
        path.mkdir()
        is_made = True
    try:
        yield
    finally:
        if is_made:
            with suppress(OSError):
                path.rmdir()
