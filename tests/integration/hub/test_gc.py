"""``mlflow-workspace gc``: what was deleted is freed, rows and files, and nothing else."""

import json

import mlflow
import numpy
import pytest
from click.testing import CliRunner
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import Model as MlflowModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sqlalchemy import inspect, text

from mlflow_workspace_plugin import Experiment, Model
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.stores.garbage import find_garbage, free
from tests.deep_folders import nest
from tests.hubs import execute

pytestmark = [pytest.mark.hubs, pytest.mark.beneath]


@pytest.fixture
def gc(hub_path):
    """Run the command on the hub, for all workspaces unless one is named."""

    def run(*arguments, status=0):
        which = () if "--workspace" in arguments else ("--all-workspaces",)
        command = ["gc", *which, "--hub", str(hub_path), *arguments]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == status, done.output
        return done.output

    return run


@pytest.fixture
def freed(gc):
    """Run the command and return the numbers of ``team-a``."""

    def run(*arguments):
        found = json.loads(gc("--json", *arguments))["workspaces"]
        (row,) = (each for each in found if each["workspace"] == "team-a")
        return {key: value for key, value in row.items() if key != "workspace"}

    return run


def files(hub_path, azure) -> dict[str, int]:
    """All files of the hub, by their path below the artifact root, with their sizes."""
    if azure is None:
        root = hub_path / "artifacts"
        found = (each for each in root.rglob("*") if each.is_file())
        return {str(each.relative_to(root)): each.stat().st_size for each in found}
    return {
        each.name.removeprefix("hub/"): each.size
        for each in azure.list_blobs(name_starts_with="hub/")
    }


@pytest.fixture
def stored(request, hub_path, database):
    """Look at all files of the hub."""
    azure = None
    if database == "postgresql+azure":
        root = open_hub(hub_path).settings.artifact_root
        azure = request.getfixturevalue("azurite_server").container(root.container)
    return lambda: files(hub_path, azure)


def rows(hub_path) -> dict[str, int]:
    """How many rows each table holds."""
    with open_hub(hub_path).engine.connect() as connection:
        return {
            table: connection.scalar(text(f'SELECT count(*) FROM "{table}"'))
            for table in inspect(connection).get_table_names()
        }


def run_of(client, experiment_id, size=1000):
    """A run with something of everything."""
    run_id = client.create_run(experiment_id).info.run_id
    client.log_metric(run_id, "m", 1)
    client.log_param(run_id, "p", 1)
    client.set_tag(run_id, "t", 1)
    client.log_text(run_id, "x" * size, "deep/x.txt")
    dataset = mlflow.data.from_numpy(numpy.zeros(2), name="data")
    tag = mlflow.entities.InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [mlflow.entities.DatasetInput(dataset._to_mlflow_entity(), [tag])])
    return run_id


def test_dry_run_says_what_gc_frees(workspace, other_workspace, hub_path, gc, freed, stored):
    """How many runs, files and bytes; it changes nothing, and gc then frees exactly that."""
    client = workspace.client
    kept, gone, also = (run_of(client, "0") for _ in range(3))
    others = run_of(other_workspace.client, "0")
    typed = Experiment(workspace, "typed").start_logging(snapshot_directory=None)
    typed.log("text", "exactly this")
    typed.complete()
    for run_id in (gone, also, typed.id):
        client.delete_run(run_id)
    other_workspace.client.delete_run(others)
    before, before_rows = stored(), rows(hub_path)
    expected = {
        name: size for name, size in before.items() if {gone, also, typed.id} & {*name.split("/")}
    }
    said = freed("--dry-run", "--workspace", "team-a")
    assert said == {
        "experiments": 0,
        "runs": 3,
        "models": 0,
        "files": len(expected),
        "bytes": sum(expected.values()),
        "kept": 0,
    }
    assert len(expected) == 3
    assert "Would free 3 runs, 3 files, 2.1 kB." in gc("--dry-run", "--workspace", "team-a")
    assert (stored(), rows(hub_path)) == (before, before_rows)

    assert freed("--workspace", "team-a") == said
    assert stored() == {name: size for name, size in before.items() if name not in expected}
    for run_id in (gone, also, typed.id):
        with pytest.raises(MlflowException, match="not found"):
            client.get_run(run_id)
    assert client.get_run(kept).data.metrics == {"m": 1}
    assert other_workspace.client.get_run(others).info.lifecycle_stage == "deleted"

    assert "Freed 1 runs, 1 files, 1.0 kB." in gc()
    assert freed() == dict.fromkeys(said, 0)


def test_no_row_is_left(workspace, hub_path, freed, stored):
    """After a deleted experiment is freed, all is as before it was made."""
    client = workspace.client
    client.search_experiments()
    before, before_files = rows(hub_path), stored()
    experiment_id = client.create_experiment("gone")
    run_id = run_of(client, experiment_id)
    model = client.create_logged_model(experiment_id, "m", run_id)
    client.log_model_artifact(model.model_id, __file__)
    client.log_outputs(run_id, [mlflow.entities.LoggedModelOutput(model.model_id, 0)])
    # What else MLflow keeps in an experiment's folder, such as the data of traces.
    folder = client.get_experiment(experiment_id).artifact_location
    repository = get_artifact_repository(folder, workspace.get_mlflow_tracking_uri())
    repository.log_artifact(__file__, "traces/tr-1/artifacts")
    client.delete_experiment(experiment_id)
    found = freed()
    assert (found["experiments"], found["runs"], found["models"]) == (1, 1, 1)
    assert found["files"] == 3
    assert stored() == before_files
    changed = {table for table, number in rows(hub_path).items() if number != before[table]}
    # One row for each process that ever logged.
    assert changed <= {"workspace_plugin_writers"}


def test_what_a_registered_model_is_loaded_from_stays(workspace, freed):
    """Files of a deleted run, a logged model and an experiment, as long as there is a version."""
    client, uri = workspace.client, workspace.get_mlflow_tracking_uri()
    experiment_id = client.create_experiment("models")
    of_run, of_model = (run_of(client, experiment_id) for _ in range(2))
    client.log_text(of_run, MlflowModel().to_yaml(), "model/MLmodel")
    client.create_registered_model("by-run")
    run_uri = client.get_run(of_run).info.artifact_uri
    by_run = client.create_model_version("by-run", f"{run_uri}/model", of_run)
    model = client.create_logged_model(experiment_id, "m", of_model)
    client.log_model_artifact(model.model_id, __file__)
    client.create_registered_model("by-model")
    client.create_model_version("by-model", f"models:/{model.model_id}")
    sdk = Experiment(workspace, "models").start_logging(snapshot_directory=None)
    sdk.upload_file("outputs/file.py", __file__)
    sdk.register_model("by-sdk", "outputs/file.py")
    sdk.complete()

    client.delete_experiment(experiment_id)
    client.delete_logged_model(model.model_id)
    found = freed()
    assert (found["experiments"], found["runs"], found["models"], found["kept"]) == (0, 2, 0, 2)
    mlflow.set_registry_uri(uri)
    mlflow.set_tracking_uri(uri)
    for name in ("by-run", "by-model", "by-sdk"):
        assert mlflow.artifacts.list_artifacts(f"models:/{name}/1"), name
    assert Model(workspace, "by-sdk").download(exist_ok=True)

    client.delete_model_version("by-run", by_run.version)
    found = freed()
    assert (found["experiments"], found["runs"], found["kept"]) == (0, 1, 1)
    for name in ("by-model", "by-sdk"):
        client.delete_registered_model(name)
    found = freed()
    assert (found["experiments"], found["models"], found["kept"]) == (1, 2, 0)
    assert client.search_experiments(ViewType.ALL, filter_string="name = 'models'") == []


def test_age(workspace, freed, gc):
    """Only what was deleted long enough ago, by MLflow's way of writing it."""
    run_id = run_of(workspace.client, "0")
    workspace.client.delete_run(run_id)
    assert freed("--older-than", "1d12h")["runs"] == 0
    assert "is no age" in gc("--older-than", "soon", status=2)
    assert freed("--older-than", "0.001s")["runs"] == 1


def test_run_of_a_job_that_runs_stays(workspace, hub_path, freed):
    """And its experiment: by its row the job is canceled, and its end is told."""
    experiment = Experiment(workspace, "gone")
    store = workspace.client._tracking_client.store
    run = store.create_job(
        experiment.id, run_name=None, tags=[], definition={}, compute="local", engine="local"
    )
    run_id = run.info.run_id
    store.take_job(run_id, "owner", {})
    workspace.client.delete_experiment(experiment.id)
    found = freed()
    assert (found["runs"], found["experiments"]) == (0, 0)
    assert store.cancel_job(run_id) == "CancelRequested"
    change = "UPDATE workspace_plugin_jobs SET beat_at = beat_at - {} WHERE run_uuid = '{}'"
    execute(hub_path, change.format(400_000, run_id))
    # Its runner is gone.
    assert freed("--dry-run")["runs"] == 1
    execute(hub_path, change.format(-400_000, run_id))
    assert store.end_job(run_id, "owner", "Canceled", exit_code=None, cause=None)
    found = freed()
    assert (found["runs"], found["experiments"]) == (1, 1)


@pytest.mark.folder
@pytest.mark.sqlite
def test_folders_without_an_end(workspace, freed, hub_path):
    """Planted by others, they keep nobody from listing, freeing and deleting what is a user's."""
    client = workspace.client
    runs = [client.create_run(client.create_experiment(name)) for name in ("one", "two", "three")]
    for run in runs:
        client.log_text(run.info.run_id, "text", "file.txt")
    planted = [next(hub_path.rglob(f"{run.info.run_id}/artifacts")) for run in (runs[0], runs[2])]
    for each in planted:
        nest(each / "deep", 1100)
    with pytest.raises(MlflowException, match="nested too deep"):
        client.download_artifacts(runs[0].info.run_id, "")
    for run in runs[:2]:
        client.delete_run(run.info.run_id)
    assert freed()["files"] == 2
    assert not planted[0].exists()
    workspace.delete(delete_dependent_resources=True)
    assert not list(hub_path.rglob("file.txt"))
    assert not planted[1].exists()


def test_what_is_restored_meanwhile_stays(workspace, hub_path):
    """With its files: it is looked at again before it is freed."""
    client = workspace.client
    experiment_id = client.create_experiment("deleted")
    run_id = run_of(client, experiment_id)
    model_id = client.create_logged_model(experiment_id).model_id
    client.delete_experiment(experiment_id)
    hub = open_hub(hub_path)
    garbage = find_garbage(hub, "team-a")
    assert [len(each) for each in (garbage.experiments, garbage.runs, garbage.models)] == [1, 1, 1]
    client.restore_experiment(experiment_id)
    free(hub, "team-a", garbage)
    assert workspace.get_run(run_id).get_file_names() == ["deep/x.txt"]
    assert client.get_logged_model(model_id).model_id == model_id


def test_what_another_process_freed_meanwhile(workspace, hub_path):
    """Is left to it, and no error."""
    client = workspace.client
    experiment_id = client.create_experiment("deleted")
    run_of(client, experiment_id)
    client.create_logged_model(experiment_id)
    client.delete_experiment(experiment_id)
    hub = open_hub(hub_path)
    garbage = find_garbage(hub, "team-a")
    free(hub, "team-a", garbage)
    free(hub, "team-a", garbage)
    assert find_garbage(hub, "team-a").locations == []


def test_folder_that_a_user_chose_keeps_what_is_not_of_its_runs(workspace, hub_path, stored, freed):
    """As MLflow lets them without workspaces: it may hold the files of another experiment."""
    client = workspace.client
    first, second = (client.create_experiment(name) for name in ("first", "second"))
    shared = "mlflow-artifacts:/workspaces/team-a/shared"
    change = f"UPDATE experiments SET artifact_location = '{shared}'"
    execute(hub_path, f"{change} WHERE experiment_id IN ({first}, {second})")
    gone, kept = run_of(client, first), run_of(client, second)
    client.delete_experiment(first)
    assert freed() | {"bytes": None} == {
        "experiments": 1,
        "runs": 1,
        "models": 0,
        "files": 1,
        "bytes": None,
        "kept": 0,
    }
    assert any(kept in name for name in stored())
    assert not any(gone in name for name in stored())
