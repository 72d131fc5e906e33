"""SDK v1's Model and run.register_model on MLflow's model registry."""

import inspect
import io
import json
import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment, Model, Run
from mlflow_workspace_plugin.cli.pages.ui import server_command
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    ModelNotFoundException,
    ModelPathNotFoundException,
    UnsafeArtifactPathError,
    UserErrorException,
    WebserviceException,
)
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.sdk.models.cache import fetched
from mlflow_workspace_plugin.sdk.models.resource_configuration import ResourceConfiguration
from tests.commands import output_of
from tests.servers import free_port, serving, without_this_package

# What is marked for hubs runs on that of a folder and on one that is served.
pytestmark = pytest.mark.alike

ODD_KEYS = ["a@b", "50%", "日本", "x/../y", "/", "k" * 500, "mlflow.workspace.folder", ""]


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging()


@pytest.fixture
def model_file(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"weights")
    return "model.pkl"


@pytest.fixture
def model_folder(tmp_path):
    (tmp_path / "net" / "deep").mkdir(parents=True)
    (tmp_path / "net" / "a.bin").write_bytes(b"a")
    (tmp_path / "net" / "deep" / "b.bin").write_bytes(b"b")
    return "net"


def files_below(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(
    ("served", "reference"),
    [
        (
            Run.register_model,
            "(self, model_name, model_path=None, tags=None, properties=None, model_framework=None, "
            "model_framework_version=None, description=None, datasets=None, "
            "sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None, "
            "**kwargs)",
        ),
        (
            Model.register,
            "(workspace, model_path, model_name, tags=None, properties=None, description=None, "
            "datasets=None, model_framework=None, model_framework_version=None, child_paths=None, "
            "sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None)",
        ),
        (
            Model,
            "(workspace, name=None, id=None, tags=None, properties=None, version=None, "
            "run_id=None, model_framework=None, expand=True, **kwargs)",
        ),
        (
            Model.list,
            "(workspace, name=None, tags=None, properties=None, run_id=None, latest=False, "
            "dataset_id=None, expand=True, page_count=255, model_framework=None)",
        ),
        (Model.download, "(self, target_dir='.', exist_ok=False, exists_ok=None)"),
        (Model.get_model_path, "(model_name, version=None, _workspace=None)"),
    ],
)
def test_signatures_are_sdk_v1s(served, reference):
    """Names, order and defaults."""
    signature = inspect.signature(served)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == reference


def test_exceptions_are_siblings():
    """As in SDK v1: under AzureMLException, none under another."""
    family = (WebserviceException, ModelNotFoundException, ModelPathNotFoundException)
    for each in family:
        assert issubclass(each, AzureMLException)
        assert not any(issubclass(each, other) for other in family if other is not each)
    assert WebserviceException("why", status_code=404).status_code == 404


class TestRegisterFromARun:
    @pytest.mark.hubs
    def test_attributes_have_sdk_v1s_types(self, workspace, run):
        """Version from 1, id, url, times, and all that was given."""
        run.upload_file("outputs/model.pkl", io.BytesIO(b"weights"))
        before = datetime.now(timezone.utc)
        model = run.register_model(
            "my-model.v1",
            "outputs/model.pkl",
            tags={"area": "diabetes", "n": 3, "none": None},
            properties={"auc": 0.5, "none": None},
            model_framework=Model.Framework.SCIKITLEARN,
            model_framework_version="1.5",
            description="what it is",
            datasets=[("training", "some data")],
            sample_input_dataset="input",
            resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5),
        )
        assert (model.name, model.version, model.id) == ("my-model.v1", 1, "my-model.v1:1")
        assert type(model.version) is int
        assert model.url == "aml://asset/my-model.v1:1"
        assert model.tags == {"area": "diabetes", "n": "3", "none": None}
        assert model.properties == {"auc": "0.5", "none": None}
        assert (model.model_framework, model.model_framework_version) == ("ScikitLearn", "1.5")
        assert (model.description, model.datasets) == ("what it is", {"training": ["some data"]})
        assert (model.sample_input_dataset, model.sample_output_dataset) == ("input", None)
        assert model.resource_configuration == ResourceConfiguration(1, 0.5, None)
        assert abs((model.created_time - before).total_seconds()) < 60
        assert model.created_by
        assert (model.run_id, model.run.id) == (run.id, run.id)
        assert (model.experiment_name, model.workspace) == ("experiment", workspace)
        assert vars(Model(workspace, "my-model.v1"))["tags"] == model.tags

    def test_path_is_the_models_name_by_default(self, run):
        """register_model("outputs") registers the files of outputs."""
        run.upload_file("outputs/a.bin", io.BytesIO(b"a"))
        assert run.register_model("outputs").id == "outputs:1"

    @pytest.mark.parametrize("path", ["outputs/net", "./outputs/net/"])
    def test_folder(self, run, tmp_path, path):
        """Downloaded as a folder of its own name, and nothing beside it is."""
        run.upload_file("outputs/net/a.bin", io.BytesIO(b"a"))
        run.upload_file("outputs/net/deep/b.bin", io.BytesIO(b"b"))
        run.upload_file("outputs/network.bin", io.BytesIO(b"another"))
        model = run.register_model("net", path)
        assert model.download(tmp_path / "to") == str(tmp_path / "to" / "net")
        assert files_below(tmp_path / "to") == ["net/a.bin", "net/deep/b.bin"]

    @pytest.mark.hubs
    def test_versions_do_not_change_with_the_runs_files(self, run, tmp_path):
        """A file that is replaced makes the next version, and leaves the first as it was."""
        for number in (1, 2):
            run.upload_file("model.pkl", io.BytesIO(b"%d" % number))
            assert run.register_model("model", "model.pkl").version == number
        for number in (1, 2):
            model = Model(run.experiment.workspace, "model", version=number)
            assert Path(model.download(tmp_path / str(number))).read_bytes() == b"%d" % number

    def test_no_other_copy_is_made(self, run, tmp_path, monkeypatch, capfd):
        """Nothing is left among temporary files, and nothing is said of a download."""
        run.upload_file("model.pkl", io.BytesIO(b"weights"))
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        run.register_model("model", "model.pkl")
        assert files_below(tmp_path / "temporary") == []
        assert "Downloading" not in capfd.readouterr().err

    @pytest.mark.hubs
    def test_path_that_is_not_there_names_those_that_are(self, run):
        """Nothing is registered."""
        run.upload_file("outputs/model.pkl", io.BytesIO(b"weights"))
        for path in ("model.pkl", "outputs/mod", None, "it's"):
            with pytest.raises(ModelPathNotFoundException, match=r"outputs/model\.pkl"):
                run.register_model("model", path)
        with pytest.raises(UnsafeArtifactPathError):
            run.register_model("model", "../model.pkl")
        assert run.experiment.workspace.models == {}

    @pytest.mark.hubs
    def test_model_that_mlflow_logged_is_registered_by_its_name(self, workspace, run, tmp_path):
        """mlflow.FLAVOR.log_model(name="model") in the run, then register_model(..., "model")."""
        client = workspace.client
        (tmp_path / "MLmodel").write_text("flavors: {}")
        logged = client.create_logged_model(run.experiment.id, "model", run.id)
        client.log_model_artifact(logged.model_id, str(tmp_path / "MLmodel"))
        client.finalize_logged_model(logged.model_id, "READY")
        model = run.register_model("registered", "model")
        assert model.run_id == run.id
        assert files_below(Path(model.download("to")).parent.parent) == ["model/MLmodel"]
        model.delete()
        assert client.get_logged_model(logged.model_id).name == "model"
        with pytest.raises(ModelPathNotFoundException):
            run.register_model("other", "no-such-model")


class TestRegisterLocalFiles:
    def test_file(self, workspace, model_file, capsys):
        """Of no run; SDK v1's line is printed; the name counts versions."""
        model = Model.register(workspace, model_file, "model", tags={"a": "b"})
        assert capsys.readouterr().out == "Registering model model\n"
        assert (model.version, model.run_id, model.run, model.experiment_name) == (
            1,
            None,
            None,
            None,
        )
        assert Model.register(workspace, Path(model_file), "model").version == 2
        assert Path(model.download("to")) == Path("to/model.pkl")
        assert Path("to/model.pkl").read_bytes() == b"weights"

    def test_folder(self, workspace, model_folder):
        """Downloaded under its own name."""
        model = Model.register(workspace, model_folder, "model")
        assert model.download("to") == str(Path("to", "net"))
        assert files_below("to") == ["net/a.bin", "net/deep/b.bin"]

    def test_children_only(self, workspace, model_folder):
        """Files and folders; a missing one is an error."""
        model = Model.register(workspace, model_folder, "model", child_paths=["deep"])
        assert model.download("to") == str(Path("to", "net", "deep", "b.bin"))
        assert files_below("to") == ["net/deep/b.bin"]
        with pytest.raises(WebserviceException, match="child_paths"):
            Model.register(workspace, model_folder, "model", child_paths=["a.bin", "none"])
        with pytest.raises(UnsafeArtifactPathError):
            Model.register(workspace, model_folder, "model", child_paths=["../net"])

    @pytest.mark.hubs
    def test_missing_outside_and_empty_are_errors(self, workspace, tmp_path, monkeypatch):
        """SDK v1's exceptions; nothing is registered."""
        (tmp_path / "here").mkdir()
        (tmp_path / "outside.pkl").write_bytes(b"x")
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(FileNotFoundError):
            Model.register(workspace, "none.pkl", "model")
        with pytest.raises(PermissionError, match="outside of the working directory"):
            Model.register(workspace, "../outside.pkl", "model")
        with pytest.raises(WebserviceException, match="holds no files"):
            Model.register(workspace, ".", "model")
        assert Model.list(workspace) == []

    @pytest.mark.hubs
    def test_upload_that_fails_registers_nothing(self, workspace, model_folder):
        """What was copied is marked as failed, as MLflow marks what it could not log."""
        os.mkfifo("net/pipe")
        with pytest.raises((OSError, MlflowException)):
            Model.register(workspace, model_folder, "model")
        assert workspace.models == {}
        (failed,) = workspace.client.search_logged_models([workspace.experiments["Default"].id])
        assert failed.status == "FAILED"

    @pytest.mark.parametrize(
        "bad",
        [
            {"model_name": ""},
            {"model_name": "-x"},
            {"model_name": "a b"},
            {"model_name": "a/b"},
            {"model_name": "x" * 256},
            {"model_name": None},
            {"model_framework_version": "1"},
            {"tags": ["a"]},
            {"properties": "a"},
            {"tags": {"a": object()}},
        ],
    )
    def test_bad_arguments_are_sdk_v1s_exception(self, workspace, model_file, bad):
        """WebserviceException, before anything is stored."""
        with pytest.raises(WebserviceException):
            Model.register(workspace, model_file, **({"model_name": "model"} | bad))
        assert workspace.experiments == {}

    def test_name_of_a_prompt_is_refused(self, workspace, model_file):
        """MLflow keeps both in one registry; a prompt is in no list of models."""
        workspace.client.register_prompt("prompt", "Say {{x}}")
        with pytest.raises(MlflowException, match="prompt"):
            Model.register(workspace, model_file, "prompt")
        assert workspace.models == {}


class TestFind:
    @pytest.fixture
    def registered(self, workspace, run, model_file):
        run.upload_file("model.pkl", model_file)
        run.register_model("a", "model.pkl", tags={"stage": "old", "k": ""}, properties={"p": "1"})
        run.register_model("a", "model.pkl", tags={"stage": "new"}, model_framework="Onnx")
        Model.register(workspace, model_file, "b", datasets=[("training", "data-id")])

    @pytest.mark.hubs
    def test_latest_and_exact(self, workspace, registered):
        """By name, version and id."""
        assert Model(workspace, "a").version == 2
        assert Model(workspace, name="a", version=1).id == "a:1"
        assert Model(workspace, id="a:1").version == 1

    @pytest.mark.hubs
    def test_filters(self, workspace, registered, run):
        """The latest that passes; all of them must."""
        assert Model(workspace, "a", tags=["stage", "k"]).version == 1
        assert Model(workspace, "a", tags=[["stage", "old"]]).version == 1
        assert Model(workspace, "a", properties=[["p", "1"]]).version == 1
        assert Model(workspace, "a", properties=[["p", 1]]).version == 1
        assert Model(workspace, "a", run_id=run.id, model_framework="Onnx").version == 2

    @pytest.mark.parametrize(
        "wanted",
        [
            {},
            {"name": "none"},
            {"name": "it's"},
            {"name": "a", "version": 3},
            {"name": "a", "version": "x"},
            {"id": "a"},
            {"id": "a:"},
            {"name": "a", "tags": ["other"]},
            {"name": "b", "run_id": "0" * 32},
        ],
    )
    def test_missing_is_sdk_v1s_exception(self, workspace, registered, wanted):
        """WebserviceException with its word for it."""
        with pytest.raises(WebserviceException, match="ModelNotFound"):
            Model(workspace, **wanted)

    @pytest.mark.hubs
    def test_list(self, workspace, registered, run):
        """All versions, newest first, or those that pass."""

        def ids(**filters):
            return [each.id for each in Model.list(workspace, **filters)]

        assert ids() == ["b:1", "a:2", "a:1"]
        assert ids(latest=True) == ["b:1", "a:2"]
        assert ids(name="a") == ids(run_id=run.id) == ["a:2", "a:1"]
        assert ids(tags=[["stage", "old"]], latest=True) == ["a:1"]
        assert ids(dataset_id="data-id") == ["b:1"]
        assert ids(model_framework="Onnx") == ["a:2"]
        assert ids(name="none") == []

    def test_list_is_read_by_pages(self, workspace, run):
        """No version is lost between them."""
        run.upload_file("m", io.BytesIO(b"m"))
        logged = run.register_model("m", "m")
        for _ in range(24):
            workspace.client.create_model_version("m", logged._version.source)
        assert [each.version for each in Model.list(workspace, page_count=20)] == [
            *range(25, 0, -1)
        ]

    @pytest.mark.parametrize(
        "bad", [{"tags": "a"}, {"properties": {"a": "b"}}, {"page_count": 19}, {"page_count": 256}]
    )
    def test_bad_filter_is_sdk_v1s_exception(self, workspace, bad):
        """UserErrorException at the call."""
        with pytest.raises(UserErrorException):
            Model.list(workspace, **bad)

    @pytest.mark.hubs
    def test_models_of_a_workspace_are_the_latest(self, workspace, other_workspace, registered):
        """By name; of this workspace only."""
        assert {name: each.version for name, each in workspace.models.items()} == {"a": 2, "b": 1}
        assert other_workspace.models == {}


class TestDownload:
    @pytest.mark.hubs
    def test_existing_file_is_replaced_only_if_asked_for(self, workspace, model_folder):
        """Otherwise none is written."""
        model = Model.register(workspace, model_folder, "model")
        Path("to/net/deep").mkdir(parents=True)
        Path("to/net/deep/b.bin").write_bytes(b"mine")
        with pytest.raises(WebserviceException, match="exist_ok=True"):
            model.download("to")
        assert files_below("to") == ["net/deep/b.bin"]
        model.download(target_dir="to", exist_ok=True)
        assert Path("to/net/deep/b.bin").read_bytes() == b"b"
        with pytest.raises(WebserviceException, match="Pass exist_ok"):
            model.download("elsewhere", exists_ok=True)

    def test_nothing_is_shown_of_it_and_nothing_is_added(self, workspace, model_folder, capfd):
        """No progress bar, as SDK v1 has none, and no file of MLflow's."""
        Path(model_folder, "MLmodel").write_text("flavors: {}")
        model = Model.register(workspace, model_folder, "model")
        capfd.readouterr()
        model.download("to")
        assert capfd.readouterr().err == ""
        assert len(files_below("to")) == len(files_below(model_folder))

    @pytest.mark.hubs
    def test_version_that_plain_mlflow_registered(self, workspace, run):
        """The folder has its own name, as in the run."""
        run.upload_file("outputs/net/MLmodel", io.BytesIO(b"x"))
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        mlflow.register_model(f"runs:/{run.id}/outputs/net", "model", tags={"a": "b"})
        model = Model(workspace, "model")
        assert (model.tags, model.run_id, model.properties) == ({"a": "b"}, run.id, {})
        assert model.download("to") == str(Path("to", "net", "MLmodel"))

    @pytest.mark.hubs
    def test_version_without_files_is_an_error(self, workspace, run):
        """With where they should be."""
        workspace.client.create_registered_model("model")
        source = workspace.client.get_run(run.id).info.artifact_uri
        workspace.client.create_model_version("model", f"{source}/none", run.id)
        with pytest.raises(WebserviceException, match="holds no files"):
            Model(workspace, "model").download("to")


class TestModelPath:
    def test_inside_a_run_the_model_is_downloaded_once(self, workspace, model_file):
        """Into azureml-models/NAME/VERSION; the latest, or the one asked for."""
        Model.register(workspace, model_file, "model")
        Model.register(workspace, model_file, "model")
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with mlflow.start_run():
            path = Model.get_model_path("model")
            assert Path(path) == Path("azureml-models/model/2/model.pkl")
            Path(path).write_bytes(b"kept")
            assert Model.get_model_path("model") == path
            assert Path(path).read_bytes() == b"kept"
            first = Model.get_model_path("model", version=1)
            assert Path(first).read_bytes() == b"weights"
            with pytest.raises(ModelNotFoundException):
                Model.get_model_path("none")
            with pytest.raises(WebserviceException, match="ModelNotFound"):
                Model.get_model_path("model", version=3)
        assert files_below("azureml-models") == ["model/1/model.pkl", "model/2/model.pkl"]

    def test_process_that_was_quicker_is_no_error(self):
        """Two that download one version end with one copy of it."""
        place = Path("azureml-models/model/1")

        def download(folder):
            for each in (Path(folder), place):
                each.mkdir(parents=True)
                (each / "model.pkl").write_bytes(b"weights")

        assert fetched("model", 1, download) == str(place / "model.pkl")
        assert files_below("azureml-models") == ["model/1/model.pkl"]

    def test_workspace_may_be_given(self, workspace, model_folder):
        """Outside of any run, too; of a folder it is the folder."""
        Model.register(workspace, model_folder, "model")
        path = Model.get_model_path("model", _workspace=workspace)
        assert Path(path) == Path("azureml-models/model/1/net")

    def test_elsewhere_it_is_looked_for_in_the_cache_and_here(self):
        """The highest version of the cache, then a file of that name; else SDK v1's exception."""
        with pytest.raises(ModelNotFoundException, match="neither"):
            Model.get_model_path("model")
        Path("model").write_bytes(b"here")
        assert Model.get_model_path("model") == "model"
        for version in ("2", "10", "x"):
            Path("azureml-models/model", version).mkdir(parents=True)
            Path("azureml-models/model", version, "model.pkl").write_bytes(b"cached")
        assert Path(Model.get_model_path("model")) == Path("azureml-models/model/10/model.pkl")
        assert Path(Model.get_model_path("model", 2)) == Path("azureml-models/model/2/model.pkl")
        assert Model.get_model_path("model", 3) == "model"

    @pytest.mark.parametrize("version", ["1", 1.0, True])
    def test_version_is_an_integer(self, version):
        """SDK v1's exception."""
        with pytest.raises(WebserviceException, match="integer"):
            Model.get_model_path("model", version=version)


class TestChange:
    @pytest.fixture
    def model(self, workspace, model_file):
        return Model.register(
            workspace, model_file, "model", tags={"a": "1"}, properties={"p": "1"}
        )

    @pytest.mark.hubs
    def test_tags_are_added_and_removed(self, workspace, model):
        """Here and for everybody; MLflow's UI knows them."""
        model.add_tags({"b": "2", "a": "3"})
        assert model.tags == {"a": "3", "b": "2"}
        assert workspace.client.get_model_version("model", "1").tags["b"] == "2"
        model.remove_tags(["a", "none"])
        assert model.tags == Model(workspace, "model").tags == {"b": "2"}

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_any_key_is_one(self, workspace, model, key):
        """Whatever MLflow allows in a key: tags come back, are replaced and removed."""
        model.add_tags({key: "first"})
        model.add_tags({key: "value"})
        model.add_properties({key: "value"})
        found = Model(workspace, "model", tags=[[key, "value"]], properties=[key])
        assert found.tags == {"a": "1", key: "value"}
        assert found.properties == {"p": "1", key: "value"}
        found.remove_tags([key])
        assert found.tags == {"a": "1"}

    def test_none_is_a_value(self, workspace, model):
        """And empty text another; each replaces the other."""
        for value in (None, "", "text", None):
            model.add_tags({"k": value})
            assert Model(workspace, "model").tags == {"a": "1", "k": value}

    @pytest.mark.hubs
    def test_update_replaces_tags_and_leaves_what_is_not_given(self, workspace, model):
        """tags= is all tags from now on."""
        model.update(tags={"b": "2", "n": None}, description="new")
        model.update(sample_output_dataset="data", resource_configuration=ResourceConfiguration(2))
        found = Model(workspace, "model")
        assert found.tags == model.tags == {"b": "2", "n": None}
        assert (found.description, found.sample_output_dataset) == ("new", "data")
        assert found.resource_configuration == ResourceConfiguration(cpu=2)
        assert found.properties == {"p": "1"}

    @pytest.mark.hubs
    def test_properties_are_added_and_never_changed(self, workspace, model):
        """The error names both values, and none of the call is added."""
        model.add_properties({"q": 2})
        with pytest.raises(WebserviceException, match="'1' and cannot become '2'"):
            model.add_properties({"r": "3", "p": "2"})
        assert Model(workspace, "model").properties == {"p": "1", "q": "2"}

    def test_bad_pairs_are_sdk_v1s_exception(self, model):
        """Nothing is written."""
        for call in (model.add_tags, model.add_properties, model.update):
            with pytest.raises(WebserviceException, match="Give a dict"):
                call(["x"])
        assert (model.tags, model.properties) == ({"a": "1"}, {"p": "1"})

    @pytest.mark.hubs
    def test_deleted_version_is_gone_with_its_files(self, workspace, model, model_file):
        """Its number is not used again."""
        model.delete()
        assert workspace.models == {}
        with pytest.raises(WebserviceException, match="ModelNotFound"):
            Model(workspace, "model")
        with pytest.raises(MlflowException, match="not found"):
            workspace.client.get_logged_model(model._version.source.removeprefix("models:/"))
        assert Model.register(workspace, model_file, "model").version == 2

    def test_version_whose_files_are_gone_is_deleted(self, workspace, model):
        """Somebody deleted them in MLflow's UI."""
        workspace.client.delete_logged_model(model._version.source.removeprefix("models:/"))
        model.delete()
        assert workspace.models == {}

    def test_keys_that_are_no_text_become_it(self, model):
        """As in JSON."""
        model.update(tags={1: 2})
        assert model.tags == {"1": "2"}
        model.add_properties({1: 2})
        with pytest.raises(WebserviceException, match="'2' and cannot become 3"):
            model.add_properties({1: 3})

    @pytest.mark.hubs
    def test_files_that_another_version_uses_stay(self, workspace, model):
        """A copy that MLflow made can be loaded after the original is deleted."""
        workspace.client.copy_model_version("models:/model/1", "copy")
        model.delete()
        logged = model._version.source.removeprefix("models:/")
        assert workspace.client.get_logged_model(logged).model_id == logged
        assert Path(Model(workspace, "copy").download("to")).read_bytes() == b"weights"

    def test_serialize_and_repr(self, workspace, model):
        """JSON under SDK v1's keys, and its one line."""
        found = json.loads(json.dumps(model.serialize()))
        assert (found["id"], found["version"], found["tags"]) == ("model:1", 1, {"a": "1"})
        assert datetime.fromisoformat(found["createdTime"]) == model.created_time
        assert repr(model) == (
            f"Model(workspace={workspace!r}, name=model, id=model:1, version=1, "
            "tags={'a': '1'}, properties={'p': '1'})"
        )


@pytest.mark.hubs
def test_tags_and_properties_are_changed_in_one_call(workspace, model_file):
    """SDK v1's deprecated call."""
    model = Model.register(workspace, model_file, "model", tags={"a": "1", "b": "2"})
    model.update_tags_properties(add_tags={"c": "3"}, remove_tags=["a"])
    model.update_tags_properties(add_properties={"p": "4"})
    assert model.tags == {"b": "2", "c": "3"}
    assert model.properties == {"p": "4"}


def test_frameworks_are_sdk_v1s():
    """The words that scripts pass."""
    words = {key: value for key, value in vars(Model.Framework).items() if key.isupper()}
    assert words == {
        "CUSTOM": "Custom",
        "TENSORFLOW": "TensorFlow",
        "SCIKITLEARN": "ScikitLearn",
        "ONNX": "Onnx",
        "TFKERAS": "TfKeras",
        "PYTORCH": "PyTorch",
        "MULTI": "Multi",
    }


def test_experiment_of_a_run_that_is_gone_is_none(workspace, run):
    """A model outlives its run."""
    run.upload_file("m", io.BytesIO(b"m"))
    run.register_model("model", "m")
    workspace.client.create_registered_model("other")
    workspace.client.create_model_version("other", "models:/model/1", "0" * 32)
    assert Model(workspace, "other").serialize()["experimentName"] is None


CLIENT = """
import sys
import mlflow
assert "mlflow_workspace_plugin" not in sys.modules
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_workspace("team-a")
for path in ("models:/file/1/model.pkl", "models:/folder/1/deep/b.bin"):
    print(mlflow.artifacts.load_text(path))
"""


@pytest.mark.sqlite  # the server is the same on every database
def test_stock_client_downloads_what_was_registered(
    workspace, run, model_folder, hub_path, tmp_path
):
    """By models:/name/version through MLflow's own server, without this package."""
    run.upload_file("model.pkl", io.BytesIO(b"weights"))
    run.register_model("file", "model.pkl")
    Model.register(workspace, model_folder, "folder")
    port = free_port()
    python, variables = without_this_package(tmp_path)
    with serving(server_command(open_hub(hub_path), port), port, tmp_path / "log") as address:
        environment = os.environ | variables
        printed = output_of([*python, "-c", CLIENT, address], env=environment, cwd=tmp_path)
    assert printed.split() == ["weights", "b"]
