"""What could not be looked up for one request is looked up again for the next."""

import os
from subprocess import PIPE

import mlflow
import pytest

from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from tests import python_processes
from tests.served import hub_of_two_teams

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
API = "/api/2.0/mlflow"

LOOKED_AT = '{mlflowGetExperiment(input: {experimentId: "%s"}) {experiment {experimentId}}}'
AWAY_ONCE = """
from unittest.mock import Mock

from mlflow.server import app, auth
from mlflow.utils.workspace_context import WorkspaceContext

from mlflow_workspace_plugin.app.served.failed_lookups import fail_with_lookups
from mlflow_workspace_plugin.errors import HubBusyError

fail_with_lookups(app)
found = Mock(workspace="team-a")
lookup = Mock(side_effect=[HubBusyError("The hub is busy."), found])
with WorkspaceContext("team-a"):
    try:
        auth._get_resource_workspace("7", lookup, "experiment")
    except HubBusyError:
        print("busy")
    print(auth._get_resource_workspace("7", lookup, "experiment"))
"""


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub with a workspace, and a reader and a member of it."""
    with hub_of_two_teams(sqlite_template, tmp_path_factory.mktemp("lookups")) as server:
        yield server


def test_experiment_is_open_though_it_was_asked_for_before(served):
    """Who asks for a number that is free closes the experiment for nobody that gets it."""
    reader, member = (served.session(each, "team-a") for each in ("reader", "member"))
    first = member.post(f"{API}/experiments/create", json={"name": "first"}).json()
    number = str(int(first["experiment_id"]) + 1)
    path = f"/api/2.0/mlflow-artifacts/artifacts/{number}/run/artifacts/file"
    asked = {"experiment_id": number}
    for _ in range(2):
        assert reader.get(f"{API}/experiments/get", params=asked).status_code == 403
        assert member.post(f"{API}/runs/create", json=asked).status_code == 403
        assert reader.get(path).status_code == 403
        assert reader.post("/graphql", json={"query": LOOKED_AT % number}).status_code == 200
    second = member.post(f"{API}/experiments/create", json={"name": "second"}).json()
    assert second["experiment_id"] == number
    assert member.post(f"{API}/runs/create", json=asked).ok
    assert reader.get(f"{API}/experiments/get", params=asked).ok
    assert reader.get(path).status_code == 404


def test_database_that_was_away_is_asked_again(tmp_path):
    """It is no denial, for the request that met it or for those of the next hour."""
    settings = tmp_path / "accounts.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{tmp_path}/accounts.db\n"
        "admin_username = admin\nadmin_password = a password of the tests\n"
    )
    done = python_processes.run(
        ["-c", AWAY_ONCE],
        stdout=PIPE,
        stderr=PIPE,
        text=True,
        env={
            **os.environ,
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_ENABLE_WORKSPACES": "true",
        },
    )
    assert done.stdout.split() == ["busy", "team-a"], done.stderr
