"""What scripts ask a served hub goes by our HTTP: bounded, with a token that is renewed."""

import inspect
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import CodeType

import mlflow
import pytest
from mlflow.store.model_registry import rest_store as registry
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from packaging.version import Version

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.remote.endpoints import _REPEATABLE_TOO, is_repeatable
from mlflow_workspace_plugin.remote.http import HubHttp, UnansweredError
from mlflow_workspace_plugin.remote.registry import RemoteRegistryStore, ServedRegistryStore
from mlflow_workspace_plugin.remote.tracking import RemoteTrackingStore, ServedTrackingStore
from tests.fault_proxy import fault_proxy

pytestmark = [
    pytest.mark.store,
    pytest.mark.skipif(
        Version(mlflow.__version__) < Version("3.17"), reason="MLflow before 3.17 is not served."
    ),
]
MLFLOWS_OWN = {
    "http_request",
    "http_request_safe",
    "call_endpoint",
    "call_endpoints",
    "fetch_server_info",
    "get_host_creds",
}
"""What asks by MLflow's own HTTP, and for what it is given."""
ASKED_ONCE = {
    "AddGuardrailToEndpoint",
    "AddItemsToReviewQueue",
    "AttachModelToGatewayEndpoint",
    "CancelPromptOptimizationJob",
    "CreateAssessment",
    "CreateDataset",
    "CreateExperiment",
    "CreateGatewayBudgetPolicy",
    "CreateGatewayEndpoint",
    "CreateGatewayEndpointBinding",
    "CreateGatewayGuardrail",
    "CreateGatewayModelDefinition",
    "CreateGatewaySecret",
    "CreateIssue",
    "CreateLabelSchema",
    "CreateLoggedModel",
    "CreateModelVersion",
    "CreatePresignedDownloadUrl",
    "CreatePresignedUploadUrl",
    "CreatePromptOptimizationJob",
    "CreateRegisteredModel",
    "CreateReviewQueue",
    "CreateRun",
    "CreateWebhook",
    "CreateWorkspace",
    "DeleteDataset",
    "DeleteDatasetRecords",
    "DeleteDatasetTag",
    "DeleteExperiment",
    "DeleteExperimentTag",
    "DeleteGatewayBudgetPolicy",
    "DeleteGatewayEndpoint",
    "DeleteGatewayEndpointBinding",
    "DeleteGatewayEndpointTag",
    "DeleteGatewayGuardrail",
    "DeleteGatewayModelDefinition",
    "DeleteGatewaySecret",
    "DeleteLabelSchema",
    "DeleteLoggedModelTag",
    "DeleteModelVersion",
    "DeletePromptOptimizationJob",
    "DeleteRegisteredModel",
    "DeleteReviewQueue",
    "DeleteScorer",
    "DeleteTag",
    "DeleteTraceTag",
    "DeleteTraceTagV3",
    "DeleteTraces",
    "DeleteTracesV3",
    "DeleteWebhook",
    "DeleteWorkspace",
    "DetachModelFromGatewayEndpoint",
    "EndTrace",
    "LogBatch",
    "LogMetric",
    "LogModel",
    "LogParam",
    "RegisterScorer",
    "RemoveGuardrailFromEndpoint",
    "RemoveItemsFromReviewQueue",
    "RenameRegisteredModel",
    "RestoreExperiment",
    "StartTrace",
    "TestWebhook",
}
"""MLflow's messages that make something new, append, or find nothing the second time."""


def code_of(store, name):
    """The code of a method or of a property of a store, and of all within it."""
    found = inspect.getattr_static(store, name, None)
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    found = inspect.unwrap(found) if callable(found) else None
    codes = [found.__code__] if inspect.isfunction(found) else []
    for each in codes:
        codes += [const for const in each.co_consts if isinstance(const, CodeType)]
    return codes


def names_used(store, name):
    return {used for code in code_of(store, name) for used in code.co_names}


@pytest.mark.parametrize(
    "store", [RemoteTrackingStore, ServedTrackingStore, RemoteRegistryStore, ServedRegistryStore]
)
def test_no_method_asks_by_mlflows_own_http(store):
    """Neither by itself nor by another one of the store."""
    seen, left = set(), {name for name in dir(store) if name[0] != "_"}
    assert len(left) > 20
    while left:
        name = left.pop()
        seen.add(name)
        used = names_used(store, name)
        assert not used & MLFLOWS_OWN, name
        left |= {each for each in used if code_of(store, each)} - seen


def test_each_message_may_be_repeated_or_not():
    """Whoever adds one to MLflow has it looked at here."""
    infos = (
        RestStore._METHOD_TO_INFO,
        RestStore._V3_METHOD_TO_INFO,
        registry._METHOD_TO_INFO,
        registry._WEBHOOK_METHOD_TO_INFO,
    )
    names = {message.__name__ for each in infos for message in each}
    assert {name for name in names if not is_repeatable(name)} <= ASKED_ONCE
    assert not any(is_repeatable(name) for name in ASKED_ONCE)
    assert names >= _REPEATABLE_TOO


@pytest.fixture
def server():
    """A server that notes what it is asked, and answers as MLflow's does of online scoring."""
    asked = []
    config = {"online_scoring_config_id": "1", "scorer_id": "s", "sample_rate": 0.5}
    config["experiment_id"] = "7"
    answer = json.dumps({"config": config, "configs": [config], "name": "tools"}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, json.loads(body or "null")))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_PUT(self):
            self.do_GET()

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = asked
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get_online_scoring_configs(["s", "t"]),
        lambda store: store.upsert_online_scoring_config("7", "good", 0.5),
        lambda store: store.upsert_online_scoring_config("7", "good", 0.5, "a = 1"),
        lambda store: store.get_mcp_server("tools").name,
        lambda store: store.create_mcp_server("tools", "of all kinds").name,
    ],
)
def test_what_has_no_message_is_asked_as_mlflow_asks(server, monkeypatch, call):
    """At its routes, with what it sends; and the answer is what it makes of it."""
    address = f"127.0.0.1:{server.server_port}"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
    ours = call(RemoteTrackingStore(HubHttp(uris.parse(f"workspace://{address}/team-a"))))
    mlflows = call(RestStore(lambda: MlflowHostCreds(f"http://{address}")))
    assert ours == mlflows
    assert len(server.asked) == 2
    assert server.asked[0] == server.asked[1]


def test_patience_is_for_a_hub_that_is_away_not_for_one_that_works(monkeypatch):
    """Who gives time for an answer asks again, though that took longer than a call waits."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    http = HubHttp(uris.parse("workspace://127.0.0.1:1/team-a"))
    asked = []

    def call(*_, timeout_s, **__):
        asked.append(timeout_s)
        if len(asked) == 1:
            time.sleep(1.5)
            raise UnansweredError("It is busy.")
        return "answer"

    monkeypatch.setattr(http, "call", call)
    assert http.request("POST", "/x", timeout_s=300) == "answer"
    assert asked == [300, 300]


@pytest.fixture
def _is_shortly_connected(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
    monkeypatch.setattr("mlflow_workspace_plugin.remote.http._CONNECT_S", 1.0)


@pytest.mark.usefixtures("_is_shortly_connected")
def test_long_body_gets_through_a_slow_line(server):
    """It takes longer in all than connecting may take, and is what was sent."""
    said = "x" * 6 * 2**20
    with fault_proxy(server.server_port) as proxy:
        proxy.bytes_per_s = 2 * 2**20
        asks = HubHttp(uris.parse(f"workspace://127.0.0.1:{proxy.port}/team-a"))
        asks.call("POST", "/x", data=json.dumps(said).encode(), timeout_s=10)
        asks.call("POST", "/x", json=said, timeout_s=10)
    assert server.asked == [("POST", "/x", said)] * 2


@pytest.mark.usefixtures("_is_shortly_connected")
def test_body_that_nobody_takes_is_said_to_be_one():
    """The connection did not end: what was sent did not get through."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        asks = HubHttp(uris.parse(f"workspace://127.0.0.1:{deaf.getsockname()[1]}/team-a"))
        with pytest.raises(UnansweredError, match="did not get through in time"):
            asks.call("POST", "/x", data=bytes(2**24), timeout_s=10)
