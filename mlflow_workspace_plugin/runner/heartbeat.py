"""The signs of life of a runner, and what it is told in answer: to cancel, that others own it."""

import threading
import time
from collections.abc import Callable

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import JobEndedError, JobTakenError, clause
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.terminal import get_logger

_LOOKS = 3
"""How often a request to cancel is looked for, from one sign of life to the next."""

_logger = get_logger(__name__)


class Heartbeat:
    """Tells the hub that a runner lives, in a thread of its own, whatever else takes its time.

    Args:
        store: of the job's workspace, without a journal: nothing of this may be told later.
        run_id: the job.
        owner: the token of this runner.
        beat: how many signs of life the job had when this runner took it.
        take_again: called when the job is not this runner's in a hub that was restored from a
            backup; returns and raises what :meth:`JobChanges.take_job` does.
        on_own: called at each look at which the job is this runner's, with the job.
        on_gone: called once, when there is no such job any more.
        on_cancel: called once, when it is asked to cancel; with whether it is to be at once.
        on_loss: called once, when the job is not this runner's any more; with why.
    """

    def __init__(
        self,
        store: WorkspaceTrackingStore,
        run_id: str,
        owner: str,
        *,
        beat: int,
        take_again: Callable[[], Job],
        on_own: Callable[[Job], None],
        on_gone: Callable[[], None],
        on_cancel: Callable[[bool], None],
        on_loss: Callable[[str], None],
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._owner = owner
        self._last_beat = beat
        self._take_again = take_again
        self._on_own = on_own
        self._on_gone = on_gone
        self._on_cancel = on_cancel
        self._on_loss = on_loss
        self._is_canceled = False
        self._is_forced = False
        self._is_lost = False
        self._is_gone = False
        self._is_gone_said = False
        self._is_away = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._beat, name="mlflow-workspace-beat", daemon=True
        )

    @property
    def is_owner(self) -> bool:
        """Whether the job is this runner's, as far as it was told."""
        return not self._is_lost

    @property
    def is_gone(self) -> bool:
        """Whether there was no such job when it was looked for last."""
        return self._is_gone

    def is_restored(self, job: Job) -> bool:
        """Whether a job that is not this runner's is so as its hub was restored from a backup.

        Signs of life are counted up by each runner that takes a job, so fewer than this runner saw
        are of a time before.

        Args:
            job: as it was read just now.
        """
        return job.owner is None or job.beat < self._last_beat

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a call that waits for the database is left to itself."""
        self._ended.set()

    def look(self) -> bool:
        """Look now for a request to cancel, and whose the job is; return whether that is known."""
        try:
            self._heed(self._store.job(self._run_id))
        except Exception as error:  # noqa: BLE001  the hub may be away for a while
            self._note_away(error)
            return False
        self._is_away = False
        return True

    def _heed(self, job: Job | None) -> None:
        self._is_gone = job is None
        if job is None:
            self._note_gone()
        elif job.stored_state in states.LAST and job.owner in (None, self._owner):
            self._cancel_or_lose(job.stored_state)
        elif job.owner != self._owner:
            self._take_again_or_lose(job)
        else:
            if job.cancel_requested_at is not None:
                self._cancel(at_once=False)
            self._note_own(job)

    def _beat(self) -> None:
        interval = settings.BEAT_S.number()
        last = time.monotonic()
        while not self._ended.wait(interval / _LOOKS):
            if time.monotonic() - last < interval * (1 - 0.5 / _LOOKS):
                self.look()
                continue
            last = time.monotonic()
            try:
                answer = self._store.beat(self._run_id, self._owner)
            except Exception as error:  # noqa: BLE001  the hub may be away for a while
                self._note_away(error)
                continue
            self._is_away = False
            if not answer.is_owner or answer.forced:
                self.look()
            elif answer.cancel_requested:
                self._cancel(at_once=False)

    def _take_again_or_lose(self, job: Job) -> None:
        if self._is_lost:
            return
        if not self.is_restored(job):
            self._lose("another runner has taken it over")
            return
        try:
            taken = self._take_again()
        except (JobTakenError, JobEndedError) as error:
            self._lose(clause(error))
        else:
            self._note_own(taken)

    def _note_own(self, job: Job) -> None:
        self._last_beat = job.beat
        self._on_own(job)

    def _note_gone(self) -> None:
        with self._lock:
            is_news, self._is_gone_said = not self._is_gone_said, True
        if is_news:
            self._on_gone()

    def _cancel_or_lose(self, state: str) -> None:
        if state == states.CANCELED:
            self._cancel(at_once=True)
        else:
            self._lose(f"it is {state} already")

    def _cancel(self, *, at_once: bool) -> None:
        with self._lock:
            is_news = not self._is_canceled or (at_once and not self._is_forced)
            self._is_canceled = True
            # It is this runner's still: what there is of it is to be kept.
            self._is_forced = self._is_forced or at_once
        if is_news:
            self._on_cancel(at_once)

    def _lose(self, why: str) -> None:
        with self._lock:
            is_news, self._is_lost = not self._is_lost, True
        if is_news:
            self._on_loss(why)

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            _logger.warning("The hub is told later that job %s lives: %s", self._run_id, error)
