"""Making a process of a job that waits."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from mlflow_workspace_plugin.jobs.boot import boot_id
from mlflow_workspace_plugin.jobs.engines.local.job_file import SpooledJob
from mlflow_workspace_plugin.jobs.engines.local.processes import Started, start_ticks
from mlflow_workspace_plugin.jobs.engines.local.spool import Ended, Spool

SLOT = "MLFLOW_WORKSPACE_SLOT"
"""Names the slot that a job holds: its file in the spool."""
KEPT_FILES = "_MLFLOW_WORKSPACE_KEEP_FDS"
"""Tells the runner which open files its command is to have, too; the command does not have this.

By it runners, and the agent, are told from what a job started: see ``runner.processes.guardian``.
"""
MOUNTS = "_MLFLOW_WORKSPACE_MOUNTS"
"""Names the file by which the agent leaves the mounts that only the job sees that starts it."""

_CANNOT_RUN = 127


def launch(
    spool: Spool,
    name: str,
    job: SpooledJob,
    lock: int,
    gpus: list[str],
    let_go: Callable[[], None],
) -> int:
    """Start a job that waits, and wait until it has started.

    The new process moves the job's file itself, so that whoever is killed, it is started once.

    Args:
        spool: of it.
        name: of its file.
        job: what the file holds.
        lock: the open file, which is locked, and which the process and its children keep.
        gpus: those that it is given.
        let_go: closes, in the process, what is the agent's only.

    Returns:
        The id of the process.

    Raises:
        OSError: there can be no other process now.
    """
    reading, writing = os.pipe()
    try:
        pid = os.fork()
        if not pid:
            let_go()
            _become(spool, name, job, lock, gpus)
        os.close(writing)
        writing = -1
        # Until the process is another program, or has ended.
        os.read(reading, 1)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    return pid


def _become(spool: Spool, name: str, job: SpooledJob, lock: int, gpus: list[str]) -> NoReturn:
    status = _CANNOT_RUN
    try:
        os.setsid()
        _reset_signals()
        own = os.getpid()
        spool.note_claimed(job.run_id, Started(own, start_ticks(own), boot_id(), gpus))
        try:
            spool.claim(name)
        except FileNotFoundError:
            # Canceled meanwhile.
            spool.forget(name)
            status = 0
        else:
            _execute(spool, name, job, lock, gpus)
    finally:
        os._exit(status)


def _execute(spool: Spool, name: str, job: SpooledJob, lock: int, gpus: list[str]) -> None:
    try:
        os.umask(job.umask)
        os.chdir("/")
        _redirect(spool, job.run_id)
        environment = {
            **job.environment,
            SLOT: str(spool.running / name),
            KEPT_FILES: str(lock),
        }
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        os.set_inheritable(lock, True)  # noqa: FBT003  positional only
        # Until here it is as if it had not been started.
        spool.note_started(job.run_id)
        os.execvpe(job.command[0], job.command, environment)  # noqa: S606
    except Exception as error:  # noqa: BLE001  whatever it is, it is told
        reason = f"Its runner, {job.command[:1]}, cannot be started: {error}"
        spool.note_ended(job.run_id, Ended(_CANNOT_RUN, reason))


def _reset_signals() -> None:
    """Have all signals do what they do by default, whatever the agent's parents ignored."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _redirect(spool: Spool, run_id: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    output = os.open(spool.output / run_id, flags, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, 0)
