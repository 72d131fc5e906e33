"""Connections to a served hub and to storage: used again, but not after they were idle for long."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from mlflow_workspace_plugin import fresh_connections, uris
from mlflow_workspace_plugin.artifacts.azure_blob.connection.session import DirectSession
from mlflow_workspace_plugin.data.storages.web import WebStorage
from mlflow_workspace_plugin.remote.http import HubHttp


@pytest.fixture
def server():
    """A server that keeps connections, and notes which ones it had.

    It answers ``/two`` when it is asked twice at once.
    """
    had = set()
    both = threading.Barrier(2, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            had.add(self.client_address)
            if self.path.endswith("/two"):
                both.wait()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.connections = had
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(params=["directly", "by a proxy"])
def port(request, server, monkeypatch):
    """The port at which that server is asked."""
    if request.param == "directly":
        return server.server_port
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    # Nobody is there.
    return 1


@pytest.fixture(params=["hub", "account", "web"])
def ask(request, port, monkeypatch):
    """Ask that server for a path, as a hub or as a storage."""
    if request.param == "hub":
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
        return partial(HubHttp(uris.parse(f"workspace://127.0.0.1:{port}/team-a")).call, "GET")
    service = f"http://127.0.0.1:{port}"
    if request.param == "web":
        session = WebStorage(service)._session
        return lambda path: session.get(service + path, timeout=60)
    session = DirectSession(service, 2)

    def get(path):
        options = {"headers": {}, "data": None, "files": None, "timeout": (5, 60)}
        return session.request("GET", service + path, **options)

    return get


@pytest.mark.parametrize(("idle_s", "expected"), [(60, 1), (-1, 3)], ids=["busy", "idle"])
def test_connection_that_was_idle_is_not_used_again(server, ask, monkeypatch, idle_s, expected):
    """Its other end may be closing it, and what is sent then is not answered."""
    monkeypatch.setattr(fresh_connections, "_IDLE_S", idle_s)
    for _ in range(3):
        ask("/any")
    assert len(server.connections) == expected


def test_connection_is_idle_while_others_are_used(server, ask, monkeypatch):
    """Of those that were used at once one is used on, and the other only when it is needed."""
    now = [0.0]
    monkeypatch.setattr(fresh_connections, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def ask_two_at_once():
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(ask, ["/two"] * 2))

    ask_two_at_once()
    assert len(server.connections) == 2
    for _ in range(5):
        now[0] += fresh_connections._IDLE_S / 2
        ask("/any")
    assert len(server.connections) == 2
    ask_two_at_once()
    assert len(server.connections) == 3
