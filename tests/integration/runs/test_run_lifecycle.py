"""How SDK v1's Run on a hub is started, found, ended and waited for."""

import inspect
import io
import json
import logging
import re
import signal
from contextlib import nullcontext
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment, Run
from mlflow_workspace_plugin.errors import (
    ActivityFailedException,
    AzureMLAggregatedException,
    AzureMLException,
    ExperimentExecutionException,
    RunEnvironmentException,
    RunExistsError,
    RunNotFoundError,
    ServiceException,
    SnapshotException,
    UserErrorException,
)
from mlflow_workspace_plugin.runs.lifecycle import ERROR_TAG
from mlflow_workspace_plugin.sdk.runs.around.offline_run import _OfflineRun
from mlflow_workspace_plugin.sdk.runs.around.submitted_run import _SubmittedRun
from mlflow_workspace_plugin.sdk.runs.parts import waiting
from mlflow_workspace_plugin.sdk.runs.run import get_run
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG
from tests import python_processes

pytestmark = [pytest.mark.hubs, pytest.mark.alike]


def query_of(workspace):
    """What stands behind a link to MLflow's page of a workspace."""
    return f"workspace={workspace.name}&workflowType=machine_learning"


def opened(workspace):
    """The expression by which another process opens a workspace."""
    return f"Workspace.get({workspace.name!r}, hub={str(workspace._hub_place)!r})"


@pytest.fixture
def experiment(workspace):
    return Experiment(workspace, "experiment")


@pytest.fixture
def run(experiment):
    return experiment.start_logging()


class TestStart:
    def test_run_is_running(self, run):
        """And said as SDK v1 says it; what notebooks show has a link."""
        assert run.status == run.get_status() == "Running"
        assert run.get_detailed_status() == {"status": "Running", "details": None}
        assert run.type is None
        assert repr(run) == (
            f"Run(Experiment: experiment,\nId: {run.id},\nType: None,\nStatus: Running)"
        )
        shown = run._repr_html_()
        assert f"Id: {run.id}" in shown
        assert ">Running</span>" in shown
        assert run.get_portal_url().replace("&", "&amp;") in shown

    def test_run_may_be_started_by_its_class(self, experiment):
        """As documents of SDK v1 say, which had ``experiment.start_logging`` only."""
        run = Run.start_logging(experiment, "name", display_name="shown", tags={"a": "b"})
        assert (run.name, run.tags) == ("shown", {"a": "b"})
        assert run.id in [each.id for each in experiment.get_runs()]

    def test_number_counts_the_runs_of_the_experiment(self, workspace, experiment):
        """From 1; a deleted run keeps its number."""
        runs = [experiment.start_logging() for _ in range(3)]
        workspace.client.delete_run(runs[0].id)
        assert sorted(each.number for each in runs) == [1, 2, 3]

    def test_portal_url_names_the_workspace(self, hub, run, monkeypatch):
        """The page is below the address that ``mlflow-workspace ui`` serves, or the hub's own."""
        workspace = run.experiment.workspace
        is_served = isinstance(hub, str)
        address = hub if is_served else "http://127.0.0.1:5000"
        path = f"/pages/runs/{run.id}?workspace={workspace.name}"
        assert run.get_portal_url() == address + path
        monkeypatch.setenv("MLFLOW_WORKSPACE_UI_URL", "http://localhost:7000/")
        address = hub if is_served else "http://localhost:7000"
        assert run.get_portal_url() == address + path
        front = f"{address}/pages/?workspace={workspace.name}"
        assert run.get_workspace_url() == front
        assert f'href="{front}"' in workspace._repr_html_()
        # Where a stock server of MLflow's serves the hub, which has no pages of ours.
        monkeypatch.setenv("MLFLOW_WORKSPACE_LINKS", "mlflow")
        query = query_of(workspace)
        page = f"/#/experiments/{run.experiment.id}/runs/{run.id}?{query}"
        assert run.get_portal_url() == address + page
        assert run.get_workspace_url() == f"{address}/#/experiments?{query}"


class TestFind:
    def test_by_mlflows_id(self, workspace, experiment, run):
        """By each of SDK v1's ways."""
        for found in (
            Run(experiment, run.id, outputs=None),
            Run.get(workspace, run.id),
            workspace.get_run(run.id),
            get_run(experiment, run.id),
        ):
            assert (found.id, found.experiment.name) == (run.id, "experiment")

    def test_by_an_id_of_ones_own(self, workspace, experiment, run):
        """MLflow has its own id all the same; the same holds for children."""
        own = experiment.start_logging(run_id="my-run_1")
        child = own.child_run(run_id="my-child")
        assert own.id != "my-run_1"
        for find in (
            lambda run_id: Run(experiment, run_id),
            lambda run_id: Run.get(workspace, run_id),
            workspace.get_run,
        ):
            assert find("my-run_1").id == own.id
            assert find("my-child").id == child.id
        assert own.tags == {}

    def test_id_of_ones_own_is_of_one_run(self, workspace, experiment, run):
        """And no text that SDK v1's service would refuse."""
        experiment.start_logging(run_id="mine")
        for taken in ("mine", run.id):
            with pytest.raises(RunExistsError, match=f"exists in workspace '{workspace.name}'"):
                experiment.start_logging(run_id=taken)
        for bad in ("", "it's", "-a", "a" * 257, 7):
            with pytest.raises(UserErrorException, match="letters"):
                experiment.start_logging(run_id=bad)

    def test_unknown_run_is_sdk_v1s_exception(self, workspace, other_workspace, experiment, run):
        """Nor is a run of another workspace or experiment known."""
        other = Experiment(workspace, "other")
        for find, run_id in (
            (workspace.get_run, "0" * 32),
            (workspace.get_run, "no such id"),
            (workspace.get_run, None),
            (other_workspace.get_run, run.id),
            (lambda run_id: Run(other, run_id), run.id),
        ):
            with pytest.raises(RunNotFoundError, match="not found") as raised:
                find(run_id)
            assert isinstance(raised.value, (ServiceException, MlflowException))
            assert raised.value.status_code == 404

    def test_list_filters_by_status(self, experiment):
        """In SDK v1's words; the other filters are those of ``get_runs``."""
        done, failed, _ = (experiment.start_logging() for _ in range(3))
        done.complete()
        failed.fail()
        for status, expected in (("Completed", [done.id]), ("Failed", [failed.id])):
            assert [each.id for each in Run.list(experiment, status=status)] == expected
        assert list(Run.list(experiment, status="Preparing")) == []
        assert list(Run.list(experiment, status="Running", tags="none")) == []


class TestEnd:
    @pytest.mark.parametrize(
        ("end", "sdk_v1", "mlflows"),
        [
            (Run.complete, "Completed", "FINISHED"),
            (Run.fail, "Failed", "FAILED"),
            (Run.cancel, "Canceled", "KILLED"),
        ],
    )
    def test_statuses(self, workspace, run, end, sdk_v1, mlflows):
        """SDK v1's word and MLflow's; what was logged is stored."""
        run.log("m", 1)
        end(run)
        assert run.status == sdk_v1
        found = workspace.client.get_run(run.id)
        assert (found.info.status, found.data.metrics) == (mlflows, {"m": 1})
        run.start()
        assert run.status == "Running"

    def test_status_may_be_left_alone(self, run):
        """As SDK v1's private argument says."""
        run.complete(_set_status=False)
        run.fail(_set_status=False)
        assert run.status == "Running"

    @pytest.mark.beneath  # what differs is above every hub
    @pytest.mark.parametrize(
        ("details", "code", "expected"),
        [
            ("why", "Code", ("Code", "why")),
            ("w" * 9000, None, ("UserError", "w" * 9000)),
            (ValueError("x"), "C", ("C", "User program failed with ValueError: x")),
            (UserErrorException("x"), "C", ("UserError", "x")),
        ],
    )
    def test_failure_keeps_its_error(self, run, details, code, expected):
        """Text, or the exception; those of SDK v1 have a word of their own."""
        run.fail(details, code)
        error = run.get_details()["error"]["error"]
        assert (error["code"], error["message"]) == expected

    def test_error_of_another_type_fails_the_run_too(self, run):
        """And is a TypeError, as in SDK v1."""
        with pytest.raises(TypeError, match="error_details"):
            run.fail(7)
        assert run.status == "Failed"

    @pytest.mark.beneath  # what differs is above every hub
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (None, "Completed"),
            (ValueError("x"), "Failed"),
            (KeyboardInterrupt(), "Failed"),
            (SystemExit(1), "Failed"),
            (SystemExit("why"), "Failed"),
            (SystemExit(0), "Completed"),
            (SystemExit(), "Completed"),
        ],
    )
    def test_context_manager(self, run, error, status):
        """Ends as its code did, which is raised again."""
        with pytest.raises(type(error)) if error else nullcontext(), run as same:
            assert same is run
            if error:
                raise error
        assert run.status == status

    def test_script_that_exits_in_peace_completes_its_run(self, workspace, run_python):
        """SDK v1 swallowed the exit, and left the run running."""
        script = (
            "import sys\n"
            "from mlflow_workspace_plugin import Experiment, Workspace\n"
            f"workspace = {opened(workspace)}\n"
            "with Experiment(workspace, 'experiment').start_logging(run_id='mine'):\n"
            "    sys.exit(0)\n"
            "print('not reached')"
        )
        assert run_python("-c", script).stdout == ""
        assert workspace.get_run("mine").status == "Completed"


class TestChildren:
    def test_child_is_nested_in_mlflow(self, workspace, run):
        """Under a name that begins with its parent's, as in SDK v1."""
        child = run.child_run("fold")
        assert (child.name, child.status) == (f"{run.name}>fold", "Running")
        assert (child.parent.id, run.parent) == (run.id, None)
        tags = workspace.client.get_run(child.id).data.tags
        assert tags["mlflow.parentRunId"] == run.id
        assert run.child_run().name

    def test_several_at_once_in_order(self, run):
        """By number, or one for each value of a tag; more than SDK v1's hundred, too."""
        by_tag = run.create_children(tag_key="fold", tag_values=["a", "b"])
        assert [each.tags["fold"] for each in by_tag] == ["a", "b"]
        many = run.create_children(count=101)
        assert [each.tags["azureml.batch_child_number"] for each in many[-2:]] == ["99", "100"]
        assert len(list(run.get_children())) == 103

    @pytest.mark.beneath  # what differs is above every hub
    @pytest.mark.parametrize(
        "arguments",
        [
            {},
            {"tag_key": "k"},
            {"tag_values": ["v"]},
            {"count": 1, "tag_key": "k"},
            {"count": 1, "tag_key": "k", "tag_values": ["v"]},
        ],
    )
    def test_misuse_is_an_error(self, run, arguments):
        """And starts none."""
        with pytest.raises(UserErrorException, match="Give a count"):
            run.create_children(**arguments)
        assert list(run.get_children()) == []

    def test_found_with_filters_and_recursively(self, workspace, run):
        """MLflow's nested runs are children too; the run itself and others are none."""
        run.experiment.start_logging()
        child = run.child_run()
        child.tag("a", "1")
        child.add_properties({"p": "x"})
        grandchild = child.child_run()
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        mlflow.set_experiment("experiment")
        with mlflow.start_run(run_id=grandchild.id), mlflow.start_run(nested=True) as nested:
            pass

        def ids(**wanted):
            return {each.id for each in run.get_children(**wanted)}

        assert inspect.isgenerator(run.get_children())
        assert ids() == {child.id}
        assert ids(recursive=True) == {child.id, grandchild.id, nested.info.run_id}
        assert ids(recursive=True, status="Completed") == {grandchild.id, nested.info.run_id}
        assert ids(recursive=True, tags="a") == ids(properties={"p": "x"}) == {child.id}
        assert ids(type="azureml.scriptrun") == ids(tags={"a": "2"}) == set()

    def test_runs_that_are_each_others_parents_are_found_once(self, workspace, run):
        """MLflow allows it."""
        child = run.child_run()
        workspace.client.set_tag(run.id, "mlflow.parentRunId", child.id)
        assert {each.id for each in run.get_children(recursive=True)} == {run.id, child.id}


class TestDetails:
    def test_keys_of_sdk_v1(self, run):
        """Unknown ones are absent, and times are in ISO form."""
        run.add_properties({"p": "x"})
        details = run.get_details()
        assert details.pop("startTimeUtc").endswith("Z")
        assert details.pop("submittedBy")
        assert details == {
            "runId": run.id,
            "target": "local",
            "status": "Running",
            "services": {},
            "properties": {"p": "x"},
            "inputDatasets": [],
            "outputDatasets": [],
            "logFiles": {},
        }
        run.complete()
        assert run.get_details()["endTimeUtc"].endswith("Z")

    def test_logs(self, workspace, run, tmp_path):
        """Where MLflow shows each, its text, and copies of all; other files are no logs."""
        for name in ("logs/user_log.txt", "user_logs/std_log.txt", "outputs/x.txt"):
            run.upload_file(name, io.BytesIO(f"text of {name} ü".encode()))
        names = ["logs/user_log.txt", "user_logs/std_log.txt"]
        page = f"/runs/{run.id}/artifacts/logs/user_log.txt?{query_of(workspace)}"
        assert run.get_details()["logFiles"][names[0]].endswith(page)
        logs = run.get_details_with_logs()["logFiles"]
        assert logs == {name: f"text of {name} ü" for name in names}
        copies = run.get_all_logs(tmp_path / "to")
        assert [Path(each).relative_to(tmp_path / "to").as_posix() for each in copies] == names
        assert Path(copies[1]).read_text() == "text of user_logs/std_log.txt ü"
        assert Path(run.get_all_logs()[0]) == Path("assets", run.id, names[0])
        (tmp_path / "file").touch()
        with pytest.raises(UserErrorException, match="it is a file"):
            run.get_all_logs(str(tmp_path / "file"))


class TestWaiting:
    def test_of_a_run_that_has_ended(self, run, capsys):
        """Its details are returned; shown are the head and the summary only, as in SDK v1."""
        run.upload_file("logs/user_log.txt", io.BytesIO(b"not shown"))
        run.complete()
        assert run.wait_for_completion()["status"] == "Completed"
        assert capsys.readouterr().out == ""
        run.wait_for_completion(show_output=True)
        head = f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n"
        summary = f"Execution Summary\n=================\n{head}\n"
        assert capsys.readouterr().out == f"{head}\n{summary}"

    def test_failure_raises_unless_told(self, workspace, run, capsys):
        """With the error, which is else shown, as are warnings. A canceled run raises nothing."""
        run.fail("why")
        with pytest.raises(ActivityFailedException, match='"message": "why"') as raised:
            run.wait_for_completion()
        assert isinstance(raised.value, AzureMLException)
        workspace.client.set_tag(run.id, CONFLICT_TAG, "refused")
        capsys.readouterr()
        head = f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n"
        summary = f"{head}\nExecution Summary\n=================\n{head}"
        warnings = "\nWarnings:\nrefused\n\n"
        with pytest.raises(ActivityFailedException):
            run.wait_for_completion(show_output=True)
        assert capsys.readouterr().out == summary + warnings
        run.wait_for_completion(show_output=True, raise_on_error=False)
        error = json.dumps(run.get_details()["error"], indent=4)
        assert capsys.readouterr().out == f"{summary}{warnings}\nError:\n{error}\n\n"
        canceled = run.experiment.start_logging()
        canceled.cancel()
        assert canceled.wait_for_completion()["status"] == "Canceled"
        silent = run.experiment.start_logging()
        silent.fail()
        with pytest.raises(ActivityFailedException, match="said no reason"):
            silent.wait_for_completion()

    def test_log_of_another_process_is_shown_as_it_grows(self, workspace, run):
        """In SDK v1's layout, until that process ends its run."""
        waiter = python_processes.Popen(
            [
                "-c",
                "from mlflow_workspace_plugin import Workspace\n"
                f"workspace = {opened(workspace)}\n"
                f"workspace.get_run({run.id!r}).wait_for_completion(show_output=True)",
            ],
            stdout=PIPE,
            text=True,
        )
        head = [f"RunId: {run.id}\n", f"Web View: {run.get_portal_url()}\n"]
        with waiter:
            lines = [waiter.stdout.readline() for _ in range(3)]
            run.upload_file("logs/user_log.txt", io.BytesIO(b"one\n"))
            lines += [waiter.stdout.readline() for _ in range(4)]
            run.upload_file("logs/user_log.txt", io.BytesIO(b"one\ntwo\n"))
            lines += [waiter.stdout.readline()]
            run.upload_file("user_logs/std_log.txt", io.BytesIO(b"job\n"))
            lines += [waiter.stdout.readline() for _ in range(5)]
            run.complete()
            lines += waiter.stdout.readlines()
        assert lines == [
            *head,
            "\n",
            "Streaming logs/user_log.txt\n",
            "=" * 27 + "\n",
            "\n",
            "one\n",
            "two\n",
            "\n",
            "Streaming user_logs/std_log.txt\n",
            "=" * 31 + "\n",
            "\n",
            "job\n",
            "\n",
            "Execution Summary\n",
            "=================\n",
            *head,
            "\n",
        ]
        assert waiter.returncode == 0

    def test_output_that_comes_with_the_end(self, run, monkeypatch, capsys):
        """It is shown, too: a short script's, which nobody saw go on."""

        def end(_):
            run.upload_file("user_logs/std_log.txt", io.BytesIO(b"job"))
            run.complete()

        monkeypatch.setattr(waiting, "time", SimpleNamespace(sleep=end))
        run.wait_for_completion(show_output=True)
        said = capsys.readouterr().out
        assert f"Streaming user_logs/std_log.txt\n{'=' * 31}\n\njob\n\nExecution" in said
        run.wait_for_completion(show_output=True)
        assert "Streaming" not in capsys.readouterr().out

    def test_ctrl_c_says_that_the_run_goes_on(self, run, monkeypatch):
        """With SDK v1's exception."""
        get_status = run.get_status

        def _press():
            signal.raise_signal(signal.SIGINT)
            return get_status()

        # Of processes in the background a shell lets Ctrl-C be ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with monkeypatch.context() as patched:
                patched.setattr(run, "get_status", _press)
                with pytest.raises(ExperimentExecutionException, match="The run goes on"):
                    run.wait_for_completion(show_output=True)
        finally:
            signal.signal(signal.SIGINT, before)
        assert run.status == "Running"


class TestContext:
    def test_active_mlflow_run_is_the_context(self, workspace):
        """Inside start_run on a workspace: the same object each time, its status left alone."""
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with mlflow.start_run() as active:
            context = Run.get_context()
            assert context is Run.get_context(allow_offline=False)
            assert context.id == active.info.run_id
            assert context.experiment.workspace.name == workspace.name
            context.log("m", 1)
            context.complete()
            assert mlflow.get_run(active.info.run_id).info.status == "RUNNING"
            context.fail("why")
            assert mlflow.get_run(active.info.run_id).info.status == "RUNNING"
        found = mlflow.get_run(active.info.run_id)
        assert (found.info.status, found.data.metrics) == ("FINISHED", {"m": 1})
        assert json.loads(found.data.tags[ERROR_TAG])["message"] == "why"

    def test_end_of_a_run_prints_nothing(self, workspace, capsys):
        """MLflow's own clients of a server print links then, which name no workspace."""
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with mlflow.start_run():
            pass
        assert capsys.readouterr().out == ""

    def test_environment_names_the_context(self, workspace, run, run_python):
        """A process with MLFLOW_TRACKING_URI and MLFLOW_RUN_ID logs to that run."""
        done = run_python(
            "-c",
            "from mlflow_workspace_plugin import Run\n"
            "run = Run.get_context()\nrun.log('m', 2)\nprint(run.id)",
            MLFLOW_TRACKING_URI=workspace.get_mlflow_tracking_uri(),
            MLFLOW_RUN_ID=run.id,
        )
        assert done.stdout.split() == [run.id]
        assert run.get_metrics() == {"m": 2}

    @pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "AZUREML_RUN_ID"])
    def test_context_stays_when_mlflow_took_its_variable(
        self, workspace, run, monkeypatch, variable
    ):
        """``mlflow.start_run`` takes it out of the environment; SDK v1's stays there."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.get_mlflow_tracking_uri())
        monkeypatch.setenv(variable, run.id)
        monkeypatch.setenv("AZUREML_RUN_ID", run.id)
        with mlflow.start_run(run_id=run.id):
            assert Run.get_context().id == run.id
        assert Run.get_context().id == run.id

    def test_elsewhere_the_run_is_offline_and_prints(self, tmp_path, capsys):
        """As in SDK v1: nothing is stored, and everything is said."""
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/x.db")
        run = Run.get_context()
        assert isinstance(run, _OfflineRun)
        assert not isinstance(run, Run)
        assert run.id.startswith("OfflineRun_")
        with run:
            run.log("m", 1, step=3)
            run.tag("a", "b")
            run.upload_file("n", "p")
            run.fail("why", "code")
            run.complete()
        assert capsys.readouterr().out.splitlines() == [
            f"[START] Run {run.id} context",
            "Attempted to log scalar metric m:",
            "1",
            "Attempted to add tag a with value b",
            "Attempted to track file n at p",
            "Run failed with error code code:",
            "why",
            f"[STOP] Run {run.id} context",
        ]

    @pytest.mark.parametrize(
        "uri", ["workspace:///hub/Team_A", "workspace://hub/team-a", "workspace:///none/team-a"]
    )
    def test_mistyped_uri_is_an_error_and_not_offline(self, uri, monkeypatch):
        """Offline, what is logged would only be printed."""
        monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
        # One of them is that of a host, which might come back.
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        mlflow.set_tracking_uri(uri)
        with pytest.raises(AzureMLException):
            Run.get_context()

    def test_no_run_is_an_error_where_one_is_asked_for(self, workspace):
        """On a workspace without an active run, too."""
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with pytest.raises(RunEnvironmentException, match="start_logging"):
            Run.get_context(allow_offline=False)

    def test_context_is_somebody_elses_run(self, workspace, run, monkeypatch, caplog):
        """It is of SDK v1's class, and nothing that is done to it ends it."""
        monkeypatch.setenv("MLFLOW_RUN_ID", run.id)
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        context = Run.get_context()
        assert isinstance(context, _SubmittedRun)
        with pytest.raises(ValueError, match="x"), context:
            raise ValueError("x")
        context.cancel()
        assert "is not canceled" in caplog.text
        assert (context.status, "error" in context.get_details()) == ("Running", False)
        child = context.child_run()
        child.complete()
        assert child.status == "Completed"

    def test_deprecated_name(self, workspace, run, monkeypatch):
        """Warns, and takes no offline run."""
        with (
            pytest.warns(DeprecationWarning, match="get_context"),
            pytest.raises(RunEnvironmentException),
        ):
            Run.get_submitted_run()
        monkeypatch.setenv("MLFLOW_RUN_ID", run.id)
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with pytest.warns(DeprecationWarning, match="get_context"):
            assert Run.get_submitted_run() is Run.get_context()


class TestOffline:
    def test_each_method_prints(self, capsys):
        """As in SDK v1, where children are offline too."""
        run = _OfflineRun(run_id="OfflineRun_1")
        run.log_list("l", [1])
        run.log_table("t", {"x": [1]})
        run.log_row("r", x=1)
        run.log_image("i", plot="p")
        for log in (
            run.log_residuals,
            run.log_predictions,
            run.log_accuracy_table,
            run.log_confusion_matrix,
        ):
            log("n", {})
        run.set_tags({"a": "b"})
        run.add_properties({"a": "b"})
        run.upload_files(["n"], ["p"])
        run.upload_folder("n", "p")
        run.flush()
        run.complete()
        run.cancel()
        kinds = ("residual", "predictions", "accuracy_table", "confusion_matrix")
        assert capsys.readouterr().out.splitlines() == [
            "Attempted to log list metric l:",
            "[1]",
            "Attempted to log table metric t:",
            "{'x': [1]}",
            "Attempted to log row metric r:",
            "{'x': 1}",
            "Attempted to log image metric i:",
            "p",
            *(line for kind in kinds for line in (f"Attempted to log {kind} metric n:", "{}")),
            "Attempted to set tags {'a': 'b'}",
            "Attempted to add properties {'a': 'b'}",
            "Attempted to track files ['n'] at ['p']",
            "Attempted to track folder n at p",
            "Attempted to flush run with id OfflineRun_1",
        ]
        child = run.child_run("c")
        assert (type(child), child.id) == (_OfflineRun, "OfflineRun_1.c")

    def test_what_needs_a_service_is_missing(self):
        """Scripts ask ``hasattr``."""
        run = _OfflineRun()
        missing = (
            "experiment name display_name description type number parent status tags properties "
            "get_tags remove_tags get_properties get_metrics get_status get_detailed_status "
            "get_details get_details_with_logs get_all_logs get_file_names download_file "
            "download_files register_model get_portal_url get_children create_children "
            "submit_child wait_for_completion take_snapshot restore_snapshot get_snapshot_id "
            "get_secret get_secrets get_environment start clean input_datasets output_datasets"
        )
        assert not [name for name in re.findall(r"\w+", missing) if hasattr(run, name)]


class TestFoldersOfTheRun:
    """``./outputs`` at the end of a run, and ``./logs`` inside of ``with run:``."""

    @pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
    def test_outputs_are_stored_at_the_end(self, experiment, tmp_path, end):
        """The folder is made when the run starts, and is that of then."""
        run = experiment.start_logging()
        (tmp_path / "outputs" / "sub").mkdir()
        (tmp_path / "outputs" / "sub" / "model.pkl").write_text("model")
        assert run.get_file_names() == []
        getattr(run, end)()
        assert run.get_file_names() == ["outputs/sub/model.pkl"]

    def test_folder_may_be_chosen(self, experiment, tmp_path):
        """By its name; False is none, which makes no folder."""
        run = experiment.start_logging(outputs="results")
        (tmp_path / "results" / "a.txt").write_text("a")
        run.complete()
        assert run.get_file_names() == ["results/a.txt"]
        experiment.start_logging(outputs=False).complete()
        assert not (tmp_path / "outputs").exists()

    def test_child_has_the_folder_too(self, experiment, tmp_path):
        """What it wrote is not lost when the next child writes over it."""
        run = experiment.start_logging()
        children = [run.child_run(), run.child_run()]
        for number, child in enumerate(children):
            (tmp_path / "outputs" / "model.pkl").write_text(str(number))
            child.complete()
        for number, child in enumerate(children):
            child.download_file("outputs/model.pkl", "back")
            assert (tmp_path / "back").read_text() == str(number)

    def test_run_of_another_keeps_its_files(self, experiment, run, tmp_path):
        """To end a run from elsewhere stores nothing of that place (SDK v1 did)."""
        (tmp_path / "outputs").mkdir(exist_ok=True)
        (tmp_path / "outputs" / "mine.txt").write_text("mine")
        Run(experiment, run.id).cancel()
        assert run.get_file_names() == []

    def test_file_that_cannot_be_stored(self, experiment, tmp_path):
        """The run ends all the same; an error of the script's own is the one that is raised."""

        def with_unreadable_file():
            run = experiment.start_logging()
            # A file where another's folder is to be.
            run.upload_file("outputs/a", io.BytesIO(b"a"))
            (tmp_path / "outputs" / "a").mkdir(exist_ok=True)
            (tmp_path / "outputs" / "a" / "b").write_text("b")
            return run

        run = with_unreadable_file()
        with pytest.raises(AzureMLAggregatedException):
            run.complete()
        assert run.get_status() == "Completed"
        run = with_unreadable_file()
        with pytest.raises(ZeroDivisionError), run:
            raise ZeroDivisionError
        assert run.get_status() == "Failed"

    def test_printed_and_logged_text_is_kept(self, experiment, tmp_path, capsys):
        """In ``logs/user_log.txt``, beside what the script writes to ``./logs``."""
        run = experiment.start_logging()
        with run:
            print("printed")  # noqa: T201  what is to be kept
            logging.getLogger("script").warning("logged")
            (tmp_path / "logs" / "own.txt").write_text("own")
        print("later")  # noqa: T201
        assert run.get_file_names() == ["logs/own.txt", "logs/user_log.txt"]
        run.download_file("logs/user_log.txt", "back")
        assert (tmp_path / "back").read_text().startswith("printed\n")
        assert "later" not in (tmp_path / "back").read_text()
        assert "printed\n" in capsys.readouterr().out

    def test_snapshot_at_the_start(self, experiment, tmp_path):
        """Only of a folder that is given; one that cannot be taken fails the run."""
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "train.py").write_text("pass")
        run = experiment.start_logging(snapshot_directory="code")
        assert run.get_snapshot_id() == run.get_properties()["ContentSnapshotId"]
        assert experiment.start_logging().get_snapshot_id() is None
        with pytest.raises(SnapshotException, match="snapshot_directory=None"):
            experiment.start_logging(snapshot_directory="missing")
        assert next(experiment.get_runs()).get_status() == "Failed"
