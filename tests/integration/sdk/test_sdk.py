"""SDK v1's Workspace, Experiment and Run on a hub."""

import io
import json
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from sqlalchemy import event

from mlflow_workspace_plugin import Experiment, Run, Workspace
from mlflow_workspace_plugin.artifacts.repository import link_workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    ConfigFileError,
    HubUnreachableError,
    InvalidMetricError,
    InvalidWorkspaceNameError,
    NotServedError,
    ProjectSystemException,
    UnsafeArtifactPathError,
    UserErrorException,
    WorkspaceException,
    WorkspaceExistsError,
    WorkspaceNotEmptyError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.sdk.authentication import ServicePrincipalAuthentication

pytestmark = [pytest.mark.store, pytest.mark.alike]


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging()


class TestWorkspace:
    def test_azure_name_is_folded_and_shown_as_given(self, hub_path):
        """Contoso_ML is kept as contoso-ml, and found by both."""
        workspace = Workspace.create("Contoso_ML", hub=hub_path)
        assert workspace.name == "Contoso_ML"
        assert workspace.get_mlflow_tracking_uri() == f"workspace://{hub_path}/contoso-ml"
        for name in ("Contoso_ML", "contoso_ml", "contoso-ml"):
            assert Workspace.get(name, hub=hub_path).name == "Contoso_ML"

    def test_two_names_that_fold_to_one_are_refused(self, hub_path):
        """Neither on creation nor on look-up is one taken for the other."""
        Workspace.create("data_science", hub=hub_path)
        for exist_ok in (False, True):
            with pytest.raises(
                InvalidWorkspaceNameError, match="taken by workspace 'data_science'"
            ):
                Workspace.create("data-Science", hub=hub_path, exist_ok=exist_ok)
        with pytest.raises(WorkspaceNotFoundError):
            Workspace.get("data-Science", hub=hub_path)

    def test_existing_workspace_is_an_error_unless_asked_for(self, workspace, hub_path):
        """exist_ok returns the one that is there."""
        with pytest.raises(WorkspaceExistsError, match="exist_ok=True") as raised:
            Workspace.create("team-a", hub=hub_path)
        assert isinstance(raised.value, WorkspaceException)
        assert raised.value.error_code == "RESOURCE_ALREADY_EXISTS"
        again = Workspace.create("team-a", hub=hub_path, exist_ok=True)
        assert again.get_mlflow_tracking_uri() == workspace.get_mlflow_tracking_uri()

    def test_missing_workspace_is_sdk_v1s_exception(self, workspace, hub_path):
        """``except ProjectSystemException`` goes on working, and the message helps."""
        with pytest.raises(ProjectSystemException, match="Did you mean 'team-a'"):
            Workspace("sub", "group", "team-b", hub=hub_path)

    def test_default_hub_is_that_of_the_environment(self, tmp_path):
        """Without hub= the folder is the one MLFLOW_WORKSPACE_HUB names."""
        workspace = Workspace.create("team-a")
        assert workspace.get_mlflow_tracking_uri() == f"workspace://{tmp_path}/default-hub/team-a"
        assert Workspace.get("team-a").name == "team-a"

    def test_hub_may_be_named_by_its_uri(self, hub_path):
        """As well as by its folder."""
        assert Workspace.create("team-a", hub=f"workspace-hub://{hub_path}").name == "team-a"

    def test_list_has_a_list_per_name(self, hub_path):
        """SDK v1's shape; subscription and group filter by what was given on creation."""
        Workspace.create("one", subscription_id="S", resource_group="R", hub=hub_path)
        Workspace.create("Two_2", hub=hub_path)
        found = Workspace.list(None, hub=hub_path)
        assert sorted(found) == ["Two_2", "default", "one"]
        assert [each.name for each in found["one"]] == ["one"]
        assert list(Workspace.list("S", hub=hub_path)) == ["one"]
        assert list(Workspace.list("S", resource_group="other", hub=hub_path)) == []

    def test_list_asks_once_however_many_there_are(self, hub_path):
        """And looking for garbage in all of them takes no longer for those that have none."""
        engine = Workspace.create("one", hub=hub_path)._hub.engine
        asked = []

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, *_):
            asked.append(statement)

        def statements(call):
            asked.clear()
            call()
            return len(asked)

        def gc():
            arguments = ["gc", "--all-workspaces", "--dry-run", "--hub", str(hub_path)]
            assert "Would free 0 runs" in CliRunner().invoke(main, arguments).output

        few = statements(gc)
        for number in range(5):
            Workspace.create(f"another-{number}", hub=hub_path)
        assert statements(lambda: Workspace.list(None, hub=hub_path)) == 1
        assert statements(gc) == few
        (listed,) = Workspace.list(None, hub=hub_path)["one"]
        assert Experiment(listed, "seen").name in Workspace.get("one", hub=hub_path).experiments
        event.remove(engine, "before_cursor_execute", note)

    def test_config_file_round_trips(self, workspace, tmp_path, hub_path):
        """write_config, then from_config below that folder, is the same workspace."""
        workspace.write_config(tmp_path)
        (tmp_path / "a" / "b").mkdir(parents=True)
        found = Workspace.from_config(tmp_path / "a" / "b")
        assert found.get_mlflow_tracking_uri() == workspace.get_mlflow_tracking_uri()

    def test_azures_own_config_file_works_in_the_default_hub(self, tmp_path):
        """A file downloaded from the portal opens the workspace of that name."""
        Workspace.create("Contoso_ML")
        keys = {"subscription_id": "S", "resource_group": "R", "workspace_name": "Contoso_ML"}
        (tmp_path / "config.json").write_text(json.dumps(keys))
        workspace = Workspace.from_config()
        assert (workspace.name, workspace.subscription_id) == ("Contoso_ML", "S")
        assert workspace.resource_group == "R"
        assert workspace.location == "local"

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("workspace://127.0.0.1:1/team-a", HubUnreachableError),
            ("workspace-hub:///hub", UserErrorException),
            ("sqlite:///x.db", UserErrorException),
        ],
    )
    def test_config_file_with_another_uri_is_refused(self, tmp_path, monkeypatch, uri, expected):
        """A tracking_uri that leads to no workspace is an error, not a guess."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        keys = {"subscription_id": "S", "resource_group": "R", "workspace_name": "w"}
        (tmp_path / "config.json").write_text(json.dumps(keys | {"tracking_uri": uri}))
        with pytest.raises(expected):
            Workspace.from_config()

    def test_missing_config_file_is_sdk_v1s_exception(self, tmp_path):
        """``except UserErrorException`` goes on working."""
        with pytest.raises(UserErrorException):
            Workspace.from_config(tmp_path, _file_name="no-such-file.json")
        assert issubclass(ConfigFileError, AzureMLException)

    def test_authentication_is_ignored_and_said_once(self, workspace, hub_path, caplog):
        """Secrets given to it are kept nowhere."""
        auth = ServicePrincipalAuthentication("tenant", "id", service_principal_password="s3cret")
        for _ in range(3):
            Workspace.get("team-a", auth=auth, hub=hub_path)
        said = [each for each in caplog.messages if "auth=" in each]
        assert len(said) <= 1
        assert "s3cret" not in repr(vars(auth)) + caplog.text

    def test_details_have_sdk_v1s_keys(self, hub_path):
        """What is known under the old names; times in ISO form."""
        workspace = Workspace.create(
            "Team_A", subscription_id="S", resource_group="R", location="here", hub=hub_path
        )
        details = workspace.get_details()
        assert details["name"] == details["friendlyName"] == "Team_A"
        assert details["workspaceid"] == "team-a"
        assert details["location"] == "here"
        assert details["sku"] == workspace.sku == "basic"
        assert details["id"].startswith("/subscriptions/S/resourceGroups/R/providers/")
        assert details["creationTime"].endswith("Z")
        assert Workspace.get("team-a", hub=hub_path).location == "here"
        assert repr(workspace) == (
            "Workspace.create(name='Team_A', subscription_id='S', resource_group='R')"
        )

    def test_workspace_with_content_is_not_deleted_unless_told(self, workspace, run, hub_path):
        """Then everything goes: rows, files, and the name is free again."""
        run.upload_file("x.txt", io.BytesIO(b"x"))
        workspace.client.create_registered_model("m")
        with pytest.raises(WorkspaceNotEmptyError, match="delete_dependent_resources=True"):
            workspace.delete()
        assert run.get_file_names() == ["x.txt"]
        workspace.delete(delete_dependent_resources=True)
        assert not any(hub_path.rglob("x.txt"))
        with pytest.raises(WorkspaceNotFoundError, match="deleted already"):
            workspace.delete()
        assert Workspace.create("team-a", hub=hub_path).experiments == {}

    def test_default_experiment_without_content_does_not_keep_a_workspace(self, workspace):
        """MLflow makes one on the way; a run in it counts."""
        assert workspace.client.search_runs(["0"]) == []
        assert list(workspace.experiments) == ["Default"]
        workspace.client.create_run("0")
        with pytest.raises(WorkspaceNotEmptyError):
            workspace.delete()
        other = Workspace.create("team-c", hub=workspace._hub.path)
        other.client.search_runs(["0"])
        other.delete()

    def test_files_on_another_disk_are_deleted_too(self, workspace, run, hub_path, tmp_path):
        """A workspace's folder may be a link that is registered; what is there goes with it."""
        run.upload_file("x.txt", io.BytesIO(b"x"))
        folder = hub_path / "artifacts" / "workspaces" / "team-a"
        folder.rename(tmp_path / "disk")
        link_workspace(workspace._hub, "team-a", tmp_path / "disk")
        assert folder.is_symlink()
        assert run.get_file_names() == ["x.txt"]
        workspace.delete(delete_dependent_resources=True)
        assert list((tmp_path / "disk").iterdir()) == []
        assert not folder.is_symlink()

    def test_tags_are_kept(self, hub_path):
        """As given on creation."""
        Workspace.create("tagged", tags={"k": "v"}, hub=hub_path)
        tagged = Workspace.get("tagged", hub=hub_path)
        assert tagged.tags == tagged.get_details()["tags"] == {"k": "v"}

    def test_default_workspace_stays(self, hub_path):
        """MLflow needs it."""
        with pytest.raises(WorkspaceException, match="cannot be deleted"):
            Workspace.get("default", hub=hub_path).delete()

    def test_experiments_are_the_active_ones(self, workspace):
        """By name; more than a page of them."""
        for number in range(3):
            Experiment(workspace, f"experiment-{number}")
        workspace.client.delete_experiment(workspace.experiments["experiment-1"].id)
        assert sorted(workspace.experiments) == ["experiment-0", "experiment-2"]


# Of no class: hypothesis wants each example of a test to run on one object.
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own run
)
@given(values=st.lists(st.floats(width=64), min_size=1, max_size=8))
def test_numbers_round_trip_in_log_order(workspace, values):
    """NaN and infinities included; one value bare, several as a list."""
    run = Experiment(workspace, "experiment").start_logging()
    for value in values:
        run.log("m", value)
    found = run.get_metrics()["m"]
    assert repr(found) == repr(values[0] if len(values) == 1 else values)


def test_private_members_that_scripts_read_are_there(workspace, run):
    """With what SDK v1 has in them, or an error that says what to use."""
    assert workspace._workspace_name == workspace.name
    assert workspace._workspace_id == workspace.get_details()["workspaceid"]
    assert workspace._subscription_id == workspace.subscription_id
    assert workspace._resource_group == workspace.resource_group
    assert not hasattr(workspace._auth, "get_authentication_header")
    assert type(workspace._auth_object) is type(workspace._auth)
    assert run._run_id == run.id
    assert run._experiment is run.experiment
    with pytest.raises(NotServedError, match=r"get_details\(\)"):
        _ = run._run_dto


def test_config_file_of_a_workspace_that_nobody_made(hub_path, tmp_path, monkeypatch):
    """The file is named, and the command that makes the workspace."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", str(hub_path))
    Workspace.create("team-a", hub=hub_path, exist_ok=True)
    keys = {"subscription_id": "s", "resource_group": "g", "workspace_name": "Contoso-ML"}
    (tmp_path / "config.json").write_text(json.dumps(keys))
    with pytest.raises(WorkspaceNotFoundError, match="mlflow-workspace create Contoso-ML") as said:
        Workspace.from_config(tmp_path)
    assert f"Config file {str(tmp_path / 'config.json')!r}" in said.value.message


class TestRun:
    def test_equal_values_in_one_millisecond_are_as_many_values(self, run):
        """However fast they come; a float of MLflow's cannot fold them."""
        for _ in range(200):
            run.log("same", 1.0)
        for _ in range(50):
            run.log("stepped", 1.0, step=7)
        assert run.get_metrics() == {"same": [1.0] * 200, "stepped": [1.0] * 50}

    def test_another_object_goes_on_behind_what_is_there(self, workspace, run):
        """A run that is attached to again continues the running index."""
        run.log("m", 1)
        run.log("m", 2)
        workspace.get_run(run.id).log("m", 3)
        history = workspace.client.get_metric_history(run.id, "m")
        assert [each.step for each in history] == [0, 1, 2]

    @pytest.mark.parametrize("step", ["a", []])
    def test_step_that_is_none_is_an_error(self, run, step):
        """And nothing is logged."""
        with pytest.raises(InvalidMetricError, match="no integer"):
            run.log("m", 1, step=step)
        assert run.get_metrics() == {}

    def test_forms_of_sdk_v1_are_taken(self, workspace, run):
        """Arguments that mean nothing here are no TypeError."""
        experiment = run.experiment
        experiment.start_logging(outputs=None, snapshot_directory=None).complete(_set_status=False)
        named = experiment.start_logging("named", snapshot_directory=None)
        assert workspace.client.get_run(named.id).info.run_name == "named"
        run.log("a", 1)
        run.log("b", 2)
        assert Run(experiment, run.id, outputs=None).get_metrics(name="b") == {"b": 2}
        assert run.get_metrics("none") == {}
        assert isinstance(Experiment(workspace, "experiment", _create_in_cloud=True), Experiment)

    def test_files_are_uploaded_under_the_name_given(self, run, tmp_path):
        """From a path of another name, a pathlib path, and a stream where it stands."""
        (tmp_path / "local.bin").write_bytes(b"local")
        stream = io.BytesIO(b"skipped, read")
        stream.seek(9)
        run.upload_file("outputs/model.pkl", str(tmp_path / "local.bin"))
        run.upload_file(name="local.bin", path_or_stream=tmp_path / "local.bin")
        run.upload_file("deep/er/stream.bin", stream)
        assert run.get_file_names() == ["deep/er/stream.bin", "local.bin", "outputs/model.pkl"]
        client = run.experiment.workspace.client
        path = client.download_artifacts(run.id, "deep/er/stream.bin")
        assert Path(path).read_bytes() == b"read"
        assert not Path(client.download_artifacts(run.id, "outputs/model.pkl")).is_symlink()

    @pytest.mark.parametrize(
        ("name", "source", "expected"),
        [
            ("a/../../x", "local.bin", UnsafeArtifactPathError),
            ("", "local.bin", UserErrorException),
            ("outputs/", "local.bin", UserErrorException),
            ("x", 7, UserErrorException),
            ("x", io.StringIO("text"), UserErrorException),
            ("x", "missing.bin", FileNotFoundError),
        ],
    )
    def test_bad_upload_is_an_error_and_stores_nothing(self, run, tmp_path, name, source, expected):
        """At the call, with the reason."""
        (tmp_path / "local.bin").write_bytes(b"local")
        with pytest.raises(expected):
            run.upload_file(name, source)
        assert run.get_file_names() == []

    def test_run_of_plain_mlflow_is_read(self, workspace):
        """get_metrics works on what MLflow logged, in log order."""
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with mlflow.start_run() as plain:
            mlflow.log_metric("m", 3, step=2)
            mlflow.log_metric("m", 1, step=5)
            mlflow.log_metric("single", 2)
        assert workspace.get_run(plain.info.run_id).get_metrics() == {"m": [3, 1], "single": 2}


def test_one_process_may_use_several_workspaces(workspace, other_workspace):
    """Whatever MLflow's current URI is, each object stays with its own."""
    mlflow.set_tracking_uri(other_workspace.get_mlflow_tracking_uri())
    run = Experiment(workspace, "experiment").start_logging()
    run.log("m", 1)
    run.upload_file("x.txt", __file__)
    assert MlflowClient().search_experiments() == []
    assert run.get_metrics() == {"m": 1}
    assert run.get_file_names() == ["x.txt"]
