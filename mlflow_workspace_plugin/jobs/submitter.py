"""The process that submits a job: whether it lives, as long as no engine has the job."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.jobs.ended import jobs_folder
from mlflow_workspace_plugin.jobs.machine import where_locked
from mlflow_workspace_plugin.private_folder import make_private

_FOLDER = ".submitting"


@contextmanager
def seen_to_live() -> Iterator[dict[str, Any] | None]:
    """Let others see within the block that this process lives, and after a kill that it does not.

    Yields:
        Where they have to look; None where there is no folder for that, or it knows no locks.
    """
    held = None
    with suppress(OSError):
        held = _lock(jobs_folder() / _FOLDER / uuid.uuid4().hex)
    if held is None:
        yield None
        return
    path, file = held
    try:
        yield where_locked(path, file)
    finally:
        # First the name: a file that is free, and there, is that of a process that was killed.
        path.unlink(missing_ok=True)
        os.close(file)


def _lock(path: Path) -> tuple[Path, int]:
    make_private(path.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        path.unlink(missing_ok=True)
        raise
    return path, file
