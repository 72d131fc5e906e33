"""Scripts and a notebook of SDK v1 run unchanged, and leave what they say to MLflow and to SDK v1.

Each script runs in a process of its own, by ``mlflow-workspace run``. What it left is read by
MLflow's client, as MLflow's UI reads it, and by SDK v1's calls. That holds wherever the hub keeps
its rows and files.
"""

import json
from pathlib import Path
from typing import NamedTuple

import joblib
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from mlflow_workspace_plugin import Model, Run
from mlflow_workspace_plugin.cli import main
from tests.conftest import EXAMPLES

pytestmark = [pytest.mark.hubs, pytest.mark.alike]

SCRIPTS = EXAMPLES / "azureml_v1"
PNG = b"\x89PNG\r\n\x1a\n"


class Left(NamedTuple):
    """What a script left.

    Attributes:
        around: the run around the script.
        printed: the lines it printed.
    """

    around: Run
    printed: list[str]


@pytest.fixture
def run_script(workspace, tmp_path, monkeypatch):
    """Run an example in an empty folder, with the workspace's config file above."""
    workspace.write_config(tmp_path)
    folder = tmp_path / "scripts"
    folder.mkdir()

    def run(name, *arguments):
        monkeypatch.chdir(folder)
        command = ["run", "-e", "around", str(SCRIPTS / f"{name}.py"), *arguments]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output[-4000:]
        (around,) = workspace.experiments["around"].get_runs()
        return Left(around, done.stdout.splitlines())

    return run


@pytest.fixture
def fresh(uri):
    """A client of MLflow's that has seen nothing yet."""
    return MlflowClient(uri, uri)


def runs_of(client, experiment):
    """The runs of an experiment as MLflow has them, oldest first."""
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id], order_by=["start_time ASC"])


def points(client, run_id, key):
    """Step and value of each point of a chart in MLflow's UI."""
    history = client.get_metric_history(run_id, key)
    return sorted((point.step, point.value) for point in history)


def content(client, run_id, path):
    return Path(client.download_artifacts(run_id, path)).read_bytes()


@pytest.mark.frameworks
def test_metrics(run_script, workspace, fresh):
    """Each kind is a curve, a file or an image in MLflow, and in get_metrics what was logged."""
    printed = run_script("metrics").printed
    schedule = {"epoch": [0, 1, 2], "rate": [0.1, 0.05, 0.025]}
    assert printed == [
        "loss [0.9, 0.5, 0.3, 0.2]",
        f"schedule {schedule}",
        "accuracy {'accuracy': 0.92}",
    ]

    (found,) = runs_of(fresh, "metrics")
    run_id = found.info.run_id
    assert found.info.status == "FINISHED"
    assert found.data.metrics["accuracy"] == 0.92
    assert found.data.metrics["early_stopping"] == 1
    assert points(fresh, run_id, "loss") == [(0, 0.9), (1, 0.5), (2, 0.3), (3, 0.2)]
    assert points(fresh, run_id, "fold_accuracy") == [(0, 0.91), (1, 0.94), (2, 0.89)]
    assert points(fresh, run_id, "schedule/epoch") == [(0, 0), (1, 1), (2, 2)]
    assert points(fresh, run_id, "schedule/rate") == [(0, 0.1), (1, 0.05), (2, 0.025)]
    assert points(fresh, run_id, "recall/value") == [(0, 0.97), (1, 0.88), (2, 0.91)]
    files = {entry.path for entry in fresh.list_artifacts(run_id) if not entry.is_dir}
    (plot,) = (name for name in files if name.startswith("loss_curve_"))
    assert {"loss.png", "confusion", "by_threshold", "residuals", "predictions"} < files
    # MLflow's UI shows the images of this folder, by name and step.
    shown = [entry.path for entry in fresh.list_artifacts(run_id, "images")]
    assert any("loss_curve" in name for name in shown), shown
    assert any("loss_file" in name for name in shown), shown
    for name in (plot, "loss.png"):
        assert content(fresh, run_id, name).startswith(PNG)

    metrics = workspace.get_run(run_id).get_metrics()
    address = f"aml://artifactId/ExperimentRun/dcid.{run_id}/"
    assert metrics == {
        "accuracy": 0.92,
        "optimizer": "adam",
        "early_stopping": True,
        "loss": [0.9, 0.5, 0.3, 0.2],
        "fold_accuracy": [0.91, 0.94, 0.89],
        "schedule": schedule,
        "recall": {"class": ["cat", "dog", "fox"], "value": [0.97, 0.88, 0.91]},
        "loss_curve": address + plot,
        "loss_file": address + "loss.png",
        "confusion": address + "confusion",
        "by_threshold": address + "by_threshold",
        "residuals": address + "residuals",
        "predictions": address + "predictions",
    }
    assert metrics["early_stopping"] is True
    populated = workspace.get_run(run_id).get_metrics(populate=True)
    assert populated["loss_curve"].data.startswith(PNG)
    for chart, kind in [
        ("confusion", "confusion_matrix"),
        ("by_threshold", "accuracy_table"),
        ("residuals", "residuals"),
        ("predictions", "predictions"),
    ]:
        logged = populated[chart].convert_to_object()
        assert logged["schema_type"] == kind
        assert logged == json.loads(content(fresh, run_id, chart))


def test_children(run_script, workspace, fresh):
    """They are nested in MLflow; get_children and get_metrics(recursive=True) find them all."""
    assert run_script("children").printed == [
        "best rate 0.1",
        "children 4",
        "runs with metrics 6",
    ]

    runs = {run.info.run_name: run for run in runs_of(fresh, "children")}
    parents = {
        run.info.run_id: run.data.tags.get("mlflow.parentRunId")
        for run in runs_of(fresh, "children")
    }
    assert {run.info.status for run in runs_of(fresh, "children")} == {"FINISHED"}
    search, folds = runs["search"].info.run_id, runs["search>folds"].info.run_id
    fold_ids = [runs[f"search>folds>{number}"].info.run_id for number in (0, 1)]
    assert parents.pop(search) is None
    assert [parents.pop(each) for each in fold_ids] == [folds, folds]
    assert set(parents.values()) == {search}
    by_rate = {
        run.data.tags["rate"]: run.data.metrics["loss"]
        for run in runs_of(fresh, "children")
        if "rate" in run.data.tags
    }
    assert by_rate == pytest.approx({"0.01": 0.11, "0.1": 0.02, "1.0": 0.88})

    parent = workspace.get_run(search)
    metrics = parent.get_metrics(recursive=True)
    # Runs without metrics are left out, and the run itself comes last (SDK v1).
    assert list(metrics)[-1] == search
    assert set(metrics) == {search, *parents, *fold_ids} - {folds}
    assert metrics[search] == {"best_rate": 0.1}
    assert [metrics[each]["loss"] for each in fold_ids] == pytest.approx([0.02, 0.03])
    (best,) = parent.get_children(tags={"rate": "0.1"})
    assert best.get_metrics() == {"loss": metrics[best.id]["loss"]}
    assert best.parent.id == search


def test_tags_and_properties(run_script, workspace, fresh):
    """Tags are MLflow's tags, the description is its note, and properties do not change."""
    (line,) = run_script("tags_and_properties").printed
    tags = {"season": "summer", "stage": "production", "reviewed": None}
    assert line.startswith("summer ")
    assert line.endswith("{'data': 'sales-summer.csv'}")

    spring, summer = runs_of(fresh, "tags_and_properties")
    assert (spring.info.run_name, summer.info.run_name) == ("spring", "summer")
    assert spring.data.tags["stage"] == "candidate"
    assert spring.data.tags["draft"] == "yes"
    assert summer.data.tags["stage"] == "production"
    assert "reviewed" in summer.data.tags
    assert "draft" not in summer.data.tags
    assert summer.data.tags["mlflow.note.content"] == "Sells **ice cream**."

    run = workspace.get_run(summer.info.run_id)
    assert run.get_tags() == tags
    assert run.get_properties() == {"data": "sales-summer.csv"}
    assert run.description == "Sells **ice cream**."
    assert run.get_metrics() == {}


def test_files(run_script, workspace, fresh, tmp_path):
    """Uploaded and captured files are MLflow's artifacts; copies and the snapshot are the same."""
    left = run_script("files")
    names = ["data/test.csv", "data/train.csv", "notes/train.csv", "outputs/report.txt"]
    files, code = left.printed
    assert files.split()[1:] == names
    assert "files.py" in code.split()

    (found,) = runs_of(fresh, "files")
    run_id = found.info.run_id
    assert found.info.status == "FINISHED"
    folders = {entry.path for entry in fresh.list_artifacts(run_id)}
    assert folders == {"data", "notes", "outputs"}
    assert content(fresh, run_id, "notes/train.csv") == b"part\ntrain\n"
    assert content(fresh, run_id, "data/test.csv") == b"part\ntest\n"
    assert content(fresh, run_id, "outputs/report.txt") == b"All is well.\n"

    run = workspace.get_run(run_id)
    assert run.get_file_names() == names
    downloads = tmp_path / "scripts" / "downloads"
    assert {path.name for path in downloads.iterdir()} == {
        "report.txt",
        "test.csv",
        "train.csv",
        f"{run.get_snapshot_id()}.zip",
    }
    assert (downloads / "report.txt").read_text() == "All is well.\n"
    # The run around the script captures the folder, too.
    assert left.around.get_file_names() == ["outputs/report.txt", "user_logs/std_log.txt"]


@pytest.mark.frameworks
def test_models(run_script, workspace, fresh, tmp_path):
    """Versions are in MLflow's registry with their files, and can be used as the script did."""
    printed = run_script("models").printed
    assert printed == [
        "registered diabetes-ridge:1",
        "registered diabetes-ridge:2",
        "diabetes-ridge 2 {'alpha': '0.1'}",
        "diabetes-ridge 1 {'alpha': '1.0'}",
        "latest 2 0.1",
        printed[-1],
    ]
    assert printed[-1].startswith("first [")

    runs = runs_of(fresh, "models")
    versions = sorted(
        fresh.search_model_versions("name = 'diabetes-ridge'"), key=lambda v: v.version
    )
    assert [int(each.version) for each in versions] == [1, 2]
    assert [each.run_id for each in versions] == [run.info.run_id for run in runs]
    assert [each.tags["alpha"] for each in versions] == ["1.0", "0.1"]
    for run in runs:
        assert joblib.load(fresh.download_artifacts(run.info.run_id, "outputs/ridge.pkl"))
        sdk_run = workspace.get_run(run.info.run_id)
        assert sdk_run.get_metrics() == run.data.metrics
        assert set(run.data.metrics) == {"r2"}

    second, first = Model.list(workspace, name="diabetes-ridge")
    assert (second.id, first.id) == ("diabetes-ridge:2", "diabetes-ridge:1")
    assert second.model_framework == Model.Framework.SCIKITLEARN
    assert joblib.load(second.download(tmp_path / "again")).alpha == 0.1
    assert (
        joblib.load(tmp_path / "scripts" / "azureml-models/diabetes-ridge/1/ridge.pkl").alpha == 1
    )


@pytest.mark.frameworks
def test_training_of_a_submitted_run(run_script, fresh):
    """Run.get_context() is the run around the script, which has its metrics, files and end."""
    left = run_script("train", "--alphas", "0.01", "0.1", "1.0")
    assert left.printed == ["best alpha 0.1"]

    (found,) = runs_of(fresh, "around")
    run_id = found.info.run_id
    assert found.info.status == "FINISHED"
    assert found.data.tags["best_alpha"] == "0.1"
    assert points(fresh, run_id, "alpha") == [(0, 0.01), (1, 0.1), (2, 1.0)]
    assert joblib.load(fresh.download_artifacts(run_id, "outputs/model.pkl")).alpha == 0.1
    assert content(fresh, run_id, "user_logs/std_log.txt") == b"best alpha 0.1\n"

    metrics = left.around.get_metrics()
    assert metrics["alpha"] == [0.01, 0.1, 1.0]
    assert metrics["mse"] == [value for _, value in points(fresh, run_id, "mse")]
    assert min(metrics["mse"]) == metrics["mse"][1]


@pytest.mark.frameworks
def test_training_without_a_run(run_python):
    """Where only the name azureml is served, it prints what it would log (SDK v1)."""
    script = str(SCRIPTS / "train.py")
    done = run_python(
        "-c",
        "import runpy, mlflow_workspace_plugin.azureml\n"
        f"runpy.run_path({script!r}, run_name='__main__')",
    )
    assert "Attempted to log scalar metric alpha:\n1.0\n" in done.stdout
    assert done.stdout.endswith("best alpha 1.0\n")
    assert Path("outputs/model.pkl").is_file()


@pytest.mark.frameworks
@pytest.mark.sqlite
@pytest.mark.folder
def test_lightning_in_a_submitted_run(run_script, fresh):
    """Its logger and SDK v1's log go on in the one run, which the runner ends."""
    around = run_script("lightning_training").around

    (found,) = runs_of(fresh, "around")
    assert found.info.status == "FINISHED"
    assert found.data.params["rate"] == "0.1"
    assert found.data.tags["framework"] == "lightning"
    steps = [step for step, _ in points(fresh, found.info.run_id, "train_loss")]
    assert steps == list(range(20))

    metrics = around.get_metrics()
    assert len(metrics["train_loss"]) == 20
    assert metrics["train_loss"][-1] < metrics["train_loss"][0]
    assert metrics["slope"] == pytest.approx(found.data.metrics["slope"])
    assert around.get_tags()["framework"] == "lightning"


@pytest.mark.frameworks
@pytest.mark.sqlite
@pytest.mark.folder
def test_notebook(workspace, fresh, tmp_path, monkeypatch):
    """All cells run in a kernel, objects show themselves, and what they logged is there."""
    import nbformat
    from nbclient import NotebookClient

    workspace.write_config(tmp_path)
    # The kernel keeps its own files out of the user's home.
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    notebook = nbformat.read(SCRIPTS / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(
        notebook, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    found = runs_of(fresh, "notebook")
    runs = {run.info.run_name: run for run in found}
    assert set(runs) == {"ridge", "ridge>0.01", "ridge>0.1", "ridge>1.0"}
    assert {run.info.status for run in found} == {"FINISHED"}
    parent = runs.pop("ridge")
    run_id = parent.info.run_id
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {run_id}
    r2 = [runs[f"ridge>{alpha}"].data.metrics["r2"] for alpha in (0.01, 0.1, 1.0)]
    assert points(fresh, run_id, "search/r2") == list(enumerate(r2))
    assert parent.data.metrics["best_r2"] == max(r2)
    assert any("predictions" in each.path for each in fresh.list_artifacts(run_id, "images"))
    (version,) = fresh.search_model_versions("name = 'notebook-ridge'")
    assert version.run_id == run_id

    metrics = workspace.get_run(run_id).get_metrics()
    assert metrics["search"] == {"alpha": [0.01, 0.1, 1.0], "r2": r2}
    assert metrics["best_r2"] == max(r2)
    results = {
        cell.id: output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "execute_result"
    }
    assert set(results) == {"workspace", "metrics", "recursive", "run"}
    assert "'best_r2'" in results["metrics"]["text/plain"]
    assert run_id in results["run"]["text/html"]
    assert "Completed" in results["run"]["text/html"]
