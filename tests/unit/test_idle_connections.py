"""Connections of a script to a served hub: used again, but not after they were idle for long."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.remote import http
from mlflow_workspace_plugin.remote.http import HubHttp


@pytest.fixture
def server():
    """A server that keeps connections, and notes which ones it had."""
    connections = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            connections.add(self.client_address)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.connections = connections
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize(("idle_s", "expected"), [(60, 1), (-1, 3)], ids=["busy", "idle"])
def test_connection_that_was_idle_is_not_used_again(server, monkeypatch, idle_s, expected):
    """Its other end may be closing it, and what is sent then is not answered."""
    monkeypatch.setattr(http, "_IDLE_S", idle_s)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
    asks = HubHttp(uris.parse(f"workspace://127.0.0.1:{server.server_port}/team-a"))
    for _ in range(3):
        asks.call("GET", "/any")
    assert len(server.connections) == expected
