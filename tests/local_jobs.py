"""Jobs of this machine in tests: small commands, and the processes around them."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.engines.local.engine import LocalEngine
from mlflow_workspace_plugin.jobs.engines.local.spool import Spool
from mlflow_workspace_plugin.journal.files.folder import host_id
from tests.waiting import wait_until

SHELL = shutil.which("sh")
ROOT = Path(__file__).parent.parent
"""Where these tests are found."""

# How a job in a test says that it is there, and waits to be let go: it is given two files.
WAIT = 'echo "$0" >> "$1"; while [ ! -e "$2" ]; do sleep 0.05; done'


def local_engine(name="local", **settings) -> LocalEngine:
    return LocalEngine(Compute(name, "local", settings=settings))


def submit(engine, run_id, *command, gpus=0, **variables) -> str:
    return engine.submit(run_id, list(map(str, command)), variables=variables, gpus=gpus)


def submit_shell(engine, run_id, script, *arguments, gpus=0, **variables) -> str:
    """Submit a shell script; its ``$0`` is the run's id."""
    return submit(engine, run_id, SHELL, "-c", script, run_id, *arguments, gpus=gpus, **variables)


def submit_python(engine, run_id, code, *arguments, **variables) -> str:
    """Submit a Python script that can import this package."""
    variables = {"PYTHONPATH": str(ROOT), **variables}
    return submit(engine, run_id, sys.executable, "-c", code, *arguments, **variables)


def spool() -> Spool:
    return Spool(Path(os.environ["MLFLOW_WORKSPACE_QUEUE_DIR"]) / host_id())


def kind(engine, run_id, handle) -> str:
    return engine.state(run_id, handle).kind


def wait_for(engine, run_id, handle, expected, timeout_s=60):
    """Wait until a job is in a state, and return that."""
    wait_until(lambda: kind(engine, run_id, handle) == expected, timeout_s)
    return engine.state(run_id, handle)


def lines(path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def pid_of(run_id) -> int:
    """Return the process of a job that runs."""
    started = spool().started(run_id)
    assert started is not None
    return started.pid


def note_started(run_id, **other) -> None:
    """Note another process of a job that runs."""
    spool().note_claimed(run_id, spool().started(run_id)._replace(**other))
    spool().note_started(run_id)


def agents() -> list[int]:
    """Return the processes that are agents of the test's spool."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            is_agent = any(b"engines.local.agent" in each for each in arguments)
            pid = int(process.name)
            # What it starts looks like it at first, in a session of its own.
            is_agent = is_agent and os.getsid(pid) != pid
            if is_agent and os.fsencode(spool().folder) in arguments:
                found.append(pid)
    return found


def kill(pids) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_agents() -> None:
    """Kill the agents of the test's spool, and wait until they are gone."""
    kill(agents())
    wait_until(lambda: not agents())


def kill_all() -> None:
    """Kill the agents and what they started, as a loss of power does."""
    kill_agents()
    for name in spool().names_running():
        started = spool().started(name.partition("-")[2])
        with suppress(ProcessLookupError, AttributeError):
            os.killpg(started.pid, signal.SIGKILL)
