"""Skills, which MLflow has from 3.18 on: their content is read, and deleted with them."""

import os
import sys
from pathlib import PurePosixPath

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.artifacts.repository import repository_at
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.garbage import find_garbage, free
from tests import python_processes
from tests.hubs import execute
from tests.servers import free_port, serving

pytestmark = [
    pytest.mark.store,
    pytest.mark.hubs,
    # A hub's server is closed to them.
    pytest.mark.beneath,
    pytest.mark.skipif(
        not hasattr(MlflowClient, "create_skill"), reason="MLflow has skills from 3.18 on"
    ),
]

MANIFEST = "---\nname: code-review\ndescription: Reviews code.\n---\nRead it twice.\n"

REGISTER = """
import sys, mlflow
address, folder, *workspaces = sys.argv[1:]
mlflow.set_tracking_uri(address)
for workspace in workspaces:
    mlflow.set_workspace(workspace)
    mlflow.genai.register_skill(source=folder)
    mlflow.genai.register_skill(source=folder, organization="acme")
"""


def files_of(hub_path, location):
    """The names of what is stored at a location of a hub, however deep."""

    def below(path):
        for entry in repository.list_artifacts(path):
            if entry.is_dir:
                yield from below(entry.path)
            else:
                yield PurePosixPath(entry.path).name

    repository = repository_at(open_hub(hub_path), PurePosixPath(location))
    return sorted(below(None))


def upload(workspace, name, token):
    """Put a skill's content where a server puts it, and write the version down as it does.

    Returns:
        Where it is.
    """
    path = f"skills/{name}/{token * 32}"
    location = f"workspaces/{workspace.name}/{path}"
    repository = repository_at(workspace._hub, PurePosixPath(location))
    repository.log_artifact(str(_manifest(workspace)))
    workspace.tracking_store.create_skill_version(
        name, source_type="mlflow", source=f"mlflow-artifacts:/{path}"
    )
    return location


def delete_version(client, name, version):
    """Delete a version of a skill, which has to be deprecated first."""
    client.update_skill_version(name=name, version=version, status="deprecated")
    client.delete_skill_version(name=name, version=version)


def _manifest(workspace):
    file = workspace._hub.path / "SKILL.md"
    file.write_text(MANIFEST)
    return file


@pytest.mark.sqlite
@pytest.mark.folder
def test_content_uploaded_through_a_server(hub_path, database, tmp_path):
    """A client pulls it from its own workspace, wherever the server put it, and deletes it."""
    teams = ["team-a", "default"]
    workspaces = {
        "team-a": Workspace.create("team-a", hub=hub_path),
        "default": Workspace.get("default", hub=hub_path),
    }
    other = Workspace.create("team-b", hub=hub_path)
    source = tmp_path / "code-review"
    (source / "scripts").mkdir(parents=True)
    (source / "SKILL.md").write_text(MANIFEST)
    (source / "scripts" / "check.sh").write_text("true\n")
    port = free_port()
    arguments = ["ui", "--hub", str(hub_path), "--port", str(port), "--no-token"]
    command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", *arguments]
    with serving(command, port, tmp_path / "log", env=os.environ, cwd=tmp_path) as address:
        register = ["-c", REGISTER, address, source, *teams]
        assert python_processes.run(register).returncode == 0
    for name in teams:
        mlflow.set_tracking_uri(workspaces[name].get_mlflow_tracking_uri())
        for skill in ("code-review", "@acme/code-review"):
            pulled = mlflow.genai.pull(f"skills:/{skill}", destination=tmp_path / name / skill)
            assert (tmp_path / name / skill / "scripts" / "check.sh").read_text() == "true\n"
            assert str(tmp_path / name / skill) == pulled
    mlflow.set_tracking_uri(other.get_mlflow_tracking_uri())
    with pytest.raises(MlflowException, match="not found"):
        mlflow.genai.pull("skills:/code-review", destination=tmp_path / "stolen")
    for name, root in (("team-a", "workspaces/team-a/skills"), ("default", "skills")):
        client = workspaces[name].client
        assert files_of(hub_path, root) == ["SKILL.md", "SKILL.md", "check.sh", "check.sh"]
        client.delete_skill(name="code-review", organization="acme")
        assert files_of(hub_path, root) == ["SKILL.md", "check.sh"]
        client.delete_skill(name="code-review")
        assert files_of(hub_path, root) == []


def test_content_of_another_workspace_is_not_read(workspace, other_workspace):
    """What names no workspace is looked for in one's own; what names another's is refused."""
    location = upload(workspace, "code-review", "a")
    relative = location.removeprefix("workspaces/team-a/")
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    uri = f"mlflow-artifacts:/{relative}"
    (entry,) = mlflow.artifacts.list_artifacts(uri)
    assert PurePosixPath(entry.path).name == "SKILL.md"
    mlflow.set_tracking_uri(other_workspace.get_mlflow_tracking_uri())
    assert mlflow.artifacts.list_artifacts(uri) == []
    with pytest.raises(MlflowException):
        mlflow.artifacts.download_artifacts(f"{uri}/SKILL.md")
    with pytest.raises(MlflowException, match="not in workspace"):
        mlflow.artifacts.list_artifacts(f"mlflow-artifacts:/{location}")


def test_content_goes_with_the_skill(workspace, hub_path):
    """All of its versions', also those deleted before; none of another's, or of a run's."""
    locations = [upload(workspace, "code-review", token) for token in "ab"]
    kept = upload(workspace, "code-writing", "c")
    client = workspace.client
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, MANIFEST, "skill/SKILL.md")
    uri = client.get_run(run_id).info.artifact_uri
    store = open_workspace_store(workspace.get_mlflow_tracking_uri())
    store.create_skill_version("code-review", source_type="mlflow", source=uri, subpath="skill")
    delete_version(client, "code-review", 1)
    client.delete_skill(name="code-review")
    assert [files_of(hub_path, each) for each in locations] == [[], []]
    assert files_of(hub_path, kept) == ["SKILL.md"]
    assert [each.path for each in client.list_artifacts(run_id)] == ["skill"]
    with pytest.raises(MlflowException, match="not found"):
        client.delete_skill(name="code-review")


def test_content_goes_with_the_workspace(workspace, other_workspace, hub_path):
    """That of the others stays; and a workspace with a skill is not empty."""
    location = upload(workspace, "code-review", "a")
    kept = upload(other_workspace, "code-review", "a")
    with pytest.raises(MlflowException, match="was not deleted"):
        workspace.delete()
    assert files_of(hub_path, location) == ["SKILL.md"]
    workspace.delete(delete_dependent_resources=True)
    assert files_of(hub_path, location) == []
    assert files_of(hub_path, kept) == ["SKILL.md"]
    again = Workspace.create("team-a", hub=hub_path)
    assert list(again.client.search_skills()) == []


def test_gc_touches_no_skill(workspace, hub_path):
    """Neither one's content, whose place is named by what was deleted, nor what it is loaded from.

    With the last version that is loaded from a run, the files of that are freed, too.
    """
    location = upload(workspace, "code-review", "a")
    client = workspace.client
    store = workspace.tracking_store
    token = location.rpartition("workspaces/team-a/")[2]
    places = [
        f"mlflow-artifacts:/{path}"
        for path in ("skills", "skills/code-review", token, location.rpartition("/")[0], location)
    ]
    runs, experiments = [], []
    for number in range(len(places) + 1):
        experiments.append(client.create_experiment(f"experiment-{number}"))
        runs.append(client.create_run(experiments[-1]).info.run_id)
    client.log_text(runs[-1], MANIFEST, "skill/SKILL.md")
    store.create_skill_version(
        "of-a-run", source_type="mlflow", source=f"runs:/{runs[-1]}", subpath="skill"
    )
    for run_id, place in zip(runs, places, strict=False):
        execute(hub_path, f"UPDATE runs SET artifact_uri = '{place}' WHERE run_uuid = '{run_id}'")
    for run_id, experiment in zip(runs, experiments, strict=True):
        client.delete_run(run_id)
        client.delete_experiment(experiment)
    hub = workspace._hub
    garbage = find_garbage(hub, "team-a")
    assert runs[-1] in {each.id for each in garbage.kept}
    free(hub, "team-a", garbage)
    assert files_of(hub_path, location) == ["SKILL.md"]
    place = f"workspaces/team-a/{experiments[-1]}"
    assert files_of(hub_path, place) == ["SKILL.md"]
    delete_version(client, "of-a-run", 1)
    free(hub, "team-a", find_garbage(hub, "team-a"))
    assert files_of(hub_path, place) == []
    assert files_of(hub_path, location) == ["SKILL.md"]
