"""How a job ended, as its runner keeps it beside its lock until the hub has it."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin import settings

_NAME = "ended.json"
LOCK = "lock"
"""The file in the folder of a job that is locked while the job lives."""
LOGS = ("user_logs", "system_logs", "azureml-logs")
"""The folders of a job's logs, in its folder as among its run's files."""
_CAPTURED = ("outputs", "logs")
_WORK = "work"


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        uri: of its workspace.
        run_id: the job.
        owner: who ran it.
        state: ``Completed``, ``Failed`` or ``Canceled``.
        exit_code: of its command, as a shell says it; None if it was not started.
        cause: why it did not complete.
        files: what is to be stored with the run before its end is: files and folders of this
            machine, by their names among the run's files.
    """

    uri: str
    run_id: str
    owner: str
    state: str
    exit_code: int | None
    cause: str | None
    files: dict[str, str] = field(default_factory=dict)

    def keep(self, folder: Path) -> None:
        """Write it into the folder of the job, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        unfinished = folder / f"{_NAME}.part"
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / _NAME)

    @property
    def folder(self) -> Path:
        """The folder of the job."""
        return jobs_folder() / self.run_id

    @classmethod
    def kept_in(cls, folder: Path) -> "Ended | None":
        """Return what is kept in the folder of a job; None if nothing is that can be read."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(folder / _NAME, flags), encoding="utf-8") as file:
                # Nobody else's word counts.
                if os.fstat(file.fileno()).st_uid == os.geteuid():
                    return cls(**json.load(file))
        return None

    @classmethod
    def all_kept(cls) -> "list[Ended]":
        """Return what is kept in the folders of all jobs of this machine."""
        found = [cls.kept_in(folder) for folder in folders_of_jobs()]
        return [each for each in found if each is not None]

    @classmethod
    def kept_beside(cls, where: Mapping[str, Any]) -> "Ended | None":
        """Return what is kept beside the lock that a job's row names."""
        return cls.kept_in(Path(str(where.get("lock"))).parent)

    @staticmethod
    def forget(folder: Path) -> None:
        """Remove what is kept in a folder."""
        (folder / _NAME).unlink(missing_ok=True)


def left_by(run_id: str) -> dict[str, str]:
    """Return what a job left in its folder on this machine, as :class:`Ended` names files.

    Args:
        run_id: the job.
    """
    folder = jobs_folder() / run_id
    found = [(each, folder / each) for each in LOGS]
    found += [(each, folder / _WORK / each) for each in _CAPTURED]
    return {name: str(path) for name, path in found if path.is_dir() and not path.is_symlink()}


def jobs_folder() -> Path:
    """Return where the folders of this machine's jobs are."""
    return Path(settings.JOBS_DIR.get()).expanduser().absolute()


def folders_of_jobs() -> list[Path]:
    """Return the folders of this machine's jobs that there are."""
    with contextlib.suppress(OSError):
        return [
            each
            for each in jobs_folder().iterdir()
            if each.is_dir() and not each.name.startswith(".")
        ]
    return []
