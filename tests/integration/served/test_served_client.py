"""Scripts at a served hub: all of a run goes through its address, which may go away at any moment.

Between a script and the hub stands a proxy that breaks connections and answers in its own words.
"""

import json
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE

import mlflow
import numpy as np
import pytest
import requests
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Feedback,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    Metric,
    RunTag,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.entities.model_registry import PromptVersion
from mlflow.entities.trace_location import MlflowExperimentLocation
from mlflow.exceptions import MlflowException
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from packaging.version import Version

from mlflow_workspace_plugin import Experiment, Run, Workspace, uris
from mlflow_workspace_plugin.accounts.tokens import Tokens
from mlflow_workspace_plugin.artifacts.paths import location_of
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubProtocolError,
    HubUnreachableError,
    InvalidUriError,
    LogInNeededError,
    NoAnswerError,
    RoleNeededError,
    RunExistsError,
    RunNotFoundError,
    ServedHubError,
)
from mlflow_workspace_plugin.journal import of_process
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.of_process import close_all
from mlflow_workspace_plugin.overview.run.overview import overview_of_run
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.protocol import headers
from mlflow_workspace_plugin.protocol.calls import route_of
from mlflow_workspace_plugin.remote import http, logging_in
from mlflow_workspace_plugin.remote.files.open import open_to_send_of
from mlflow_workspace_plugin.remote.http import HubHttp, UnansweredError
from mlflow_workspace_plugin.remote.log_ins import KeptLogIn, log_in_of
from mlflow_workspace_plugin.remote.logging_in import address_of
from mlflow_workspace_plugin.remote.tracking import RemoteTrackingStore, ServedTrackingStore
from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces
from mlflow_workspace_plugin.runner.shipping import GrowingFile
from mlflow_workspace_plugin.runs.metrics.descriptors import Column, Descriptor
from mlflow_workspace_plugin.stores.build import workspace_store
from mlflow_workspace_plugin.stores.jobs.compute import Compute
from mlflow_workspace_plugin.stores.views import View
from tests import python_processes
from tests.fault_proxy import Cut, Late, fault_proxy
from tests.served import ADMIN, served_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    Version(mlflow.__version__) < Version("3.17"), reason="MLflow before 3.17 is not served."
)

_LOGS = """
import sys
from mlflow import MlflowClient
client = MlflowClient()
for step in range(30):
    client.log_metric(sys.argv[1], "loss", step, step=step)
"""
_TRACES = """
import mlflow
with mlflow.start_span("step") as span:
    span.set_inputs({"a": 1})
print(span.trace_id)
"""
_UNTIL_TRACED = """
import time
import mlflow
from mlflow.exceptions import MlflowException
while True:
    with mlflow.start_span("step") as span:
        pass
    try:
        mlflow.MlflowClient().get_trace(span.trace_id)
    except MlflowException:
        time.sleep(0.5)
    else:
        break
print(span.trace_id)
"""
PAGE = "<html><body>Something is wrong.</body></html>"
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def line(served, monkeypatch):
    """The line to the hub, which a test breaks; its requests are those of a member."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "60")
    with fault_proxy(served.port) as proxy:
        yield Line(served, proxy, monkeypatch)


class Line:
    """The way from a script to the hub."""

    def __init__(self, served, proxy, monkeypatch):
        self.served = served
        self.proxy = proxy
        self._monkeypatch = monkeypatch

    def uri(self, workspace="team-a"):
        return f"workspace://127.0.0.1:{self.proxy.port}/{workspace}"

    def log_in(self, name, workspace="team-a", **options):
        """Let this process be somebody; return the URI."""
        uri = self.uri(workspace)
        self._monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        self._monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", self.served.token(name, **options))
        return uri

    def client(self, name="member", workspace="team-a", **options):
        uri = self.log_in(name, workspace, **options)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def stored(self, workspace="team-a"):
        """The store of the workspace, beneath the server."""
        return workspace_store(self.served.hub, workspace)

    @contextmanager
    def broken(self, fault, times=1, of=""):
        """Break the first requests of a kind; yield those that were."""
        left = [times]
        broken = []

        def decide(request):
            if left[0] and of in request.target:
                left[0] -= 1
                broken.append(request)
                return fault
            return None

        self.proxy.fault = decide
        try:
            yield broken
        finally:
            self.proxy.fault = lambda _: None


def store_of(client):
    return client._tracking_client.store


def new_run(client, name="of tests"):
    found = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if found is None else found.experiment_id
    return client.create_run(experiment).info.run_id


@pytest.mark.store
class TestRuns:
    def test_run_is_read_back_as_it_was_logged(self, line):
        """By the calls of a script, which say nothing of a server; and files, and a model."""
        uri = line.log_in("member")
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with mlflow.start_run() as active:
            mlflow.log_params({"depth": 3})
            for step in range(100):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.set_tag("kind", "good")
            mlflow.log_text("hello", "notes/first.txt")
        client, run_id = MlflowClient(), active.info.run_id
        run = client.get_run(run_id)
        assert isinstance(store_of(client), ServedTrackingStore)
        assert (run.info.status, run.data.params) == ("FINISHED", {"depth": "3"})
        assert run.data.tags["kind"] == "good"
        assert [each.step for each in client.get_metric_history(run_id, "loss")] == [*range(100)]
        assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/first.txt") == "hello"
        assert client.get_experiment(run.info.experiment_id).name == "Default"
        assert [each.info.run_id for each in mlflow.search_runs(output_format="list")] == [run_id]
        client.create_registered_model("trees")
        version = client.create_model_version("trees", f"runs:/{run_id}/notes", run_id)
        assert client.get_model_version("trees", version.version).run_id == run_id
        # By the journal, whose receipts are kept by the hub.
        assert line.stored().stored_counts(run_id) == {"loss": 100}

    def test_calls_of_ours_answer_as_beneath_the_server(self, line):
        """What MLflow's routes do not have."""
        client = line.client()
        run_id = new_run(client)
        for step in range(50):
            client.log_metric(run_id, "loss", step, step=step)
        store, beneath = store_of(client), line.stored()
        view = beneath.put_view(View("a" * 32, "mine", "me", {"runs": [run_id]}))
        store.put_compute(Compute("there", "ray", "http://127.0.0.1:9", {"slots": 2}))
        job = store.create_job(
            "0",
            run_name=None,
            tags=[],
            definition={"command": ["true"]},
            compute="local",
            engine="local",
        ).info.run_id
        described = dict(Descriptor("rows", "scalar", (Column("", "rows", "int"),), 1).tags())
        store.log_values(run_id, [Metric("rows", 1, 2, 3)], descriptors=described)
        client.get_run(run_id)
        for name, *given in (
            ("view", view.id),
            ("views",),
            ("chart_points", run_id, "loss"),
            ("get_run_points", run_id),
            ("latest_points", run_id),
            ("stored_counts", run_id),
            ("datastores",),
            ("computes",),
            ("newest_datasets",),
            ("descriptor_tags", [run_id]),
            ("table_places", run_id, "rows", 0, 10),
            ("points_page", run_id, ["loss"], 10, 20),
            ("count_points_up_to", run_id, ["loss"], 1 << 60, 20),
        ):
            assert getattr(store, name)(*given) == getattr(beneath, name)(*given)
        assert [each.run_id for each in store.jobs()] == [job]
        assert store.job(job).definition == {"command": ["true"]}
        assert store.job(run_id) is None

    def test_without_a_journal_each_call_is_one_of_the_hubs(self, line, monkeypatch):
        """As strict users want it."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_STRICT", "1")
        client = line.client(seconds=600)
        run_id = new_run(client)
        client.log_metric(run_id, "loss", 1)
        assert type(store_of(client)) is RemoteTrackingStore
        assert line.stored().get_run(run_id).data.metrics == {"loss": 1}


class TestFaults:
    @pytest.mark.parametrize(
        "fault",
        [
            Cut(before_answer=True),
            (502, HTML, PAGE),
            (503, HTML, PAGE),
            (403, HTML, PAGE),
            (200, HTML, PAGE),
            (200, HTML, "ok"),
            (200, {"Content-Type": "text/plain"}, "ok"),
            (302, {"Location": "http://127.0.0.1:9/log-in"}, ""),
            (429, {"Retry-After": "0"}, '{"error_code": "REQUEST_LIMIT_EXCEEDED"}'),
            (400, {}, '{"error_code": "BAD_REQUEST", "message": "QueuePool limit of size 5"}'),
        ],
        ids=[
            "cut",
            "502",
            "503",
            "403 of a proxy",
            "page",
            "no page",
            "text",
            "redirection",
            "429",
            "pool",
        ],
    )
    def test_hub_that_is_away_is_asked_again(self, line, fault):
        """Whoever says so, and however."""
        client = line.client()
        new_run(client)
        with line.broken(fault, times=2, of="search") as broken:
            assert "of tests" in [each.name for each in client.search_experiments()]
        assert len(broken) == 2

    @pytest.mark.parametrize("fault", [Cut(before_answer=True), (502, HTML, PAGE)])
    def test_lost_answer_makes_no_second_run(self, line, fault):
        """Nor a second job, whose ids a client chooses; and an experiment is what was created."""
        client = line.client()
        with line.broken(fault, of="experiments/create") as broken:
            experiment = client.create_experiment(f"lost {fault}"[:40])
        assert len(broken) == 1
        with line.broken(fault, of="create_run_of") as broken:
            run = client.create_run(experiment)
        with line.broken(fault, of="create_job") as broken_too:
            job = store_of(client).create_job(
                experiment, run_name="j", tags=[], definition={}, compute="local", engine="local"
            )
        assert (len(broken), len(broken_too)) == (1, 1)
        found = line.stored().search_runs([experiment], "", 1, 10)
        assert {each.info.run_id for each in found} == {run.info.run_id, job.info.run_id}

    @pytest.mark.parametrize("fault", [Cut(before_answer=True), (502, HTML, PAGE)])
    def test_lost_answer_doubles_nothing_of_a_jobs_log(self, line, fault, tmp_path):
        """What is there is asked before more is appended."""
        client = line.client()
        run_id = new_run(client)
        repository = open_to_send_of(line.uri(), client.get_run(run_id).info.artifact_uri)
        log = tmp_path / "log"
        growing = GrowingFile(log, "user_logs/std_log.txt")
        content = b""
        for number in range(3):
            content += b"line %d\n" % number
            log.write_bytes(content)
            with line.broken(fault, of="files/append"), suppress(HubUnreachableError):
                growing.ship(repository)
            while not growing.ship(repository):
                pass
            assert repository.read_from("user_logs/std_log.txt", 0, 1000) == content

    def test_experiment_of_somebody_else_is_not_taken_for_ones_own(self, line):
        """Nobody knows of a request that did not arrive, and others may have the name by then."""
        client = line.client()

        def decide(request):
            if "experiments/create" not in request.target:
                return None
            line.proxy.fault = lambda _: None
            line.stored().create_experiment("of two")
            return 502, HTML, PAGE

        line.proxy.fault = decide
        with pytest.raises(MlflowException) as raised:
            client.create_experiment("of two", tags={"mine": "yes"})
        assert raised.value.error_code == "RESOURCE_ALREADY_EXISTS"

    def test_what_cannot_be_asked_again_says_that_it_may_be_done(self, line):
        """A registered model is MLflow's own to create."""
        client = line.client()
        with (
            line.broken(Cut(before_answer=True), of="registered-models/create"),
            pytest.raises(NoAnswerError, match="Look what is there"),
        ):
            client.create_registered_model("once")
        assert client.get_registered_model("once").name == "once"

    def test_what_adds_nothing_the_second_time_is_asked_again(self, line):
        """Inputs, outputs and params of a model are there once, and no call raises."""
        client = line.client()
        run_id = new_run(client)
        experiment_id = client.get_run(run_id).info.experiment_id
        with mlflow.start_span("step", trace_destination=MlflowExperimentLocation(experiment_id)):
            pass
        mlflow.flush_trace_async_logging()
        trace_id = mlflow.get_last_active_trace_id()
        data = DatasetInput(Dataset("data", "1", "local", "{}"), [InputTag("context", "train")])
        model_id = client.create_logged_model(experiment_id, name="net").model_id
        prompt = PromptVersion("greeting", 1, "Hello")
        store = store_of(client)
        seed = LoggedModelParameter("seed", "1")
        for of, call in {
            "runs/log-inputs": lambda: client.log_inputs(
                run_id, [data], [LoggedModelInput(model_id)]
            ),
            "runs/outputs": lambda: client.log_outputs(run_id, [LoggedModelOutput(model_id, 3)]),
            "/params": lambda: store.log_logged_model_params(model_id, [seed]),
            f"logged-models/{model_id}": lambda: client.finalize_logged_model(model_id, "READY"),
            "traces/link-to-run": lambda: client.link_traces_to_run([trace_id], run_id),
            "link-prompts": lambda: client.link_prompt_versions_to_trace([prompt], trace_id),
            "runs/delete": lambda: client.delete_run(run_id),
            "runs/restore": lambda: client.restore_run(run_id),
        }.items():
            with line.broken(Cut(before_answer=True), of=of) as broken:
                call()
            assert broken, of
        stored = line.stored()
        run = stored.get_run(run_id)
        assert run.info.lifecycle_stage == "active"
        (found,) = run.inputs.dataset_inputs
        assert [tag.value for tag in found.tags] == ["train"]
        assert [each.model_id for each in run.inputs.model_inputs] == [model_id]
        assert [each.step for each in run.outputs.model_outputs] == [3]
        model = stored.get_logged_model(model_id)
        assert model.params == {"seed": "1"}
        assert model.status == "READY"
        linked = client.search_traces(locations=[experiment_id], run_id=run_id)
        assert [each.info.trace_id for each in linked] == [trace_id]

    def test_trace_whose_answer_was_lost_is_sent_again(self, line):
        """With its assessments, of which none is there twice."""
        client = line.client()
        experiment_id = client.get_run(new_run(client)).info.experiment_id
        info = TraceInfo(
            trace_id=f"tr-{'1' * 32}",
            trace_location=TraceLocation.from_experiment_id(experiment_id),
            request_time=1,
            state=TraceState.OK,
            assessments=[Feedback("good", True)],
        )
        with line.broken(Cut(before_answer=True), of="/traces") as broken:
            store_of(client).start_trace(info)
        assert broken
        found = line.stored().get_trace_info(info.trace_id)
        assert [each.name for each in found.assessments] == ["good"]

    def test_what_did_not_arrive_is_asked_again(self, line):
        """Nobody has taken it, so it is not done."""
        client = line.client()
        with line.broken((503, HTML, PAGE), times=2, of="registered-models/create"):
            client.create_registered_model("after all")
        assert client.get_registered_model("after all").name == "after all"

    @pytest.mark.parametrize("status", [401, 403, 429, 502, 503])
    def test_values_wait_while_nobody_takes_them(self, line, status):
        """A call that logs returns all the same, and nothing is lost."""
        client = line.client()
        run_id = new_run(client)
        with line.broken((status, HTML, PAGE), times=10**6, of="/journal"):
            for step in range(20):
                client.log_metric(run_id, "loss", step, step=step)
            assert not store_of(client).journal.flush(1)
        assert store_of(client).journal.flush(60)
        assert line.stored().stored_counts(run_id) == {"loss": 20}

    @pytest.mark.parametrize("late", [Late(request_s=2), Late(answer_s=2)], ids=["taken", "told"])
    def test_values_are_stored_once_though_the_hub_is_late(self, line, monkeypatch, late):
        """What was given up comes to the hub all the same, before or after the same once more."""
        monkeypatch.setattr(http, "_ASK_S", 0.5)
        client = line.client()
        run_id = new_run(client)
        with line.broken(late, times=3, of="/journal") as broken:
            for step in range(20):
                client.log_metric(run_id, "loss", step, step=step)
            assert store_of(client).journal.flush(60)
        assert len(broken) == 3
        # Whoever is late has come by then.
        with line.broken(late, of="/journal"):
            client.log_metric(run_id, "loss", 20, step=20)
            assert store_of(client).journal.flush(60)
        assert line.stored().stored_counts(run_id) == {"loss": 21}
        assert [each.step for each in client.get_metric_history(run_id, "loss")] == [*range(21)]

    @pytest.mark.parametrize(
        "answer",
        [
            (401, HTML, PAGE),
            (426, {}, '{"error_code": "INVALID_STATE", "message": "Install another version."}'),
            (200, {"Content-Type": "text/plain"}, "ok"),
        ],
        ids=["log-in", "upgrade", "text"],
    )
    def test_files_wait_while_nobody_takes_them(self, line, answer):
        """As values do: the call returns all the same."""
        client = line.client()
        run_id = new_run(client)
        with line.broken(answer, times=10**6, of="/files/"):
            client.log_text(run_id, "hello", "a.txt")
        assert [each.path for each in client.list_artifacts(run_id)] == ["a.txt"]

    @pytest.mark.parametrize(
        "fault", [Cut(of_answer=10), (200, {"Content-Type": "application/json"}, "[1]")]
    )
    def test_listing_that_breaks_off_is_asked_for_again(self, line, fault):
        """As every question is; what is not the hub's is none of it."""
        client = line.client()
        run_id = new_run(client)
        for name in ("a.txt", "b.txt"):
            client.log_text(run_id, name, name)
        with line.broken(fault, of="files/list") as broken:
            listed = client.list_artifacts(run_id)
        assert broken
        assert [each.path for each in listed] == ["a.txt", "b.txt"]

    def test_end_waits_once_for_all_that_is_away(self, line, capsys, monkeypatch):
        """For values and files of one hub, and of another workspace, side by side."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
        monkeypatch.setattr(of_process, "_keepers", {})
        clients = [line.client(ADMIN, workspace) for workspace in ("team-a", "team-b")]
        runs = [new_run(client) for client in clients]
        with line.broken((502, HTML, PAGE), times=10**6):
            for client, run_id in zip(clients, runs, strict=True):
                client.log_metric(run_id, "loss", 1)
                client.log_text(run_id, "hello", "a.txt")
            journals = [store_of(client).journal for client in clients]
            wait_until(lambda: all(each.away for each in journals), 60)
            wait = EndWait()
            # It has lasted as long as it may without anything being stored, but not in all.
            wait.moved_at -= 500
            for each in journals:
                each._progress.moved_at -= 500
            wait.patience_s = 400
            wait._until = wait.moved_at + 1000
            end = threading.Thread(target=close_all, args=[wait], daemon=True)
            end.start()
            # Attempts that are on their way take half a minute each; patience would be 400 s more.
            end.join(240)
            assert not end.is_alive()
        said = capsys.readouterr().err
        for workspace in "team-a", "team-b":
            for what in "calls", "files":
                assert re.search(f"{what} for .*/{workspace} could not be sent", said), said

    def test_end_goes_on_for_the_others_when_one_is_back(self, line, capsys, monkeypatch):
        """However long nothing was stored before: they are asked once more at least."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
        monkeypatch.setattr(of_process, "_keepers", {})
        clients = [line.client(ADMIN, workspace) for workspace in ("team-a", "team-b")]
        runs = [new_run(client) for client in clients]
        wait = EndWait()
        wait.patience_s, wait._until = 400, wait.moved_at + 1000
        end = threading.Thread(target=close_all, args=[wait], daemon=True)
        with line.broken((502, HTML, PAGE), times=10**6):
            for client, run_id in zip(clients, runs, strict=True):
                client.log_metric(run_id, "loss", 1)
                client.log_text(run_id, "hello", "a.txt")
            wait_until(lambda: all(store_of(client).journal.away for client in clients), 60)
            end.start()
            wait_until(lambda: "calls for" in capsys.readouterr().err, 60)
            # The first is waited for; for the others it is too late, unless that is stored.
            wait.moved_at -= 500
        end.join(240)
        assert not end.is_alive()
        assert "could not be sent" not in capsys.readouterr().err
        for client, run_id in zip(clients, runs, strict=True):
            assert [each.path for each in client.list_artifacts(run_id)] == ["a.txt"]
            assert client.get_run(run_id).data.metrics == {"loss": 1}

    def test_call_that_logs_does_not_raise_what_something_else_says(self, line):
        """Though it asks about the run first."""
        run_id = new_run(line.client())
        script = f"from mlflow import MlflowClient\nMlflowClient().log_metric({run_id!r}, 'm', 1)"
        with line.broken((200, {"Content-Type": "text/plain"}, "ok"), times=10**6, of="runs/get"):
            done = python_processes.run(["-c", script], stderr=PIPE, text=True)
        assert done.returncode == 0, done.stderr
        assert line.stored().stored_counts(run_id) == {"m": 1}

    def test_long_pause_that_a_proxy_names_is_not_waited_for(self, line):
        """The hub may be back before."""
        client = line.client()
        run_id = new_run(client)
        client.log_text(run_id, "hello", "a.txt")
        away = (503, {"Retry-After": "120", **HTML}, PAGE)
        with line.broken(away, of="/files/") as broken:
            assert Path(client.download_artifacts(run_id, "a.txt")).read_text() == "hello"
        assert len(broken) == 1

    def test_what_nobody_answers_may_be_done(self, line, monkeypatch):
        """It may be stored later, too, when nobody waits any more."""
        client = line.client()
        new_run(client)
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
        with (
            line.broken(Cut(is_silent=True), of="registered-models/create"),
            pytest.raises(NoAnswerError, match="Look what is there"),
        ):
            client.create_registered_model("perhaps")
        with (
            line.broken(Cut(is_silent=True), of="registered-models/get"),
            pytest.raises(NoAnswerError, match="MLFLOW_WORKSPACE_WAIT"),
        ):
            client.get_registered_model("perhaps")

    def test_workspace_that_may_be_created_is_said_to_be(self, line):
        """By who asks for one and loses the answer."""
        line.log_in(ADMIN)
        hub = f"http://127.0.0.1:{line.proxy.port}"
        with (
            line.broken(Cut(before_answer=True), of="/workspaces"),
            pytest.raises(NoAnswerError, match="Look what is there"),
        ):
            ServedWorkspaces(hub).create("perhaps")
        ServedWorkspaces(hub).delete("perhaps", with_content=False)

    def test_answer_that_breaks_off_was_one(self, line, monkeypatch):
        """The request had arrived, whatever breaks then; so has TLS."""

        def broken(*_):
            raise requests.exceptions.SSLError("a damaged record")

        asks = HubHttp(uris.parse(line.log_in("member")))
        monkeypatch.setattr(http, "_read", broken)
        with pytest.raises(UnansweredError) as raised:
            asks.call("GET", "/hub/v1/me")
        assert raised.value.may_be_done

    def test_spans_go_with_a_token_that_is_renewed(self, line, monkeypatch, tmp_path):
        """By a log-in whose token the hub does not take any more when they come."""
        issued = Tokens(line.served.hub).issue("member")
        experiment = line.client().create_experiment("traced")
        monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
        monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(tmp_path))
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
        # In the order of the calls.
        monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        said = {"access": issued.access, "refresh": issued.refresh, "seconds": 600}
        KeptLogIn(f"http://127.0.0.1:{line.proxy.port}").change(lambda: log_in_of(said, "member"))
        ended = (401, {}, '{"error_code": "UNAUTHENTICATED", "message": "It has ended."}')
        with line.broken(ended, of="/v1/traces"):
            done = python_processes.run(["-c", _TRACES], stdout=PIPE, stderr=PIPE, text=True)
        assert done.returncode == 0, done.stderr
        asked = [each for each in line.proxy.requests if each.target.endswith("/v1/traces")]
        assert len({each.headers["authorization"] for each in asked}) == 2, done.stderr
        trace = line.client().get_trace(done.stdout.strip())
        assert [(each.name, each.inputs) for each in trace.data.spans] == [("step", {"a": 1})]
        assert trace.info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"

    def test_traces_hold_up_no_end(self, line, monkeypatch):
        """However many there are when the hub is away: they are lost together, which is said."""
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", line.client().create_experiment("lost"))
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        many = "for _ in range(100):" + _TRACES.replace("\n", "\n    ")
        with line.broken(Cut(is_silent=True), times=10**6, of="traces") as broken:
            done = python_processes.run(["-c", many], stdout=PIPE, stderr=PIPE, text=True)
        assert done.returncode == 0, done.stderr
        assert "the traces of this time are not stored" in done.stderr
        # Each has two requests. Those of MLflow's threads wait, and then one now and then.
        assert 1 <= len(broken) < 100

    def test_traces_are_stored_when_the_hub_is_back(self, line, monkeypatch):
        """In a process that has lost some meanwhile."""
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", line.client().create_experiment("back"))
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        with line.broken((503, HTML, PAGE), times=6, of="traces") as broken:
            done = python_processes.run(
                ["-c", _UNTIL_TRACED], stdout=PIPE, stderr=PIPE, text=True, timeout=100
            )
        assert done.returncode == 0, done.stderr
        assert len(broken) == 6
        assert "the traces of this time are not stored" in done.stderr
        assert line.client().get_trace(done.stdout.strip()).data.spans

    def test_hubs_of_one_process_have_their_own_only(
        self, line, sqlite_template, monkeypatch, tmp_path
    ):
        """Values, files and log-ins, by calls that wait for nothing and from many threads."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(tmp_path / "log-ins"))
        other = tmp_path / "hub"
        shutil.copytree(sqlite_template, other)
        Workspace.create("team-a", hub=other)
        with served_hub(other, tmp_path / "server.log") as second:
            second.add_user("member", team_a="member")
            clients, runs = [], []
            for hub, port in ((line.served, line.proxy.port), (second, second.port)):
                logging_in.keep_token(
                    f"http://127.0.0.1:{port}", hub.token("member", kind="machine", seconds=600)
                )
                uri = f"workspace://127.0.0.1:{port}/team-a"
                clients.append(MlflowClient(uri, uri))
                runs.append(new_run(clients[-1], "of two hubs"))
            pairs = [*enumerate(zip(clients, runs, strict=True))]

            def log(step):
                for number, (client, run_id) in pairs:
                    value = 100 * number + step
                    client.log_metric(run_id, "m", value, step=step, synchronous=False)
                    client.log_param(run_id, f"p{step}", value, synchronous=False).wait()
                    client.log_text(run_id, str(value), f"texts/{step}.txt")
                    image = np.full((2, 2), value, np.uint8)
                    client.log_image(run_id, image, key="image", step=step, synchronous=False)

            with ThreadPoolExecutor(4) as threads:
                list(threads.map(log, range(8)))
            for number, (client, run_id) in pairs:
                mlflow_batch = [Metric("n", number, 1, step) for step in range(8)]
                client.log_batch(run_id, mlflow_batch, synchronous=False).wait()
                store_of(client).flush(60)
            stored = [line.stored(), workspace_store(second.hub, "team-a")]
            for number, (client, run_id) in pairs:
                own = [100 * number + step for step in range(8)]
                assert stored[number].stored_counts(run_id) == {"m": 8, "n": 8}
                history = client.get_metric_history(run_id, "m")
                assert sorted(each.value for each in history) == own
                params = client.get_run(run_id).data.params
                assert params == {f"p{step}": str(each) for step, each in enumerate(own)}
                names = [each.path for each in client.list_artifacts(run_id, "texts")]
                assert names == [f"texts/{step}.txt" for step in range(8)]
                for step, name in enumerate(names):
                    copy = client.download_artifacts(run_id, name, str(tmp_path))
                    assert Path(copy).read_text() == str(own[step])
                wait_until(lambda: len(client.list_artifacts(run_id, "images")) == 16, 60)  # noqa: B023
                with pytest.raises(MlflowException):
                    stored[1 - number].get_run(run_id)

    def test_token_stays_with_the_hub_that_it_came_with(self, line):
        """Though the script goes on to another hub; the first one has what was logged to it."""
        run_id = new_run(line.client())
        script = textwrap.dedent(
            """
            import sys
            import mlflow
            client = mlflow.MlflowClient()
            mlflow.set_tracking_uri(sys.argv[2])
            try:
                mlflow.search_experiments()
            except Exception as error:
                print(type(error).__name__)
            client.log_metric(sys.argv[1], "m", 1)
            """
        )
        with fault_proxy(line.served.port) as other:
            elsewhere = f"workspace://127.0.0.1:{other.port}/team-a"
            # What the environment says at the start of a process is the claim.
            command = [sys.executable, "-c", script, run_id, elsewhere]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
            assert done.stdout == "LogInNeededError\n", done.stderr
            assert other.requests
            assert all("authorization" not in each.headers for each in other.requests)
        assert line.stored().stored_counts(run_id) == {"m": 1}

    def test_call_waits_no_longer_than_it_may(self, line, monkeypatch):
        """And says how to wait longer."""
        client = line.client()
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        with (
            line.broken((503, HTML, PAGE), times=10**6),
            pytest.raises(NoAnswerError, match="MLFLOW_WORKSPACE_WAIT"),
        ):
            client.search_experiments()

    def test_token_goes_to_its_hub_only(self, line, monkeypatch):
        """Neither to another address, nor where an answer leads to."""
        client = line.client()
        with fault_proxy(line.served.port) as other:
            elsewhere = f"http://127.0.0.1:{other.port}/hub/v1/"
            monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
            with (
                line.broken((307, {"Location": elsewhere}, ""), times=10**6),
                pytest.raises(NoAnswerError),
            ):
                client.search_experiments()
            assert other.requests == []
            stranger = MlflowClient(f"workspace://127.0.0.1:{other.port}/team-a")
            with pytest.raises(LogInNeededError, match=f"login http://127.0.0.1:{other.port}"):
                stranger.search_experiments()
            assert all("authorization" not in each.headers for each in other.requests)

    def test_what_an_ended_process_left_is_sent_by_a_command(self, line, monkeypatch):
        """Under whatever log-in, as the journal has a secret of its own."""
        run_id = new_run(line.client())
        monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", "0")
        with line.broken((503, HTML, PAGE), times=10**6):
            left = python_processes.run(["-c", _LOGS, run_id], stderr=PIPE, text=True)
        assert left.returncode == 0, left.stderr
        assert "mlflow-workspace sync" in left.stderr
        line.log_in("member")
        shown = CliRunner().invoke(main, ["sync", "--status", "--json"])
        assert json.loads(shown.output)[0]["waiting calls"] == 30
        sent = CliRunner().invoke(main, ["sync", "--json"])
        assert sent.exit_code == 0, sent.output
        assert json.loads(sent.output)[0]["sent calls"] == 30
        assert line.stored().stored_counts(run_id) == {"loss": 30}


class TestRights:
    @pytest.mark.parametrize("role", [None, "reader"])
    def test_what_is_logged_waits_while_a_role_is_away(self, line, role):
        """Values and files alike, as the role may be given back: nothing is raised or lost."""
        people, name = line.served.people, f"without-{role}"
        line.served.add_user(name, team_a="member")
        client = line.client(name)
        run_id = new_run(client)
        client.log_metric(run_id, "loss", 0, step=0)
        client.log_text(run_id, "before", "a.txt")
        assert store_of(client).flush(60)
        location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
        if role is None:
            people.withdraw(name, "team-a")
        else:
            people.grant(name, "team-a", role)
        session = line.served.session(name, "team-a")
        asked = {"params": {"location": f"{location}/b.log"}, "data": b"x"}
        append = "/hub/v1/workspaces/team-a/files/append"
        wait_until(lambda: session.post(append, **asked).status_code == 403)
        client.log_metric(run_id, "loss", 1, step=1)
        client.log_text(run_id, "meanwhile", "c.txt")
        assert not store_of(client).journal.flush(1)
        people.grant(name, "team-a", "member")
        assert store_of(client).flush(60)
        assert line.stored().stored_counts(run_id) == {"loss": 2}
        assert {"a.txt", "c.txt"} <= {each.path for each in client.list_artifacts(run_id)}
        copy = client.download_artifacts(run_id, "c.txt")
        assert Path(copy).read_text() == "meanwhile"

    def test_what_is_denied_of_one_run_is_set_aside(self, line):
        """That of others is stored, and it is sent again once nothing is in its way."""
        line.served.add_user("denied", team_a="member")
        run_id, other = new_run(line.client(), "of few"), new_run(line.client())
        client = line.client("denied")
        for each in (run_id, other):
            client.log_metric(each, "loss", 0, step=0)
        assert store_of(client).journal.flush(60)
        allow = line.served.deny("denied", "team-a", client.get_run(run_id).info.experiment_id)
        session = line.served.session("denied", "team-a")
        asked = route_of("team-a", "latest_points")
        wait_until(lambda: session.post(asked, json={"run_id": run_id}).status_code == 403)
        for step in range(1, 30):
            client.log_metric(run_id, "loss", step, step=step)
            client.log_metric(other, "loss", step, step=step)
        assert store_of(client).journal.flush(60)
        assert line.stored().stored_counts(other) == {"loss": 30}
        assert line.stored().stored_counts(run_id) == {"loss": 1}
        allow()
        wait_until(lambda: session.post(asked, json={"run_id": run_id}).ok)
        sent = CliRunner().invoke(main, ["sync", "--refused", "--json"])
        assert sent.exit_code == 0, sent.output
        assert line.stored().stored_counts(run_id) == {"loss": 30}

    def test_reader_reads_and_changes_nothing(self, line):
        """Not by our calls, either."""
        client = line.client()
        run_id = new_run(client)
        experiment = client.get_run(run_id).info.experiment_id
        store = store_of(line.client("reader"))
        assert store.chart_points(run_id, "loss").total == 0
        for name, *given in (
            ("set_tag_now", run_id, RunTag("a", "b")),
            ("put_environment", "e", {"a": 1}),
            ("put_dataset", {"a": 1}),
            ("create_run", experiment, "me", 1, [], "n"),
            ("drop_compute", "local"),
        ):
            with pytest.raises(RoleNeededError) as refused:
                getattr(store, name)(*given)
            assert refused.value.error_code == "PERMISSION_DENIED", name

    def test_workspace_of_others_is_closed(self, line):
        """And theirs is not seen from another one."""
        run_id = new_run(line.client())
        line.log_in("stranger")
        http = requests.Session()
        token = line.served.token("stranger")
        for workspace, expected in (("team-a", {403, 404}), ("team-b", {404})):
            answer = http.post(
                line.served.address + route_of(workspace, "latest_points"),
                json={"run_id": run_id},
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
            assert answer.status_code in expected

    def test_token_of_a_job_is_for_its_run(self, line):
        """And for what that makes below it."""
        client = line.client()
        own, other = new_run(client), new_run(client)
        experiment = client.get_run(own).info.experiment_id
        job = store_of(line.client("member", run_id=own, workspaces=["team-a"]))
        job.set_tag_now(own, RunTag("a", "b"))
        child = job.create_run(experiment, "me", 1, [RunTag("mlflow.parentRunId", own)], "child")
        assert child.info.run_id
        for name, *given in (
            ("set_tag_now", other, RunTag("a", "b")),
            ("create_run", experiment, "me", 1, [], "n"),
            ("create_run", experiment, "me", 1, [RunTag("mlflow.parentRunId", other)], "n"),
            ("set_default_datastore", "workspaceblobstore"),
        ):
            with pytest.raises(MlflowException) as refused:
                getattr(job, name)(*given)
            assert refused.value.error_code == "PERMISSION_DENIED", name


class TestSdkV1:
    def test_script_of_sdk_v1_uses_a_served_hub(self, line, tmp_path, monkeypatch):
        """Opened by address or by a config file, and without a word about a server."""
        line.log_in("member")
        workspace = Workspace.get("team-a", hub=f"http://127.0.0.1:{line.proxy.port}")
        assert workspace.get_mlflow_tracking_uri() == line.uri()
        workspace.write_config(tmp_path)
        assert Workspace.from_config(tmp_path).get_details()["workspaceid"] == "team-a"
        run = Experiment(workspace, "of-sdk-v1").start_logging(snapshot_directory=None)
        run.log("accuracy", 0.5)
        run.log_row("row", a=1, b="text")
        (tmp_path / "model.txt").write_text("trees")
        run.upload_file("outputs/model.txt", str(tmp_path / "model.txt"))
        with run.child_run("child") as child:
            child.log("loss", 1)
        run.complete()
        assert run.get_metrics() == {"accuracy": 0.5, "row": {"a": 1, "b": "text"}}
        assert [each.get_metrics() for each in run.get_children()] == [{"loss": 1}]
        assert run.get_file_names() == ["outputs/model.txt"]
        model = run.register_model("of-sdk-v1", model_path="outputs/model.txt")
        stored = Path(model.download(target_dir=tmp_path / "there", exist_ok=True))
        assert stored.read_text() == "trees"
        datastore = workspace.get_default_datastore()
        datastore.upload_files([str(tmp_path / "model.txt")], target_path="data")
        datastore.download(str(tmp_path / "down"), prefix="data")
        assert (tmp_path / "down" / "data" / "model.txt").read_text() == "trees"
        shown = overview_of_run(source_of(line.uri()), run.id)
        assert (shown["head"]["status"], shown["experiment"]) == ("Completed", "of-sdk-v1")
        with pytest.raises(RunNotFoundError):
            workspace.get_run("0" * 32)
        monkeypatch.setenv("MLFLOW_RUN_ID", run.id)
        mlflow.set_tracking_uri(line.uri())
        assert Run.get_context().id == run.id

    def test_what_needs_the_folder_of_the_hub_says_so(self, line):
        """And where it is done."""
        line.log_in("member")
        workspace = Workspace.get("team-a", hub=f"http://127.0.0.1:{line.proxy.port}")
        with pytest.raises(ServedHubError, match="the folder of the hub"):
            _ = workspace._hub
        done = CliRunner().invoke(main, ["where", "--hub", workspace._place.storage])
        assert done.exit_code == 2
        assert "on its server's machine" in " ".join(done.output.split())

    def test_workspace_that_is_not_there_is_not_opened(self, line):
        """Nor is it said whether others have it."""
        line.log_in("member")
        for name in ("team-b", "team-z"):
            with pytest.raises(MlflowException):
                Workspace.get(name, hub=f"http://127.0.0.1:{line.proxy.port}")


class TestErrors:
    def test_errors_are_those_that_the_hub_raised(self, line):
        """Of our classes, by their names; and MLflow's, by their codes."""
        client = line.client()
        run_id = new_run(client)
        with pytest.raises(RunExistsError, match="exists already"):
            store_of(client).create_job(
                "0",
                run_name=None,
                tags=[],
                definition={},
                compute="local",
                engine="local",
                run_id=run_id,
            )
        with pytest.raises(MlflowException, match="not found") as missing:
            client.get_run("0" * 32)
        assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"
        with pytest.raises(MlflowException) as missing:
            store_of(client).chart_points("0" * 32, "loss")
        assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"

    def test_spans_that_are_none_are_refused(self, line):
        """And not sent again, as to a hub that is away: they never become any."""
        client = line.client()
        experiment = client.create_experiment("of spans that are none")
        request = ExportTraceServiceRequest()
        request.resource_spans.add().scope_spans.add().spans.add(name="without an id")
        headers = {"Content-Type": "application/x-protobuf"}
        of_experiment = {"X-MLflow-Experiment-Id": experiment}
        send = store_of(client)._endpoints.send
        with pytest.raises(MlflowException, match="Cannot convert") as raised:
            send("/v1/traces", request.SerializeToString(), headers | of_experiment)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"

    def test_other_protocol_says_who_is_to_upgrade(self, line, monkeypatch):
        """The server knows which is the older."""
        client = line.client()
        monkeypatch.setitem(store_of(client)._http._headers, headers.VERSION, "99")
        with pytest.raises(HubProtocolError, match="on the server"):
            store_of(client).views()


class TestCommands:
    def test_route_that_the_server_does_not_have_names_the_remedy(self, line):
        """Here, of a server of before that knew none; once, and not for each workspace."""
        asks = HubHttp(uris.parse(line.log_in(ADMIN)))
        with pytest.raises(HubProtocolError, match="on the server"):
            asks.call("POST", "/hub/v1/workspaces/team-a/nothing")
        words = "/x is closed on a hub, or is no route of it. Nothing of a workspace needs it."
        said = json.dumps({"error_code": "PERMISSION_DENIED", "message": words})
        address = f"http://127.0.0.1:{line.proxy.port}"
        refused = (403, {"Content-Type": "application/json"}, said)
        with line.broken(refused, times=10**6, of="/gc") as broken:
            done = CliRunner().invoke(main, ["gc", "--all-workspaces", "--hub", address])
        assert len(broken) == 1
        assert done.exit_code != 0
        assert done.output.count("Upgrade mlflow-workspace-plugin on the server") == 1, done.output
        assert "is left as it is" not in done.output

    def test_script_of_sdk_v1_is_run_in_a_recorded_run(self, line, tmp_path):
        """What it logs, prints and leaves in ./outputs is stored, and how it ended."""
        line.log_in("member")
        script = """
            import sys
            from pathlib import Path
            from azureml.core import Run

            run = Run.get_context(allow_offline=False)
            run.log("loss", 0.5)
            Path("outputs/model.txt").write_text("weights")
            print("of run", run.id)
            sys.exit(3)
        """
        (tmp_path / "train.py").write_text(textwrap.dedent(script))
        command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", "run", "train.py"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 3, done.stderr
        run_id = done.stdout.split("of run")[1].split()[0]
        run = line.stored().get_run(run_id)
        assert (run.info.status, run.data.metrics) == ("FAILED", {"loss": 0.5})
        job = line.stored().job(run_id)
        assert (job.state, job.exit_code) == ("Failed", 3)
        of_run = f"runs:/{run_id}"
        assert mlflow.artifacts.load_text(f"{of_run}/outputs/model.txt") == "weights"
        assert run_id in mlflow.artifacts.load_text(f"{of_run}/user_logs/std_log.txt")

    def test_address_that_is_none_is_refused(self):
        """Its scheme is not taken for a host."""
        with pytest.raises(InvalidUriError, match="is no address of a hub"):
            address_of("ftp://hub.example.org")
