"""Answers that take a while, of which all that ask get the same, and nobody waits long."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class _Question(Generic[Answer]):
    """A question, the last answer to it, and who gets the next one."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.answered_at = float("-inf")
        self.thread: threading.Thread | None = None


class SharedAnswers(Generic[Answer]):
    """Gets answers in threads of its own, one for each question, however many ask.

    Args:
        new_s: how old an answer may be, in seconds.
        wait_s: for how long who asks waits for a newer one.
        kept_s: how long an answer is kept for what nobody asks any more.
    """

    def __init__(self, *, new_s: float, wait_s: float, kept_s: float = 300.0) -> None:
        self._new_s = new_s
        self._wait_s = wait_s
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._questions: dict[Hashable, _Question[Answer]] = {}

    def get(self, question: Hashable, make: Callable[[], Answer]) -> Answer | None:
        """Return an answer: a new one, else the last one; None where there is none yet.

        Args:
            question: what is asked.
            make: gets the answer.

        Raises:
            Exception: of ``make``, if that is the newest there is.
        """
        with self._lock:
            asked = self._asked(question)
            if time.monotonic() - asked.answered_at <= self._new_s:
                return _said(asked)
            if asked.thread is None:
                thread = threading.Thread(
                    target=self._make, args=(asked, make), name="mlflow-workspace-asks", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    # There is none to be had now; who asks next tries again.
                    return _said(asked)
                asked.thread = thread
            thread = asked.thread
        thread.join(self._wait_s)
        with self._lock:
            return _said(asked)

    def _asked(self, question: Hashable) -> _Question[Answer]:
        oldest = time.monotonic() - self._kept_s
        for each, known in list(self._questions.items()):
            if known.thread is None and known.answered_at < oldest and each != question:
                del self._questions[each]
        return self._questions.setdefault(question, _Question())

    def _make(self, asked: _Question[Answer], make: Callable[[], Answer]) -> None:
        answer, error = None, None
        try:
            answer = make()
        except Exception as raised:  # noqa: BLE001  it is raised where it is asked for
            error = raised
        with self._lock:
            asked.answer, asked.error = answer, error
            asked.answered_at = time.monotonic()
            asked.thread = None


def _said(asked: _Question[Answer]) -> Answer | None:
    if asked.error is not None:
        raise asked.error
    return asked.answer
