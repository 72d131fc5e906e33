"""Processes of this machine, told from later ones that were given the same id."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mlflow_workspace_plugin.jobs.boot import boot_id


class Started(NamedTuple):
    """A process that was started.

    Attributes:
        pid: its id, and its group's.
        ticks: when it was started, since the machine was; None where that is not known.
        boot: which start of the machine that was.
        gpus: the GPUs that it was given.
    """

    pid: int
    ticks: int | None
    boot: str | None
    gpus: list[str]


def start_ticks(pid: int) -> int | None:
    """Return when a process was started, since the machine was; None where that is not known."""
    with suppress(OSError):
        # The name of the program, in parentheses, may hold anything.
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2]
        return int(after_name.split()[19])
    return None


def send_signal(to: Started, number: signal.Signals, *, to_group: bool = False) -> bool:
    """Send a signal to a process that was started, if that is still the one of that id.

    Args:
        to: the process.
        number: of the signal.
        to_group: to its process group, too.

    Returns:
        Whether it was sent.
    """
    try:
        opened = _opened(to.pid)
    except ProcessLookupError:
        return False
    try:
        if to.boot != boot_id() or to.ticks != start_ticks(to.pid):
            return False
        if to_group:
            os.killpg(to.pid, number)
        elif opened is not None:
            signal.pidfd_send_signal(opened, number)
        else:
            os.kill(to.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if opened is not None:
            os.close(opened)
    return True


def _opened(pid: int) -> int | None:
    """Return what stays the same process, whoever is given its id; None where there is no such."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        # An older kernel, or a container that forbids it.
        return None
