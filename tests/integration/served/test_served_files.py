"""Files of a served hub: signed for, or through its server; and what others can do with that."""

import gzip
import hashlib
import io
import os
import shutil
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs

import anyio
import mlflow
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.app.served.watching.readiness import Readiness
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK
from mlflow_workspace_plugin.artifacts.paths import location_of
from mlflow_workspace_plugin.protocol.files import PIECE
from tests.azurite import ACCOUNT, KEY, connection_string, sas
from tests.conftest import write_settings
from tests.fault_proxy import Cut, Proxy, fault_proxy
from tests.file_transfers import BOTH, store_and_fetch, trees, write_tree
from tests.hub_api import Api, hub_api_server
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
_CREDENTIAL = "CREDENTIAL_OF_THE_SERVER"


class Team(NamedTuple):
    """A served hub with two workspaces, team-a and team-b."""

    api: Api
    run: PurePosixPath
    """Where the files of a run in team-a are."""
    proxy: Proxy | None
    """In front of the storage account; None where the files are in a folder."""


@pytest.fixture(scope="module", params=["folder", "account"])
def team(request, sqlite_template, tmp_path_factory, azurite_server):
    """A hub in both kinds of storage, served to three of team-a, and bob of team-b."""
    path = shutil.copytree(sqlite_template, tmp_path_factory.mktemp("served") / "hub")
    with fault_proxy(azurite_server.port) as proxy:
        if request.param == "account":
            (path / "artifacts").rmdir()
            os.environ[_CREDENTIAL] = connection_string(proxy.endpoint)
            name = azurite_server.container(f"served-{uuid.uuid4().hex}").container_name
            place = f"azure://{ACCOUNT}/{name}/some/prefix?credential=${{{_CREDENTIAL}}}"
            write_settings(path, f'artifacts = "{place}"\n')
        location, _ = (_run_in(path, name) for name in ("team-a", "team-b"))
        with hub_api_server(path) as api:
            api.add_user("alice", "team-a", "member")
            api.add_user("mona", "team-a", "manager")
            api.add_user("rita", "team-a", "reader")
            api.add_user("bob", "team-b", "member")
            yield Team(api, location, proxy if request.param == "account" else None)
        os.environ.pop(_CREDENTIAL, None)


def _run_in(path: Path, name: str) -> PurePosixPath:
    from mlflow_workspace_plugin import Workspace

    uri = Workspace.create(name, hub=path).get_mlflow_tracking_uri()
    client = MlflowClient(uri, uri)
    run = client.create_run(client.create_experiment("experiment"))
    return location_of(run.info.artifact_uri, name)


def repository_of(team: Team, patience_s: float = 5, name: str = "alice"):
    """Return the files of the run in team-a, as somebody sees them from elsewhere."""
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository

    return ServedRepository(team.api.http(name), "team-a", team.run, patience_s=patience_s)


@pytest.fixture
def repository(team, request):
    """A folder of its own among the files of the run in team-a, as alice sees it."""
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository

    if team.proxy is not None:
        team.proxy.forget()
        team.proxy.fault = lambda _: None
    team.api.asked.clear()
    folder = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    return ServedRepository(team.api.http("alice"), "team-a", team.run / folder, patience_s=5)


def test_file_that_grows(team, repository, tmp_path):
    """What was added goes the way of all bytes, and once only where it is sent again."""
    log, content = tmp_path / "log", b"0123456789" * 100_000
    log.write_bytes(content)
    repository.log_artifact(str(log))
    for number in range(4):
        content += b"%d\n" % number * 1_000
        log.write_bytes(content)
        team.api.asked.clear()
        if team.proxy is not None:
            team.proxy.forget()
        with log.open("rb") as source:
            assert repository.grow("log", source) is not None
        sent = team.api.body_bytes() + (0 if team.proxy is None else team.proxy.sent)
        assert number == 0 or sent < 100_000
        assert (team.api.body_bytes() == 0) == (team.proxy is not None)
    assert repository.read_from("log", 0, 2 * len(content)) == content


@pytest.fixture
def before_pieces(monkeypatch):
    """A list of what is called before each request for a piece behind the first."""
    calls, running, send = [], threading.Lock(), requests.adapters.HTTPAdapter.send

    def watched(self, request, *args, **kwargs):
        wanted = request.headers.get("x-ms-range") or request.headers.get("Range") or "bytes=0-"
        is_piece = request.method == "GET" and not wanted.startswith("bytes=0-")
        if is_piece and running.acquire(blocking=False):
            try:
                for each in calls:
                    each()
            finally:
                running.release()
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", watched)
    return calls


@pytest.mark.parametrize("is_appended", [False, True])
def test_log_that_grows_while_it_is_fetched(team, repository, tmp_path, before_pieces, is_appended):
    """With each request: the copy is what was there first."""
    log, content = tmp_path / "log", b"0123456789abcde\n" * (2 * BLOCK // 16 + 100)
    log.write_bytes(content)
    grown = []

    def grow() -> None:
        grown.append(b"more\n")
        if is_appended:
            repository.append("log", b"more\n")
            return
        with log.open("ab") as file:
            file.write(b"more\n")
        with log.open("rb") as source:
            repository.grow("log", source)

    if is_appended:
        repository.append("log", content)
    else:
        with log.open("rb") as source:
            if repository.grow("log", source) is None:
                repository.log_artifact(str(log))
    before_pieces.append(grow)
    repository.fetch("log", tmp_path / "copy")
    before_pieces.clear()
    assert len(grown) > 1
    assert (tmp_path / "copy").read_bytes() == content
    assert not list(tmp_path.glob(".download-*"))


def test_replaced_by_what_begins_alike(team, repository, tmp_path, before_pieces):
    """It is no log that grows: the copy is the new file, and not a mixture."""
    file, old = tmp_path / "file", os.urandom(2 * BLOCK)
    file.write_bytes(old)
    repository.log_artifact(str(file))
    new = old[:BLOCK] + os.urandom(BLOCK + 1)

    def replace() -> None:
        before_pieces.clear()
        file.write_bytes(new)
        repository.log_artifact(str(file))

    before_pieces.append(replace)
    repository.fetch("file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == new


def test_append_at_a_place(team, repository):
    """It is made once, goes on if it was made in part, and spares what is another's.

    To files of an account nothing is appended so.
    """
    repository.append("log", b"0123", goes_on=True)
    location = str(team.run / repository._base.name / "log")
    if team.proxy is not None:
        assert repository._calls.append_at(location, b"45", 4) is False
        assert repository.read_from("log", 0, 100) == b"0123"
        return
    for piece, at, is_there, content in (
        (b"45", 4, True, b"012345"),
        (b"45", 4, True, b"012345"),
        (b"4567", 4, True, b"01234567"),
        (b"xx", 4, False, b"01234567"),
        (b"45", 4, False, b"01234567"),
        (b"xx", 9, False, b"01234567"),
    ):
        assert repository._calls.append_at(location, piece, at) is is_there
        assert repository.read_from("log", 0, 100) == content
    assert repository._calls.append_at(location + "s", b"x", 0) is False


@pytest.mark.parametrize("size", [0, PIECE, BLOCK, 2 * BLOCK + 1])
def test_any_size_comes_back(team, repository, tmp_path, size):
    """Files and streams of each size come back, and no byte of a signed one meets the server."""
    content = store_and_fetch(repository, tmp_path, size)
    for name in BOTH:
        with repository.open_file(name) as file:
            assert file.read() == content
            file.seek(size // 2)
            assert file.read() == content[size // 2 :]
        assert repository.read_from(name, 1, size + 9) == content[1:]
    # Replaced, by another content of the size.
    other = os.urandom(size)
    (tmp_path / "file").write_bytes(other)
    repository.log_artifact(str(tmp_path / "file"))
    repository.log_artifact_from_stream(io.BytesIO(other), "stream", "in/folder")
    for name in BOTH:
        repository.fetch(name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == other
    assert {each.path: each.size for each in repository.files()} == {
        "file": size,
        "in/folder/stream": size,
    }
    if team.proxy is not None:
        assert team.api.body_bytes() == 0


@settings(
    max_examples=int(os.environ.get("TREES", "8")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tree=trees())
def test_any_tree_comes_back(team, tmp_path_factory, tree):
    """A folder with files of any names comes back, is listed, and is deleted by a manager."""
    repository = repository_of(team)
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "target"))
    write_tree(tree, source)
    repository.log_artifacts(str(source), "tree")
    listed = {each.path: each.size for each in repository.files("tree")}
    assert listed == {f"tree/{path}": len(content) for path, content in tree.items()}
    if tree:
        assert {each.path for each in repository.list_artifacts("tree")} == {
            f"tree/{path.parts[0]}" for path in tree
        }
        repository.download_artifacts("tree", str(target))
        for path, content in tree.items():
            assert (target / "tree" / path).read_bytes() == content
    with pytest.raises(MlflowException, match="delete files"):
        repository.delete_artifacts("tree")
    repository_of(team, name="mona").delete_artifacts("tree")
    assert not list(repository.files("tree"))


def test_unchanged_files_are_not_sent(team, repository, tmp_path):
    """Of a folder that was stored before, only what changed is sent."""
    for number in range(20):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / str(number)).write_bytes(os.urandom(10_000))
    repository.log_artifacts(str(tmp_path / "folder"), "folder")
    (tmp_path / "folder" / "7").write_bytes(os.urandom(10_000))
    (tmp_path / "folder" / "8").write_bytes(b"shorter")
    team.api.asked.clear()
    sent_before = team.proxy.sent if team.proxy else 0
    repository.log_artifacts(str(tmp_path / "folder"), "folder")
    sent = team.proxy.sent - sent_before if team.proxy else team.api.body_bytes()
    assert 10_007 <= sent < 11_000
    for name in ("6", "7", "8"):
        repository.fetch(f"folder/{name}", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == (tmp_path / "folder" / name).read_bytes()


def test_an_upload_that_broke_off_goes_on(team, repository, tmp_path):
    """What the server or the account has of a large file is not sent again."""
    file = tmp_path / "big.bin"
    file.write_bytes(os.urandom(6 * BLOCK + 17))
    calls = {"n": 0}
    if team.proxy is not None:

        def fault(request):
            calls["n"] += request.operation == "PUT block"
            is_refused = request.operation == "PUT blocklist"
            return (400, {}, "no") if is_refused else None

        team.proxy.fault = fault
    else:
        ask = repository._http.request

        def request(method, path, **options):
            calls["n"] += path.endswith("content")
            if calls["n"] == 8:
                raise ConnectionError("cut")
            return ask(method, path, **options)

        repository._http.request = request
    with pytest.raises((MlflowException, ConnectionError)):
        repository.log_artifact(str(file))
    assert calls["n"] >= 7
    if team.proxy is not None:
        team.proxy.fault = lambda _: None
        team.proxy.forget()
    else:
        calls["n"] = 100
    team.api.asked.clear()
    repository.log_artifact(str(file))
    sent = team.proxy.sent if team.proxy else team.api.body_bytes()
    assert sent < file.stat().st_size * 0.6
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


def test_writers_of_one_file(team, repository, tmp_path):
    """Of several who send large files to one place the last wins, and nothing is mixed or left."""
    contents = [os.urandom(2 * BLOCK + 5), os.urandom(2 * BLOCK + 5)]
    files = []
    for number, content in enumerate([contents[0], contents[0], contents[1]]):
        files.append(tmp_path / str(number) / "big.bin")
        files[-1].parent.mkdir()
        files[-1].write_bytes(content)
    raised = []

    def store(file: Path) -> None:
        try:
            repository.log_artifact(str(file))
        except MlflowException as error:
            raised.append(error)

    threads = [threading.Thread(target=store, args=(each,)) for each in files]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not raised
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() in contents
    if team.proxy is None:
        left = [each.name for each in team.api.hub.folder.uploads.iterdir()]
        assert not [each for each in left if not each.startswith("stored-")]


def test_answers_that_are_lost(team, repository, tmp_path):
    """A file whose storing was not answered is there once, also where it may be created only."""
    if team.proxy is None:
        pytest.skip("about the account")
    lost = []

    def fault(request):
        if request.operation == "PUT" and len(lost) < 1:
            lost.append(request)
            return Cut(before_answer=True)
        return None

    team.proxy.fault = fault
    (tmp_path / "small").write_bytes(b"content")
    repository.log_artifact(str(tmp_path / "small"))
    assert lost
    repository.fetch("small", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    # Another's file is replaced, as everywhere.
    lost.clear()
    (tmp_path / "small").write_bytes(b"another")
    repository.log_artifact(str(tmp_path / "small"))
    repository.fetch("small", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"another"


def test_data_that_is_sent_again_is_told_of(team, repository, tmp_path):
    """After a lost answer it is there, and is not taken for what another stored before."""
    told = []
    for content in (b"content", b"content", b"another"):
        (tmp_path / "data").write_bytes(content)
        files = [(tmp_path / "data", "data")]
        repository.put_files(files, lambda _, path: told.append(path), overwrite=False)
    assert told == ["data", "data"]


def _once(team, name: str):
    """Return the folder of a file that is named by its content, and where that is."""
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository

    place = PurePosixPath("workspaces/team-a/.mlflow-workspace", name)
    return ServedRepository(team.api.http("alice"), "team-a", place.parent, patience_s=5), place


@pytest.mark.parametrize("size", [100, PIECE + 1, BLOCK + 1])
def test_packs_are_written_once(team, size):
    """The same bytes are taken again, and no others over them, by whichever way they are sent."""
    repository, place = _once(team, f"snapshots/packs/{'a' * 64}{size}.zip")
    content = os.urandom(size)
    for _ in range(2):
        repository.log_artifact_from_stream(io.BytesIO(content), place.name)
    for other in (content[:-1] + bytes([content[-1] ^ 1]), content[:-1], b"x"):
        with pytest.raises(MlflowException, match="written once") as raised:
            repository.log_artifact_from_stream(io.BytesIO(other), place.name)
        assert raised.value.error_code == "RESOURCE_CONFLICT"
    with pytest.raises(MlflowException):
        repository.append(place.name, b"x")
    assert repository.read_from(place.name, 0, size + 10) == content


def test_a_pack_is_not_read_for_one_of_another_size(team, monkeypatch):
    """However large it is: its size tells that it is another."""
    from mlflow_workspace_plugin.app.hub_api.files import contents

    repository, place = _once(team, f"snapshots/packs/{'c' * 64}.zip")
    repository.log_artifact_from_stream(io.BytesIO(b"content"), place.name)
    read = []
    monkeypatch.setattr(contents, "_hash_of", lambda *_: read.append(1) or "0" * 64)
    with pytest.raises(MlflowException, match="written once"):
        repository.log_artifact_from_stream(io.BytesIO(b"x"), place.name)
    assert not read


def test_damaged_list_of_files_is_written_anew(team):
    """Of what is not what its name says nobody has any use; what is good stays."""
    content = gzip.compress(b"list")
    repository, place = _once(team, f"data/manifests/{hashlib.sha256(content).hexdigest()}.json.gz")
    for each in (b"damaged", content, content):
        repository.log_artifact_from_stream(io.BytesIO(each), place.name)
        assert repository.read_from(place.name, 0, 1000) == each
    with pytest.raises(MlflowException, match="written once"):
        repository.log_artifact_from_stream(io.BytesIO(b"damaged"), place.name)


def test_no_signature_lets_anybody_replace_what_is_written_once(team):
    """Whatever it is wanted for, it is one that creates."""
    if team.proxy is None:
        pytest.skip("about the account")
    from mlflow_workspace_plugin.remote.files.calls import FileCalls, Wanted

    repository, place = _once(team, f"snapshots/packs/{'b' * 64}.zip")
    calls = FileCalls(team.api.http("alice"), "team-a")
    said = calls.storage()
    url = f"{said['service']}/{said['container']}/{said['prefix']}/{place}"
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
    wanted = [Wanted(str(place), act, 100) for act in ("create", "write", "look")]
    before = calls.sign_writes(wanted)
    repository.log_artifact_from_stream(io.BytesIO(b"content"), place.name)
    for signed in (*before, *calls.sign_writes(wanted)):
        assert signed.act == "create"
        for at in (f"{url}?{signed.text}", f"{url}?comp=block&blockid=AAAA&{signed.text}"):
            assert requests.put(at, b"evil", headers=headers, timeout=60).status_code == 403
    for other in (Wanted(str(place), "append"), Wanted(str(place), "look", BLOCK)):
        with pytest.raises(MlflowException, match="named by its content"):
            calls.sign_writes([other])
    assert repository.read_from(place.name, 0, 100) == b"content"


def test_appended_lines(team, repository):
    """Lines are appended, by both kinds of storage, and what grows is read from any place."""
    repository.append("logs/out.txt", b"one\n")
    repository.append("logs/out.txt", b"two\n")
    assert repository.read_from("logs/out.txt", 4, 100) == b"two\n"
    assert repository.read_from("logs/out.txt", 8, 100) == b""


def test_data_files(team, repository, tmp_path):
    """Files are put and fetched many at a time, and replace none where that is not wanted."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    told = []
    files = [(tmp_path / name, f"data/{name}") for name in ("a", "b")]
    repository.put_files(files, lambda _, path: told.append(path), overwrite=False)
    assert sorted(told) == ["data/a", "data/b"]
    (tmp_path / "a").write_text("changed")
    told.clear()
    for some in (files, files[:1]):
        repository.put_files(some, lambda _, path: told.append(path), overwrite=False)
    assert "data/a" not in told
    assert repository.present(["data/a", "data/c", "data"]) == {"data/a"}
    fetched = [("data/a", tmp_path / "copy")]
    repository.fetch_files(fetched, lambda *_: None)
    assert (tmp_path / "copy").read_text() == "a"
    with pytest.raises(MlflowException, match="No such artifact: 'data/c'"):
        repository.fetch_files([("data/c", tmp_path / "copy")], lambda *_: None)


@pytest.mark.parametrize(
    ("name", "workspace"), [("bob", "team-a"), ("bob", "team-b"), ("rita", "team-a")]
)
def test_others_are_refused(team, repository, tmp_path, name, workspace):
    """Who has no role, or only reads, stores and deletes nothing, by whichever route and path."""
    (tmp_path / "secret").write_text("a secret of team-a")
    repository.log_artifact(str(tmp_path / "secret"))
    place = f"{repository._base}/secret"
    http, base = team.api.http(name), f"/hub/v1/workspaces/{workspace}/files"
    digest = hashlib.sha256(b"x").hexdigest()
    content = {"location": place, "size": 1, "offset": 0, "sha256": digest}
    writes = [
        ("POST", "sign-writes", {"json": {"files": [{"location": place, "act": "write"}]}}),
        ("POST", "delete", {"json": {"location": place}}),
        ("POST", "append", {"params": {"location": place}, "data": b"x"}),
        ("POST", "content", {"params": content, "data": b"x"}),
    ]
    reads = [
        ("POST", "sign-reads", {"json": {"locations": [place]}}),
        ("POST", "list", {"json": {"location": str(repository._base)}}),
        ("POST", "find", {"json": {"files": [{"location": place}]}}),
        ("GET", "content", {"params": {"location": place}}),
    ]
    for method, route, options in [*writes, *([] if name == "rita" else reads)]:
        with pytest.raises(MlflowException) as refused:
            http.request(method, f"{base}/{route}", **options)
        codes = ["PERMISSION_DENIED", "INVALID_PARAMETER_VALUE"]
        if team.proxy is None and route.startswith("sign"):
            codes.append("RESOURCE_CONFLICT")  # nothing is signed, for nobody
        assert refused.value.error_code in codes, route
        assert "secret of" not in str(refused.value)
    repository.fetch("secret", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "a secret of team-a"


PLACES = (
    "",
    ".",
    "/etc/passwd",
    "workspaces",
    "workspaces/team-a",
    "workspaces/team-a/",
    "workspaces/team-a/9/x",
    "workspaces/team-b/1/x",
    "workspaces/team-a/../team-b/1",
    "workspaces/team-a/%2e%2e/team-b",
    "workspaces/team-a/datastores/../../team-b",
    "workspaces/team-a/..\\team-b",
    "workspaces/team-a/\0",
    "Workspaces/team-a/datastores/x",
    "workspaces/team-a/" + "0" * 32 + "/artifacts",
    "x" * 5000,
    "file:///etc/passwd",
    "//host/x",
)


@pytest.mark.parametrize("place", PLACES)
def test_places_that_are_nobodys(team, repository, place):
    """A path that leads elsewhere, or to what no row names, is neither read nor written."""
    http, base = team.api.http("alice"), "/hub/v1/workspaces/team-a/files"
    digest = hashlib.sha256(b"x").hexdigest()
    for method, route, options in (
        ("POST", "list", {"json": {"location": place, "deep": True}}),
        ("POST", "sign-reads", {"json": {"locations": [place]}}),
        ("POST", "sign-writes", {"json": {"files": [{"location": place, "act": "write"}]}}),
        ("POST", "delete", {"json": {"location": place}}),
        ("GET", "content", {"params": {"location": place}}),
        (
            "POST",
            "content",
            {
                "params": {"location": place, "size": 1, "offset": 0, "sha256": digest},
                "data": b"x",
            },
        ),
    ):
        with pytest.raises(MlflowException) as refused:
            http.request(method, f"{base}/{route}", **options)
        assert refused.value.error_code in (
            "BAD_REQUEST",
            "PERMISSION_DENIED",
            "INVALID_PARAMETER_VALUE",
            "RESOURCE_CONFLICT",
        )


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("list", {"location": 7}),
        ("find", {"files": "x"}),
        ("find", {"files": [1]}),
        ("find", {"files": [{"location": None}]}),
        ("find", {"files": [{}] * 1001}),
        ("find", {"files": [{"location": "RUN", "sha256": "x", "size": 1}]}),
        ("find", {"files": [{"location": "RUN", "sha256": "0" * 64, "size": -1}]}),
        ("delete", {"location": "RUN", "path": "../../x"}),
        ("delete", {"location": "RUN", "path": ["x"]}),
        ("sign-writes", {"files": [{"location": "RUN", "act": "delete"}]}),
        ("sign-writes", {"files": [{"location": "RUN", "act": ["c"]}]}),
        ("sign-writes", {"files": [{"location": "RUN", "act": "look", "size": "x"}]}),
    ],
)
def test_odd_requests(team, repository, route, body):
    """What is no request of ours is refused, and is no fault of the server's."""
    text = str(team.run)
    for each in [body, *(body.get("files") if isinstance(body.get("files"), list) else [])]:
        if isinstance(each, dict) and each.get("location") == "RUN":
            each["location"] = f"{text}/x"
    with pytest.raises(MlflowException) as refused:
        team.api.http("alice").request(
            "POST", f"/hub/v1/workspaces/team-a/files/{route}", json=body
        )
    assert refused.value.error_code not in ("INTERNAL_ERROR", "UNPARSEABLE_HTTP_ERROR")


def test_few_files_are_read_whole_at_a_time(team, repository, tmp_path):
    """To tell whether one is there already, which takes long: others are asked to come again."""
    if team.proxy is not None:
        pytest.skip("there the hash is kept with the file")
    from mlflow_workspace_plugin.app.hub_api.files.contents import _HASHING

    (tmp_path / "large").write_text("large")
    repository.log_artifact(str(tmp_path / "large"))
    http, base = team.api.http("alice"), "/hub/v1/workspaces/team-a/files"
    known = {"location": f"{repository._base}/large", "size": 5, "sha256": "0" * 64}
    last = {"params": {**known, "offset": 4}, "data": b"e"}
    with _HASHING, _HASHING:
        with pytest.raises(MlflowException) as refused:
            http.request("POST", f"{base}/content", **last)
        assert refused.value.error_code == "REQUEST_LIMIT_EXCEEDED"
        [found] = http.request("POST", f"{base}/find", json={"files": [known]}).json()["files"]
        assert found["is_same"] is None
    assert http.request("POST", f"{base}/content", **last).json()["stored"] is None
    [found] = http.request("POST", f"{base}/find", json={"files": [known]}).json()["files"]
    assert found["is_same"] is False


def test_a_leaked_signature(team, repository, azurite_server, tmp_path):
    """A signed URL does its one thing to its one blob, and nothing else."""
    if team.proxy is None:
        pytest.skip("about the account")
    from mlflow_workspace_plugin.remote.files.calls import FileCalls, Wanted

    (tmp_path / "kept").write_text("kept")
    repository.log_artifact(str(tmp_path / "kept"))
    calls, base = FileCalls(team.api.http("alice"), "team-a"), repository._base
    said = calls.storage()
    container = f"{said['service']}/{said['container']}"

    def url(name: str, signature: str) -> str:
        return f"{container}/{said['prefix']}/{base}/{name}?{signature}"

    new, there = calls.sign_writes(
        [Wanted(f"{base}/new", "create"), Wanted(f"{base}/kept", "create")]
    )
    (reading,) = calls.sign_reads([f"{base}/kept"])
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
    # What may be created is, once; then it is nobody's to replace, read, list or delete.
    assert requests.put(url("new", new.text), b"x", headers=headers, timeout=60).status_code == 201
    for name, signature in (("new", new.text), ("kept", there.text), ("other", new.text)):
        at = url(name, signature)
        answers = [
            requests.put(at, b"evil", headers=headers, timeout=60),
            requests.put(f"{at}&comp=block&blockid=AAAA", b"evil", headers=headers, timeout=60),
            requests.get(at, headers=headers, timeout=60),
            requests.delete(at, headers=headers, timeout=60),
            requests.put(f"{at}&comp=metadata", headers=headers, timeout=60),
            requests.get(f"{container}?restype=container&comp=list&{signature}", timeout=60),
        ]
        assert {each.status_code for each in answers} <= {403, 404}, [
            (each.request.method, each.status_code) for each in answers
        ]
    writing, appending = calls.sign_writes(
        [Wanted(f"{base}/kept", "write"), Wanted(f"{base}/log", "append")]
    )
    # One that may write may not read, and each is for its own blob only.
    for name, signature in (
        ("kept", writing.text),
        ("log", appending.text),
        ("new", writing.text),
        ("new", appending.text),
    ):
        at = url(name, signature)
        answers = [
            requests.get(at, headers=headers, timeout=60),
            requests.delete(at, headers=headers, timeout=60),
            requests.get(f"{container}?restype=container&comp=list&{signature}", timeout=60),
        ]
        if name == "new":
            answers.append(requests.put(at, b"evil", headers=headers, timeout=60))
            appended = f"{at}&comp=appendblock"
            answers.append(requests.put(appended, b"evil", headers=headers, timeout=60))
        assert {each.status_code for each in answers} <= {403, 404}
    at = url("kept", reading.text)
    assert requests.get(at, headers=headers, timeout=60).content == b"kept"
    for answer in (
        requests.put(at, b"evil", headers=headers, timeout=60),
        requests.delete(at, headers=headers, timeout=60),
        requests.get(url("new", reading.text), headers=headers, timeout=60),
        requests.get(f"{container}?restype=container&comp=list&{reading.text}", timeout=60),
    ):
        assert answer.status_code == 403
    repository.fetch("kept", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "kept"


def test_a_leaked_signature_is_good_for_minutes(team, repository, tmp_path, monkeypatch):
    """Then it does nothing any more: the service refuses it."""
    if team.proxy is None:
        pytest.skip("about the account")
    from mlflow_workspace_plugin.artifacts.azure_blob import signing
    from mlflow_workspace_plugin.remote.files.calls import FileCalls, Wanted

    (tmp_path / "kept").write_text("kept")
    repository.log_artifact(str(tmp_path / "kept"))
    calls, kept = FileCalls(team.api.http("alice"), "team-a"), f"{repository._base}/kept"

    def signatures():
        (reading,) = calls.sign_reads([kept])
        return reading, *calls.sign_writes([Wanted(kept, act) for act in ("create", "write")])

    last = datetime.now(timezone.utc) + timedelta(minutes=16)
    for each in signatures():
        (until,) = parse_qs(each.text)["se"]
        assert datetime.fromisoformat(until.replace("Z", "+00:00")) < last
        assert each.seconds <= 600
    monkeypatch.setattr(signing, "_LIFE_S", 2)
    reading, creating, writing = signatures()
    said = calls.storage()
    at = f"{said['service']}/{said['container']}/{said['prefix']}/{kept}?"
    wait_until(lambda: requests.get(at + reading.text, timeout=60).status_code == 403)
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
    for each in (creating, writing):
        answer = requests.put(at + each.text, b"evil", headers=headers, timeout=60)
        assert answer.status_code == 403
    repository.fetch("kept", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "kept"


def test_a_pipe_is_no_file(repository, tmp_path):
    """It could keep the process waiting for ever: alone, and among others in a folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    for store in (repository.log_artifact, repository.log_artifacts):
        with pytest.raises(OSError, match="no plain file"):
            store(str(folder / "pipe" if store == repository.log_artifact else folder))
    assert [*repository.files()] == []


@pytest.mark.parametrize("fault", [(503, {}, ""), Cut(is_silent=True)], ids=["away", "silent"])
def test_a_hub_is_not_ready_while_its_files_are_away(team, repository, fault):
    """And says so within seconds, though nothing answers."""
    if team.proxy is None and isinstance(fault, Cut):
        pytest.skip("about the account")

    def ready():
        return anyio.run(Readiness(team.api.hub).parts)

    assert ready() == {"database": "ok", "storage": "ok"}
    files = team.api.hub.path / "artifacts"
    if team.proxy is not None:
        team.proxy.fault = lambda _: fault
    else:
        files.rename(team.api.hub.path / "elsewhere")
    try:
        assert ready() == {"database": "ok", "storage": "away"}
    finally:
        if team.proxy is not None:
            team.proxy.fault = lambda _: None
        else:
            (team.api.hub.path / "elsewhere").rename(files)
    assert ready() == {"database": "ok", "storage": "ok"}


def test_signatures_are_renewed(team, repository, tmp_path, monkeypatch):
    """A transfer that takes longer than a signature is good for gets new ones by itself."""
    if team.proxy is None:
        pytest.skip("about the account")
    from mlflow_workspace_plugin.artifacts.azure_blob import signing

    monkeypatch.setattr(signing, "GIVEN_S", 0)
    content = os.urandom(2 * BLOCK + 1)
    (tmp_path / "big").write_bytes(content)
    repository.log_artifact(str(tmp_path / "big"))
    repository.fetch("big", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    paths = [path.rpartition("/")[2] for _, path, _ in team.api.asked]
    # For each of three blocks and their list, and for each of three ranges.
    assert paths.count("sign-writes") >= 4
    assert paths.count("sign-reads") >= 3


def test_a_hub_that_signs_no_more(team, repository, tmp_path, monkeypatch):
    """What goes on then goes through its server, at once: files, streams, folders and reads."""
    if team.proxy is None:
        pytest.skip("about the account")
    from mlflow_workspace_plugin.app.hub_api.files import signing as signatures

    names = ("first", "second", "third", "big")
    for name in names:
        (tmp_path / name).write_bytes(os.urandom(2 * BLOCK if name == "big" else 10))
    repository.log_artifact(str(tmp_path / "first"))
    assert team.api.body_bytes() == 0
    signer = signatures._signer
    monkeypatch.setattr(signatures, "_signer", lambda _: None)
    repository.log_artifact(str(tmp_path / "second"))
    with monkeypatch.context() as signing:
        # Known to sign, until it is used.
        signing.setattr(signatures, "_signer", signer)
        repository = repository_of(team)
        repository._base = team.run / "of-others"
        repository.log_artifact(str(tmp_path / "first"))
    with (tmp_path / "third").open("rb") as stream:
        repository.log_artifact_from_stream(stream, "third")
    for name in names:
        repository.log_artifact(str(tmp_path / name))
        repository.fetch(name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == (tmp_path / name).read_bytes()


def test_a_hub_whose_files_are_elsewhere(team, repository, tmp_path):
    """What this process knows of them is not used with the signatures that it is given now."""
    if team.proxy is None:
        pytest.skip("about the account")
    from mlflow_workspace_plugin.remote.files import present

    (tmp_path / "file").write_text("content")
    said = repository._calls.storage()
    for place in ({"container": "of-before"}, {"account": "another"}, {"prefix": "of-before"}):
        before = {**said, **place}
        transfer = present._transfer(repository._calls, before, 5)
        known = present._Known(repository._http, before, transfer, time.monotonic())
        key = id(repository._http), "team-a", 5
        for act in (
            lambda: repository.log_artifact(str(tmp_path / "file")),
            lambda: repository.fetch("file", tmp_path / "copy"),
        ):
            present._transfers[key] = known
            act()
            assert present._transfers[key].said == said
        assert (tmp_path / "copy").read_text() == "content"


def test_signatures_are_never_shown(team, repository, tmp_path, caplog):
    """Neither an error nor a log shows a signature, whatever goes wrong."""
    if team.proxy is None:
        pytest.skip("about the account")
    caplog.set_level("DEBUG")
    (tmp_path / "file").write_text("x")
    repository = repository_of(team, patience_s=1)
    said = []
    for fault in ((403, {}, "no"), (400, {}, "no"), Cut(before_answer=True)):
        # What the server asks of the account goes through.
        team.proxy.fault = lambda asked, fault=fault: fault if "sig=" in asked.target else None
        for act in (
            lambda: repository.log_artifact(str(tmp_path / "file")),
            lambda: repository.fetch("file", tmp_path / "copy"),
        ):
            with pytest.raises(MlflowException) as raised:
                act()
            error = raised.value
            while error is not None:
                said.append(repr(error) + str(error))
                error = error.__cause__ or error.__context__
    team.proxy.fault = lambda _: None
    assert not [each for each in [*said, caplog.text] if "sig=" in each.replace("sig=***", "")]


def test_each_run_is_asked_about(team, repository, tmp_path):
    """A job stores files of its own run only; what names another run, or none, is refused."""
    from mlflow_workspace_plugin.remote.files.calls import FileCalls, Wanted

    client = MlflowClient(f"workspace://{team.api.hub.path}/team-a")
    own = client.create_run("1")
    place = location_of(own.info.artifact_uri, "team-a")
    http = team.api.http("alice", kind="job", run_id=own.info.run_id)
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository

    of_job = ServedRepository(http, "team-a", place, patience_s=5)
    (tmp_path / "file").write_text("of the job")
    of_job.log_artifact(str(tmp_path / "file"))
    (tmp_path / "other").write_text("of another run")
    repository.log_artifact(str(tmp_path / "other"))
    of_other = ServedRepository(http, "team-a", repository._base, patience_s=5)
    of_other.fetch("other", tmp_path / "copy")
    # The path of another run may not be made to look like one of its own.
    odd = place.parent.parent / team.run.parent.name / "artifacts" / place.parent.name / "artifacts"
    for location in (repository._base, odd):
        with pytest.raises(MlflowException) as refused:
            ServedRepository(http, "team-a", location, patience_s=5).log_artifact(
                str(tmp_path / "file")
            )
        assert refused.value.error_code == "PERMISSION_DENIED"
    # Its outputs go where its owner may store data; it removes nothing there.
    data = ServedRepository(
        http, "team-a", PurePosixPath("workspaces/team-a/datastores/d"), patience_s=5
    )
    data.log_artifact(str(tmp_path / "file"))
    with pytest.raises(MlflowException, match="no place"):
        data.delete_artifacts("file")
    assert [each.path for each in data.list_artifacts()] == ["file"]
    if team.proxy is not None:
        with pytest.raises(MlflowException, match="no place"):
            FileCalls(http, "team-a").sign_writes([Wanted(f"{team.run}/x", "write")])


def test_an_account_that_delegates_nothing(azurite_server, sqlite_template, tmp_path, monkeypatch):
    """Where the hub has a SAS itself, it signs nothing: files go through it, large ones, too."""
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository

    path = shutil.copytree(sqlite_template, tmp_path / "hub")
    (path / "artifacts").rmdir()
    name = azurite_server.container(f"sas-{uuid.uuid4().hex}").container_name
    monkeypatch.setenv(_CREDENTIAL, sas(name))
    place = f"azure://{ACCOUNT}/{name}/files?endpoint={azurite_server.endpoint}"
    write_settings(path, f'artifacts = "{place}&credential=${{{_CREDENTIAL}}}"\n')
    location = _run_in(path, "team-a")
    with hub_api_server(path) as api:
        api.add_user("alice", "team-a", "member")
        repository = ServedRepository(api.http("alice"), "team-a", location, patience_s=5)
        content = os.urandom(2 * PIECE + 1)
        (tmp_path / "big").write_bytes(content)
        repository.log_artifact(str(tmp_path / "big"))
        repository.fetch("big", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == content
        assert api.body_bytes() > 2 * len(content)
        with pytest.raises(MlflowException, match="Nothing is signed here"):
            api.http("alice").request(
                "POST",
                "/hub/v1/workspaces/team-a/files/sign-reads",
                json={"locations": [f"{location}/big"]},
            )


def test_a_key_that_is_delegated():
    """With a log-in a key of the account's is asked for, kept, and renewed before it ends.

    Azurite delegates none: what the account would answer stands here.
    """
    from azure.storage.blob import UserDelegationKey

    from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import Credential
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import Signer
    from mlflow_workspace_plugin.hub.azure import AzureRoot

    asked = []

    def delegate(start: datetime, until: datetime) -> UserDelegationKey:
        asked.append((start, until))
        key = UserDelegationKey()
        key.signed_oid, key.signed_tid = "an-object", "a-tenant"
        key.signed_start, key.signed_expiry = start.isoformat(), until.isoformat()
        key.signed_service, key.signed_version = "b", "2021-08-06"
        key.value = KEY
        return key

    root = AzureRoot("account", "container", "prefix")
    signer = Signer(root, Credential("DefaultAzureCredential", root.service), delegate)
    signed = [parse_qs(signer.sign(f"prefix/{each}", "create")) for each in ("a", "b")]
    assert len(asked) == 1
    for each in signed:
        assert (each["skoid"], each["sp"], each["sr"]) == (["an-object"], ["c"], ["b"])
        assert each["spr"] == ["https"]
    assert signed[0]["sig"] != signed[1]["sig"]
    signer._key = signer._key[0], datetime.now(timezone.utc) + timedelta(minutes=50)
    signer.sign("prefix/c", "read")
    assert len(asked) == 2


def test_files_wait_while_the_hub_is_away(team, repository, tmp_path):
    """A file that is logged while the server is away waits on this machine, and is sent later."""
    from mlflow_workspace_plugin.artifacts.staging.repository import StagingRepository
    from mlflow_workspace_plugin.artifacts.staging.sender import FileSender
    from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
    from mlflow_workspace_plugin.journal.files.folder import JournalFolder

    http, address = repository._http, repository._http.address
    staged = StagedFiles(JournalFolder(f"workspace://away/{request_name(tmp_path)}"))
    sender = FileSender(staged, lambda _: repository)
    waiting = StagingRepository(repository, repository, repository._base, sender)
    (tmp_path / "file").write_text("logged while it was away")
    http.address = "http://127.0.0.1:9"
    waiting.log_artifact(str(tmp_path / "file"), "folder")
    assert waiting.has_waiting
    http.address = address
    assert sender.flush_all(30)
    repository.fetch("folder/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "logged while it was away"


def request_name(tmp_path: Path) -> str:
    return hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
