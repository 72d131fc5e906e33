"""A job that waits for one it submitted lends its slot, or the two might wait for each other."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.jobs.engines.local.launch import SLOT
from mlflow_workspace_plugin.jobs.engines.local.locks import is_held
from mlflow_workspace_plugin.jobs.engines.local.spool import Spool, SpoolError, run_of
from mlflow_workspace_plugin.jobs.engines.local.start import ensure_agent
from mlflow_workspace_plugin.journal.files.lock import HeldLock

_LOOK_S = 0.1
_ENSURE_S = 2.0


class _Waits:
    """How many threads of this process lend the slot: the first one does, the last one ends it."""

    def __init__(self) -> None:
        self.process = 0
        self.number = 0
        self.lent: HeldLock | None = None


_waits = _Waits()
_lock = fork_safe_lock()


@contextmanager
def lend_slot() -> Iterator[None]:
    """Let another job have the slot of the one that this process is in, within this block.

    At its end it waits until there is a slot for this one again, before any job that waits; but
    not after an exception, such as a Ctrl-C. Outside of a job of this machine it does nothing.
    """
    slot = _own_slot()
    if slot is None:
        yield
        return
    spool = Spool(slot.parent.parent)
    _lend(spool, run_of(slot.name))
    try:
        yield
    except BaseException:
        _let_go(_no_longer_waiting())
        raise
    lent = _no_longer_waiting()
    if lent is not None:
        _take_back(spool, lent)


def _own_slot() -> Path | None:
    """Return the slot of the job that this process is in."""
    named = os.environ.get(SLOT)
    with suppress(OSError):
        if named and is_held(Path(named)):
            return Path(named)
    return None


def _lend(spool: Spool, run_id: str) -> None:
    with _lock:
        if _waits.process != os.getpid():
            # A child that was forked within the block lends for itself.
            if _waits.lent is not None:
                _waits.lent.close()
            _waits.process, _waits.number, _waits.lent = os.getpid(), 0, None
        _waits.number += 1
        if _waits.number == 1:
            # A full disk, say: then the slot is kept.
            with suppress(OSError):
                _waits.lent = HeldLock.create(spool.lent / f"{run_id}.{uuid.uuid4().hex}")
    spool.wake()


def _no_longer_waiting() -> HeldLock | None:
    """Return what is lent no longer, if no other thread of this process waits."""
    with _lock:
        if _waits.process != os.getpid():
            return None
        _waits.number -= 1
        if _waits.number:
            return None
        lent, _waits.lent = _waits.lent, None
    return lent


def _take_back(spool: Spool, lent: HeldLock) -> None:
    try:
        lent.mark()
        ensured_at = -_ENSURE_S
        # The agent removes the file when there is room.
        while lent.is_there:
            if time.monotonic() - ensured_at >= _ENSURE_S:
                ensure_agent(spool)
                ensured_at = time.monotonic()
            time.sleep(_LOOK_S)
    except (OSError, SpoolError):
        # Where there can be no agent, nobody else is given the slot.
        pass
    finally:
        _let_go(lent)


def _let_go(lent: HeldLock | None) -> None:
    if lent is not None:
        with suppress(OSError):
            lent.remove()
        lent.close()
