"""Commands that tests hand to an engine of a cluster, in the place of a runner."""

import sys
import uuid

from tests.waiting import wait_until


def python(code, *arguments):
    """Return the command of a program of Python."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def submit(engine, command, *, variables=None, gpus=0):
    """Hand a command to an engine; return the id of the run, and the engine's handle."""
    run_id = uuid.uuid4().hex
    return run_id, engine.submit(run_id, command, variables=variables or {}, gpus=gpus)


def wait_for(engine, kind, run_id, handle, timeout_s=60):
    """Wait until an engine says something of a job; return what it says."""
    wait_until(lambda: engine.state(run_id, handle).kind == kind, timeout_s)
    return engine.state(run_id, handle)
