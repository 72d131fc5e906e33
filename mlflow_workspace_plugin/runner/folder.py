"""The folder of a job on the machine that runs it, and those that were left there."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.jobs.ended import LOCK, LOGS, Ended, folders_of_jobs, jobs_folder
from mlflow_workspace_plugin.private_folder import make_private
from mlflow_workspace_plugin.terminal import get_logger

_DAY_S = 86_400.0
_TRIES = 10
_PAUSE_S = 0.05

_logger = get_logger(__name__)


class JobFolder:
    """The folder of a job: its lock, which this process holds, its logs, and where it works.

    Args:
        run_id: the job.

    Raises:
        OSError: it cannot be made, or its file system knows no locks.
        BlockingIOError: a process of the job lives.
    """

    def __init__(self, run_id: str) -> None:
        self.path = jobs_folder() / run_id
        try:
            self._take()
        except BlockingIOError:
            raise
        except OSError as error:
            # No home, or one whose file system knows no locks.
            _logger.warning("Job %s does not run below %s: %s", run_id, self.path, error)
            self.path = Path(tempfile.mkdtemp(prefix="mlflow-workspace-job-"))
            self._take()

    @property
    def lock(self) -> Path:
        """The file that is locked."""
        return self.path / LOCK

    @property
    def work(self) -> Path:
        """Where the command is started."""
        return self.path / "work"

    @property
    def data(self) -> Path:
        """Where its inputs and outputs are that have no other place."""
        return self.path / "data"

    def make_work(self) -> Path:
        """Make the folder where the command is started anew, empty."""
        _remove(self.work)
        self.work.mkdir(mode=0o700)
        return self.work

    def log(self, name: str) -> Path:
        """Return the local file of a log, by its name among the run's files."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        return path

    def remove(self) -> None:
        """Remove it, with all that is in it."""
        _remove(self.path)

    def close(self) -> None:
        """Let go of the lock, whose file says from then on when the job ended."""
        with contextlib.suppress(OSError):
            os.utime(self.descriptor)
        os.close(self.descriptor)

    def _take(self) -> None:
        make_private(self.path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(self.lock, flags, 0o600)
        try:
            _lock(self.descriptor)
        except OSError:
            os.close(self.descriptor)
            raise
        os.utime(self.lock)


def _lock(descriptor: int) -> None:
    """Lock a file that who looks whether anybody lives may hold for a moment."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_PAUSE_S)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_old() -> None:
    """Remove the folders of jobs that ended as many days ago as they are kept."""
    kept_s = settings.KEEP_DAYS.number() * _DAY_S
    for folder in folders_of_jobs():
        with contextlib.suppress(OSError):
            is_old = time.time() - _ended_at(folder) > kept_s
            if is_old and Ended.kept_in(folder) is None and _is_free(folder):
                _remove(folder)


def _ended_at(folder: Path) -> float:
    """Return when a job ended; if its runner was killed, when it last printed something."""
    logs = (log for name in LOGS for log in (folder / name).glob("*"))
    return max(each.lstat().st_mtime for each in (folder / LOCK, *logs))


def remove_unused(folder: Path) -> bool:
    """Remove the folder of a job, unless a process of the job lives; return whether none does."""
    if (folder / LOCK).exists() and not _is_free(folder):
        return False
    _remove(folder)
    return True


def _is_free(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(folder: Path) -> None:
    def give_way(function: object, path: str, _error: object) -> None:
        # A folder that a script made read-only.
        with contextlib.suppress(OSError):
            parent = Path(path).parent
            parent.chmod(0o700)
            if Path(path).is_dir() and not Path(path).is_symlink():
                Path(path).chmod(0o700)
                shutil.rmtree(path, ignore_errors=True)
            else:
                Path(path).unlink()

    if folder.exists():
        shutil.rmtree(folder, onerror=give_way)
    if folder.exists():
        _logger.warning("The folder %s cannot be removed whole.", folder)
