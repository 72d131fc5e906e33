"""Calls of what may never answer: a server that says a byte now and then, code of others."""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_time(seconds: float, call: Callable[[], Result]) -> Result:
    """Return what a call returns, or raise what it raises, be it that this process is to end.

    Args:
        seconds: for how long it is waited for.
        call: done in a thread, which is left to itself where it takes longer.

    Raises:
        TimeoutError: it takes longer.
    """
    answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001  who waits for it is told
            answers.put((None, error))

    threading.Thread(target=ask, name="mlflow-workspace-engine", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    result: Result = answer
    return result
