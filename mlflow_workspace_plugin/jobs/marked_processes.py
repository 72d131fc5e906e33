"""The processes that a job left behind, found by a variable that only what it started was given.

Those that have detached themselves are ended by the processes around a command. Where these were
killed all at once, the variable is what is left to find them by. It is of the standard library
alone, for who starts the jobs of this machine.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "_MLFLOW_WORKSPACE_JOB_MARK"
"""Holds what a runner chose for all that it starts, and keeps in the row of its job."""

_LONGEST_S = 2.0
_PAUSE_S = 0.02


def end_marked(name: str, value: str) -> list[int]:
    """Kill the processes of this user that have an environment variable; return those that remain.

    What they start meanwhile is killed, too. It takes two seconds at most: a process may hang in
    the kernel.

    Args:
        name: of the variable.
        value: its value.
    """
    until = time.monotonic() + _LONGEST_S
    while True:
        found = [pid for pid in _with_variable(f"{name}={value}") if pid != os.getpid()]
        if not found or time.monotonic() > until:
            return found
        for pid in found:
            _kill(pid, f"{name}={value}")
        time.sleep(_PAUSE_S)


def _with_variable(entry: str) -> Iterator[int]:
    for process in _processes():
        if _has(process, entry):
            yield int(process.name)


def _processes() -> list[Path]:
    with suppress(OSError):
        return [each for each in Path("/proc").iterdir() if each.name.isdigit()]
    return []


def _has(process: Path, entry: str) -> bool:
    with suppress(OSError):
        if process.stat().st_uid == os.geteuid():
            # One that has ended has none any more.
            return os.fsencode(entry) in (process / "environ").read_bytes().split(b"\0")
    return False


def _kill(pid: int, entry: str) -> None:
    """Kill a process, unless its id is another one's by now."""
    with suppress(OSError):
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            os.kill(pid, signal.SIGKILL)
            return
        opened = os.pidfd_open(pid)
        try:
            if _has(Path(f"/proc/{pid}"), entry):
                signal.pidfd_send_signal(opened, signal.SIGKILL)
        finally:
            os.close(opened)
