"""Data of scripts: what they read and make, submitted and run for real, and what stands of it.

The runner and the engine of this machine are the real ones; how files are listed, copied and
mounted is the datasets' own tests' claim.
"""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.errors import (
    ActivityFailedException,
    UnsafeArtifactPathError,
    UserErrorException,
)
from mlflow_workspace_plugin.jobs.data import check_data
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.engines.local.engine import LocalEngine
from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
    DatasetConsumptionConfig,
)
from mlflow_workspace_plugin.sdk.data.consumption.output_configs import (
    LinkFileOutputDatasetConfig,
    OutputFileDatasetConfig,
)
from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset as Dataset
from mlflow_workspace_plugin.sdk.jobs.configurations.data import Data, DataLocation, DataPath
from mlflow_workspace_plugin.sdk.jobs.configurations.distributed import PyTorchConfiguration
from mlflow_workspace_plugin.sdk.jobs.configurations.output_data import (
    OutputData,
    OutputOptions,
    RegistrationOptions,
)
from mlflow_workspace_plugin.sdk.jobs.configurations.run_configuration import RunConfiguration
from mlflow_workspace_plugin.sdk.jobs.estimators.estimator import Estimator
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from mlflow_workspace_plugin.sdk.widgets import RunDetails

# What differs between databases is the stores'.
pytestmark = pytest.mark.sqlite

# A script as SDK v1's users have it: it tells what it got, and makes what it was told to.
SCRIPT = """
import json
import os
import sys
from pathlib import Path

from azureml.core import Dataset, Run

run = Run.get_context()
inputs = dict(run.input_datasets)
seen = {
    "arguments": sys.argv[1:],
    "inputs": {name: str(getattr(value, "id", value)) for name, value in inputs.items()},
    "variables": {name: os.environ.get(name) for name in ("files", "FILES", "one")},
    "files": sorted(
        str(path.relative_to(inputs["files"])) for path in Path(inputs["files"]).rglob("*.csv")
    ),
    "one": next(Path(inputs["one"]).rglob("b.csv")).read_text()
    if os.path.isdir(inputs["one"])
    else Path(inputs["one"]).read_text(),
    "rows": inputs["rows"].to_pandas_dataframe()["x"].tolist(),
    "name": inputs["rows"].name,
    "by_name": [
        Dataset.get_by_name(run.experiment.workspace, name).version for name in ("weather", "other")
    ],
}
for name, folder in run.output_datasets.items():
    if name == "linked":
        folder.link(Dataset.get_by_name(run.experiment.workspace, "weather"))
    else:
        Path(folder, "made.csv").write_text("y\\n1\\n2\\n")
        Path(folder, "note.txt").write_text(name)
Path("outputs/seen.json").write_text(json.dumps(seen))
if os.environ.get("FAIL"):
    sys.exit(3)
"""


@pytest.fixture
def datastore(workspace, tmp_path):
    """The workspace's own datastore, with two tables in it."""
    data = tmp_path / "data"
    (data / "2019").mkdir(parents=True)
    (data / "2019" / "a.csv").write_text("x\n3\n5\n")
    (data / "b.csv").write_text("x\n7\n")
    datastore = workspace.get_default_datastore()
    datastore.upload(str(data), "weather", show_progress=False)
    return datastore


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    return folder


@pytest.fixture
def experiment(workspace):
    return Experiment(workspace, "with-data")


def test_scripts_get_what_they_were_given(workspace, experiment, datastore, source, tmp_path):
    """A mounted folder, a downloaded file and a dataset arrive: as arguments, variables, inputs."""
    weather = Dataset.File.from_files((datastore, "weather")).register(workspace, "weather")
    one = Dataset.File.from_files((datastore, "weather/b.csv"))
    one.take(1).register(workspace, "other")
    same = Dataset.Tabular.from_delimited_files((datastore, "weather/2019/*.csv"))
    rows = same.register(workspace, "rows")
    # The id is that of the definition, which has two names now.
    assert same.register(workspace, "registered later").id == rows.id
    made = OutputFileDatasetConfig("made", (datastore, "made/{run-id}")).as_upload()
    registered = made.register_on_complete("results", "of a test", {"kind": "test"})
    kept = OutputFileDatasetConfig("kept").read_delimited_files().register_on_complete("table")
    run = experiment.submit(
        ScriptRunConfig(
            str(source),
            "train.py",
            arguments=[
                "--files",
                weather.as_named_input("files").as_mount(),
                "--one",
                one.as_named_input("one").as_download("here/one"),
                rows.as_named_input("rows"),
                ["--made", registered],
                kept,
                LinkFileOutputDatasetConfig("linked"),
            ],
        )
    )
    run.wait_for_completion(raise_on_error=True)
    run.download_file("outputs/seen.json", str(tmp_path / "seen.json"))
    said = json.loads((tmp_path / "seen.json").read_text())
    files, place = said["inputs"]["files"], said["inputs"]["one"]
    arguments = said["arguments"]
    assert arguments[:4] == ["--files", files, "--one", place]
    assert said["variables"] == {"files": files, "FILES": files, "one": place}
    assert said["files"] == ["2019/a.csv", "b.csv"]
    # As SDK v1 does it: of a download the folder, and of a mounted file the file.
    assert place.endswith("/work/here/one")
    assert said["one"] == "x\n7\n"
    assert said["inputs"]["rows"] == arguments[4]
    assert said["rows"] == [3, 5]
    assert said["name"] == "rows"
    assert said["by_name"] == [1, 1]
    results = Dataset.get_by_name(workspace, "results")
    assert results.description == "of a test"
    assert results.tags == {"kind": "test"}
    assert sorted(results.to_path()) == ["/made.csv", "/note.txt"]
    stored = workspace.get_default_datastore()
    assert stored.download(str(tmp_path / "got"), f"made/{run.id}", show_progress=False) == 2
    # SDK v1's default place, by the names of the run and of the output.
    assert stored.download(str(tmp_path / "got"), f"dataset/{run.id}/kept", show_progress=False)

    # What was used stands beside the run, for people who know MLflow only, too.
    uri = workspace.get_mlflow_tracking_uri()
    logged = MlflowClient(uri).get_run(run.id).inputs.dataset_inputs
    by_name = {each.dataset.name: each for each in logged}
    assert {"weather", "one", "rows", "results", "table"} <= by_name.keys()
    assert all(len(each.dataset.digest) <= 36 for each in logged)
    assert by_name["weather"].dataset.digest.startswith("v1-")
    source_of = json.loads(by_name["weather"].dataset.source)
    assert source_of["uri"].startswith("mlflow-artifacts:/workspaces/")
    assert source_of["workspace"]["name"] == "weather"
    details = run.get_details()
    assert details["inputDatasets"][0]["dataset"].id
    names = [each["dataset"].name for each in details["inputDatasets"]]
    assert "rows" in names
    assert "registered later" not in names
    # As SDK v1's documents print it.
    assert '"dataset": {"id": "' in json.dumps(details["inputDatasets"])
    inputs = {
        each["consumptionDetails"].get("inputName"): each["consumptionDetails"].get("mechanism")
        for each in details["inputDatasets"]
    }
    assert inputs == {"files": "Mount", "one": "Download", "rows": "Direct", None: None}
    assert {each["outputDetails"]["outputName"] for each in details["outputDatasets"]} == {
        "made",
        "kept",
        "linked",
    }


def test_outputs_of_a_script_that_fails(workspace, experiment, datastore, source):
    """What is mounted is stored however the script ends, and an upload only if it completes."""
    for name in ("weather", "other"):
        Dataset.File.from_files((datastore, "weather")).register(workspace, name)
    files = Dataset.File.from_files((datastore, "weather"))
    config = ScriptRunConfig(
        str(source),
        "train.py",
        arguments=[
            files.as_named_input("files").as_mount(),
            Dataset.File.from_files((datastore, "weather/b.csv")).as_named_input("one").as_mount(),
            Dataset.Tabular.from_delimited_files((datastore, "weather/b.csv")).as_named_input(
                "rows"
            ),
            OutputFileDatasetConfig("kept", (datastore, "kept")).register_on_complete("kept"),
            OutputFileDatasetConfig("left", (datastore, "left")).as_upload(),
        ],
    )
    config.run_config.environment_variables = {"FAIL": "1"}
    run = experiment.submit(config)
    with pytest.raises(ActivityFailedException):
        run.wait_for_completion()
    assert Dataset.File.from_files((datastore, "kept")).to_path() == ["/made.csv", "/note.txt"]
    with pytest.raises(UserErrorException):
        Dataset.File.from_files((datastore, "left")).to_path()
    assert "kept" not in workspace.datasets


def test_uploads_replace_nothing(experiment, datastore, source):
    """A run whose output is there already fails, and says so; what was there stays as it is."""
    (source / "make.py").write_text(
        "import sys, pathlib\npathlib.Path(sys.argv[1], 'made.csv').write_text(sys.argv[2])\n"
    )

    def run(text, **how):
        output = OutputFileDatasetConfig("made", (datastore, "made")).as_upload(**how)
        submitted = experiment.submit(
            ScriptRunConfig(str(source), "make.py", arguments=[output, text])
        )
        submitted.wait_for_completion(raise_on_error=False)
        return submitted

    assert run("first").get_status() == "Completed"
    refused = run("second")
    assert refused.get_status() == "Failed"
    assert "made/made.csv" in str(refused.get_details()["error"])
    made = Dataset.File.from_files((datastore, "made/made.csv"))
    with made.mount() as mounted:
        assert Path(mounted.mount_point, "made.csv").read_text() == "first"
    assert run("third", overwrite=True).get_status() == "Completed"


def test_data_references(experiment, datastore, source, tmp_path):
    """SDK v1's older way: a path of a datastore, mounted, downloaded, or stored at the end."""
    (source / "old.py").write_text(
        """
import os, sys
from pathlib import Path
print(sorted(path.name for path in Path(sys.argv[1]).rglob("*.csv")))
print(Path(sys.argv[2]).read_text())
assert os.environ["AZUREML_DATAREFERENCE_weather"] == sys.argv[1]
Path("result").mkdir()
Path("result/made.txt").write_text("made")
Path("single.txt").write_text("single")
"""
    )
    mounted = datastore.path("weather", data_reference_name="weather").as_mount()
    copied = datastore.path("weather/b.csv").as_download()
    estimator = Estimator(
        str(source),
        entry_script="old.py",
        inputs=[mounted],
        compute_target="local",
        user_managed=True,
    )
    estimator.run_config.arguments = [mounted, copied]
    config = RunConfiguration()
    config.data_references = {
        "weather": mounted.to_config(),
        "copied": copied.to_config(),
        "made": datastore.path("made").as_upload(path_on_compute="result").to_config(),
        "single": datastore.path("single").as_upload(path_on_compute="single.txt").to_config(),
    }
    by_config = ScriptRunConfig(
        str(source),
        "old.py",
        [str(mounted), "$AZUREML_DATAREFERENCE_copied"],
        run_config=config,
    )
    for each in (estimator, by_config):
        run = experiment.submit(each)
        run.wait_for_completion(raise_on_error=True)
        run.download_file("user_logs/std_log.txt", str(tmp_path / "log.txt"))
        assert "['a.csv', 'b.csv']\nx\n7" in (tmp_path / "log.txt").read_text()
    assert Dataset.File.from_files((datastore, "made")).to_path() == ["/made.txt"]
    # A file goes into the folder.
    assert Dataset.File.from_files((datastore, "single/single.txt")).to_path() == ["/single.txt"]


def test_commands_with_data(experiment, datastore, source):
    """In a command a path is one word of the shell's, whatever is in it."""
    weather = Dataset.File.from_files((datastore, "weather")).as_named_input("weather")
    made = OutputFileDatasetConfig("made", (datastore, "made"))
    command = ["ls", weather.as_mount("with a space"), ">", f"{made.arg_val}/list.txt #", made]
    run = experiment.submit(ScriptRunConfig(str(source), command=command))
    run.wait_for_completion(raise_on_error=True)
    listed = Dataset.File.from_files((datastore, "made")).to_path()
    assert listed == ["/list.txt"]


def test_what_is_refused_when_it_is_submitted(workspace, experiment, datastore, source):
    """A dataset by itself, a wrong name or mode: refused at the call, with what to write."""
    files = Dataset.File.from_files((datastore, "weather"))
    rows = Dataset.Tabular.from_delimited_files((datastore, "weather/b.csv"))
    with pytest.raises(UserErrorException, match="as_named_input"):
        experiment.submit(ScriptRunConfig(str(source), "train.py", [files]))
    with pytest.raises(UserErrorException, match='Invalid input name "a-b"'):
        files.as_named_input("a-b")
    with pytest.raises(UserErrorException, match="does not support mount"):
        rows.as_named_input("rows").as_mount()
    with pytest.raises(UserErrorException, match="Invalid mode 'copy'"):
        DatasetConsumptionConfig("files", files, "copy")
    with pytest.raises(UserErrorException, match="destination is"):
        OutputFileDatasetConfig("made", destination=(3, "made"))
    for outside in (
        datastore.path("../weather").as_mount(),
        OutputFileDatasetConfig("made", (datastore, "made/../../{run-id}")),
    ):
        with pytest.raises(UnsafeArtifactPathError, match="leads out of its datastore"):
            experiment.submit(ScriptRunConfig(str(source), "train.py", [outside]))
    with pytest.raises(UserErrorException, match="as_named_input"):
        Estimator(str(source), entry_script="train.py", inputs=[files])
    made = OutputFileDatasetConfig("made", destination=("nowhere", "made"))
    with pytest.raises(UserErrorException, match="no datastore 'nowhere'"):
        experiment.submit(ScriptRunConfig(str(source), "train.py", [made]))
    assert not [*experiment.get_runs()]


def test_references_that_nothing_brings_are_warned_of(datastore, source, caplog):
    """Text that stands for data that the configuration does not have stays what it is."""
    reference = datastore.path("weather", data_reference_name="weather").as_mount()
    text = f"{reference}/b.csv"
    ScriptRunConfig(str(source), "train.py", [reference, text])._definition()
    assert not caplog.messages
    ScriptRunConfig(str(source), "train.py", [text])._definition()
    assert "name the data 'weather'" in caplog.text
    assert "run_config.data_references" in caplog.text


# Two processes of one script; the first of them submits another, which gets the same.
PARENT = """
import os
import sys
from pathlib import Path

from azureml.core import Dataset, Run, ScriptRunConfig
from azureml.data import OutputFileDatasetConfig

run = Run.get_context()
rank = os.environ["RANK"]
names = sorted(path.name for path in Path(sys.argv[1]).rglob("*.csv"))
Path(run.output_datasets["made"], f"{rank}.txt").write_text(" ".join(names))
if rank == "0":
    files = Dataset.get_by_name(run.experiment.workspace, "weather").as_named_input("files")
    made = OutputFileDatasetConfig("made").as_upload().register_on_complete("of-child")
    child = run.submit_child(
        ScriptRunConfig(
            source_directory=".",
            command=["cp", files.as_download(), made, "-r"],
            environment=run.get_environment(),
        )
    )
    child.wait_for_completion(raise_on_error=True)
"""


def test_processes_and_children(workspace, experiment, datastore, source, tmp_path):
    """Each process of a job has its data, and a job that it submits has its own."""
    weather = Dataset.File.from_files((datastore, "weather")).register(workspace, "weather")
    (source / "parent.py").write_text(PARENT)
    made = OutputFileDatasetConfig("made").register_on_complete("of-parent")
    runs = []
    for _ in range(2):
        config = ScriptRunConfig(
            str(source),
            "parent.py",
            [weather.as_named_input("files").as_mount(), made],
            distributed_job_config=PyTorchConfiguration(process_count=2),
        )
        runs.append(experiment.submit(config))
        runs[-1].wait_for_completion(raise_on_error=True)
    # A place of its own each time, so a version each time.
    newest = Dataset.get_by_name(workspace, "of-parent")
    assert newest.version == 2
    with newest.mount() as mounted:
        texts = [each.read_text() for each in sorted(Path(mounted.mount_point).iterdir())]
    assert texts == ["a.csv b.csv", "a.csv b.csv"]
    (child,) = runs[1].get_children()
    assert Dataset.get_by_name(workspace, "of-child", version=2).to_path()
    (read,) = child.get_details()["inputDatasets"]
    assert read["dataset"].name == "weather"
    assert read["consumptionDetails"]["inputName"] == "files"
    (written,) = child.get_details()["outputDatasets"]
    assert written["identifier"]["version"] == 2
    assert weather.id in str(runs[0].get_details())
    RunDetails(runs[0]).show()


def test_configurations_keep_their_data(workspace, datastore, source, tmp_path):
    """Saved and loaded, they say the same of what a script reads and makes."""
    weather = Dataset.File.from_files((datastore, "weather")).register(workspace, "weather")
    config = RunConfiguration()
    config.data = {"files": Data.create(weather.as_named_input("files").as_mount("/data"))}
    config.data_references = {"old": datastore.path("weather").as_download().to_config()}
    config.output_data = {
        "made": OutputData(
            DataLocation(data_path=DataPath(datastore.name, "made")),
            "upload",
            OutputOptions(registration_options=RegistrationOptions("made", "of a test")),
        )
    }
    config.save(str(tmp_path), "with-data")
    loaded = RunConfiguration.load(str(tmp_path), "with-data")
    both = [
        ScriptRunConfig(str(source), "train.py", run_config=each)._definition(workspace)
        for each in (config, loaded)
    ]
    assert both[0].inputs == both[1].inputs
    assert both[0].outputs == both[1].outputs
    assert {each["name"] for each in both[0].inputs} == {"files", "old"}
    assert both[0].outputs[0]["register_as"] == "made"


def test_inputs_of_one_name(workspace, datastore, source, caplog):
    """As in SDK v1 the first one counts, which is said."""
    one, other = (Dataset.File.from_files((datastore, each)) for each in ("weather", "weather/*"))
    arguments = [one.as_named_input("files").as_mount(), other.as_named_input("files")]
    definition = ScriptRunConfig(str(source), "train.py", arguments)._definition(workspace)
    assert [each["mode"] for each in definition.inputs] == ["mount"]
    assert 'There is an input named "files" in the configuration already' in caplog.text


class Elsewhere:
    """What is asked of the engine of a cluster of other machines."""

    runs_here = False


def test_files_of_this_machine_in_a_job_elsewhere(workspace, source):
    """They are refused when it is submitted, with what to do; here they are read."""
    cluster, store = Compute("cluster", "ray"), workspace.tracking_store
    paths = [str(source), [str(source / "*")]]
    for dataset in (
        Dataset.File.from_files(paths[0]),
        Dataset.File.from_files(paths[1]).register(workspace, "local"),
    ):
        config = ScriptRunConfig(str(source), "train.py", [dataset.as_mount()])
        definition = config._definition(workspace)
        with pytest.raises(UserErrorException, match="'cluster' runs jobs on others"):
            check_data(store, definition, cluster, Elsewhere())
        check_data(store, definition, cluster, LocalEngine(Compute("local", "local")))


def test_a_version_that_is_gone(workspace, experiment, datastore, source):
    """A job whose dataset was unregistered and whose files are gone fails, and names it."""
    weather = Dataset.File.from_files((datastore, "weather")).register(workspace, "weather")
    config = ScriptRunConfig(
        str(source),
        "train.py",
        [DatasetConsumptionConfig("files", (workspace, "weather"), "mount")],
    )
    weather.unregister_all_versions()
    run = experiment.submit(config)
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Failed"
    assert "'weather'" in str(run.get_details()["error"])
