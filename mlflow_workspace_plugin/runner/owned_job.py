"""A job that this process runs: taken, told of, and ended as its command ended."""

import contextlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    AzureMLAggregatedException,
    AzureMLException,
    DatastoreError,
    ForeignFileError,
    JobEndedError,
    JobTakenError,
    NoAnswerError,
    RunNotFoundError,
    clause,
)
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.jobs.ended import Ended as EndedJob
from mlflow_workspace_plugin.jobs.engines.local.launch import KEPT_FILES
from mlflow_workspace_plugin.jobs.machine import where_locked
from mlflow_workspace_plugin.jobs.marked_processes import MARK
from mlflow_workspace_plugin.remote.files.open import open_to_send_of
from mlflow_workspace_plugin.remote.left_behind import deliver_left_behind
from mlflow_workspace_plugin.runner.ending import FAILED, Outcome, outcome_of
from mlflow_workspace_plugin.runner.folder import JobFolder
from mlflow_workspace_plugin.runner.heartbeat import Heartbeat
from mlflow_workspace_plugin.runner.output import Output
from mlflow_workspace_plugin.runner.processes.command import Process, run_processes
from mlflow_workspace_plugin.runner.processes.memory import MemoryKills
from mlflow_workspace_plugin.runner.processes.stop import Request, Stop
from mlflow_workspace_plugin.runner.shipping import GrowingFile, Shipping
from mlflow_workspace_plugin.runner.variables import OUTPUTS
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.files.captured_folders import CapturedOutputs, WatchedLogs
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.journalling.patience import until_answered
from mlflow_workspace_plugin.stores.retries.faults import is_away
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.terminal import get_logger

STANDARD_LOG = "user_logs/std_log.txt"
"""Where the run's files have it: standard output and error, merged (SDK v1)."""
RUNNER_LOG = "system_logs/runner.txt"
"""Where the run's files have what the runner says."""
BUILD_LOG = "azureml-logs/20_image_build_log.txt"
"""Where they have how the job's environment was made, if it was (SDK v1's name), which is
shown to who waits."""
PACKAGES_LOG = "system_logs/packages.txt"
"""Where they have that with each single package, which is not."""

_OWN_LOGS = (RUNNER_LOG, BUILD_LOG, PACKAGES_LOG)
_LOGS = "./logs"
_GONE = (
    "its workspace has no such run any more: the hub was restored from a backup, or the run was "
    "removed for good"
)
_AT_ONCE_S = 3.0
_LONGEST_PAUSE_S = 5.0
# Errors of a hub that is there.
_OF_FILES = (ForeignFileError, ArtifactRefusedError)

_logger = get_logger(__name__)


class MadeData(Protocol):
    """What the command of a job makes for datastores."""

    def store(self, *, is_completed: bool) -> None:
        """Store it; called again while the hub, or a datastore, is away.

        Args:
            is_completed: whether the command has completed.
        """

    def unstored(self) -> str:
        """Return where that is of which nobody knows that it is stored, and what stores it."""


class OwnedJob:
    """A job that this process runs, as nobody else does.

    Args:
        store: of its workspace, without a journal: what is said of a job is never told later.
        run_id: the job.
        stop: asked by whoever may stop it.

    Raises:
        JobTakenError, JobEndedError: it is not to be run by this process.
        OSError: its folder cannot be made.

    Attributes:
        mark: the value of the variable by which others find what it has started, should it and
            what ends that be killed at once.
    """

    def __init__(self, store: WorkspaceTrackingStore, run_id: str, stop: Stop) -> None:
        self.store = store
        self.uri = uris.parse(store.tracking_uri)
        self.run_id = run_id
        self.stop = stop
        try:
            self.folder = JobFolder(run_id)
        except BlockingIOError:
            raise JobTakenError(
                f"Job {run_id} is run by another runner of this machine, or its processes still "
                "end. mlflow-workspace cancel stops it."
            ) from None
        self._owner = secrets.token_hex(16)
        self.mark = secrets.token_hex(16)
        self._gives_up_at: float | None = None
        self._is_all_stored = True
        self._lacks: list[str] = []
        self._state = states.PREPARING
        self._advancing = threading.Lock()
        try:
            self._where = where_locked(self.folder.lock, self.folder.descriptor, self.mark)
            # The same owner may take it again.
            self.job: Job = until_answered(lambda _: self._take())
        except BaseException:
            self.folder.close()
            raise
        own = {name: self.folder.log(name) for name in _OWN_LOGS}
        self._own_logs = [GrowingFile(path, name) for name, path in own.items()]
        self._left = {name: str(path) for name, path in own.items()}
        self.client = MlflowClient(tracking_uri=store.tracking_uri, registry_uri=store.tracking_uri)
        self.files = RunFiles(self.client, self.client._tracking_client.store, run_id)
        self._beat = Heartbeat(
            store,
            run_id,
            self._owner,
            beat=self.job.beat,
            take_again=self._take_again,
            on_own=self._catch_up,
            on_gone=self._note_gone,
            on_cancel=self._cancel,
            on_loss=self._lose,
        )
        self._beat.start()

    @property
    def is_ours(self) -> bool:
        """Whether nobody else has it by now."""
        return self._beat.is_owner

    def stored_run(self) -> Run:
        """Return its run as it is, asked for again while the hub is away."""
        return until_answered(lambda _: self.store.get_run(self.run_id))

    def advance(self, state: str) -> None:
        """Say how far it is. While the hub is away that is left to the next look at the job."""
        with self._advancing:
            self._state = state
            try:
                self._tell_state()
            except Exception as error:  # noqa: BLE001  what it runs counts, and is to be run
                _logger.warning(
                    "The hub is told later that job %s is %s: %s", self.run_id, state, error
                )

    def say(self, text: str, log: str = RUNNER_LOG) -> None:
        """Add lines to what the runner says in the run's files, in a log of its own.

        Where the disk is full they are left out: what it runs counts.
        """
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        with (
            contextlib.suppress(OSError),
            self.folder.log(log).open("a", encoding="utf-8", errors="replace") as file,
        ):
            file.write("".join(f"{now} {line}\n" for line in text.splitlines()))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Store what is said in the block while it is; all of it if the block raises."""
        shipping = self._shipping([], [])
        shipping.start()
        try:
            yield
        except BaseException:
            shipping.stop()
            if self.is_ours:
                self._store("its logs", shipping.ship)
            raise
        # The rest goes along with what the command says.
        shipping.stop()

    def run(
        self,
        command: Sequence[str],
        environments: Sequence[dict[str, str]],
        *,
        folder: Path,
        terminals: tuple[BinaryIO | None, BinaryIO | None] = (None, None),
        reads_terminal: bool = False,
        limit_s: float | None = None,
        journals: Path | None = None,
        on_start: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
        data: "MadeData | None" = None,
    ) -> Outcome:
        """Run a command to its end, and store what it printed, logged and left in its folders.

        One that completed, and whose data cannot be stored, has failed.

        Args:
            command: the program and its arguments.
            environments: of each process that is started of it.
            folder: where.
            terminals: where its standard output and error are passed on to.
            reads_terminal: whether it reads what this process does.
            limit_s: for how many seconds it may run.
            journals: where its processes keep what they log; by default as this one.
            on_start: called when it has been started.
            on_end: called when it has ended, and before anything is stored.
            data: what it makes for datastores.

        Raises:
            OSError: it cannot be started.
        """
        number = len(environments)
        names = [STANDARD_LOG]
        if number > 1:
            names = [f"user_logs/std_log_{rank}.txt" for rank in range(number)]
        outputs = [Output(self.folder.log(name), *terminals) for name in names]
        self._left |= {name: str(self.folder.log(name)) for name in names}
        self._left |= {each: str(folder / each) for each in ("outputs", "logs")}
        shipping = self._shipping(names, outputs)
        captured, logs = CapturedOutputs(self.files, OUTPUTS), WatchedLogs(self.files, _LOGS)
        shipping.start()
        logs.start()
        before = MemoryKills.now()
        is_completed, unstored, where = False, None, ""
        processes = [
            Process(command, environment | {MARK: self.mark}, output)
            for environment, output in zip(environments, outputs, strict=True)
        ]
        try:
            ended = run_processes(
                processes,
                self.stop,
                folder=folder,
                limit=self._limit(limit_s),
                limit_s=limit_s,
                held=[self.folder.descriptor, *kept_files()],
                # To two terminals it goes as two.
                merged=terminals == (None, None),
                reads_terminal=reads_terminal,
                on_start=on_start,
            )
            if ended.stopped is None and self._beat.look():
                # It may have been asked to stop just before it ended.
                ended = ended._replace(stopped=self.stop.first)
            is_completed = ended.stopped is None and ended.returncode == 0
        finally:
            for output in outputs:
                output.close()
            shipping.stop()
            on_end()
            if self._beat.is_gone:
                self._is_all_stored = False
                self._lacks.append("all that it left")
            elif self.is_ours:
                if data is not None:
                    store_data = partial(data.store, is_completed=is_completed)
                    unstored = self._store("its data", store_data)
                    if unstored is not None:
                        where = data.unstored()
                        self.say(where)
                self._store_rest(shipping, captured, logs, journals)
        if is_completed and unstored is not None:
            return Outcome(FAILED, 0, f"Its data could not be stored: {clause(unstored)}. {where}")
        return outcome_of(
            command,
            ended,
            outputs[ended.rank].last_words,
            before=before,
            after=MemoryKills.now(),
            processes=number,
        )

    def end(self, outcome: Outcome, *, has_run: bool = True) -> None:
        """Record how it ended: in the hub, or on this machine if that stays away for too long.

        Args:
            outcome: how its command ended.
            has_run: whether that was started.

        Raises:
            NoAnswerError: it is kept on this machine.
        """
        state = run_status.of_mlflow(outcome.status)
        exit_code = outcome.exit_code if has_run else None
        ended = EndedJob(
            self.store.tracking_uri,
            self.run_id,
            self._owner,
            state,
            exit_code,
            outcome.cause,
            {} if self._is_all_stored else self._left,
        )
        # Before anything else: this process may be killed while it waits.
        with contextlib.suppress(OSError):
            ended.keep(self.folder.path)
        try:
            self._until_answered(partial(self._record, ended))
        except RunNotFoundError as error:
            raise NoAnswerError(
                f"Job {self.run_id} has ended ({state}), and {clause(error)}. What it left is kept "
                f"in {str(self.folder.path)!r}."
            ) from None
        except Exception as error:
            raise NoAnswerError(
                f"How job {self.run_id} ended ({state}) is kept in {str(self.folder.path)!r}, for "
                f"the hub cannot be told: {clause(error)}. mlflow-workspace sync tells it."
            ) from error
        EndedJob.forget(self.folder.path)

    def close(self, *, is_done: bool) -> None:
        """Let go of it.

        Args:
            is_done: whether its folder may be removed, if the run has all that was in it.
        """
        self._beat.stop()
        if is_done and not self._lacks:
            self.folder.remove()
        self.folder.close()

    def _record(self, ended: EndedJob) -> None:
        if self._tell(ended):
            return
        job = self.store.job(self.run_id)
        if job is None:
            raise RunNotFoundError(_GONE)
        if job.owner != self._owner and self._beat.is_restored(job):
            # As the heartbeat does, which may not have seen it yet.
            with contextlib.suppress(JobTakenError, JobEndedError):
                self._take()
                self._tell(ended)

    def _tell(self, ended: EndedJob) -> bool:
        return self.store.end_job(
            self.run_id, self._owner, ended.state, exit_code=ended.exit_code, cause=ended.cause
        )

    def _take(self) -> Job:
        return self.store.take_job(self.run_id, self._owner, self._where)

    def _tell_state(self) -> None:
        self.store.advance_job(self.run_id, self._owner, self._state)

    def _catch_up(self, job: Job) -> None:
        """Say how far it is where the hub does not know it: it was away, or was restored."""
        with self._advancing:
            # That it is to be canceled is its state until its end.
            if job.cancel_requested_at is None and job.stored_state != self._state:
                self._tell_state()

    def _take_again(self) -> Job:
        job = self._take()
        _logger.warning(
            "Job %s was taken again: its hub did not know of this runner any more. It was restored "
            "from a backup, it seems.",
            self.run_id,
        )
        return job

    def _store_rest(
        self,
        shipping: Shipping,
        outputs: CapturedOutputs,
        logs: WatchedLogs,
        journals: Path | None,
    ) -> None:
        """Store what the command left, while its hub is away for as long as is waited for that."""
        deliver = partial(deliver_left_behind, self.store, self.run_id, base=journals)
        # First: it is little, and this process may be killed before the rest is stored.
        self._store("its logs", shipping.ship)
        self._store(_LOGS, logs.store_rest)
        self._store(OUTPUTS, partial(self._upload, outputs))
        self._store("what its processes logged", deliver)
        self._store("its logs", shipping.ship)

    def _store(self, what: str, step: Callable[[], None]) -> Exception | None:
        """Do a step that stores something; return what it raised, which is said."""
        try:
            self._until_answered(step)
        except Exception as error:  # noqa: BLE001  the rest is to be stored all the same
            self._is_all_stored = self._is_all_stored and not is_away(error)
            self._lacks.append(what)
            _logger.warning("Run %s lacks %s: %s", self.run_id, what, error)
            self.say(f"The run lacks {what}: {error}")
            return error
        return None

    def _upload(self, outputs: CapturedOutputs) -> None:
        try:
            outputs.upload()
        except AzureMLAggregatedException:
            # Files may be missing because the hub is away, which this finds out.
            self._look_for_hub()
            self.store.ping()
            raise

    def _until_answered(self, step: Callable[[], None]) -> None:
        """Do something, again and again while it waits, for as long as the settings say.

        For the hub, or for a datastore, to answer again.
        """
        if self._gives_up_at is None:
            self._gives_up_at = time.monotonic() + settings.END_WAIT_S.number()
        pause, is_said = 0.2, False
        while True:
            try:
                # Connections that are open would go on to use one that was moved away.
                self._look_for_hub()
                return step()
            except Exception as error:
                waits = is_away(error) and not isinstance(error, (NoAnswerError, *_OF_FILES))
                if not waits or time.monotonic() + pause > self._gives_up_at:
                    raise
                if not is_said:
                    is_said = True
                    _logger.warning(
                        "The end of job %s waits for %s, %s s at most (%s): %s",
                        self.run_id,
                        "a datastore" if isinstance(error, DatastoreError) else "its hub",
                        settings.END_WAIT_S.get(),
                        settings.END_WAIT_S.name,
                        error,
                    )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _shipping(self, names: Sequence[str], outputs: Sequence[Output]) -> Shipping:
        artifact_uri = self.stored_run().info.artifact_uri

        def open_repository() -> HubRepository:
            return open_to_send_of(self.store.tracking_uri, artifact_uri)

        def tick() -> None:
            for each in outputs:
                each.tick()

        files = [
            GrowingFile(each.log.path, name, each.unwritten)
            for name, each in zip(names, outputs, strict=True)
        ]
        return Shipping(open_repository, [*files, *self._own_logs], before=tick)

    def _look_for_hub(self) -> None:
        if isinstance(self.uri, uris.WorkspaceUri):
            open_hub(self.uri.hub)

    def _limit(self, limit_s: float | None) -> Request | None:
        return (
            None
            if limit_s is None
            else _request(
                f"It ran for longer than it may: max_run_duration_seconds is {limit_s:g}."
            )
        )

    def _cancel(self, at_once: bool) -> None:  # noqa: FBT001
        grace_s = _AT_ONCE_S if at_once else None
        self.stop.ask(_request("It was canceled by request.", grace_s))

    def _note_gone(self) -> None:
        text = (
            f"{_GONE[0].upper()}{_GONE[1:]}. Its command goes on, and what it leaves stays in "
            f"{str(self.folder.path)!r}."
        )
        _logger.warning("Job %s: %s", self.run_id, text)
        self.say(text)

    def _lose(self, why: str) -> None:
        _logger.warning("Job %s is not run on here: %s.", self.run_id, why)
        self.stop.ask(_request(f"Not run on here: {why}.", _AT_ONCE_S))


@contextmanager
def ended_by_errors(job: OwnedJob, but_not: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """End a job as failed if the block raises, but for some errors."""
    try:
        yield
    except but_not:
        raise
    except BaseException as error:
        cause = str(error) if isinstance(error, AzureMLException) else _said_of(error)
        with contextlib.suppress(NoAnswerError):
            job.end(Outcome(FAILED, 1, cause), has_run=False)
        raise


def _said_of(error: BaseException) -> str:
    return f"Its runner failed with {type(error).__name__}: {clause(error)}."


def kept_files() -> list[int]:
    """Return the open files that this process was given to keep."""
    found = []
    for each in os.environ.get(KEPT_FILES, "").split(","):
        with contextlib.suppress(ValueError, OSError):
            os.fstat(int(each))
            found.append(int(each))
    return found


def _request(why: str, grace_s: float | None = None) -> Request:
    wait_s = settings.GRACE_S.number() if grace_s is None else grace_s
    return Request(why, signal.SIGTERM, wait_s)
