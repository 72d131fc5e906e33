"""``mlflow-workspace gc`` at a served hub: as in its folder, by who manages the workspace."""

import json
import shutil
from types import SimpleNamespace

import mlflow
import numpy
import pytest
import requests
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, freeing
from mlflow_workspace_plugin.cli import main
from tests.hub_api import hub_api_server

pytestmark = [
    pytest.mark.hubs,
    pytest.mark.beneath,
    pytest.mark.skipif(
        tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 17),
        reason="a hub is served by MLflow 3.17 and later",
    ),
]

GC = "/hub/v1/workspaces/team-a/gc"


@pytest.fixture
def api(workspace, other_workspace, hub_path, monkeypatch):
    """Its routes, of which each request frees one thing at a time."""
    from mlflow_workspace_plugin.accounts.people import People
    from mlflow_workspace_plugin.app.hub_api import gc

    monkeypatch.setattr(gc, "_PART_S", -1)
    with hub_api_server(hub_path) as api:
        api.add_user("manager", "team-a", "manager")
        People(api.hub).grant("manager", "team-b", "reader")
        yield api


@pytest.fixture
def run(api, monkeypatch, tmp_path):
    """Run the command as the manager; at the served hub, or in its folder."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.remote import credentials, logging_in

    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(tmp_path / "log-ins"))
    credentials._credentials.clear()
    logging_in.keep_token(api.address, Tokens(api.hub).issue("manager").access)

    def command(*arguments, hub=api.address, status=0):
        which = () if "--all-workspaces" in arguments else ("-w", "team-a")
        done = CliRunner().invoke(main, ["gc", *which, "--hub", str(hub), *arguments])
        assert done.exit_code == status, done.output
        return done

    return command


@pytest.fixture
def freed(run):
    """Run the command, and return all that it says."""
    return lambda *arguments, **options: json.loads(run("--json", *arguments, **options).stdout)


def run_of(client, experiment_id):
    """A run with a metric, an input and a file."""
    run_id = client.create_run(experiment_id).info.run_id
    client.log_metric(run_id, "m", 1)
    client.log_text(run_id, "x" * 1000, "deep/x.txt")
    dataset = mlflow.data.from_numpy(numpy.zeros(2), name="data")
    client.log_inputs(run_id, [mlflow.entities.DatasetInput(dataset._to_mlflow_entity(), [])])
    return run_id


def asked(api, token, **body):
    """Ask the route as who a token is of."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{api.address}{GC}", json=body, headers=headers, timeout=60)


def test_it_says_and_frees_what_it_does_in_the_folder(
    workspace, other_workspace, hub_path, tmp_path, api, run, freed
):
    """In many requests: runs, models, experiments, code and files; what is used stays."""
    client = workspace.client
    kept, gone, used = (run_of(client, "0") for _ in range(3))
    others = run_of(other_workspace.client, "0")
    experiment_id = client.create_experiment("gone")
    of_experiment = [run_of(client, experiment_id) for _ in range(3)]
    model = client.create_logged_model(experiment_id, "m", of_experiment[0])
    client.log_model_artifact(model.model_id, __file__)
    client.create_registered_model("used")
    client.create_model_version("used", client.get_run(used).info.artifact_uri, used)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print(1)")
    with_code = Experiment(workspace, "code").start_logging(
        snapshot_directory=str(tmp_path / "code")
    )
    with_code.complete()
    for run_id in (gone, used, with_code.id):
        client.delete_run(run_id)
    other_workspace.client.delete_run(others)
    client.delete_experiment(experiment_id)

    expected = freed("--dry-run", hub=hub_path)
    before = len(api.asked)
    said = freed("--dry-run")
    assert said == expected
    (row,) = said["workspaces"]
    counts = {key: row[key] for key in ("experiments", "runs", "models", "kept")}
    assert counts == {"experiments": 1, "runs": 5, "models": 1, "kept": 1}
    assert row["files"] >= 7
    # Of each location one, and then code and data.
    assert len([each for each in api.asked[before:] if each[1] == GC]) >= 4
    assert client.get_run(gone).info.lifecycle_stage == "deleted"

    said = run("--older-than", "1d")
    assert "Freed 0 runs, 0 files" in said.stdout
    before = len(api.asked)
    assert freed() == expected | {"dry_run": False}
    assert len([each for each in api.asked[before:] if each[1] == GC]) >= 7
    left = {each.info.run_id for each in client.search_runs(["0"], run_view_type=3)}
    assert left == {kept, used}
    assert client.download_artifacts(kept, "deep/x.txt", str(tmp_path))
    assert other_workspace.client.get_run(others).info.lifecycle_stage == "deleted"
    nothing = freed("--dry-run", hub=hub_path)["workspaces"][0]
    assert {**nothing, "workspace": "", "kept": 0} == {**dict.fromkeys(row, 0), "workspace": ""}


@pytest.mark.folder
@pytest.mark.sqlite
def test_what_a_link_leads_away_from_stays(workspace, hub_path, tmp_path, freed):
    """With its experiment; it is said once, and all else is freed."""
    client = workspace.client
    experiment_id = client.create_experiment("linked")
    linked, other = run_of(client, experiment_id), run_of(client, experiment_id)
    folder = next(hub_path.rglob(linked))
    shutil.move(folder, tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    client.delete_experiment(experiment_id)
    said = freed()
    (row,) = said["workspaces"]
    assert (row["runs"], row["experiments"], row["files"], row["kept"]) == (1, 0, 1, 2)
    assert {each["id"] for each in said["kept"]} == {linked, experiment_id}
    assert (tmp_path / "elsewhere" / "artifacts" / "deep" / "x.txt").exists()
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
        client.get_run(other)


@pytest.mark.folder
@pytest.mark.sqlite
def test_an_error_hides_nothing_that_was_freed_before(
    workspace, other_workspace, hub_path, api, run, freed, monkeypatch
):
    """In a workspace before it, or in a part before it: it is counted, and the error is said."""
    from mlflow_workspace_plugin.accounts.people import People
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.cli.hubs import gc as command
    from mlflow_workspace_plugin.errors import HubUnreachableError
    from mlflow_workspace_plugin.remote import logging_in
    from mlflow_workspace_plugin.stores import garbage

    monkeypatch.setattr(command, "_PART_S", -1)
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    delete_files = garbage._delete_files
    deleted = []

    def fails_at_the_third(hub, name, piece):
        if len(deleted) == 2:
            raise HubUnreachableError("The files are away.")
        deleted.append(piece.id)
        return delete_files(hub, name, piece)

    api.add_user("of-both", "team-a", "manager")
    People(api.hub).grant("of-both", "team-b", "manager")
    logging_in.keep_token(api.address, Tokens(api.hub).issue("of-both").access)
    for hub in (api.address, hub_path):
        gone = run_of(workspace.client, "0")
        others = [run_of(other_workspace.client, "0") for _ in range(2)]
        workspace.client.delete_run(gone)
        for each in others:
            other_workspace.client.delete_run(each)
        deleted.clear()
        with monkeypatch.context() as failing:
            failing.setattr(garbage, "_delete_files", fails_at_the_third)
            done = run("--all-workspaces", "--json", hub=hub, status=1)
            assert "The files are away." in done.stderr
            rows = json.loads(done.stdout)["workspaces"]
            assert {row["workspace"]: row["runs"] for row in rows if row["runs"]} == {
                "team-a": 1,
                "team-b": 1,
            }
            # Where nothing was freed there is nothing to say of it.
            assert not run("--all-workspaces", "--json", hub=hub, status=1).stdout
        rest = freed("--all-workspaces", hub=hub)["workspaces"]
        assert sum(row["runs"] for row in rest) == 1


@pytest.mark.folder
@pytest.mark.sqlite
def test_only_a_manager_frees(workspace, api, run):
    """By a log-in of one's own, and not by a token for less; who does not say so frees nothing."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.remote import credentials, logging_in
    from mlflow_workspace_plugin.remote.http import http_of

    client = workspace.client
    gone = run_of(client, "0")
    client.delete_run(gone)
    api.add_user("member", "team-a", "member")
    api.add_user("stranger", "team-b", "manager")
    job = run_of(client, "0")
    less = [{"workspaces": ["team-a"]}, {"cap": "edit"}, {"run_id": job, "kind": "job"}]
    for name, options in [("member", {}), ("stranger", {}), *(("manager", each) for each in less)]:
        answer = asked(api, Tokens(api.hub).issue(name, **options).access, free=True)
        assert answer.status_code == 403, answer.text
    own = Tokens(api.hub).issue("manager").access
    for wrong in ({"next": {"step": "all"}}, {"next": 1}, {"older_than_ms": -1}, {"free": 1}):
        assert asked(api, own, **wrong).status_code == 400
    assert asked(api, own).json()["part"]["files"] == 1
    assert client.get_run(gone).info.lifecycle_stage == "deleted"
    done = run("--all-workspaces")
    assert "Freed 1 runs" in done.stdout
    assert "Workspace 'team-b' is left as it is:" in done.stderr
    assert "'team-b' does not allow this." in done.stderr
    logging_in.keep_token(api.address, Tokens(api.hub).issue("manager", cap="edit").access)
    credentials._credentials.clear()
    http_of.cache_clear()
    assert "Freed" not in run("--all-workspaces", status=1).output


def test_time_of_a_part_begins_when_something_is_freed(monkeypatch):
    """Looking for it may take longer than a part."""
    now = iter([100.0, 100.5, 101.5])
    monkeypatch.setattr(freeing, "time", SimpleNamespace(monotonic=lambda: next(now)))
    is_over = freeing._after(1)
    assert [is_over() for _ in range(3)] == [False, False, True]
