"""Calls that need an answer: after what was logged, and again while the database is away."""

import contextvars
import functools
import inspect
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import NoAnswerError, clause
from mlflow_workspace_plugin.journal import end_wait
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.journal.progress import PATIENCE_S
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.use import writes_through
from mlflow_workspace_plugin.stores.journalling.in_call import in_call
from mlflow_workspace_plugin.stores.retries.faults import may_come_back
from mlflow_workspace_plugin.stores.signatures import parameters_of
from mlflow_workspace_plugin.terminal import get_logger

Answer = TypeVar("Answer")

_LONGEST_PAUSE_S = 2.0
_WHATEVER_IS_LEFT = ("log_inputs", "log_outputs", "link_traces_to_run", "unlink_traces_from_run")
"""Methods that add something to a run, in whatever order."""


class _LostAnswerError(Exception):
    """Who is asked went away while it stored something."""


_logger = get_logger(__name__)
_reminder = Reminder()


def answer_within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """Return what a call returns, unless its database gives no sign for too long.

    A connection over a dead network is not refused, so the call itself would wait on.

    Raises:
        TimeoutError: it took longer.
        Exception: what the call raised.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def _call() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_call,), daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The interpreter ends, or there are too many.
        return call()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"No answer within {seconds:.0f} s.")
    return answers[0]


class Patient:
    """Lets a store wait for its database, or for the server that has it."""

    journal: Journal
    _is_bounded: bool

    def _through(
        self, method: Callable[..., Any], *args: Any, of_runs: Sequence[str] = (), **kwargs: Any
    ) -> Any:
        """Call a method of the store beneath, after all that this process logged is stored.

        Args:
            method: the method.
            args: its arguments.
            of_runs: runs that it reads or removes something of; it comes after what ended processes
                left of them, too.
            kwargs: its arguments by name.

        Raises:
            NoAnswerError: that took more than the seconds of :func:`wait_s`, or the database was
                away for as long.
            Exception: what else the method raised.
        """
        if not in_call.entered:
            seconds = wait_s()
            if not self.journal.settle(of_runs, seconds):
                raise self._not_stored(of_runs, seconds)
        return self._answered(method, *args, **kwargs)

    def _answered(
        self,
        method: Callable[..., Any],
        *args: Any,
        within_s: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method of the store beneath, again and again while the database is away.

        Args:
            method: the method.
            args: its arguments.
            within_s: for how long; by default as :func:`wait_s` says.
            kwargs: its arguments by name.

        Raises:
            NoAnswerError: it was away for so long, or went away when it may have stored a part of
                what the method does, which is not done twice.
            Exception: what else the method raised.
        """
        if in_call.entered:
            return method(*args, **kwargs)
        asked: list[None] = []
        call = functools.partial(_entered, functools.partial(method, *args, **kwargs), asked)
        seconds = wait_s() if within_s is None else within_s
        try:
            return until_answered(lambda left_s: self._within(left_s, call), seconds)
        except (_LostAnswerError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and not asked:
                raise self._no_answer(clause(error), seconds) from error.__cause__
            raise NoAnswerError(
                f"{self.journal.folder.target} went away while it stored this: {clause(error)}. It "
                "is stored, or a part of it, or nothing. Look what is there before you call again."
            ) from error.__cause__
        except Exception as error:
            if may_come_back(error):
                # Its text is in ours.
                _logger.debug("%s", error, exc_info=error)
                raise self._no_answer(clause(error), seconds) from error.__cause__
            raise

    def _soon(self, call: Callable[[], Answer]) -> Answer:
        """Return what a call returns within the time that a logging call may take.

        Raises:
            TimeoutError: it took longer.
            Exception: what the call raised.
        """
        try:
            return self._within(PATIENCE_S, call)
        except TimeoutError:
            self.journal.note_silence()
            raise

    def _within(self, seconds: float, call: Callable[[], Answer]) -> Answer:
        if self._is_bounded:
            return call()
        return answer_within(seconds, call)

    def _not_stored(self, run_ids: Sequence[str], seconds: float) -> NoAnswerError:
        journal = self.journal
        if journal.waiting:
            what = f"{journal.waiting} calls of this process"
        else:
            what = f"calls that ended processes left of run {', '.join(run_ids)}"
        return NoAnswerError(
            f"{journal.folder.target} did not store within {_said(seconds)} what comes before "
            f"this: {what} wait in {journal.folder.path}, and are stored in the background, or by "
            f"mlflow-workspace sync. Call again later; to wait longer, set {_limit(seconds)}."
        )

    def _no_answer(self, reason: str, seconds: float) -> NoAnswerError:
        journal = self.journal
        return NoAnswerError(
            f"{journal.folder.target} did not answer for {_said(seconds)}: "
            f"{reason}. {journal.remains.said(journal.folder.path)}. mlflow-workspace sync sends "
            f"what waits. To wait longer for an answer, set {_limit(seconds)}."
        )


def wait_s() -> float:
    """Return for how long a call that needs an answer may wait for it now."""
    return end_wait.limited(settings.WAIT_S.number())


def _said(seconds: float) -> str:
    return f"{round(seconds, 1):g} s"


def _limit(seconds: float) -> str:
    """Return the name of the variable that says for how long a call waited."""
    is_of_call = end_wait.of_process() is None or seconds == settings.WAIT_S.number()
    return settings.WAIT_S.name if is_of_call else settings.EXIT_WAIT_S.name


def until_answered(call: Callable[[float], Answer], seconds: float | None = None) -> Answer:
    """Return what a call returns, made again and again while the database is away.

    Where each call waits for the database, it is made once.

    Args:
        call: given the seconds that it may take.
        seconds: for how long; by default as :func:`wait_s` says.

    Raises:
        Exception: what the call raised, for the last time after those seconds.
    """
    if seconds is None:
        seconds = wait_s()
    if writes_through():
        return call(seconds)
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return call(max(deadline - time.monotonic(), 1))
        except Exception as error:
            if not may_come_back(error) or time.monotonic() + pause > deadline:
                raise
            _reminder.warn("waiting", "%s. Trying for %.0f s in all.", clause(error), seconds)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _entered(call: Callable[[], Answer], asked: list[None]) -> Answer:
    in_call.entered, in_call.may_have_stored, in_call.asked = True, False, asked
    try:
        return call()
    except Exception as error:
        if in_call.may_have_stored and may_come_back(error):
            _logger.debug("%s", error, exc_info=error)
            raise _LostAnswerError(clause(error)) from error.__cause__
        raise
    finally:
        in_call.entered, in_call.asked = False, None


def after_the_journal(store: type[Patient], beneath: type) -> None:
    """Let the public methods that a store inherits come after what its process logged.

    Args:
        store: the store.
        beneath: the class whose methods are meant.
    """
    for name, method in inspect.getmembers(beneath, inspect.isfunction):
        inherits = _inherits(store, beneath, name) and not isinstance(
            inspect.getattr_static(beneath, name), staticmethod
        )
        # What is about MLflow's own queue asks the database nothing.
        if inherits and not name.startswith("_") and "async" not in name:
            setattr(store, name, _patient(method))


def beside_the_journal(store: type[Patient], beneath: type) -> None:
    """Let public methods that a store inherits be answered at once, whatever is logged meanwhile.

    Args:
        store: the store.
        beneath: the class whose methods are meant. Each may be called again after its answer was
            lost.
    """
    for name, method in inspect.getmembers(beneath, inspect.isfunction):
        if _inherits(store, beneath, name) and not name.startswith("_"):
            setattr(store, name, _answered_at_once(method))


def _inherits(store: type, beneath: type, name: str) -> bool:
    """Whether a store has a method as the class beneath has it."""
    return inspect.getattr_static(store, name) is inspect.getattr_static(beneath, name)


def _answered_at_once(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Patient, *args: Any, **kwargs: Any) -> Any:
        return self._answered(functools.partial(method, self), *args, **kwargs)

    return call


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    named = [each for each in ("run_id", "run_ids") if each in parameters_of(method)]
    if not named or method.__name__ in _WHATEVER_IS_LEFT:

        @functools.wraps(method)
        def call(self: Patient, *args: Any, **kwargs: Any) -> Any:
            return self._through(functools.partial(method, self), *args, **kwargs)

        return call

    signature = inspect.signature(method)

    @functools.wraps(method)
    def call_of_runs(self: Patient, *args: Any, **kwargs: Any) -> Any:
        # What does not fit is raised by the method.
        given: Any = ()
        with suppress(TypeError):
            given = signature.bind_partial(self, *args, **kwargs).arguments.get(named[0], ())
        of_runs = [given] if isinstance(given, str) else list(given or ())
        method_of_self = functools.partial(method, self)
        return self._through(method_of_self, *args, of_runs=of_runs, **kwargs)

    return call_of_runs
