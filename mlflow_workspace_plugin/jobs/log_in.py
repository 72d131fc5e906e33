"""The log-in of a job at a served hub: its own, for its run, and not that of who submitted it."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mlflow.environment_variables import MLFLOW_TRACKING_TOKEN

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.jobs.engines.engine import Engine
from mlflow_workspace_plugin.remote.log_ins import JOB_LOG_INS, JOBS, KeptLogIn, log_in_of
from mlflow_workspace_plugin.uris import ServedWorkspaceUri, parse

# Longer than a log-in lasts that nobody uses.
_KEPT_S = 31 * 86_400


def variables_of_log_in(uri: str, run_id: str, engine: Engine) -> dict[str, str]:
    """Log a job in at the hub of its workspace, and return the variables by which it finds that.

    It lies beside the user's own log-ins, in a folder of the job's. Only the path of that is told
    to an engine, which may show what it is told to others.

    Args:
        uri: of the workspace.
        run_id: of the job.
        engine: that starts its runner.

    Returns:
        Nothing, if the hub is a folder, where nobody logs in. Where the runner may be on another
        machine, it uses the folder if it sees it, as in a home that the nodes share: see
        ``remote.log_ins.use_job_log_in``.

    Raises:
        AzureMLException: the hub refuses, or cannot be reached.
        OSError: it cannot be kept.
    """
    parsed = parse(uri)
    if not isinstance(parsed, ServedWorkspaceUri):
        return {}
    # Only now: most hubs are folders.
    from mlflow_workspace_plugin.remote.logging_in import asked

    folder = _folder()
    for old in _old_of(folder):
        shutil.rmtree(old, ignore_errors=True)
    said = asked(parsed.address, "POST", f"/workspaces/{parsed.name}/runs/{run_id}/token")
    own = folder / run_id
    KeptLogIn(parsed.address, own).change(lambda: log_in_of(said, f"job {run_id}"))
    if not engine.runs_here:
        return {JOB_LOG_INS: str(own)}
    # That of who submits it is not for its script.
    return {settings.LOG_INS_DIR.name: str(own), MLFLOW_TRACKING_TOKEN.name: ""}


def _folder() -> Path:
    own = Path(settings.LOG_INS_DIR.get()).expanduser().absolute()
    # A job that submits another one has its own there.
    return own.parent if own.parent.name == JOBS else own / JOBS


def _old_of(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        for each in folder.iterdir():
            with suppress(OSError):
                times = [file.stat().st_mtime for file in each.iterdir()]
                # One that was never filled, or is being emptied, has none.
                if max(times, default=each.stat().st_mtime) < time.time() - _KEPT_S:
                    yield each
