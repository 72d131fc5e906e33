"""Imports that take long, done as they are needed: whole, whatever comes in between."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock

# In a child that is forked while another thread imports a module, that is never imported.
_lock = fork_safe_lock()


@contextmanager
def late_imports() -> Iterator[None]:
    """Import in this block, and a fork waits for its end, as does Ctrl-C.

    MLflow's tables are defined as their modules are imported, and cannot be defined twice: after an
    import that was broken off, none would succeed any more.
    """
    interrupts: list[tuple[int, FrameType | None]] = []
    before = signal.getsignal(signal.SIGINT)
    # Elsewhere none arrives. One that Python did not set, or that does not raise, is left.
    is_deferred = threading.current_thread() is threading.main_thread() and callable(before)
    with _lock:
        if is_deferred:
            signal.signal(signal.SIGINT, lambda *given: interrupts.append(given))
        try:
            yield
        finally:
            if is_deferred:
                signal.signal(signal.SIGINT, before)
    if interrupts and callable(before):
        before(*interrupts[0])
