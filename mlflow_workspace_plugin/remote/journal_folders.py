"""Where the journals for a served workspace are on this machine."""

import hashlib
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.journal.files.folder import (
    SECRET_NAME,
    TARGET_NAME,
    JournalFolder,
    base_folder,
    folders_of,
)
from mlflow_workspace_plugin.remote.log_ins import job_logged_in


def folder_of(uri: str, base: Path | None = None) -> JournalFolder:
    """Return the journals of this process for a served workspace.

    Those of a job are apart: its log-in is for its run, and what it sent of others' is refused.

    Args:
        uri: of the workspace.
        base: the folder of all journals; by default as the settings say.
    """
    job = job_logged_in()
    return JournalFolder(uri, base) if job is None else _folder_of_job(uri, base, job)


def folders_to_send(uri: str, run_id: str, base: Path | None = None) -> list[JournalFolder]:
    """Return the journals for a served workspace that the log-in of this process may send.

    Args:
        uri: of the workspace.
        run_id: a run that this process may write to.
        base: as for :func:`folder_of`.
    """
    if base is None and job_logged_in() is None:
        return folders_of(uri)
    found = [folder_of(uri, base), _folder_of_job(uri, base, run_id)]
    return list({each.path: each for each in found}.values())


def remove_empty(uri: str, run_id: str, base: Path | None = None) -> None:
    """Remove the journals of a job that has ended, if nothing is left in them.

    Args:
        uri: of its workspace.
        run_id: the job.
        base: as for :func:`folder_of`.
    """
    folder = _folder_of_job(uri, base, run_id)
    with suppress(OSError):
        # Of files that waited.
        (folder.path / "files").rmdir()
    with suppress(OSError):
        if {each.name for each in folder.path.iterdir()} - {TARGET_NAME, SECRET_NAME}:
            return
        (folder.path / SECRET_NAME).unlink(missing_ok=True)
        (folder.path / TARGET_NAME).unlink(missing_ok=True)
        try:
            folder.path.rmdir()
        except OSError:
            # One of its processes lives, and has begun anew.
            folder.make()


def _folder_of_job(uri: str, base: Path | None, job: str) -> JournalFolder:
    name = hashlib.sha256(f"{uri} {job}".encode()).hexdigest()[:16]
    return JournalFolder(uri, base, (base or base_folder()) / name)
