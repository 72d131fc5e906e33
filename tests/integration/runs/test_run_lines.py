"""The lines that say where to look at a run, when it starts and when it ends."""

import os
import pty
from contextlib import suppress

import pytest

from tests import python_processes

pytestmark = pytest.mark.sqlite

SDK = """
from mlflow_workspace_plugin import Experiment, Workspace
ws = Workspace.from_config()
with Experiment(ws, "experiment").start_logging(display_name="top") as run:
    with run.child_run():
        pass
"""
MLFLOW = """
import mlflow, os
with mlflow.start_run(run_name="top") as run:
    for _ in range(3):
        with mlflow.start_run(nested=True):
            pass
    if os.fork() == 0:
        mlflow.MlflowClient().set_tag(run.info.run_id, "a", "b")
        os._exit(0)
    os.wait()
"""
WORKER = """
import mlflow, multiprocessing
def work():
    with mlflow.start_run():
        pass
context = multiprocessing.get_context("fork")
with mlflow.start_run(run_name="top") as run:
    child = context.Process(target=work)
    child.start()
    child.join()
    assert child.exitcode == 0
"""
FAILS = MLFLOW + "    raise ValueError('\\x1b[31m')\n"


@pytest.fixture
def on_a_terminal(workspace, monkeypatch, tmp_path):
    """Run code whose stderr is a terminal; return the lines on it that speak of runs."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.get_mlflow_tracking_uri())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(code, **variables):
        ours, theirs = pty.openpty()
        environment = os.environ | variables
        with python_processes.Popen(["-c", code], stderr=theirs, env=environment) as process:
            os.close(theirs)
            said = b""
            with suppress(OSError):  # the end of a terminal
                while piece := os.read(ours, 4096):
                    said += piece
            process.wait(120)
        os.close(ours)
        return [line for line in said.decode().splitlines() if line.startswith("Run ")]

    return run


@pytest.mark.parametrize(
    ("code", "end"), [(SDK, "completed"), (MLFLOW, "completed"), (FAILS, "failed")]
)
def test_one_line_at_each_end(on_a_terminal, workspace, code, end):
    """Of the run on top only; a command where nothing is served."""
    lines = on_a_terminal(code)
    (run,) = (each for name in workspace.experiments.values() for each in name.get_runs())
    command = f"mlflow-workspace open {run.id} --hub {workspace._hub.path}"
    assert lines == [f"Run top started: {command}", f"Run top {end}: {command}"]


def test_nothing_is_said_by_workers(on_a_terminal):
    """Though their stderr is the terminal: of many at once the lines would say nothing."""
    assert [line.split()[:3] for line in on_a_terminal(WORKER)] == [
        ["Run", "top", "started:"],
        ["Run", "top", "completed:"],
    ]


def test_link_where_the_ui_is_served(on_a_terminal, workspace):
    """As said by the setting, or by a UI that runs."""
    lines = on_a_terminal(SDK, MLFLOW_WORKSPACE_UI_URL="http://localhost:7000")
    (run,) = workspace.experiments["experiment"].get_runs()
    path = run.get_portal_url().partition("5000")[2]
    assert lines[0] == f"Run top started: http://localhost:7000{path}"


@pytest.mark.parametrize(
    "variables",
    [{"MLFLOW_WORKSPACE_QUIET": "1"}, {"_MLFLOW_SERVER_FILE_STORE": "workspace:///x/y"}],
)
def test_nothing_is_said(on_a_terminal, variables):
    """Where the user wants no line, and in servers."""
    assert on_a_terminal(SDK, **variables) == []


def test_nothing_is_said_to_a_file(workspace, run_python):
    """Or a pipe."""
    done = run_python("-c", SDK, MLFLOW_TRACKING_URI=workspace.get_mlflow_tracking_uri())
    assert "Run top" not in done.stderr
