"""Imports that take long, done as they are needed: whole, and without a pause."""

import gc
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock

# In a child that is forked while another thread imports a module, that is never imported. What was
# registered first is locked last before a fork: an import asks for loggers, whose lock must be free
# for as long as it is waited for.
logging.getLogger(__name__)
_lock = fork_safe_lock()


@contextmanager
def late_imports() -> Iterator[None]:
    """Import in this block, and a fork waits for its end, as does Ctrl-C.

    MLflow's tables are defined as their modules are imported, and cannot be defined twice: after an
    import that was broken off, none would succeed any more.

    Nothing of what is imported is garbage, so it is not looked at meanwhile, which takes a quarter
    of the time.
    """
    interrupts: list[tuple[int, FrameType | None]] = []
    with _lock:
        before = signal.getsignal(signal.SIGINT)
        # Elsewhere none arrives; a handler that Python did not set cannot be put back.
        is_deferred = threading.current_thread() is threading.main_thread() and callable(before)
        collects = gc.isenabled()
        if is_deferred:
            signal.signal(signal.SIGINT, lambda *given: interrupts.append(given))
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
            if is_deferred:
                signal.signal(signal.SIGINT, before)
    if interrupts and callable(before):
        before(*interrupts[0])
