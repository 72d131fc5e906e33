"""What a run read and made, as MLflow's datasets of it: found, loaded, the same each time."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.data import datasets
from mlflow_workspace_plugin.data.definition import DatasetDefinition
from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.data.lineage import Used, record_use
from mlflow_workspace_plugin.data.uses import INPUT, OUTPUT, uses_of
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from tests.jobs import jobs_of

NAME = "n" * 600


@pytest.fixture
def weather(workspace, tmp_path):
    """A dataset of two files, registered."""
    folder = tmp_path / "weather"
    (folder / "2019").mkdir(parents=True)
    (folder / "a.csv").write_text("x\n1\n")
    (folder / "2019" / "b.csv").write_text("x\n2\n")
    datastore = workspace.get_default_datastore()
    datastore.upload(str(folder), "weather", show_progress=False)
    files = Dataset.File.from_files((datastore, "weather/**/*.csv"))
    return files.register(workspace, "weather")


def told(workspace, run_id):
    """Return MLflow's datasets of a run, by their names."""
    run = MlflowClient(workspace.get_mlflow_tracking_uri()).get_run(run_id)
    return {each.dataset.name: each.dataset for each in run.inputs.dataset_inputs}


def record(workspace, dataset, **how):
    """Tell in a new run of what a dataset is now; return the run's id."""
    run = Experiment(workspace, "lineage").start_logging()
    store = workspace.tracking_store
    version = store.dataset_version(dataset.name, dataset.version)
    definition = DatasetDefinition.from_json(version.definition)
    used = Used(
        definition,
        version.id,
        how.pop("name", version.name),
        version.version,
        datasets.found(store, definition),
    )
    record_use(store, run.id, used, used_as="files", mode="mount", **how)
    run.complete()
    return run.id


@pytest.mark.hubs
def test_source_loads(workspace, weather, monkeypatch, tmp_path):
    """MLflow fetches the files by itself, wherever the hub has them, and finds the run by name."""
    run_id = record(workspace, weather)
    uri = workspace.get_mlflow_tracking_uri()
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)
    loaded = Path(mlflow.data.get_source(told(workspace, run_id)["weather"]).load())
    assert {str(each.relative_to(loaded)) for each in loaded.rglob("*.csv")} == {
        "a.csv",
        "2019/b.csv",
    }
    found = mlflow.search_runs(
        experiment_names=["lineage"], filter_string="dataset.name = 'weather'", output_format="list"
    )
    assert [each.info.run_id for each in found] == [run_id]


@pytest.mark.hubs
def test_the_same_files_have_the_same_digest(workspace, weather, tmp_path):
    """And other ones another. It is as long as MLflow's database takes it; so is the name."""
    digests = [told(workspace, record(workspace, weather))["weather"].digest for _ in range(2)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 36
    assert digests[0].startswith("v1-")
    changed = tmp_path / "a.csv"
    changed.write_text("x\n1\n2\n")
    workspace.get_default_datastore().upload_files(
        [str(changed)], target_path="weather", overwrite=True, show_progress=False
    )
    assert told(workspace, record(workspace, weather))["weather"].digest != digests[0]
    long = told(workspace, record(workspace, weather, name=NAME, context=OUTPUT))
    assert [*long] == [NAME[:500]]


@pytest.mark.sqlite
def test_each_use_of_a_dataset_is_told(workspace, weather):
    """One run may mount a dataset, download it, and link it as an output; told twice it is once."""
    run = Experiment(workspace, "lineage").start_logging()
    store = workspace.tracking_store
    used = Used(weather._definition, weather.id, weather.name, weather.version)
    wanted = [("train", "mount", INPUT), ("test", "download", INPUT), ("made", "link", OUTPUT)]
    for used_as, mode, context in (*wanted, wanted[0], wanted[2]):
        record_use(store, run.id, used, used_as=used_as, mode=mode, context=context)
    run.complete()
    uses = uses_of(store.get_run(run.id))
    assert sorted((each.used_as, each.mode, each.is_output) for each in uses) == sorted(
        (used_as, mode, context == OUTPUT) for used_as, mode, context in wanted
    )
    assert {each.name for each in uses} == {"weather"}
    shown = told(workspace, run.id)
    assert set(shown) == {"weather", "weather (test)", "weather (made)"}
    assert len({each.digest for each in shown.values()}) == 1


@pytest.mark.hubs
@pytest.mark.sqlite
def test_one_digest_however_it_was_used(workspace, tmp_path):
    """What a job made is mounted by the next one, and asked for by the code of a third."""
    uri = workspace.get_mlflow_tracking_uri()
    code = (
        "from azureml.core import Dataset, Run\n"
        "Dataset.get_by_name(Run.get_context().experiment.workspace, 'made')\n"
    )
    made = DataOutput("out", path="made", register_as="made").to_json()
    for new in jobs_of(workspace, tmp_path):
        first = new("open(os.environ['out'] + '/a.csv', 'w').write('x')\n", outputs=[made])
        second = new("pass", inputs=[DataInput("in_", "mount", registered_as="made").to_json()])
        third = new(code)
        for job in (first, second, third):
            assert job.run() == 0, job.said
        digests = {told(workspace, job.id)["made"].digest for job in (first, second, third)}
        assert len(digests) == 1
        by_name = MlflowClient(uri).search_runs([first.row.experiment_id], "dataset.name = 'made'")
        assert len(by_name) == 3
        break
