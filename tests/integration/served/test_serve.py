"""``mlflow-workspace serve``: what it needs, what it says, whom it answers, and how it ends."""

import configparser
import ipaddress
import os
import re
import signal
import socket
import ssl
import stat
import time
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.served.asking.limits import LONGEST_BODY
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.hub.databases.schema import head_revision
from mlflow_workspace_plugin.protocol.version import OLDEST, PROTOCOL
from tests.hubs import MLFLOW_3_14, set_revision
from tests.served import ADMIN, PASSWORD, access_log, served_hub
from tests.servers import free_port
from tests.waiting import wait_until

CREATE = "/api/2.0/mlflow/experiments/create"
SEARCH = "/api/2.0/mlflow/experiments/search"


def certificate_of(folder):
    """A certificate for this machine, and its key, as files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub of the tests")])
    now = datetime.now(timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


@pytest.fixture(scope="module")
def served(server, postgresql_template, tmp_path_factory):
    """A hub on PostgreSQL, served by two workers with TLS of their own; alice is of team-a."""
    from tests.conftest import write_settings

    folder = tmp_path_factory.mktemp("served")
    hub = folder / "hub"
    (hub / "artifacts").mkdir(parents=True)
    url = server.create_database("served", postgresql_template)
    write_settings(hub, f'database = "{url}"\n')
    Workspace.create("team-a", hub=hub, show_output=False)
    certificate, key = map(str, certificate_of(folder))
    options = ("--workers", "2", "--tls-cert", certificate, "--tls-key", key)
    with served_hub(hub, folder / "log", *options) as running:
        running.add_user("alice", team_a="member")
        yield running
    running.hub.engine.dispose()


@contextmanager
def beginning(served, path, headers):
    """A connection on which a request has begun, whose body is still to come."""
    context = ssl.create_default_context(cafile=served.verify)
    connection = HTTPSConnection("127.0.0.1", served.port, timeout=60, context=context)
    with closing(connection):
        connection.putrequest("POST", path)
        for name, text in headers.items():
            if name not in ("Accept-Encoding", "Host"):
                connection.putheader(name, text)
        connection.endheaders()
        yield connection


@pytest.fixture
def alice(served):
    return served.session("alice", "team-a")


def test_who_supervises_it_needs_no_log_in(served):
    """Health and readiness are told to everybody under any name of the host, and say no more."""
    nobody = served.session(None)
    somewhere = {"Host": "10.1.2.3"}
    assert nobody.get("/hub/health", headers=somewhere).text == "OK\n"
    ready = {"ready": True, "database": "ok", "storage": "ok"}
    assert nobody.get("/hub/ready", headers=somewhere).json() == ready
    assert nobody.post("/hub/health").status_code == 405
    assert nobody.get("/hub/healthy").status_code in (401, 403)
    spoken = nobody.get("/hub/v1/").json()
    assert sorted(spoken) == ["oldest", "protocol", "version"]


def test_connection_is_kept_while_a_script_computes(served):
    """For longer than a client of ours uses one that was idle: none is closed under a request."""
    context = ssl.create_default_context(cafile=served.verify)
    with closing(HTTPSConnection("127.0.0.1", served.port, timeout=60, context=context)) as kept:
        for pause_s in (0, 7):
            time.sleep(pause_s)
            # Not by a new connection: this one opens itself again where it was closed.
            kept.auto_open = pause_s == 0
            kept.request("GET", "/hub/health")
            answer = kept.getresponse()
            assert answer.read() == b"OK\n"


def test_metrics_take_a_token_of_their_own(served, alice):
    """They count what all processes answered; no account's token opens them, nor theirs a hub."""
    alice.get(SEARCH, params={"max_results": 1})
    token = (served.path / "server" / "metrics-token").read_text()
    nobody = served.session(None)
    assert nobody.get("/hub/metrics").status_code == 401
    assert alice.get("/hub/metrics").status_code == 401
    nobody.headers["Authorization"] = f"Bearer {token}"
    told = nobody.get("/hub/metrics").text
    assert re.search(r'requests_total\{method="GET",part="api",route="\w+",status="200"\} \d', told)
    assert nobody.get(SEARCH, params={"max_results": 1}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "OWN"}, 400),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
        ({}, 400),
    ],
)
def test_other_hosts_and_sites_are_refused(served, alice, headers, status):
    """What another site makes a browser send never reaches MLflow, which says 400 of no name."""
    headers = {name: text.replace("OWN", served.address) for name, text in headers.items()}
    answer = alice.post(CREATE, json={}, headers=headers)
    assert answer.status_code == status
    assert "error_code" in answer.json()


def test_more_than_fits_is_refused_before_it_is_kept(served, alice):
    """A length that is announced at once, what comes in pieces as soon as it is too much."""
    announced = {"Content-Length": str(LONGEST_BODY + 1)}
    with beginning(served, CREATE, {**alice.headers, **announced}) as connection:
        assert connection.getresponse().status == 413

    def pieces():
        for _ in range(LONGEST_BODY // 2**20 + 1):
            yield b" " * 2**20

    # It may be told so while it is still sending.
    with suppress(requests.ConnectionError):
        assert alice.post(CREATE, data=pieces()).status_code == 413
    assert alice.get(SEARCH, params={"max_results": 1}).ok


def test_access_log_says_who_and_nothing_to_come_in_by(served, alice):
    """A line of JSON each; no parameter, token or password is anywhere in what is printed."""
    before = len(access_log(served.log))
    asked = {"max_results": 1, "filter": "attribute.name = 'secret-of-a-query'"}
    # Nobody is believed who says so without being a proxy that is trusted.
    alice.get(SEARCH, params=asked, headers={"X-Forwarded-For": "203.0.113.7"})
    alice.get("/pages/a\nb%0d%0a{", allow_redirects=False)
    nobody = served.session(None)
    nobody.auth = ("alice", "wrong-" + PASSWORD)
    nobody.get(SEARCH)

    def lines():
        return [each for each in access_log(served.log)[before:] if each["path"] == SEARCH]

    wait_until(lambda: lines() and lines()[-1]["status"] == 401)
    seen = next(each for each in lines() if each["user"] == "alice")
    assert (seen["method"], seen["status"], seen["client"]) == ("GET", 200, "127.0.0.1")
    said = served.log.read_text()
    token = alice.headers["Authorization"].split()[1]
    for secret in (token, "secret-of-a-query", PASSWORD):
        assert secret not in said


def test_nobody_else_reads_what_the_server_keeps(served):
    """Keys and settings are their owner's; MLflow grants nothing by default."""
    import psutil

    folder = served.path / "server"
    kept = [*folder.iterdir(), folder]
    assert len(kept) > 4
    for each in kept:
        assert not stat.S_IMODE(each.stat().st_mode) & 0o077, each
    parser = configparser.ConfigParser()
    parser.read(folder / "accounts.ini")
    assert parser["mlflow"]["default_permission"] == "NO_PERMISSIONS"
    assert "password" not in parser["mlflow"]
    started = psutil.Process(served.process.pid)
    secrets = [(folder / name).read_text() for name in ("secret-key", "metrics-token")]
    for process in (started, *started.children(recursive=True)):
        assert not any(secret in " ".join(process.cmdline()) for secret in secrets)


def test_one_answer_carries_what_browsers_are_told(served):
    """Nothing is guessed, no other site is told where somebody was, and TLS is not left again."""
    answer = served.session(None).get("/hub/v1/")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Strict-Transport-Security"]
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (f"{PROTOCOL + 1}", "Upgrade mlflow-workspace-plugin on the server"),
        (f"{OLDEST - 1}", "newer mlflow-workspace-plugin where the script runs"),
        ("one", "is a number"),
    ],
)
def test_unknown_protocol_is_told_what_to_upgrade(served, alice, protocol, said):
    """A client that is newer than the server, or too old, learns so from any route, MLflow's too.

    But for the one that says what is spoken, to whoever asks.
    """
    spoken = {"X-Workspace-Protocol": protocol}
    ours = (("GET", "journal"), ("POST", "journal"), ("POST", "call/computes"))
    routes = [(method, f"/hub/v1/workspaces/team-a/{path}") for method, path in ours]
    for session in (alice, served.session(None)):
        for method, path in [*routes, *ROUTES_OF_ALL_KINDS]:
            answer = session.request(method, path, headers=spoken)
            assert answer.status_code == 426, path
            assert answer.json()["error_code"] == "FEATURE_DISABLED"
            assert said in answer.json()["message"]
        assert session.get("/hub/v1/", headers=spoken).json()["protocol"] == PROTOCOL


ROUTES_OF_ALL_KINDS = [
    ("GET", "/api/2.0/mlflow/experiments/search?max_results=1"),
    ("POST", "/api/2.0/mlflow/experiments/create"),
    ("POST", "/api/2.0/mlflow/runs/search"),
    ("GET", "/ajax-api/2.0/mlflow/users/current"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path="),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/RUN/artifacts/a.txt"),
    ("POST", "/v1/traces"),
    ("GET", "/api/3.0/mlflow/workspaces"),
    ("GET", "/pages/api/experiments?workspace=team-a"),
    ("GET", "/hub/v1/tokens"),
]


def answered_by_workers(served):
    """How many requests each worker has answered, as it counts them itself."""
    from prometheus_client.mmap_dict import MmapedDict

    return {
        file.name: sum(
            value
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(file))
            if "mlflow_workspace_requests" in key
        )
        for file in (served.path / "server").glob("metrics-*/counter_*.db")
    }


def statuses_of_all_workers(served, session, paths):
    """What is answered to paths, each over connections of its own to each of two workers."""
    found = []
    for path in paths:
        before = answered_by_workers(served)

        def has_asked_both(path=path, before=before):
            session.close()
            found.append(session.get(path).status_code)
            after = answered_by_workers(served)
            return sum(after[each] > before.get(each, 0) for each in after) >= 2

        wait_until(has_asked_both, 60)
    return set(found)


@pytest.mark.parametrize("how", ["revoked", "withdrawn", "denied"])
def test_what_is_taken_is_refused_by_every_worker_after_five_seconds(served, alice, how):
    """Each had just looked what the account may do: a token, a role, an experiment."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    name = f"somebody-{how}"
    served.add_user(name, team_a="member")
    session = served.session(name, "team-a")
    experiment = alice.post(CREATE, json={"name": f"of {name}"}).json()["experiment_id"]
    paths = [
        f"/pages/api/experiments/{experiment}?workspace=team-a",
        f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}",
    ]
    # What a worker does for the first time takes a while, in which it would forget.
    statuses_of_all_workers(served, alice, paths)
    assert statuses_of_all_workers(served, session, paths) == {200}
    if how == "revoked":
        (log_in,) = Tokens(served.hub).list(name)
        assert Tokens(served.hub).revoke(log_in.id)
    elif how == "withdrawn":
        served.people.withdraw(name, "team-a")
    else:
        admin, roles = served.session(ADMIN), "/api/3.0/mlflow/roles"
        made = admin.post(f"{roles}/create", json={"name": how, "workspace": "team-a"}).json()
        denial = {
            "role_id": made["role"]["id"],
            "resource_type": "experiment",
            "resource_pattern": experiment,
            "permission": "DENY",
        }
        assert admin.post(f"{roles}/permissions/add", json=denial).ok
        assigned = {"username": name, "role_id": made["role"]["id"]}
        assert admin.post(f"{roles}/assign", json=assigned).ok
    time.sleep(5)
    refused = 401 if how == "revoked" else 403
    assert statuses_of_all_workers(served, session, paths) == {refused}


def test_a_database_that_is_away_is_503_on_every_route(served, server):
    """Whoever answers: MLflow's Flask, its FastAPI, our pages or API. Then all goes on as before.

    A client asks again then. It would take 400, 401 or 500 for an answer, and lose what it sent.
    """
    alice = served.session("alice", "team-a")

    def answers():
        return {
            (method, path): alice.request(method, path, json=None if method == "GET" else {})
            for method, path in ROUTES_OF_ALL_KINDS
        }

    assert all(each.status_code != 503 for each in answers().values())
    server.stop()
    try:
        # What is known of a token is kept for some seconds, with which MLflow is reached; then not.
        for pause in (0, 6):
            time.sleep(pause)
            given = answers()
            found = {route: each.status_code for route, each in given.items()}
            assert found == dict.fromkeys(found, 503), served.said()
            assert all(int(each.headers["Retry-After"]) > 0 for each in given.values())
        nobody = served.session(None)
        assert nobody.get("/hub/health").ok
        ready = nobody.get("/hub/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "away")
    finally:
        server.start()
    wait_until(served.is_ready)
    assert alice.post(CREATE, json={"name": "after"}).ok


def test_a_hub_whose_files_are_away_is_not_ready(served):
    """Each worker says so, and which part of it is; then that it is ready again."""
    nobody = served.session(None)
    files, elsewhere = served.path / "artifacts", served.path / "elsewhere"
    files.rename(elsewhere)
    try:
        wait_until(lambda: nobody.get("/hub/ready").json()["storage"] == "away")
        found = nobody.get("/hub/ready")
    finally:
        elsewhere.rename(files)
    wait_until(lambda: nobody.get("/hub/ready").json()["storage"] == "ok")
    assert (found.status_code, found.json()["database"]) == (503, "ok")


def test_a_worker_that_dies_is_replaced(served):
    """The others answer meanwhile, and TLS is that of the certificate."""
    import psutil

    started = psutil.Process(served.process.pid)

    def workers():
        found = set()
        for each in started.children(recursive=True):
            # The one that was killed is there until it is looked after.
            with suppress(psutil.Error):
                if "spawn_main" in " ".join(each.cmdline()):
                    found.add(each.pid)
        return found

    before = workers()
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    nobody = served.session(None)
    answers = 0
    deadline = time.monotonic() + 120
    while len(workers() - before) < 1:
        assert time.monotonic() < deadline
        # Not the one that a killed worker had taken already.
        try:
            answers += nobody.get("/hub/health").ok
        except requests.ConnectionError:
            nobody.close()
    assert answers
    assert nobody.get("/hub/health").headers.get("Server") is None
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(served.address, timeout=30)


def test_what_is_being_asked_is_answered_before_it_ends(served):
    """SIGTERM while a body is still arriving: it is stored, the exit status is 0, nothing is left.

    The last test of its server.
    """
    import psutil

    alice = served.session("alice", "team-a")
    family = psutil.Process(served.process.pid).children(recursive=True)

    first, second = b'{"name": ', b'"at the end"}'
    sent = {"Content-Type": "application/json", "Content-Length": str(len(first + second))}
    with beginning(served, CREATE, {**alice.headers, **sent}) as connection:
        connection.send(first)
        served.leave()
        time.sleep(0.5)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        connection.send(second)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    assert served.process.wait(60) == 0
    # One whose parent went first is there until somebody looks after it.
    ended = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    assert not [each for each in family if each.is_running() and each.status() not in ended]
    found = Workspace.get("team-a", hub=served.path).client.get_experiment_by_name("at the end")
    assert found is not None


def invoke(*arguments):
    return CliRunner().invoke(main, ["serve", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "could read passwords and tokens"),
        (["--host", "hub.example.org"], "could read passwords and tokens"),
        (["--trusted-proxy", "10.0.0.1"], "Add --behind-proxy"),
        (["--behind-proxy"], "Add --public-url"),
        (["--behind-proxy", "--public-url", "http://hub.example.org"], "without TLS"),
        (["--behind-proxy", "--public-url", "https://hub.example.org/mlflow"], "without a path"),
        (["--behind-proxy", "--public-url", "https://a:b@hub.example.org"], "no address"),
        (["--behind-proxy", "--public-url", "hub.example.org"], "no address"),
        (["--behind-proxy", "--trusted-proxy", "everybody"], "no address or network"),
        (["--behind-proxy", "--trusted-proxy", "0.0.0.0/0"], "everybody"),
        (["--tls-cert", __file__], "Add --tls-key"),
        (["--tls-cert", __file__, "--tls-key", __file__, "--behind-proxy"], "Name one of them"),
    ],
)
def test_what_would_be_unsafe_is_not_served(arguments, said, tmp_path):
    """Passwords never cross a network in clear text, and nobody is believed unasked."""
    done = invoke(tmp_path / "hub", *arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_first_there_is_somebody_who_may_let_others_in(hub_path):
    """Without an administrator it is said how to make one; no password is a default."""
    done = invoke(hub_path, "--port", free_port())
    assert done.exit_code == 1
    assert "user add NAME --admin" in done.output


def test_what_is_wrong_is_said_before_anything_starts(hub_path):
    """An older hub, and a port that is taken, in a sentence, not in the log of a server."""
    set_revision(hub_path, MLFLOW_3_14)
    done = invoke(hub_path, "--port", free_port())
    assert done.exit_code == 1
    assert "hub upgrade" in done.output
    set_revision(hub_path, head_revision())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = invoke(hub_path, "--port", taken.getsockname()[1])
    assert done.exit_code == 1
    assert "cannot be served on" in done.output


def test_the_command_is_mlflows(hub_path):
    """What it starts can be looked at: MLflow's server, our app, the public URL, no secret."""
    done = invoke(
        hub_path, "--print", "--behind-proxy", "--public-url", "https://Hub.example.org:443/"
    )
    assert done.exit_code == 0, done.output
    for part in (
        "mlflow server",
        "--app-name mlflow-workspace-served",
        "--allowed-hosts hub.example.org",
        "--cors-allowed-origins https://hub.example.org",
        "--forwarded-allow-ips 127.0.0.1,::1",
        "--timeout-graceful-shutdown 30",
    ):
        assert part in done.output.replace("'", "")
    assert not (Path(hub_path) / "server").exists()
