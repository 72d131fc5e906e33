"""Connections of a script to a served hub: used again, but not after they were idle for long."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.remote import connections
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
def asks(request, server, monkeypatch):
    """Asks that server."""
    port = server.server_port
    if request.param == "by a proxy":
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        # Nobody is there.
        port = 1
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
    return HubHttp(uris.parse(f"workspace://127.0.0.1:{port}/team-a"))


@pytest.mark.parametrize(("idle_s", "expected"), [(60, 1), (-1, 3)], ids=["busy", "idle"])
def test_connection_that_was_idle_is_not_used_again(server, asks, monkeypatch, idle_s, expected):
    """Its other end may be closing it, and what is sent then is not answered."""
    monkeypatch.setattr(connections, "_IDLE_S", idle_s)
    for _ in range(3):
        asks.call("GET", "/any")
    assert len(server.connections) == expected


def test_connection_is_idle_while_others_are_used(server, asks, monkeypatch):
    """Of those that were used at once one is used on, and the other only when it is needed."""
    now = [0.0]
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def ask_two_at_once():
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(asks.call, ["GET"] * 2, ["/two"] * 2))

    ask_two_at_once()
    assert len(server.connections) == 2
    for _ in range(5):
        now[0] += connections._IDLE_S / 2
        asks.call("GET", "/any")
    assert len(server.connections) == 2
    ask_two_at_once()
    assert len(server.connections) == 3
