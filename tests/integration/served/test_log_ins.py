"""Logging in at a served hub from terminals and scripts, staying so, and logging out."""

import errno
import json
import os
import shutil
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import requests
from click.testing import CliRunner

from mlflow_workspace_plugin import Workspace, uris
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import HubUnreachableError, LogInNeededError
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
from mlflow_workspace_plugin.remote import asking, credentials
from mlflow_workspace_plugin.remote.http import HubHttp
from mlflow_workspace_plugin.runner.variables import RunFacts, environment_of
from tests.fault_proxy import Cut, fault_proxy
from tests.hub_api import hub_api_server
from tests.python_processes import Popen

pytestmark = pytest.mark.skipif(
    tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 17),
    reason="a hub is served by MLflow 3.17 and later",
)

PASSWORD = "a password of the tests"


_ON_A_FULL_DISK = """
import resource, signal, sys
from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.remote.credentials import credentials_of

address, old = sys.argv[1:]
mine = credentials_of(address)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
assert mine.token() == old
try:
    mine.renewed(old)
except HubUnreachableError as error:
    print(error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
print(mine.renewed(old))
"""


@pytest.fixture(scope="module")
def hub(sqlite_template, tmp_path_factory):
    """A hub with a workspace ``team-a``, of which ``alice`` is a member, and ``root`` over all."""
    from mlflow_workspace_plugin.accounts.people import People

    path = shutil.copytree(sqlite_template, tmp_path_factory.mktemp("log-ins") / "hub")
    Workspace.create("team-a", hub=path)
    hub = open_hub(path)
    people = People(hub)
    people.add("root", PASSWORD, is_admin=True)
    people.add("alice", PASSWORD)
    people.grant("alice", "team-a", "member")
    return hub


@pytest.fixture(scope="module")
def address(hub):
    """Where its own routes are served."""
    with hub_api_server(hub.path) as api:
        yield api.address


@pytest.fixture(autouse=True)
def log_ins(monkeypatch, tmp_path):
    """The folder of this user's log-ins."""
    folder = tmp_path / "config" / "log-ins"
    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(folder))
    credentials._credentials.clear()
    return folder


def run(*arguments, typed=""):
    """Run a command, which has to succeed; return what it printed."""
    # Each is a process, which knows nothing of the one before.
    credentials._credentials.clear()
    result = CliRunner().invoke(main, arguments, input=typed, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def fail(*arguments, typed=""):
    """Run a command, which has to fail; return what it said."""
    credentials._credentials.clear()
    result = CliRunner().invoke(main, arguments, input=typed, catch_exceptions=False)
    assert result.exit_code != 0, result.output
    return result.output


def me(address, token):
    """The status of an answer to who has a token."""
    return requests.get(
        f"{address}/hub/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=20
    ).status_code


def kept(log_ins):
    """What is kept of the only log-in."""
    (file,) = [each for each in log_ins.iterdir() if not each.name.endswith(".lock")]
    return json.loads(file.read_text())


def test_a_log_in_is_kept_for_its_user_only_and_ended_by_logout(address, log_ins):
    """In a file that nobody else may read; a wrong password is refused, and says no more."""
    said = run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    assert "team-a: member" in said
    assert f"MLFLOW_TRACKING_URI=workspace://{address[7:]}/team-a\n" in said
    for each in log_ins.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    assert stat.S_IMODE(log_ins.stat().st_mode) == 0o700
    token = kept(log_ins)["access"]
    assert token not in said
    assert me(address, token) == 200
    assert "Logged out" in run("logout", address)
    assert not [each for each in log_ins.iterdir() if not each.name.endswith(".lock")]
    assert me(address, token) == 401 or _ends(address, token)
    assert "Nobody was logged in" in run("logout", address)
    for name in ("alice", "nobody"):
        wrong = fail("login", address, "--name", name, typed="wrong password\n")
        assert "No account has this name and password" in wrong
    assert "Nobody is logged in" in fail("token", "list", "--server", address)


def test_the_default_hub_is_one_to_these_commands(address, monkeypatch):
    """By its address, wherever it stands; a machine's token is only forgotten by ``logout``."""
    run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    for place in (["--hub", address], ["--server", address], []):
        monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", address if place[:1] != ["--hub"] else "nowhere")
        assert "alice" in run("token", "list", *place)
    said = run("token", "create", "alice", "--days", "1")
    token = next(each for each in said.split() if each.startswith("mws_"))
    run("login", address, "--token", typed=token)
    assert "token revoke ID --server" in run("logout", address)
    assert me(address, token) == 200


def test_a_token_of_the_variable_that_is_over_is_named(address, monkeypatch):
    """What would help without it does not; nor does one that is not meant for the hub."""
    uri = f"workspace://{address[7:]}/team-a"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mws_of_a_machine")
    for named, says in ((uri, "The token in MLFLOW_TRACKING_TOKEN"), ("", "is not used")):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
        with pytest.raises(LogInNeededError, match=says) as raised:
            HubHttp(uris.parse(uri)).call("GET", "/hub/v1/me")
        assert "mws_" not in str(raised.value)
        assert f"mlflow-workspace login {address}" in str(raised.value)


def test_mlflows_variable_comes_before_a_log_in(address, monkeypatch):
    """As with MLflow; for the hub that the tracking URI names, and no other."""
    run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mws_of_a_machine")
    known = credentials.credentials_of(address)
    for uri, is_meant in ((address, True), ("http://127.0.0.1:9", False)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"workspace://{uri[7:]}/team-a")
        assert (known.token() == "mws_of_a_machine") is is_meant
        # What the hub does not take is not replaced by somebody else's.
        assert known.renewed("mws_of_a_machine") is None or not is_meant


def test_mlflows_variable_is_never_shown(address, monkeypatch, caplog):
    """It may have the end of its line; what is no token is in no error, and in no log."""
    uri = f"workspace://{address[7:]}/team-a"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mws_of_a_machine\r\n")
    known = credentials.credentials_of(address)
    assert known.token() == "mws_of_a_machine"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mws_a\nb")
    assert known.token() is None
    assert "holds what is no token" in caplog.text
    with pytest.raises(LogInNeededError) as of_call:
        HubHttp(uris.parse(uri)).call("GET", "/hub/v1/me")
    with pytest.raises(HubUnreachableError) as of_question:
        asking.ask(address, "GET", "/hub/v1/me", token="mws_a\nb")
    for said in (str(of_call.value), str(of_question.value), caplog.text):
        assert "mws_a" not in said


def test_a_command_has_no_token_of_another_hub(monkeypatch):
    """That of its own, and one that it was given, it has."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mws_of_a_machine")
    record = WorkspaceRecord("team-a", "team-a", "", "")
    run = RunFacts("workspace://127.0.0.1:9/team-a", record, "1", "one", "0" * 32)
    for uri, expected in (
        ("workspace://127.0.0.1:9/team-b", "mws_of_a_machine"),
        ("file:///x", ""),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        found = environment_of(run, os.environ)
        assert found["MLFLOW_TRACKING_TOKEN"] == expected
    given = environment_of(run, {**os.environ, "MLFLOW_TRACKING_TOKEN": "mws_of_its_own"})
    assert given["MLFLOW_TRACKING_TOKEN"] == "mws_of_its_own"


def _ends(address, token):
    deadline = time.monotonic() + 60
    while me(address, token) == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return True


def test_a_terminal_logs_in_by_a_code_that_is_typed_in_a_browser(hub, address, log_ins):
    """Who is logged in there sees which terminal it is, and says yes; a code is good once."""
    broken = []

    def fault(request):
        if broken or "redeem" not in request.target:
            return None
        broken.append(request)
        return (502, {"Content-Type": "text/html"}, "<html>A proxy's own page</html>")

    with fault_proxy(int(address.rpartition(":")[2])) as line:
        line.fault = fault
        _let_in_by_code(hub, address, f"http://127.0.0.1:{line.port}")
    assert broken
    assert kept(log_ins)["name"] == "alice"


def test_a_code_whose_answer_was_lost_logs_in_once(hub, address, log_ins):
    """The terminal asks again for what it was given, and for who it is."""
    from sqlalchemy import select

    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.token_rows import token_transaction
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.errors import LogInEndedError
    from mlflow_workspace_plugin.hub.tables import CODES
    from mlflow_workspace_plugin.remote import logging_in

    broken, secrets = [], []
    new = Codes.new

    def fault(request):
        of = request.target.rpartition("/")[2]
        with token_transaction(hub) as connection:
            is_allowed = connection.execute(select(CODES).where(CODES.c.name.is_not(None))).all()
        if of in broken or (of == "redeem" and not is_allowed):
            return None
        broken.append(of)
        return Cut(before_answer=True) if of in ("redeem", "me") else None

    def noted(self, label):
        code = new(self, label)
        secrets.append(code.secret)
        return code

    def log_ins_of_here():
        return [each for each in Tokens(hub).list("alice") if each.label == logging_in.here()]

    before = log_ins_of_here()
    with (
        pytest.MonkeyPatch.context() as patch,
        fault_proxy(int(address.rpartition(":")[2])) as line,
    ):
        patch.setattr(Codes, "new", noted)
        line.fault = fault
        _let_in_by_code(hub, address, f"http://127.0.0.1:{line.port}")
    assert {"redeem", "me"} <= set(broken)
    assert kept(log_ins)["name"] == "alice"
    assert me(address, kept(log_ins)["access"]) == 200
    assert len(log_ins_of_here()) == len(before) + 1
    # Once it is in use, nobody is given it again.
    with pytest.raises(LogInEndedError, match="good no more"):
        Codes(hub).redeem(secrets[0])


def _let_in_by_code(hub, address, through):
    """Have a terminal log in by a code, on a way to the hub, and say yes to it in a browser."""
    from mlflow_workspace_plugin.remote import logging_in

    shown = []
    waits = threading.Thread(
        target=logging_in.log_in_by_code, args=(through, lambda *each: shown.append(each))
    )
    waits.start()
    while not shown:
        time.sleep(0.01)
    (code, page), *_ = shown
    _say_yes(hub, address, code, page.replace(through, address), waits)


def _say_yes(hub, address, code, page, waits):
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.remote import logging_in

    browser = requests.Session()
    browser.cookies.set("mlflow-workspace-hub", Tokens(hub).issue("alice", kind="session").access)
    own = {"Origin": address}
    assert "Code that the terminal shows" in browser.get(page, timeout=20).text
    assert browser.post(page, {"shown": "BCDF-GHJK"}, headers=own, timeout=20).status_code == 404
    asked = browser.post(page, {"shown": code.lower()}, headers=own, timeout=20).text
    assert logging_in.here() in asked
    assert code in asked
    foreign = {"Origin": "https://evil.example"}
    yes = {"shown": code, "yes": "yes"}
    assert browser.post(page, yes, headers=foreign, timeout=20).status_code == 403
    assert waits.is_alive(), "nobody has said yes"
    assert "logged in" in browser.post(page, yes, headers=own, timeout=20).text
    waits.join(60)
    assert browser.post(page, yes, headers=own, timeout=20).status_code == 404


def test_administrators_change_accounts_by_the_server_and_nobody_else(hub, address):
    """As beneath it; a machine's token is for what it was given, and is ended by its id."""
    run("login", address, "--name", "root", typed=f"{PASSWORD}\n")
    at = ("--server", address)
    run("user", "add", "carol", *at, typed=f"{PASSWORD}\n")
    run("user", "add", "robot", "--machine", *at)
    run("user", "grant", "robot", "team-a", "member", *at)
    run("user", "grant", "carol", "team-a", "reader", "--hub", str(hub.path))
    users = json.loads(run("user", "list", "--json", *at))
    assert {"name": "robot", "is_admin": False, "roles": {"team-a": ["member"]}} in users
    assert users == json.loads(run("user", "list", "--json", "--hub", str(hub.path)))
    given = ("--workspace", "team-a", "--role", "reader", "--label", "nightly")
    token = run("token", "create", "robot", *given, *at).splitlines()[0]
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{address}/hub/v1/me", headers=headers, timeout=20)
    assert answer.json()["workspaces"] == {"team-a": "read"}
    listed = json.loads(run("token", "list", "--all", "--json", *at))
    assert token not in str(listed)
    (nightly,) = [each for each in listed if each["label"] == "nightly"]
    run("login", address, "--token", typed=f"{token}\n")
    assert "closed" in fail("user", "list", *at) or "administrator" in fail("user", "list", *at)
    assert "token" in fail("token", "create", *at)
    run("login", address, "--name", "carol", typed=f"{PASSWORD}\n")
    assert "administrator" in fail("user", "add", "eve", *at, typed=f"{PASSWORD}\n")
    assert "role" in fail("user", "grant", "carol", "team-a", "manager", *at)
    assert "administrator" in fail("token", "create", "root", *at)
    assert "no such log-in" in fail("token", "revoke", nightly["id"], *at)
    run("login", address, "--name", "root", typed=f"{PASSWORD}\n")
    run("token", "revoke", nightly["id"], *at)
    assert _ends(address, token)
    run("user", "remove", "carol", "--yes", *at)
    assert "carol" not in run("user", "list", *at)


def test_what_is_sent_to_log_in_is_checked(address):
    """What is no JSON object, too long, or of another kind, is refused by its name."""
    for path in ("log-in", "refresh", "log-out", "codes", "codes/redeem"):
        for body in (b"", b"[]", b"{", b'{"name": 1, "refresh": {}, "token": null, "code": []}'):
            answer = requests.post(f"{address}/hub/v1/{path}", data=body, timeout=20)
            assert answer.status_code in ((200,) if path == "codes" else ()) + (400,), path
        answer = requests.post(f"{address}/hub/v1/{path}", data=b"x" * 100_000, timeout=20)
        assert answer.status_code == 413
    answer = requests.post(f"{address}/hub/v1/refresh", json={"refresh": "mwr_x"}, timeout=20)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_an_ended_log_in_is_waited_for_and_found_again(hub, address, log_ins):
    """A script that goes on finds the log-in that its user makes meanwhile, and asks for none."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    mine = credentials.credentials_of(address)
    assert mine.token() is None
    run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    token = mine.token()
    assert me(address, token) == 200
    Tokens(hub).end(token)
    assert _ends(address, token)
    assert mine.renewed(token) is None
    assert mine.renewed(token) is None
    run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    renewed = mine.renewed(token)
    assert renewed not in (None, token)
    assert me(address, renewed) == 200
    assert mine.token() == renewed


def test_a_job_has_a_log_in_of_its_own(hub, address, log_ins, monkeypatch):
    """Beside its user's, for its run only; it is no good a day after the job has ended."""
    from mlflow import MlflowClient

    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.hub.tables import JOBS
    from mlflow_workspace_plugin.jobs.engines.engine import Compute
    from mlflow_workspace_plugin.jobs.engines.local.engine import LocalEngine
    from mlflow_workspace_plugin.jobs.log_in import variables_of_log_in

    client = MlflowClient(f"workspace://{hub.path}/team-a")
    experiment = client.create_experiment("of jobs")
    store = Workspace.get("team-a", hub=hub.path).tracking_store
    job = store.create_job(
        experiment, run_name=None, tags=[], definition={}, compute="local", engine="local"
    ).info.run_id
    other = client.create_run(experiment).info.run_id
    engine = LocalEngine(Compute("local", "local", None, {}))
    uri = f"workspace://{address[7:]}/team-a"
    assert variables_of_log_in(f"workspace://{hub.path}/team-a", job, engine) == {}
    run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    credentials._credentials.clear()
    users = credentials.credentials_of(address).token()
    # Of a submission that went no farther, on a disk that was full.
    (log_ins / "jobs" / ("0" * 32)).mkdir(parents=True)
    variables = variables_of_log_in(uri, job, engine)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    credentials._credentials.clear()
    own = credentials.credentials_of(address).token()
    assert own not in (None, users)
    access = Access(hub)
    principal = access.by_token(own)
    assert (principal.name, principal.run_id) == ("alice", job)
    assert access.may_runs(principal, "team-a", [job, other], "edit") == {job}
    (file,) = [each for each in Path(*variables.values()).iterdir() if each.suffix != ".lock"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.parent.parent.parent == log_ins
    refused = requests.post(
        f"{address}/hub/v1/workspaces/team-a/runs/{other}/token",
        headers={"Authorization": f"Bearer {own}"},
        timeout=20,
    )
    assert refused.status_code == 403
    a_day_ago = int(time.time() * 1000) - 86_400_000
    with hub.engine.begin() as connection:
        connection.execute(JOBS.update().values(ended_at=a_day_ago))
    assert Access(hub).by_token(own) is None
    assert Access(hub).by_token(users).name == "alice"


def test_what_a_log_in_gave_is_revoked_with_it(hub, address):
    """What a terminal asked for, whose code a browser said yes to; token list says from where."""
    from mlflow import MlflowClient

    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    def post(path, by=None, **body):
        headers = {} if by is None else {"Authorization": f"Bearer {by}"}
        answer = requests.post(f"{address}/hub/v1/{path}", json=body, headers=headers, timeout=20)
        return answer.json() | {"status": answer.status_code}

    client = MlflowClient(f"workspace://{hub.path}/team-a")
    store = Workspace.get("team-a", hub=hub.path).tracking_store
    job = store.create_job(
        client.create_experiment("of what is revoked"),
        run_name=None,
        tags=[],
        definition={},
        compute="local",
        engine="local",
    ).info.run_id
    session = Tokens(hub).issue("alice", kind="session")
    code = post("codes", label="a terminal")
    answer = requests.post(
        f"{address}{code['page']}",
        {"shown": code["shown"], "yes": "yes"},
        headers={"Origin": address, "Cookie": f"mlflow-workspace-hub={session.access}"},
        timeout=20,
    )
    assert answer.ok
    terminal = post("codes/redeem", code=code["code"])
    machine = post("tokens", terminal["access"], label="a machine")
    of_job = post(f"workspaces/team-a/runs/{job}/token", machine["access"])
    of_its_job = post(f"workspaces/team-a/runs/{job}/token", of_job["access"])
    given = [terminal, machine, of_job, of_its_job]
    run("login", address, "--name", "alice", typed=f"{PASSWORD}\n")
    listed = json.loads(run("token", "list", "--json", "--server", address))
    parents = {each["id"]: each["parent"] for each in listed}
    above = [session.id, *(each["id"] for each in given)]
    assert [parents[each["id"]] for each in given] == above[:-1]
    assert above[1] in run("token", "list", "--server", address).split("a machine")[1]
    assert post("log-out", token=terminal["access"])["ended"]
    good = [Access(hub).by_token(each["access"]) is not None for each in given]
    assert good == [False, True, True, True]
    root = Tokens(hub).issue("root")
    run("token", "revoke", session.id, "--server", address)
    assert not any(Access(hub).by_token(each["access"]) for each in given)
    assert "no such log-in" in fail("token", "revoke", root.id, "--server", address)
    assert Access(hub).by_token(root.access) is not None


def test_a_hub_that_is_away_is_not_asked_for_a_token_by_every_call(hub, address):
    """The token that was there is shown then, once it was asked in vain for the next one."""
    with fault_proxy(int(address.rpartition(":")[2])) as proxy:
        behind = f"http://127.0.0.1:{proxy.port}"
        issued = _keep_expired(hub, behind)
        mine = credentials.credentials_of(behind)
        proxy.fault = lambda _: Cut(of_request=0)
        assert {mine.token() for _ in range(5)} == {issued.access}
        assert len(proxy.requests) == 1
        with pytest.raises(HubUnreachableError):
            mine.renewed(issued.access)
        proxy.fault = lambda _: (401, {"Content-Type": "text/html"}, "<p>Log in to the network.")
        with pytest.raises(HubUnreachableError):
            mine.renewed(issued.access)
        proxy.fault = lambda _: None
        assert mine.renewed(issued.access) not in (None, issued.access)


def _keep_expired(hub, address):
    """Keep a log-in whose access token is over; return what was given."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.remote.log_ins import KeptLogIn, log_in_of

    issued = Tokens(hub).issue("alice")
    expired = replace(log_in_of(issued._asdict(), "alice"), expires_at=time.time() - 60)
    KeptLogIn(address).change(lambda: expired)
    return issued


def test_a_log_in_that_cannot_be_kept_is_not_exchanged(hub, address, log_ins):
    """The next process would exchange it again, as a copy; with room it goes on."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    issued = _keep_expired(hub, address)
    started = Popen(
        ["-c", _ON_A_FULL_DISK, address, issued.access],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = started.communicate(timeout=120)
    assert started.returncode == 0, err
    said, new = out.splitlines()
    assert "is not renewed" in said, err
    assert "Make room" in said
    assert kept(log_ins)["access"] == new != issued.access
    assert me(address, new) == 200
    assert issued.id in {each.id for each in Tokens(hub).list("alice")}


def test_a_log_in_that_was_exchanged_and_not_kept_goes_on(hub, address, log_ins, monkeypatch):
    """In its process, which exchanges the newest one the next time, and keeps what it gets."""
    from sqlalchemy import update

    from mlflow_workspace_plugin.accounts.token_rows import token_transaction
    from mlflow_workspace_plugin.accounts.tokens import AGAIN_S, Tokens
    from mlflow_workspace_plugin.hub.tables import TOKENS

    issued = _keep_expired(hub, address)
    mine = credentials.credentials_of(address)
    with monkeypatch.context() as patch:

        def fail(*_):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        patch.setattr(os, "replace", fail)
        second = mine.token()
    assert second != issued.access
    assert me(address, second) == 200
    assert kept(log_ins)["access"] == issued.access
    long_ago = TOKENS.c.used_at - int(2000 * AGAIN_S)
    with token_transaction(hub) as connection:
        connection.execute(update(TOKENS).values(used_at=long_ago))
    mine._log_in = replace(mine._log_in, expires_at=time.time() - 60)
    third = mine.token()
    assert me(address, third) == 200
    assert kept(log_ins)["access"] == third != second
    assert issued.id in {each.id for each in Tokens(hub).list("alice")}


def test_a_hub_that_hangs_is_asked_for_a_token_by_one_thread(hub, address, monkeypatch):
    """Those that wait behind it have its answer, and do not ask one behind the other."""
    monkeypatch.setattr(asking, "_ANSWER_S", 1.0)
    together = threading.Barrier(8)

    def token(_):
        together.wait(60)
        return mine.token()

    def renewed(_):
        together.wait(60)
        with pytest.raises(HubUnreachableError):
            mine.renewed(issued.access)

    with (
        fault_proxy(int(address.rpartition(":")[2])) as proxy,
        ThreadPoolExecutor(together.parties) as threads,
    ):
        behind = f"http://127.0.0.1:{proxy.port}"
        issued = _keep_expired(hub, behind)
        mine = credentials.credentials_of(behind)
        proxy.fault = lambda _: Cut(is_silent=True)
        assert set(threads.map(token, range(together.parties))) == {issued.access}
        assert len(proxy.requests) == 1
        proxy.forget()
        list(threads.map(renewed, range(together.parties)))
        assert len(proxy.requests) == 3


def test_a_log_in_may_be_in_the_systems_keyring(address, log_ins, tmp_path, monkeypatch):
    """Then the file says so, and holds no secret; without a keyring that is said."""
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    in_keyring = {}

    class InMemory(KeyringBackend):
        priority = 1

        def set_password(self, service, username, password):
            in_keyring[service, username] = password

        def get_password(self, service, username):
            return in_keyring.get((service, username))

        def delete_password(self, service, username):
            del in_keyring[service, username]

    monkeypatch.setattr(keyring.core, "_keyring_backend", InMemory())
    run("login", address, "--name", "alice", "--keyring", typed=f"{PASSWORD}\n")
    assert not kept(log_ins)["access"]
    assert kept(log_ins)["refresh"] is None
    assert "alice" in run("token", "list", "--server", address)
    run("logout", address)
    assert in_keyring == {}
