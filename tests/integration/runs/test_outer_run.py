"""The first run that a script begins inside a run is that run, while it is empty."""

import json
import os
import sys

import pytest
from sqlalchemy import text

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.runner.runner import create_run, execute
from mlflow_workspace_plugin.stores.tags.failure import ERROR_TAG
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG

pytestmark = pytest.mark.sqlite

BEGIN = """
import subprocess, sys
from azureml.core import Experiment, Run, Workspace
ws = Workspace.from_config()
experiment = Experiment(ws, "experiment")
"""


@pytest.fixture
def outer(workspace):
    return create_run(Experiment(workspace, "experiment"), "train.py")


@pytest.fixture
def script(outer):
    """Run code inside the outer run."""

    def run(code):
        return execute(outer, [sys.executable, "-c", BEGIN + code], os.environ)

    return run


def runs_of(run):
    return [each.id for each in run.experiment.get_runs(include_children=True)]


def test_first_run_is_the_outer_one_and_later_ones_are_their_own(outer, script):
    """With all that the script says of it; the outer one stays as the runner made it besides."""
    # What a runner stores of an environment that it has built.
    outer.upload_file("azureml-logs/20_image_build_log.txt", __file__)
    outcome = script("""
with experiment.start_logging(display_name="first", tags={"a": "b"}, properties={"p": "x"}) as run:
    run.log("loss", 0.5)
    open("outputs/model", "w").close()
assert run.get_status() == "Running"
second = experiment.start_logging()
second.log("loss", 0.25)
""")
    assert outcome.status == "FINISHED", outcome.cause
    assert (outer.name, outer.tags["a"], outer.get_properties()["p"]) == ("first", "b", "x")
    assert outer.get_metrics() == {"loss": 0.5}
    assert "outputs/model" in outer.get_file_names()
    assert outer.get_status() == "Completed"
    assert len(runs_of(outer)) == 2
    (second,) = (each for each in outer.experiment.get_runs() if each.id != outer.id)
    assert second.get_metrics() == {"loss": 0.25}
    assert (second.get_status(), second.parent) == ("Completed", None)


@pytest.mark.parametrize(
    "before",
    [
        "Run.get_context().log('loss', 1)",
        "Run.get_context().tag('a', 'b')",
        "Run.get_context().log('word', 'text')",
        "Run.get_context().upload_file('notes.txt', '.azureml/config.json')",
        "import mlflow; mlflow.log_param('rate', 1)",
        "import mlflow; mlflow.start_run()",
        "import mlflow\nwith mlflow.start_run(): pass",
        "experiment = Experiment(ws, 'another')",
    ],
)
def test_run_that_is_not_empty_is_left(outer, script, before):
    """Nor is one of another experiment taken, nor the one that MLflow has taken."""
    workspace = outer.experiment.workspace
    workspace.write_config()
    outcome = script(f"{before}\nexperiment.start_logging(run_id='own')")
    assert outcome.status == "FINISHED", outcome.cause
    assert workspace.get_run("own").id != outer.id
    assert outer.get_status() == "Completed"


def test_run_whose_files_cannot_be_looked_at_is_left(outer, script):
    """Nobody knows whether it has any, and the script goes on."""
    with connected(outer.experiment.workspace._hub.engine) as connection:
        elsewhere = {"id": outer.id, "elsewhere": "file:///somewhere/else"}
        connection.execute(
            text("UPDATE runs SET artifact_uri = :elsewhere WHERE run_uuid = :id"), elsewhere
        )
        connection.commit()
    outcome = script("experiment.start_logging(run_id='own', outputs=False)")
    assert outcome.exit_code == 0, outcome.cause
    assert outer.experiment.workspace.get_run("own").id != outer.id


def test_one_of_several_processes_takes_it(outer, script):
    """The others begin runs of their own."""
    script("""
child = "from azureml.core import Experiment, Workspace;" \\
    "Experiment(Workspace.from_config(), 'experiment').start_logging()"
children = [subprocess.Popen([sys.executable, "-c", child]) for _ in range(3)]
print([each.wait() for each in children])
""")
    assert len(runs_of(outer)) == 3


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        ("run.complete(); sys.exit(1)", "FAILED", "ended with exit code 1."),
        ("run.fail('bad data')", "FINISHED", "bad data"),
        ("run.fail('bad data'); sys.exit(3)", "FAILED", "bad data"),
        ("run.cancel()", "KILLED", "It was canceled by request."),
        ("raise ValueError('no rate')", "FAILED", "ValueError: no rate"),
    ],
)
def test_exit_code_decides(outer, script, end, status, reason):
    """What the script says of its failure is kept, and warned of where it did not count."""
    outcome = script(f"run = experiment.start_logging(); {end}")
    found = outer.experiment.workspace.client.get_run(outer.id)
    assert found.info.status == outcome.status == status
    kept = json.loads(found.data.tags[ERROR_TAG])["message"]
    assert outcome.cause.endswith(reason) or kept.endswith(reason)
    is_warned = "It is completed all the same" in found.data.tags.get(CONFLICT_TAG, "")
    assert is_warned == (status == "FINISHED")
    assert len(runs_of(outer)) == 1
