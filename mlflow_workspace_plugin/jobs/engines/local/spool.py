"""The spool: what waits and what runs on this machine, in files that are this user's only.

``lock``       held for a moment by who adds a job, and by who starts or ends the agent
``agent``      held by the agent as long as it lives
``wake``       a pipe: who writes to it wakes the agent
``id``         tells this spool from others
``waiting/``   ``NUMBER-RUN``: the jobs that wait, in their order
``running/``   the same files, moved there by the processes that they became, which hold them locked
``runners/``   ``RUN.claimed``: the process that a job is about to become; ``RUN``: that it has
``canceled/``  ``RUN``: that it was asked to stop, and when it is killed
``ended/``     ``RUN``: how it ended
``output/``    ``RUN``: what its process said
``lent/``      ``RUN.ID``: held by a process of a job that lends its slot

A job is started by moving its file, which can be done once, and canceled by removing it. What moved
it and ended before it was another program, with no ``RUN`` of it, is moved back. The file of a job
holds its environment, with what is secret in it, and is gone when the job is. Nothing here asks the
clock of the day for anything but the age of what is to be removed.
"""

import errno
import json
import math
import os
import re
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from mlflow_workspace_plugin.jobs.boot import boot_id
from mlflow_workspace_plugin.jobs.engines.local.job_file import SpooledJob, decode, encode
from mlflow_workspace_plugin.jobs.engines.local.locks import is_held, locked
from mlflow_workspace_plugin.jobs.engines.local.processes import Started
from mlflow_workspace_plugin.private_folder import make_private

LOCK_WAIT_S = 12.0
"""For how long others may hold the spool."""
_KEEP_S = 7 * 24 * 3600
"""For how long it is told how a job ended."""
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NAME = re.compile(r"\d{12}-[A-Za-z0-9_-]{1,128}")
_LEFT_S = 3600
"""After how long what somebody began to write is no longer waited for."""
_LAST_BYTES = 4096
_NEW = "new-"


class SpoolError(Exception):
    """The spool cannot be used: what, why, and what to do about it."""


class Ended(NamedTuple):
    """How a job ended: its exit code, or minus the signal, if known, and why, for people."""

    exit_code: int | None
    reason: str


class Lent(NamedTuple):
    """A slot that is lent, and whether it is wanted back."""

    run_id: str
    path: Path
    is_wanted_back: bool


class Spool:
    """A spool.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agent_lock = folder / "agent"
        self.agent_log = folder / "agent.log"
        self.waiting = folder / "waiting"
        self.running = folder / "running"
        self.runners = folder / "runners"
        self.canceled = folder / "canceled"
        self.ended = folder / "ended"
        self.output = folder / "output"
        self.lent = folder / "lent"
        self._lock = folder / "lock"
        self._wake = folder / "wake"
        self._id = folder / "id"

    @property
    def exists(self) -> bool:
        """Whether it was made."""
        return self._id.exists()

    def make(self) -> None:
        """Make what is missing of it.

        Raises:
            OSError: it cannot be made.
            SpoolError: others than this user may write there.
        """
        make_private(self.folder)
        self.check()
        parts = (self.waiting, self.running, self.runners, self.canceled)
        for part in (*parts, self.ended, self.output, self.lent):
            make_private(part)
        with suppress(FileExistsError, PermissionError, NotImplementedError):
            os.mkfifo(self._wake, 0o600)
        if not self.exists:
            with self.locked():
                if not self.exists:
                    self._write(self._id, uuid.uuid4().hex.encode())

    def check(self) -> None:
        """See to it that it is this user's: commands in it are run.

        Raises:
            OSError: it cannot be looked at.
            SpoolError: it is not.
        """
        status = self.folder.stat()
        name = f"The folder {str(self.folder)!r} of this machine's jobs"
        remedy = "Have MLFLOW_WORKSPACE_QUEUE_DIR name a folder of your own."
        if status.st_uid != os.geteuid():
            raise SpoolError(f"{name} belongs to another user (id {status.st_uid}). {remedy}")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SpoolError(
                f"{name} can be written to by others than you. {remedy} Or: chmod 700 it."
            )

    @property
    def id(self) -> str:
        """What tells it from others."""
        return self._id.read_text(encoding="ascii")

    def locked(self) -> AbstractContextManager[None]:
        """Hold it, so that nobody adds a job, or starts or ends an agent.

        Raises:
            TimeoutError: others held it for too long.
        """
        return locked(self._lock, LOCK_WAIT_S)

    def add(self, job: SpooledJob) -> bool:
        """Have a job wait, on disk; return False where there was one of that run already.

        Raises:
            OSError: it cannot be written.
            TimeoutError: others held the spool for too long.
        """
        with self.locked():
            if self.knows(job.run_id):
                return False
            last = max(self.names_waiting(), default="0-")
            number = int(last.partition("-")[0]) + 1
            self._write(self.waiting / f"{number:012}-{job.run_id}", encode(job))
        return True

    def names_waiting(self) -> list[str]:
        """Return the names of the jobs that wait, the first one first."""
        return _names_of_jobs(self.waiting)

    def names_running(self) -> list[str]:
        """Return the names of the jobs that run, or did and nobody has looked since."""
        return _names_of_jobs(self.running)

    def name_of(self, run_id: str) -> str | None:
        """Return the name of a run's job that waits or runs."""
        # What waits may be moved meanwhile; and back only while nobody holds the spool.
        for names in (self.names_waiting, self.names_running):
            for name in names():
                if run_of(name) == run_id:
                    return name
        return None

    def knows(self, run_id: str) -> bool:
        """Whether there is, or was, a job of a run."""
        return self.name_of(run_id) is not None or self.how_ended(run_id) is not None

    def read(self, path: Path) -> SpooledJob:
        """Return the job that a file holds.

        Raises:
            OSError: it cannot be read.
            DamagedJobError: it is not what was written.
        """
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            return decode(opened.read())

    def claim(self, name: str) -> None:
        """Have a job run that waited, as only one process can, on disk.

        Raises:
            FileNotFoundError: it does not wait any more.
            OSError: it cannot be moved.
        """
        (self.waiting / name).rename(self.running / name)
        # After a loss of power it must not wait again.
        for folder in (self.running, self.waiting):
            _sync(folder)

    def started(self, run_id: str) -> Started | None:
        """Return the process that a job became, if it has."""
        return _process(self.runners / run_id)

    def claimed(self, run_id: str) -> Started | None:
        """Return the process that a job was about to become."""
        return _process(self._claimed(run_id))

    def note_claimed(self, run_id: str, process: Started) -> None:
        """Note the process that a job is about to become, on disk.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._claimed(run_id), json.dumps(process._asdict()).encode())

    def note_started(self, run_id: str) -> None:
        """Note that the process becomes the job now.

        Raises:
            OSError: it cannot be noted.
        """
        self._claimed(run_id).rename(self.runners / run_id)

    def put_back(self, name: str) -> None:
        """Have a job wait where it did, whose process ended before it became the job.

        Raises:
            OSError: it cannot be moved.
            TimeoutError: others held the spool for too long.
        """
        # Who looks for it, and finds it in neither place, looks again with the spool held.
        with self.locked():
            (self.running / name).rename(self.waiting / name)

    def was_asked_to_stop(self, run_id: str) -> bool:
        """Whether a job was asked to stop."""
        return (self.canceled / run_id).exists()

    def is_to_be_killed(self, run_id: str, since_s: float = 0.0) -> bool:
        """Whether a job was asked to stop, and had the time for that.

        Args:
            run_id: of its run.
            since_s: for how many seconds that has been so.
        """
        found = _load(self.canceled / run_id)
        if found is None or found.get("boot") != boot_id():
            return False
        return time.monotonic() >= float(found.get("until", math.inf)) + since_s

    def note_asked_to_stop(self, run_id: str, wait_s: float) -> None:
        """Note that a job was asked to stop, if that was not noted before.

        Args:
            run_id: of its run.
            wait_s: for how long it may take to.

        Raises:
            OSError: it cannot be written.
        """
        if not self.was_asked_to_stop(run_id):
            asked = {"boot": boot_id(), "until": time.monotonic() + wait_s}
            self._write(self.canceled / run_id, json.dumps(asked).encode())

    def how_ended(self, run_id: str) -> Ended | None:
        """Return how a job ended; None if it has not, or nobody knows of it."""
        found = _load(self.ended / run_id)
        if found is None:
            return None
        return Ended(found.get("exit_code"), str(found.get("reason", "")))

    def note_ended(self, run_id: str, ended: Ended) -> None:
        """Note how a job ended, if that was not noted before.

        Raises:
            OSError: it cannot be written.
        """
        if self.how_ended(run_id) is None:
            self._write(self.ended / run_id, json.dumps(ended._asdict()).encode())

    def forget(self, name: str) -> None:
        """Remove all of a job that ended but how it did, and what it said."""
        run_id = run_of(name)
        noted = (self.runners / run_id, self._claimed(run_id), self.canceled / run_id)
        for path in (*noted, self.running / name):
            path.unlink(missing_ok=True)

    def remove_old(self) -> None:
        """Remove what is told of jobs that ended long ago, and what nobody wrote to its end."""
        now = time.time()
        for path in self.folder.glob(f"{_NEW}*"):
            _remove_if_older(path, now - _LEFT_S)
        known = {run_of(name) for name in (*self.names_waiting(), *self.names_running())}
        for folder in (self.ended, self.output, self.runners, self.canceled):
            for path in folder.iterdir():
                if path.name.partition(".")[0] not in known:
                    _remove_if_older(path, now - _KEEP_S)

    def last_words(self, run_id: str) -> str:
        """Return the last line that a job's process said; empty if it said nothing."""
        return last_line(self.output / run_id)

    def slots_lent(self) -> Iterator[Lent]:
        """Yield the slots that jobs lend, and remove what is left of those that ended."""
        for name in _names(self.lent):
            path = self.lent / name
            if is_held(path):
                with suppress(FileNotFoundError):
                    wanted = path.stat().st_size > 0
                    yield Lent(name.partition(".")[0], path, wanted)
            else:
                path.unlink(missing_ok=True)

    def open_wake(self) -> int | None:
        """Return the pipe that wakes the agent, for reading; None where there can be none."""
        try:
            # Opened for writing, too, it never ends.
            return os.open(self._wake, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None

    def wake(self) -> None:
        """Have the agent look now; without this it does so a second later."""
        with suppress(OSError):
            pipe = os.open(self._wake, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(pipe, b"\0")
            finally:
                os.close(pipe)

    def _claimed(self, run_id: str) -> Path:
        return self.runners / f"{run_id}.claimed"

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file, which is there as a whole or not at all, and is on disk."""
        new = self.folder / f"{_NEW}{uuid.uuid4().hex}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(new, flags, 0o600)
        try:
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            new.rename(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        _sync(path.parent)


def is_run_id(text: str) -> bool:
    """Whether a text can be the id of a run here, which names files."""
    return _RUN_ID.fullmatch(text) is not None


def run_of(name: str) -> str:
    """Return the id of the run of a job's file."""
    return name.partition("-")[2]


def last_line(path: Path) -> str:
    """Return the last line of a file that says something; empty if there is none."""
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - _LAST_BYTES))
            lines = opened.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


def _remove_if_older(path: Path, than: float) -> None:
    with suppress(OSError):
        if path.stat().st_mtime < than:
            path.unlink()


def _names_of_jobs(folder: Path) -> list[str]:
    return sorted(name for name in _names(folder) if _NAME.fullmatch(name))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names only, many of them
    except FileNotFoundError:
        return []


def _process(path: Path) -> Started | None:
    found = _load(path)
    with suppress(TypeError):
        return None if found is None else Started(**found)
    return None


def _load(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        # It is there.
        return {}
    return found if isinstance(found, dict) else {}


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as error:
        # Some file systems cannot.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(file)
