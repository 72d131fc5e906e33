"""MLflow on a workspace, all of it: through the process's URI, and through a client of its own."""

import io
import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.cli import cli as mlflow_cli
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.entities.assessment import Feedback
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

pytestmark = pytest.mark.store


@pytest.fixture(params=["current URI", "client's own URI"])
def client(request, workspace, tmp_path):
    """A client of team-a: MLflow's current URI is team-a's, or another database's."""
    uri = workspace.get_mlflow_tracking_uri()
    if request.param == "current URI":
        mlflow.set_tracking_uri(uri)
        return MlflowClient()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/elsewhere.db")
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def run_id(client):
    return client.create_run(client.create_experiment("experiment")).info.run_id


class TestRuns:
    def test_what_is_logged_is_read(self, client, run_id):
        """Params, metrics with their history, tags, single and in batches."""
        client.log_param(run_id, "p", 1)
        client.log_metric(run_id, "m", 1.5, timestamp=10, step=0)
        client.log_metric(run_id, "m", 2.5, timestamp=11, step=1)
        client.set_tag(run_id, "t", "v")
        client.log_batch(run_id, [Metric("b", 3, 1, 2)], [Param("q", "2")], [RunTag("u", "w")])
        data = client.get_run(run_id).data
        assert data.params == {"p": "1", "q": "2"}
        assert data.metrics == {"m": 2.5, "b": 3}
        assert data.tags.items() >= {"t": "v", "u": "w"}.items()
        history = [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run_id, "m")]
        assert history == [(1.5, 10, 0), (2.5, 11, 1)]
        client.delete_tag(run_id, "t")
        assert "t" not in client.get_run(run_id).data.tags

    def test_changed_param_is_refused(self, client, run_id):
        """MLflow's own rule, with MLflow's own error."""
        client.log_param(run_id, "p", 1)
        with pytest.raises(MlflowException, match="Changing param values is not allowed"):
            client.log_param(run_id, "p", 2)

    def test_search_filters_and_orders(self, client, run_id):
        """By metric, param, tag and attribute; ascending, descending, in pages."""
        experiment = client.get_run(run_id).info.experiment_id
        for value in range(5):
            run = client.create_run(experiment, run_name=f"run-{value}")
            client.log_metric(run.info.run_id, "m", value)
            client.log_param(run.info.run_id, "parity", value % 2)

        def names(**search):
            return [each.info.run_name for each in client.search_runs([experiment], **search)]

        by_metric = names(filter_string="metrics.m >= 1", order_by=["metrics.m DESC"])
        assert by_metric == ["run-4", "run-3", "run-2", "run-1"]
        assert names(filter_string="params.parity = '1'", order_by=["metrics.m"]) == [
            "run-1",
            "run-3",
        ]
        assert names(filter_string="attributes.run_name LIKE '%-2'") == ["run-2"]
        page = client.search_runs([experiment], order_by=["metrics.m"], max_results=2)
        again = client.search_runs(
            [experiment], order_by=["metrics.m"], max_results=2, page_token=page.token
        )
        assert [each.info.run_name for each in [*page, *again]] == [f"run-{i}" for i in range(4)]

    def test_deleted_run_is_hidden_and_restored(self, client, run_id):
        """Runs and experiments come back as they were."""
        experiment = client.get_run(run_id).info.experiment_id
        client.delete_run(run_id)
        assert client.search_runs([experiment]) == []
        client.restore_run(run_id)
        assert len(client.search_runs([experiment])) == 1
        client.delete_experiment(experiment)
        assert client.search_experiments() == []
        client.restore_experiment(experiment)
        assert client.get_experiment_by_name("experiment").lifecycle_stage == "active"

    def test_dataset_inputs_come_back(self, client, run_id):
        """The name, digest and context of a data set."""
        data = mlflow.data.from_pandas(pd.DataFrame({"x": [1, 2]}), name="numbers")
        from mlflow.entities import DatasetInput, InputTag

        tag = InputTag("mlflow.data.context", "training")
        client.log_inputs(run_id, [DatasetInput(data._to_mlflow_entity(), [tag])])
        (found,) = client.get_run(run_id).inputs.dataset_inputs
        assert found.dataset.name == "numbers"
        assert found.tags[0].value == "training"

    def test_experiment_zero_is_the_workspaces_default(self, client):
        """MLflow's clients fall back on experiment 0; it is this workspace's own Default."""
        run = client.create_run("0")
        assert client.get_experiment("0").name == "Default"
        assert client.get_experiment("0").workspace == "team-a"
        assert (
            run.info.experiment_id == client.get_experiment_by_name("Default").experiment_id != "0"
        )
        assert [each.info.run_id for each in client.search_runs(["0"])] == [run.info.run_id]
        client.set_experiment_tag("0", "k", "v")
        assert client.get_experiment("0").tags["k"] == "v"
        model = client.create_logged_model("0", "m")
        assert client.search_logged_models(["0"])[0].model_id == model.model_id
        assert client.create_dataset("d", ["0"]).experiment_ids == [run.info.experiment_id]


class TestFiles:
    def test_every_kind_is_stored_listed_read_and_deleted(self, client, run_id, tmp_path):
        """File, folder, text, dict, stream, figure, image, table."""
        import matplotlib.figure

        folder = tmp_path / "folder"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "x y.txt").write_text("deep")
        (tmp_path / "file.bin").write_bytes(b"\x00\x01")
        client.log_artifact(run_id, str(tmp_path / "file.bin"), "sub")
        client.log_artifacts(run_id, str(folder), "folder")
        client.log_text(run_id, "日本", "text.txt")
        client.log_dict(run_id, {"a": 1}, "dict.json")
        client.log_stream(run_id, io.BytesIO(b"stream"), "sub/stream.bin")
        client.log_figure(run_id, matplotlib.figure.Figure(), "figure.png")
        client.log_image(run_id, np.zeros((2, 2, 3), dtype=np.uint8), "image.png")
        client.log_table(run_id, {"column": [1, 2]}, "table.json")
        client.log_table(run_id, {"column": [3]}, "table.json")

        assert {each.path for each in client.list_artifacts(run_id)} == {
            "sub", "folder", "text.txt", "dict.json", "figure.png", "image.png", "table.json",
        }  # fmt: skip
        assert {each.path for each in client.list_artifacts(run_id, "sub")} == {
            "sub/file.bin",
            "sub/stream.bin",
        }
        target = tmp_path / "target"
        target.mkdir()
        client.download_artifacts(run_id, "", str(target))
        assert (target / "folder" / "deep" / "x y.txt").read_text() == "deep"
        assert (target / "sub" / "file.bin").read_bytes() == b"\x00\x01"
        assert (target / "text.txt").read_text(encoding="utf-8") == "日本"
        assert json.loads((target / "dict.json").read_text()) == {"a": 1}
        experiment = client.get_run(run_id).info.experiment_id
        # MLflow's load_table searches the process's URI, whichever client it is called on.
        mlflow.set_tracking_uri(client.tracking_uri)
        assert list(client.load_table(experiment, "table.json")["column"]) == [1, 2, 3]

    def test_file_is_replaced(self, client, run_id):
        """Logging a name again replaces the file, as everywhere in MLflow."""
        client.log_text(run_id, "one", "x.txt")
        client.log_text(run_id, "two", "x.txt")
        path = client.download_artifacts(run_id, "x.txt")
        assert Path(path).read_text() == "two"

    @pytest.mark.parametrize(
        "path",
        ["../x", "/etc", "a/../../x", "%2e%2e/x", "%252e%252e%252fx", "C:\\x", "..\\x", "\\\\h\\s"],
    )
    def test_path_that_leads_out_is_refused(self, client, run_id, path, hub_path, tmp_path):
        """On every way in; what was stored before is untouched."""
        client.log_text(run_id, "kept", "kept.txt")
        before = sorted(hub_path.rglob("*"))
        (tmp_path / "f.txt").write_text("x")
        for attempt in (
            lambda: client.log_artifact(run_id, str(tmp_path / "f.txt"), path),
            lambda: client.log_artifacts(run_id, str(tmp_path / "default-hub"), path),
            lambda: client.list_artifacts(run_id, path),
            lambda: client.download_artifacts(run_id, path),
        ):
            with pytest.raises(MlflowException):
                attempt()
        assert sorted(hub_path.rglob("*")) == before
        assert [each.path for each in client.list_artifacts(run_id)] == ["kept.txt"]

    def test_repository_refuses_paths_and_links_that_lead_out(
        self, client, run_id, hub_path, tmp_path
    ):
        """The repository itself does, whatever MLflow checks before it; links included."""
        from mlflow_workspace_plugin.artifacts.repository import open_repository

        client.log_text(run_id, "x", "x.txt")
        uri = client.get_run(run_id).info.artifact_uri
        repository = open_repository(uri, f"workspace://{hub_path}/team-a")
        for call in (
            repository.list_artifacts,
            repository.download_artifacts,
            repository.delete_artifacts,
            lambda path: repository.log_artifact(__file__, path),
            lambda path: repository.log_artifact_from_stream(io.BytesIO(), "x", path),
        ):
            with pytest.raises(UnsafeArtifactPathError, match="Give a path relative"):
                call("../../other")
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret.txt").write_text("secret")
        run_folder = next(hub_path.rglob("x.txt")).parent
        (run_folder / "link").symlink_to(outside)
        for call in (
            lambda: client.list_artifacts(run_id, "link"),
            lambda: client.download_artifacts(run_id, "link/secret.txt"),
            lambda: client.log_artifact(run_id, __file__, "link"),
            lambda: repository.delete_artifacts("link/secret.txt"),
        ):
            with pytest.raises(MlflowException):
                call()
        repository.delete_artifacts("link")
        assert not (run_folder / "link").is_symlink()
        assert [each.name for each in outside.iterdir()] == ["secret.txt"]

    def test_run_folder_that_is_a_link_is_refused(self, client, run_id, hub_path, tmp_path):
        """A run's own folder does not lead out of the workspace either."""
        client.log_text(run_id, "x", "x.txt")
        run_folder = next(hub_path.rglob("x.txt")).parent
        run_folder.rename(tmp_path / "elsewhere")
        run_folder.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UnsafeArtifactPathError, match="symbolic link"):
            client.list_artifacts(run_id)


class TestModels:
    def test_logged_model_becomes_a_version(self, client, run_id, tmp_path):
        """models:/m-... is resolved through the client's own URI, and its files come back."""
        experiment = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment, "logged", run_id, {"t": "v"}, {"p": "1"})
        (tmp_path / "weights.bin").write_bytes(b"weights")
        client.log_model_artifact(model.model_id, str(tmp_path / "weights.bin"))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_metric(run_id, "m", 1, model_id=model.model_id)
        assert client.get_logged_model(model.model_id).metrics[0].key == "m"
        assert [each.path for each in client.list_logged_model_artifacts(model.model_id)] == [
            "weights.bin"
        ]
        client.create_registered_model("registered", {"a": "b"}, "text")
        source = f"models:/{model.model_id}"
        version = client.create_model_version("registered", source)
        assert (version.source, version.run_id) == (source, run_id)
        found = client.get_model_version("registered", "1")
        assert (found.source, found.run_id) == (source, run_id)
        assert client.get_model_version_download_uri("registered", "1") == model.artifact_location
        client.set_registered_model_alias("registered", "best", "1")
        assert int(client.get_model_version_by_alias("registered", "best").version) == 1
        assert len(client.search_model_versions("name = 'registered'")) == 1
        copied = client.copy_model_version("models:/registered/1", "copy")
        assert copied.name == "copy"

    def test_model_id_gives_the_run(self, client, run_id):
        """A version that names its model gets the model's run, as in MLflow."""
        experiment = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment, "logged", run_id)
        client.create_registered_model("registered")
        version = client.create_model_version(
            "registered", model.artifact_location, model_id=model.model_id
        )
        assert version.run_id == run_id

    def test_unknown_model_is_refused(self, client):
        """An id of nothing does not become a version."""
        client.create_registered_model("registered")
        with pytest.raises(MlflowException, match="not found"):
            client.create_model_version("registered", "models:/m-" + "0" * 32)

    def test_prompts(self, client):
        """Versions, aliases, tags, search."""
        client.register_prompt("prompt", "say {{x}}", tags={"a": "b"})
        client.register_prompt("prompt", "tell {{x}}")
        client.set_prompt_alias("prompt", "live", 2)
        assert client.get_prompt_version("prompt", 1).template == "say {{x}}"
        assert client.get_prompt_version_by_alias("prompt", "live").template == "tell {{x}}"
        assert [each.name for each in client.search_prompts()] == ["prompt"]

    def test_evaluation_datasets(self, client, run_id):
        """Records, tags, search by experiment."""
        experiment = client.get_run(run_id).info.experiment_id
        dataset = client.create_dataset("evaluation", experiment, {"a": "b"})
        found = client.get_dataset(dataset.dataset_id)
        assert (found.name, found.tags["a"]) == ("evaluation", "b")
        assert [each.name for each in client.search_datasets([experiment])] == ["evaluation"]
        client.delete_dataset(dataset.dataset_id)
        assert list(client.search_datasets([experiment])) == []


class TestFluent:
    """What works through MLflow's current URI only, on any store."""

    @pytest.fixture(autouse=True)
    def _current(self, workspace):
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())

    def test_run_without_an_experiment_lands_in_the_workspaces_default(
        self, workspace, monkeypatch
    ):
        """start_run() alone, and with the id 0 in the environment."""
        with mlflow.start_run() as first:
            mlflow.log_metric("m", 1)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
        with mlflow.start_run() as second:
            pass
        assert list(workspace.experiments) == ["Default"]
        default = workspace.experiments["Default"].id
        assert first.info.experiment_id == second.info.experiment_id == default
        assert len(mlflow.search_runs()) == 2

    def test_nested_and_resumed_runs(self):
        """A child knows its parent; a run is resumed by id and goes on."""
        with mlflow.start_run() as parent, mlflow.start_run(nested=True) as child:
            mlflow.log_metric("m", 1, step=0)
        with mlflow.start_run(run_id=child.info.run_id):
            mlflow.log_metric("m", 2, step=1)
        assert MlflowClient().get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
        assert len(MlflowClient().get_metric_history(child.info.run_id, "m")) == 2
        assert mlflow.get_run(child.info.run_id).info.status == "FINISHED"

    def test_failed_run_is_marked(self):
        """An exception in the block ends the run as failed."""
        with pytest.raises(RuntimeError), mlflow.start_run() as run:
            raise RuntimeError
        assert mlflow.get_run(run.info.run_id).info.status == "FAILED"

    def test_model_is_loaded_by_every_name(self, tmp_path):
        """runs:/, models:/name/1, models:/name@alias and models:/m-... are one model."""

        class Double(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input: list[float]) -> list[float]:
                return [2 * each for each in model_input]

        with mlflow.start_run() as run:
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=Double(),
                registered_model_name="double",
                pip_requirements=[],
            )
        MlflowClient().set_registered_model_alias("double", "best", "1")
        for uri in (
            f"runs:/{run.info.run_id}/model",
            "models:/double/1",
            "models:/double@best",
            "models:/double/latest",
            info.model_uri,
        ):
            assert mlflow.pyfunc.load_model(uri).predict([1.5]) == [3.0]

    def test_traces_and_assessments(self):
        """A traced function, found with its spans; feedback on it, read back."""

        @mlflow.trace
        def add(x, y):
            return x + y

        add(1, 2)
        mlflow.flush_trace_async_logging()
        (trace,) = mlflow.search_traces(return_type="list")
        assert json.loads(trace.data.response) == 3
        mlflow.log_feedback(trace_id=trace.info.trace_id, name="good", value=True)
        (assessment,) = mlflow.get_trace(trace.info.trace_id).info.assessments
        assert isinstance(assessment, Feedback)
        assert (assessment.name, assessment.feedback.value) == ("good", True)

    def test_asynchronous_logging_arrives(self):
        """Metrics and images logged in the background are there after a flush."""
        with mlflow.start_run() as run:
            for step in range(20):
                mlflow.log_metric("m", step, step=step, synchronous=False)
            mlflow.log_image(
                np.zeros((2, 2, 3), dtype=np.uint8), key="image", step=0, synchronous=False
            )
            mlflow.flush_async_logging()
            mlflow.flush_artifact_async_logging()
            assert len(MlflowClient().get_metric_history(run.info.run_id, "m")) == 20
            assert MlflowClient().list_artifacts(run.info.run_id, "images")

    def test_evaluation(self):
        """mlflow.models.evaluate leaves its metrics and files in the workspace."""
        data = pd.DataFrame({"target": [1.0, 2.0, 3.0], "prediction": [1.0, 2.0, 4.0]})
        with mlflow.start_run() as run:
            mlflow.models.evaluate(
                data=data, targets="target", predictions="prediction", model_type="regressor"
            )
        assert "mean_squared_error" in mlflow.get_run(run.info.run_id).data.metrics

    def test_another_active_workspace_is_ignored_and_said(self, workspace, hub_path, caplog):
        """The URI says which workspace it is, whatever MLFLOW_WORKSPACE or set_workspace say."""
        mlflow.set_workspace("elsewhere")
        try:
            uri = workspace.get_mlflow_tracking_uri() + "/"  # a URI that no store was built for
            client = MlflowClient(tracking_uri=uri)
            client.create_experiment("here")
        finally:
            mlflow.set_workspace(None)
        assert "here" in workspace.experiments
        assert "the tracking URI names workspace 'team-a'" in caplog.text


class TestGarbageCollection:
    def test_gc_frees_rows_and_files_of_one_workspace(
        self, workspace, other_workspace, hub_path, monkeypatch
    ):
        """The command of the documentation; other workspaces' deleted runs stay."""
        kept, gone = (
            each.client.create_run("0").info.run_id for each in (other_workspace, workspace)
        )
        for each, run_id in ((other_workspace, kept), (workspace, gone)):
            each.client.log_metric(run_id, "m", 1)
            each.client.log_text(run_id, "x", "x.txt")
            each.client.delete_run(run_id)
        model = workspace.client.create_logged_model("0", "m")
        workspace.client.log_model_artifact(model.model_id, __file__)
        workspace.client.delete_logged_model(model.model_id)
        uri = workspace.get_mlflow_tracking_uri()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        done = CliRunner().invoke(mlflow_cli, ["gc", "--backend-store-uri", uri])
        assert done.exit_code == 0, done.output
        with pytest.raises(MlflowException, match="not found"):
            workspace.client.get_run(gone)
        folders = {path.name for path in hub_path.rglob("*") if path.is_dir()}
        assert gone not in folders
        assert not any(hub_path.rglob("test_mlflow.py"))
        assert kept in folders
        assert other_workspace.client.get_run(kept).info.lifecycle_stage == "deleted"

    def test_gc_of_a_whole_hub(self, workspace, other_workspace, hub_path, monkeypatch):
        """All workspaces at once, through the hub's URI."""
        runs = []
        for each in (workspace, other_workspace):
            runs.append(each.client.create_run("0").info.run_id)
            each.client.log_text(runs[-1], "x", "x.txt")
            each.client.delete_run(runs[-1])
        uri = f"workspace-hub://{hub_path}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        done = CliRunner().invoke(
            mlflow_cli, ["gc", "--backend-store-uri", uri, "--all-workspaces"]
        )
        assert done.exit_code == 0, done.output
        assert not any(hub_path.rglob("x.txt"))
        for each, run_id in zip((workspace, other_workspace), runs, strict=True):
            assert each.client.search_runs(["0"], run_view_type=ViewType.ALL) == []
            with pytest.raises(MlflowException, match="not found"):
                each.client.get_run(run_id)
