"""The sweep of the examples, on slots of this machine."""

import json

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from tests.conftest import EXAMPLES

pytestmark = [pytest.mark.sqlite, pytest.mark.frameworks]


def test_sweep_on_this_machine(run_python, workspace, hub_path):
    """A job for each alpha; the best one's model is registered."""
    code = (
        "import runpy, sys, mlflow_workspace_plugin.azureml\n"
        "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    )
    uri = workspace.get_mlflow_tracking_uri()
    arguments = [str(EXAMPLES / "sweep" / "sweep.py"), "--alphas", "0.1", "100"]
    printed = run_python("-c", code, *arguments, MLFLOW_TRACKING_URI=uri).stdout.splitlines()

    assert printed[-2:] == ["best alpha 0.1", "registered diabetes-ridge version 1"]
    runs = list(workspace.experiments["sweep"].get_runs())
    assert {run.get_tags()["alpha"] for run in runs} == {"100.0", "0.1"}
    for run in runs:
        assert run.get_status() == "Completed"
        assert "outputs/model.pkl" in run.get_file_names()
    in_hub = ["-w", "team-a", "--hub", str(hub_path)]
    listed = CliRunner().invoke(main, ["jobs", "--all", "--json", *in_hub])
    assert {each["compute"] for each in json.loads(listed.stdout)} == {"local"}
