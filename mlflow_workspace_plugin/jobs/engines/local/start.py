"""Starting the agent where there is none."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import mlflow_workspace_plugin
from mlflow_workspace_plugin.jobs.boot import BOOT_ID_FILE
from mlflow_workspace_plugin.jobs.engines.local.launch import KEPT_FILES, MOUNTS, SLOT
from mlflow_workspace_plugin.jobs.engines.local.locks import is_held
from mlflow_workspace_plugin.jobs.engines.local.spool import Spool, SpoolError, last_line

_START_S = 10.0
_IDLE_S = "60"
_IDLE_VARIABLE = "_MLFLOW_WORKSPACE_AGENT_IDLE_S"
"""Says after how many idle seconds an agent ends, for tests."""

# Isolated, and without site-packages: nothing but the standard library, and what is named here,
# last, so that nothing beside it takes the place of a module of the standard library.
_CODE = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from mlflow_workspace_plugin.jobs.engines.local.agent import main; main(*sys.argv[2:])"
)
# Out of the mounts of a job that starts it.
_LEAVE = (
    "import contextlib, ctypes, os\n"
    "with contextlib.suppress(OSError):\n"
    "    ctypes.CDLL(None).setns(os.open({outside!r}, os.O_RDONLY | os.O_CLOEXEC), 0x20000)\n"
)
# What Python itself may need. The jobs have their own.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", BOOT_ID_FILE)


def ensure_agent(spool: Spool) -> None:
    """Have an agent look at what waits: the one that there is, or a new one.

    Raises:
        OSError: it cannot be started.
        SpoolError: it ended at once.
        TimeoutError: others held the spool for too long.
    """
    if not is_held(spool.agent_lock):
        with spool.locked():
            # Somebody else may have started it meanwhile.
            if not is_held(spool.agent_lock):
                _start(spool)
    spool.wake()


def ensure_agent_of_slot() -> None:
    """Have an agent look at what waits behind the job that this process runs, if it has a slot.

    The one that started it may have been killed, and nobody may ask for anything for days.
    """
    slot = os.environ.get(SLOT)
    if slot:
        spool = Spool(Path(slot).parent.parent)
        with suppress(OSError, SpoolError):
            if spool.names_waiting():
                ensure_agent(spool)


def _code() -> str:
    """Return what the agent runs."""
    outside = os.environ.get(MOUNTS, "")
    # Where that process is gone, there is nothing to leave.
    return (_LEAVE.format(outside=outside) if os.path.exists(outside) else "") + _CODE  # noqa: PTH110


def _start(spool: Spool) -> None:
    root = Path(mlflow_workspace_plugin.__file__).parent.parent
    idle_s = os.environ.get(_IDLE_VARIABLE) or _IDLE_S
    arguments = [str(root), str(spool.folder), idle_s]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(spool.agent_log, flags, 0o600)
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # A job that starts the agent does not take it along when it ends.
    environment[KEPT_FILES] = ""
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _code(), *arguments],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            timeout=_START_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SpoolError(
            f"The process that starts jobs on this machine did not come up in {_START_S:.0f} s: "
            "try again when it has less to do."
        ) from error
    finally:
        os.close(log)
    if ended.returncode:
        why = last_line(spool.agent_log) or f"exit code {ended.returncode}"
        raise SpoolError(
            f"The process that starts jobs on this machine cannot be started: {why}. "
            f"More is said in {str(spool.agent_log)!r}."
        )
