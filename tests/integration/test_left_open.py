"""Runs that nobody ends are ended at the end of the process that began them."""

import signal
from subprocess import PIPE

import pytest

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.sdk.runs.reason import reason_of
from tests import python_processes

pytestmark = pytest.mark.databases

BEGIN = """
import os, signal, sys
from mlflow_workspace_plugin import Experiment, Run, Workspace
workspace = Workspace.get("team-a", hub={hub!r})
experiment = Experiment(workspace, "experiment")
"""


@pytest.fixture
def script(workspace, run_python):
    """Run code in which there is an experiment; return the process."""

    def run(code, **variables):
        begin = BEGIN.format(hub=str(workspace._hub.path))
        return run_python("-c", begin + code, check=False, **variables)

    return run


def ended(workspace, run_id):
    """Status and reason of a run, found by an id of its starter's."""
    found = workspace.get_run(run_id)
    return found.status, found.reason


@pytest.mark.parametrize(
    ("end", "exit_status", "status", "reason"),
    [
        ("pass", 0, "Completed", None),
        ("sys.exit()", 0, "Completed", None),
        ("sys.exit(0)", 0, "Completed", None),
        ("sys.exit(3)", 3, "Failed", "The process ended with exit code 3."),
        ("sys.exit('no data')", 1, "Failed", "The process ended with exit code 1: no data"),
        ("1 / 0", 1, "Failed", "User program failed with ZeroDivisionError: division by zero"),
        (
            "try:\n    raise ValueError('bad')\nfinally:\n    print()",
            1,
            "Failed",
            "User program failed with ValueError: bad",
        ),
        ("raise KeyboardInterrupt", -2, "Canceled", "Stopped by Ctrl-C (SIGINT)."),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "Completed", None),
        (
            "try:\n    sys.exit(3)\nexcept ValueError:\n    pass",
            3,
            "Failed",
            "The process ended with exit code 3.",
        ),
        (
            "def main():\n    try:\n        sys.exit(5)\n    finally:\n        print()\nmain()",
            5,
            "Failed",
            "The process ended with exit code 5.",
        ),
        ("sys.excepthook(*[ValueError, ValueError('told'), None])", 0, "Completed", None),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15, "Canceled", "Stopped by SIGTERM (15)."),
    ],
)
def test_run_ends_as_its_process(workspace, script, end, exit_status, status, reason):
    """By whichever way that ends; what it logged and left in ./outputs is stored."""
    done = script(
        "run = experiment.start_logging(run_id='mine')\n"
        "run.log('loss', 0.5)\n"
        "open('outputs/model', 'w').close()\n" + end
    )
    assert done.returncode == exit_status, done.stderr
    assert ended(workspace, "mine") == (status, reason), done.stderr
    run = workspace.get_run("mine")
    assert run.get_metrics() == {"loss": 0.5}
    assert run.get_file_names() == ["outputs/model"]
    assert run.get_tags() == {}
    assert reason_of(workspace.client.get_run(run.id)) == reason
