"""Scripts that nobody wrote for this package run on a workspace without a changed line.

Each runs as a process of its own with nothing set but ``MLFLOW_TRACKING_URI``, on ``sqlite://``
and on ``workspace://``, and leaves the same data: keys, values, steps, tags and files. That holds
wherever the hub keeps its rows and files.
"""

import re
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import ViewType

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.runner.runner import EXIT_CODE_TAG
from tests.chromium import figure, read_points
from tests.conftest import EXAMPLES
from tests.pages import quiet_page, served_pages

pytestmark = [pytest.mark.frameworks, pytest.mark.hubs, pytest.mark.alike]

# Values that are times or sizes of this machine, or hold ids.
NOT_REPEATABLE = re.compile(
    r"runtime|per_second|time|log-model\.history|loggedArtifacts|epoch_time"
)


def data_of(uri):
    """All runs of a store, by experiment and name, without what differs from run to run."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = {}
    for experiment in client.search_experiments():
        runs = client.search_runs(
            [experiment.experiment_id], run_view_type=ViewType.ALL, order_by=["start_time"]
        )
        found[experiment.name] = sorted((data_of_run(client, run) for run in runs), key=repr)
        models = client.search_logged_models([experiment.experiment_id])
        found[experiment.name] += sorted(
            (
                model.name,
                sorted(model.params.items()),
                sorted(metric.key for metric in model.metrics or ()),
                sorted(files_of_model(client, model.model_id)),
            )
            for model in models
        )
    found["models"] = sorted(
        (each.name, int(each.version)) for each in client.search_model_versions()
    )
    return {name: content for name, content in found.items() if content}


def data_of_run(client, run):
    metrics = {
        key: sorted(
            ((m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)), key=repr
        )
        for key in run.data.metrics
        if not NOT_REPEATABLE.search(key)
    }
    names = run.data.tags.get("mlflow.runName", "")
    return {
        "name": names if "-" in names and not re.search(r"-\d+$", names) else None,
        "status": run.info.status,
        "params": dict(sorted(run.data.params.items())),
        "metrics": metrics,
        "metric names": sorted(run.data.metrics),
        "tags": {
            key: value
            for key, value in sorted(run.data.tags.items())
            if not NOT_REPEATABLE.search(key)
            and key not in ("mlflow.runName", "mlflow.parentRunId")
        },
        "child": "mlflow.parentRunId" in run.data.tags,
        "files": sorted(files_of(client, run.info.run_id)),
        "datasets": sorted(each.dataset.digest for each in run.inputs.dataset_inputs),
    }


def differences(ours, theirs, where=""):
    """Say where two values differ; a report of both as a whole would be cut."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return [
            found for key in ours for found in differences(ours[key], theirs[key], f"{where}/{key}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [
            found for number, pair in pairs for found in differences(*pair, f"{where}/{number}")
        ]
    return [] if ours == theirs else [(where, ours, theirs)]


def files_of_model(client, model_id):
    for entry in client.list_logged_model_artifacts(model_id):
        # MLflow writes it into the folder that it loads from: the stored one, if that is local.
        if entry.path != "registered_model_meta":
            yield entry.path


def files_of(client, run_id, folder=None):
    for entry in client.list_artifacts(run_id, folder):
        if entry.is_dir:
            yield from files_of(client, run_id, entry.path)
        else:
            yield entry.path


@pytest.fixture
def run_example(run_python, tmp_path):
    """Run an example in a folder of its own."""

    def run(name, uri, *arguments):
        folder = tmp_path / re.sub(r"\W+", "-", uri)[-60:]
        folder.mkdir(exist_ok=True)
        script = EXAMPLES / f"{name}.py"
        return run_python(str(script), *arguments, cwd=folder, MLFLOW_TRACKING_URI=uri)

    return run


@pytest.fixture(scope="module")
def left_on_sqlite() -> dict:
    """What each script left in MLflow's own store, where it runs once for all hubs."""
    return {}


@pytest.fixture
def compare(run_example, workspace, tmp_path, left_on_sqlite):
    """Run a script on MLflow's own store and on a workspace, and compare what it leaves."""
    stock, ours = f"sqlite:///{tmp_path}/stock.db", workspace.get_mlflow_tracking_uri()

    def compare(name, expected):
        run_example(name, ours)
        if name not in left_on_sqlite:
            run_example(name, stock)
            left_on_sqlite[name] = data_of(stock)
        data = data_of(ours)
        assert set(data) == expected
        # MLflow makes the Default experiment on opening, and says where artifacts are by a path.
        assert differences(data, left_on_sqlite[name]) == []

    return compare


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sklearn_autolog", {"diabetes", "models"}), ("many_processes", {"processes"})],
)
def test_script_leaves_the_same_data(compare, workspace, name, expected):
    """On MLflow's own store and on a workspace, wherever that is; all metrics are drawn there."""
    compare(name, expected)
    assert curves_that_are_drawn(workspace) > 0 or name == "sklearn_autolog"


@pytest.mark.sqlite
@pytest.mark.folder
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lightning_logger", {"lightning"}),
        ("xgboost_autolog", {"xgboost"}),
        ("huggingface_trainer", {"Default"}),
        ("optuna_nested", {"optuna"}),
    ],
)
def test_script_of_a_framework_leaves_the_same_data(compare, workspace, name, expected):
    """On MLflow's own store and on a workspace, by the same calls; all metrics are drawn there."""
    compare(name, expected)
    assert curves_that_are_drawn(workspace) > 0 or name == "optuna_nested"


def curves_that_are_drawn(workspace):
    """Look at the figures of all runs: each metric is one, of its values; return the curves."""
    client = workspace.client
    source = source_of(workspace.get_mlflow_tracking_uri())
    curves = 0
    for run in client.search_runs([each.experiment_id for each in client.search_experiments()]):
        figures = {each["title"]: each for each in figures_of_run(source, run.info.run_id)}
        assert run.data.metrics.keys() <= figures.keys()
        for key in run.data.metrics:
            drawn = figures[key]
            history = client.get_metric_history(run.info.run_id, key)
            if len(history) == 1:
                assert (drawn["kind"], drawn["value"]) == ("number", history[0].value)
            else:
                assert drawn["kind"] == "lines"
                curve, is_stepped = drawn["series"][0], len({each.step for each in history}) > 1
                assert drawn["x"]["type"] == ("number" if is_stepped else "time")
                xs = [each.step if is_stepped else each.timestamp for each in history]
                ys = [each.value for each in history]
                found = zip(curve["x"], curve["y"], strict=True)
                assert sorted(found) == sorted(zip(xs, ys, strict=True))
                curves += 1
    return curves


def test_processes_lose_nothing(run_example, workspace):
    """Eight processes with a run each and four with one run: every value, param and file."""
    run_example("many_processes", workspace.get_mlflow_tracking_uri(), "forkserver")
    client = workspace.client
    runs = client.search_runs([workspace.experiments["processes"].id])
    assert len(runs) == 9
    for run in runs:
        values = sorted(m.value for m in client.get_metric_history(run.info.run_id, "value"))
        if run.info.run_name == "shared":
            assert values == sorted(1000 * rank + step for rank in range(4) for step in range(50))
            assert len(run.data.params) == len(client.list_artifacts(run.info.run_id)) == 4
        else:
            rank = int(run.data.params["rank"])
            assert values == [1000 * rank + step for step in range(50)]


@pytest.mark.sqlite
@pytest.mark.folder
def test_lightning_attaches_to_a_run_of_sdk_v1(workspace, run_python, tmp_path, browser):
    """``logger._run_id = run.id``, as in the cheat sheets: one run, drawn metrics, checkpoints."""
    workspace.write_config(tmp_path)
    run_python(str(EXAMPLES / "lightning_attached.py"), cwd=tmp_path)
    (found,) = workspace.client.search_runs([workspace.experiments["lightning"].id])
    run = workspace.get_run(found.info.run_id)
    metrics = run.get_metrics()
    assert len(metrics["train_loss"]) == 12
    assert len(metrics["val_loss"]) == 3
    assert metrics["after_training"] == 1
    assert found.data.params["learning_rate"] == "0.1"
    assert found.info.status == "FINISHED"
    checkpoints = {each.split("/")[-1] for each in run.get_file_names()}
    assert {f"epoch={epoch}.ckpt" for epoch in range(3)} <= checkpoints, checkpoints
    assert any((tmp_path / "tensorboard").rglob("events.out.*"))
    with served_pages(workspace._hub.path) as pages, quiet_page(browser) as page:
        page.goto(pages.page(f"/runs/{run.id}", workspace.name))
        for key in ("train_loss", "val_loss"):
            history = workspace.client.get_metric_history(run.id, key)
            points = read_points(page, figure(page, key))
            assert [x for x, _ in points] == sorted(each.step for each in history)
            values = [each.value for each in sorted(history, key=lambda each: each.step)]
            assert [y for _, y in points] == pytest.approx(values, rel=1e-5)


def test_main_job(run_python, tmp_path):
    """The README's first command trains through MLflow and through Run, and reads both back.

    Nothing of it is left in the checkout.
    """
    checkout = tmp_path / "checkout"
    root = EXAMPLES.parent
    # It is not where a wheel is tested.
    package = "mlflow_workspace_plugin"
    is_checkout = (root / package).is_dir()
    for name in (EXAMPLES.name, package) if is_checkout else (EXAMPLES.name,):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, checkout / name, ignore=unwanted)
    if is_checkout:
        for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE", ".gitignore"):
            shutil.copy(root / name, checkout)
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@here", "-C", str(checkout)]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], check=True)
    if is_checkout:
        install = ["install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target"]
        pip = [sys.executable, "-m", "pip", *install, str(tmp_path / "site"), "."]
        subprocess.run(pip, cwd=checkout, check=True, capture_output=True)
    done = run_python("examples/diabetes.py", cwd=checkout)
    assert "training_r2_score" in done.stdout
    assert re.search(r"alpha +\[0.01, 0.1, 1.0\]", done.stdout)
    assert "mlflow-workspace ui" in done.stdout
    workspace = Workspace.get("demo", hub=tmp_path / "default-hub")
    runs = workspace.experiments["diabetes"].get_runs()
    files = [run.get_file_names() for run in runs]
    assert len(files) == 2
    assert files[0] == ["logs/user_log.txt", "outputs/train.py"]
    assert subprocess.check_output([*git, "status", "--porcelain"]) == b""


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "name",
    [
        *("sklearn_autolog", "many_processes", "lightning_logger"),
    ],
)
def test_script_says_where_it_would_log_to(run_python, tmp_path, name):
    """Where nobody has said it, in place of an error or a database in the working folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    done = run_python(str(EXAMPLES / f"{name}.py"), cwd=folder, check=False)
    assert done.returncode == 1
    assert "export MLFLOW_TRACKING_URI=workspace:demo" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.sqlite
@pytest.mark.folder
@pytest.mark.parametrize("name", ["optuna_nested", "xgboost_autolog", "many_processes"])
def test_script_runs_inside_a_run(workspace, name):
    """It logs to that run."""
    where = ("-w", "team-a", "--hub", str(workspace._hub.path))
    done = CliRunner().invoke(main, ["run", *where, str(EXAMPLES / f"{name}.py")])
    assert done.exit_code == 0, done.output
    (around,) = (
        run
        for run in workspace.experiments["Default"].get_runs()
        if EXIT_CODE_TAG in workspace.client.get_run(run.id).data.tags
    )
    assert around.status == "Completed"
    assert around.get_metrics()


def test_readme_speaks_of_each():
    """What each shows, and how it is started."""
    text = (EXAMPLES / "README.md").read_text()
    scripts = {each.name for each in EXAMPLES.glob("*.py")} - {"where_to_log.py"}
    assert {name for name in scripts if f"({name})" not in text} == set()
