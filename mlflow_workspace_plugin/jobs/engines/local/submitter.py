"""What a job is given of the process that submits it."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.jobs.engines.local.launch import KEPT_FILES, SLOT
from mlflow_workspace_plugin.jobs.marked_processes import MARK
from mlflow_workspace_plugin.uris import is_address

# Of the run around the process, and of the notebook that it is the kernel of.
_NOT_HANDED_ON = re.compile(
    r"AZUREML_.*|JPY_.*|__vsc_ipynb_file__|PWD|OLDPWD"
    r"|MLFLOW_(RUN_ID|EXPERIMENT_ID|EXPERIMENT_NAME|TRACKING_URI|REGISTRY_URI|ACTIVE_MODEL_ID|WORKSPACE|WORKSPACE_STORE_URI)"
    rf"|{SLOT}|{KEPT_FILES}|{MARK}"
)
_PLOTS_IN_NOTEBOOK = "module://"
_PATHS = (
    settings.HUB,
    settings.TRUST_FILE,
    settings.LINKS_FILE,
    settings.LOG_INS_DIR,
    settings.JOURNAL_DIR,
    settings.QUEUE_DIR,
    settings.JOBS_DIR,
    settings.CACHE_DIR,
)


def environment_of_job(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job that this process submits: its own, but not of its run.

    Args:
        variables: what is set besides.
    """
    environment = {
        name: value for name, value in os.environ.items() if not _NOT_HANDED_ON.fullmatch(name)
    }
    if environment.get("MPLBACKEND", "").startswith(_PLOTS_IN_NOTEBOOK):
        del environment["MPLBACKEND"]
    for each in _PATHS:
        # A job has another working directory.
        if environment.get(each.name) and not is_address(environment[each.name]):
            environment[each.name] = str(Path(environment[each.name]).expanduser().absolute())
    return {**environment, **variables}


def umask() -> int:
    """Return the umask of this process."""
    with suppress(OSError, StopIteration, ValueError):
        with Path("/proc/self/status").open(encoding="utf-8", errors="replace") as status:
            line = next(each for each in status if each.startswith("Umask:"))
        return int(line.split()[1], base=8)
    # It cannot be asked for without setting it.
    found = os.umask(0o077)
    os.umask(found)
    return found
