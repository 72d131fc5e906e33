"""A hub behind a proxy where TLS ends: who asks is who the proxy says, and nobody else is believed.

All addresses are of this machine's loopback interface, and each of them stands for a machine.
"""

import base64
import itertools
import shutil
import threading
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import mlflow
import pytest
from packaging.version import Version

from mlflow_workspace_plugin import Workspace
from tests.served import PASSWORD, access_log, served_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    Version(mlflow.__version__) < Version("3.17"), reason="MLflow before 3.17 is not served."
)

HOST = "hub.example.org"
PUBLIC = f"https://{HOST}"
PROXY, PERSON, OTHER = "127.0.0.9", "127.0.0.2", "127.0.0.3"
CLAIMED = "203.0.113.7"
COOKIE = "__Host-mlflow-workspace-hub"


class Passing(BaseHTTPRequestHandler):
    """Passes a request on as proxies do: with the name that was asked for, and who asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        said = self.headers.get("X-Forwarded-For")
        came_from = self.client_address[0]
        headers = dict(self.headers.items())
        headers["X-Forwarded-For"] = f"{said}, {came_from}" if said else came_from
        headers["X-Forwarded-Proto"] = "https"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, answered, content = ask(
            self.server.behind, PROXY, self.path, headers, body, self.command
        )
        self.send_response_only(status)
        for name, value in answered:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  as the handler calls it

    def log_message(self, *_):
        pass


@contextmanager
def proxy_of(port):
    """Run a proxy in front of a port; yield its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Passing) as proxy:
        proxy.behind = port
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy.server_port
        finally:
            proxy.shutdown()
            thread.join()


def ask(port, come_from, path, headers, body=b"", method="GET"):
    """Ask from an address; return the status, the headers, and what is answered."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60, source_address=(come_from, 0))
    with closing(connection):
        connection.request(method, path, body or None, {"Host": HOST, **headers})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub that believes a proxy, which is at an address of its own; alice is of team-a."""
    folder = tmp_path_factory.mktemp("served")
    hub = folder / "hub"
    shutil.copytree(sqlite_template, hub)
    Workspace.create("team-a", hub=hub)
    options = ("--behind-proxy", "--trusted-proxy", PROXY, "--public-url", PUBLIC)
    with served_hub(hub, folder / "server.log", *options) as server:
        server.add_user("alice", team_a="member")
        with proxy_of(server.port) as port:
            server.through = port
            yield server


def password(text):
    return {"Authorization": "Basic " + base64.b64encode(f"alice:{text}".encode()).decode()}


def form(**headers):
    """What a browser sends of the page for logging in."""
    return {"Content-Type": "application/x-www-form-urlencoded", **headers}


def log_in(port, **headers):
    body = urlencode({"name": "alice", "password": PASSWORD, "next": "/pages/"}).encode()
    return ask(port, PERSON, "/log-in", form(**headers), body, "POST")


@pytest.mark.parametrize("claims", [{}, {"X-Forwarded-For": CLAIMED}])
def test_who_asked_is_whom_the_trusted_proxy_names(served, claims):
    """What a person claims before it counts for nothing, through the proxy and past it."""
    token = {"Authorization": f"Bearer {served.token('alice')}", **claims}
    before = len(access_log(served.log))
    assert ask(served.through, PERSON, "/version", token)[0] == 200
    assert ask(served.port, OTHER, "/version", token)[0] == 200

    def lines():
        return [each for each in access_log(served.log)[before:] if each["path"] == "/version"]

    wait_until(lambda: len(lines()) == 2)
    assert [each["client"] for each in lines()] == [PERSON, OTHER]


def test_wrong_passwords_count_for_where_they_come_from(served):
    """One cannot lock the others out who come by the same proxy, nor begin anew by a claim."""
    addresses = (f"203.0.113.{number}" for number in itertools.count(1))
    for _, claimed in zip(range(20), addresses, strict=False):
        wrong = {**password("wrong"), "X-Forwarded-For": claimed}
        status, headers, _ = ask(served.through, PERSON, "/version", wrong)
        if status == 429:
            break
        assert status == 401
    assert status == 429
    assert "retry-after" in {name.lower() for name, _ in headers}
    assert ask(served.through, OTHER, "/version", password(PASSWORD))[0] == 200


def test_browser_is_let_in_by_the_public_address(served):
    """From a page of it, with a cookie that is kept to its host and to TLS."""
    status, headers, _ = log_in(served.through, Origin=PUBLIC)
    assert status == 303
    [cookie] = [value for name, value in headers if name.lower() == "set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "; secure" in cookie.lower()
    kept = {"Cookie": cookie.partition(";")[0]}
    assert ask(served.through, PERSON, "/version", kept)[0] == 200
    for origin, expected in (
        ("https://evil.example.org", 403),
        (f"http://{HOST}", 403),
        (PUBLIC, 303),
    ):
        said = form(Origin=origin, **kept)
        assert ask(served.through, PERSON, "/log-out", said, b"", "POST")[0] == expected


@pytest.mark.parametrize("origin", ["https://evil.example.org", f"http://{HOST}", "null"])
def test_page_of_another_origin_logs_nobody_in(served, origin):
    """Nor does one of the same host that came without TLS."""
    status, headers, _ = log_in(served.through, Origin=origin)
    assert status == 403
    assert "set-cookie" not in {name.lower() for name, _ in headers}


def test_hub_has_one_name(served):
    """Others that lead to the proxy, too, lead no further."""
    token = {"Authorization": f"Bearer {served.token('alice')}"}
    for host, expected in ((HOST, 200), (HOST.upper(), 200), ("evil.example.org", 403)):
        status, _, _ = ask(served.through, PERSON, "/version", {**token, "Host": host})
        assert status == expected, host
