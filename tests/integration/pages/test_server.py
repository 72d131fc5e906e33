"""The same hub behind MLflow's own server: for stock clients, and in MLflow's UI in a browser."""

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.artifacts.repository import open_repository
from mlflow_workspace_plugin.cli.pages.ui import server_command
from mlflow_workspace_plugin.errors import (
    HubSettingsError,
    InvalidUriError,
    UnsafeArtifactPathError,
)
from mlflow_workspace_plugin.hub.hub import open_hub
from tests.commands import output_of
from tests.integration.hub.test_hub import execute
from tests.servers import free_port, serving, without_this_package

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

STOCK_CLIENT = """
import sys, mlflow
from mlflow.exceptions import MlflowException
assert "mlflow_workspace_plugin" not in sys.modules
address, workspace, run_id = sys.argv[1:]
mlflow.set_tracking_uri(address)
mlflow.set_workspace(workspace)
client = mlflow.MlflowClient()
run = client.get_run(run_id)
print(run.data.metrics, run.data.params)
print(mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a.txt"))
print([each.name for each in client.search_experiments()])
print(mlflow.artifacts.load_text("models:/registered/1/weights.txt"))
mlflow.set_experiment("from-outside")
with mlflow.start_run() as mine:
    mlflow.log_metric("m", 3)
    mlflow.log_text("from outside", "b.txt")
print(mine.info.run_id)
mlflow.set_workspace("team-b")
experiment = run.info.experiment_id
for call in (lambda: client.get_run(run_id), lambda: client.search_runs([experiment])[0]):
    try:
        call()
    except (MlflowException, IndexError):
        print("hidden")
import requests
uri = run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
answer = requests.get(
    f"{address}/api/2.0/mlflow-artifacts/artifacts/{uri}/notes/a.txt",
    headers={"X-MLFLOW-WORKSPACE": "team-b"},
)
print(answer.status_code)
"""


pytestmark = pytest.mark.databases


@pytest.fixture(scope="module")
def filled(copied_hub, tmp_path_factory):
    """A hub with a run in team-a."""
    hub = copied_hub(tmp_path_factory.mktemp("served") / "hub")
    workspace = Workspace.create("team-a", hub=hub)
    Workspace.create("team-b", hub=hub)
    run = Experiment(workspace, "seen").start_logging(display_name="a-run-to-look-at")
    for value in (0.25, 0.5, 0.75):
        run.log("accuracy", value)
    client = workspace.client
    client.log_param(run.id, "rate", 0.1)
    client.log_text(run.id, "text of team-a", "notes/a.txt")
    client.log_text(run.id, "weights", "model/weights.txt")
    client.create_registered_model("registered")
    uri = client.get_run(run.id).info.artifact_uri
    client.create_model_version("registered", f"{uri}/model", run.id)
    run.complete()
    return workspace, run


@pytest.fixture(scope="module")
def served(filled, tmp_path_factory):
    """MLflow's server on that hub, as ``mlflow-workspace ui`` starts it."""
    hub = filled[0]._hub
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with serving(
        [
            sys.executable,
            "-m",
            "mlflow_workspace_plugin.cli",
            "ui",
            "--hub",
            str(hub.path),
            "--port",
            str(port),
            "--no-token",
        ],
        port,
        log,
        env=environment | {"MLFLOW_WORKSPACE": "of-a-client"},
        cwd=log.parent,
    ) as address:
        yield address


def test_stock_client_reads_and_writes_through_the_server(filled, served, tmp_path):
    """A client without this package sees its workspace's runs, files and models, and no other's."""
    workspace, run = filled
    python, variables = without_this_package(tmp_path)
    client = [*python, "-c", STOCK_CLIENT, served, "team-a", run.id]
    printed = output_of(client, env=os.environ | variables, cwd=tmp_path)
    lines = [line for line in printed.splitlines() if "View" not in line]
    assert lines[0] == "{'accuracy': 0.75} {'rate': '0.1'}"
    assert lines[1] == "text of team-a"
    assert lines[2] == "['seen']"
    assert lines[3] == "weights"
    assert lines[5:] == ["hidden", "hidden", "400"]
    # What it wrote is where the embedded client reads.
    mine = workspace.client.get_run(lines[4])
    assert mine.data.metrics == {"m": 3}
    path = workspace.client.download_artifacts(lines[4], "b.txt")
    assert Path(path).read_text() == "from outside"


def test_how_a_job_goes_is_not_said_through_the_server(filled, served):
    """A client of the server changes its name, and nothing of its status."""
    workspace, run = filled
    store = workspace.tracking_store
    run_id = store.create_job(
        run.experiment.id, run_name=None, tags=[], definition={}, compute="local", engine="local"
    ).info.run_id
    store.take_job(run_id, "owner", {})
    for status in ("FINISHED", "FAILED"):
        answer = requests.post(
            f"{served}/api/2.0/mlflow/runs/update",
            json={"run_id": run_id, "status": status, "end_time": 5, "run_name": status},
            headers={"X-MLFLOW-WORKSPACE": "team-a"},
            timeout=60,
        )
        told = answer.json()["run_info"]
        assert (told["status"], told["run_name"]) == ("RUNNING", status)
    info = workspace.client.get_run(run_id).info
    assert (info.status, info.end_time, info.run_name) == ("RUNNING", None, "FAILED")


def test_server_follows_no_link_and_no_row_out_of_the_hub(filled, served, tmp_path):
    """Neither for reading nor for writing, by none of the ways that its UI and clients use."""
    workspace, run = filled
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    client, hub = workspace.client, workspace._hub.path
    planted, named = (client.create_run(run.experiment.id).info.run_id for _ in range(2))
    client.log_text(planted, "x", "x.txt")
    folder = next(hub.rglob(f"{planted}/artifacts"))
    (folder / "file").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    execute(hub, f"UPDATE runs SET artifact_uri = 'file://{tmp_path}' WHERE run_uuid = '{named}'")
    headers = {"X-MLFLOW-WORKSPACE": "team-a"}
    below = f"workspaces/team-a/{run.experiment.id}/{planted}/artifacts"
    of_files = f"{served}/api/2.0/mlflow-artifacts/artifacts"
    answers = [
        requests.get(url, params=params, headers=headers)
        for url, params in (
            (f"{of_files}/{below}/file", {}),
            (f"{of_files}/{below}/folder/secret", {}),
            (of_files, {"path": f"{below}/folder"}),
            (f"{served}/get-artifact", {"run_id": planted, "path": "file"}),
            (f"{served}/get-artifact", {"run_id": named, "path": "secret"}),
            (f"{served}/api/2.0/mlflow/artifacts/list", {"run_id": planted, "path": "folder"}),
            (f"{served}/api/2.0/mlflow/artifacts/list", {"run_id": named}),
        )
    ]
    assert not any("SECRET" in each.text or '"path": "secret"' in each.text for each in answers)
    put = requests.put(f"{of_files}/{below}/folder/new", data=b"new", headers=headers)
    assert not put.ok
    assert requests.put(f"{of_files}/{below}/file", data=b"new", headers=headers).ok
    assert (folder / "file").read_text() == "new"
    assert not (folder / "file").is_symlink()
    assert secret.read_text() == "SECRET"
    assert not (tmp_path / "new").exists()
    found = requests.get(f"{of_files}/{below}/x.txt", headers=headers)
    assert found.text == "x"


def test_environment_of_the_stock_client_lacks_only_this_package(tmp_path):
    """The client above is a stock one because the package is not there, not because it is told."""
    python, variables = without_this_package(tmp_path)
    script = (
        "import importlib.metadata as m\nprint(m.version('mlflow'))\n"
        "try: print(m.version('mlflow-workspace-plugin'))\n"
        "except m.PackageNotFoundError: print('absent')\n"
    )
    printed = output_of([*python, "-c", script], env=os.environ | variables)
    assert printed.split() == [importlib.metadata.version("mlflow"), "absent"]


def test_run_is_on_its_page_in_the_browser(filled, served, monkeypatch):
    """get_portal_url opens the run in MLflow's UI, in the right workspace, where it is to."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "Install Chromium (Debian: apt-get install chromium)."
    _, run = filled
    monkeypatch.setenv("MLFLOW_WORKSPACE_UI_URL", served)
    monkeypatch.setenv("MLFLOW_WORKSPACE_LINKS", "mlflow")
    url = run.get_portal_url()
    assert url.startswith(served)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(url)
            page.get_by_text("a-run-to-look-at").first.wait_for(timeout=60_000)
            page.get_by_text("accuracy").first.wait_for(timeout=60_000)
            page.close()
            page = browser.new_page()
            page.goto(f"{served}/#/experiments?workspace=team-b")
            page.get_by_text("Create").first.wait_for(timeout=60_000)
            assert page.get_by_text("seen", exact=True).count() == 0
        finally:
            browser.close()


def test_server_command_says_where_everything_is(hub_path):
    """Because MLflow's defaults are below the working directory. For files it is to ask us."""
    command = server_command(open_hub(hub_path), 5001)
    assert f"workspace-hub://{hub_path}" in command
    assert command[command.index("--artifacts-destination") + 1] == "mlflow-artifacts:/"
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_server_with_files_elsewhere_is_refused(workspace, monkeypatch):
    """MLflow's default destination is below the working directory, where nobody looks for them."""
    from mlflow_workspace_plugin.stores.build import build_tracking_store

    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "./mlartifacts")
    with pytest.raises(HubSettingsError, match="Add --artifacts-destination mlflow-"):
        build_tracking_store(workspace.get_mlflow_tracking_uri())


def test_hub_uri_is_refused_in_a_script(hub_path, workspace):
    """Without a server that follows requests, every script would write into ``default``."""
    mlflow.set_tracking_uri(f"workspace-hub://{hub_path}")
    with pytest.raises(InvalidUriError, match="for servers") as raised:
        mlflow.start_run()
    assert f"workspace://{hub_path}/NAME" in raised.value.message


def test_pinned_store_is_refused_by_a_server_with_workspaces(workspace):
    """A store that ignores the request's workspace must not serve several."""
    from mlflow_workspace_plugin.stores.build import build_tracking_store
    from mlflow_workspace_plugin.stores.build_registry import build_registry_store

    uri = workspace.get_mlflow_tracking_uri()
    assert not build_tracking_store(uri).supports_workspaces
    assert not build_registry_store(uri, uri).supports_workspaces


def test_artifact_path_must_be_of_the_requests_workspace(workspace, other_workspace, hub_path):
    """Under workspace-hub: the request names the workspace, and no other one's files are opened."""
    run_id = workspace.client.create_run("0").info.run_id
    workspace.client.log_text(run_id, "x", "x.txt")
    uri = workspace.client.get_run(run_id).info.artifact_uri
    hub_uri = f"workspace-hub://{hub_path}"
    with WorkspaceContext("team-a"):
        assert [each.path for each in open_repository(uri, hub_uri).list_artifacts()] == ["x.txt"]
    with (
        WorkspaceContext("team-b"),
        pytest.raises(UnsafeArtifactPathError, match="not in workspace"),
    ):
        open_repository(uri, hub_uri)
    with pytest.raises(UnsafeArtifactPathError, match="outside of any workspace"):
        open_repository(uri, hub_uri)


def test_another_artifact_root_is_refused(hub_path, workspace):
    """A root given to the server would be stored with each run, and stop being true."""
    from mlflow_workspace_plugin.stores.build import build_tracking_store

    with pytest.raises(MlflowException, match="Leave the root out"):
        build_tracking_store(workspace.get_mlflow_tracking_uri(), "s3://bucket/root")
