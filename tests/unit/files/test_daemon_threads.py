"""Calls in threads to whose end nobody waits."""

import threading
from concurrent.futures import CancelledError, wait

import pytest

from mlflow_workspace_plugin.artifacts.daemon_threads import DaemonThreads


def test_all_are_done_and_so_many_at_once():
    """Each call has its result or its error, and no more threads run than there may."""
    threads, running, most = DaemonThreads(3, "test"), [], []

    def call(number: int) -> int:
        running.append(number)
        most.append(len(running))
        running.remove(number)
        if number % 10 == 0:
            raise ValueError(number)
        return number

    futures = [threads.submit(call, number) for number in range(200)]
    wait(futures)
    for number, future in enumerate(futures):
        if number % 10 == 0:
            with pytest.raises(ValueError, match=str(number)):
                future.result()
        else:
            assert future.result() == number
    assert max(most) <= 3
    assert sum(thread.name == "test" for thread in threading.enumerate()) <= 3


def test_what_is_cancelled_is_not_done():
    """A call that waits for a thread may be taken back."""
    threads, may_end, done = DaemonThreads(1, "test"), threading.Event(), []
    first = threads.submit(may_end.wait)
    second = threads.submit(done.append, "second")
    assert second.cancel()
    third = threads.submit(done.append, "third")
    may_end.set()
    wait([first, second, third])
    with pytest.raises(CancelledError):
        second.result()
    assert done == ["third"]


def test_threads_end(monkeypatch):
    """One that has nothing to do ends, and a new call has a thread again."""
    monkeypatch.setattr("mlflow_workspace_plugin.artifacts.daemon_threads._IDLE_S", 0.0)
    threads = DaemonThreads(2, "test")
    for number in range(100):
        assert threads.submit(lambda given: given, number).result(60) == number


ENDING = """
import atexit, threading
from mlflow_workspace_plugin.artifacts.daemon_threads import DaemonThreads

threads = DaemonThreads(2, "test")
for _ in range(3):
    threads.submit(threading.Event().wait)
later = DaemonThreads(2, "test")
atexit.register(lambda: print(later.submit(lambda: "logged at the end").result(), flush=True))
"""


def test_end_of_the_process(run_new_python):
    """It does not wait for what is under way, and what is asked for at the end is done."""
    assert run_new_python("-c", ENDING).stdout == "logged at the end\n"
