"""Ways to the files of a running hub: none leads out of its place, by whatever path or link."""

import io
import os
import pickle
import shutil
import uuid
from contextlib import ExitStack
from hashlib import sha256
from itertools import cycle, product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import mlflow
import pytest
import requests

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.accounts.tokens import Tokens
from mlflow_workspace_plugin.app.pages.assets import load_assets
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines, our_lines
from mlflow_workspace_plugin.data.files.manifest import Manifest
from mlflow_workspace_plugin.data.files.manifests import Manifests, location_of_manifests
from mlflow_workspace_plugin.runs.snapshots.snapshots import location_of_snapshots
from tests.azurite import ACCOUNT, connection_string
from tests.conftest import write_settings
from tests.hub_api import hub_api_server
from tests.planted import MARK, plant
from tests.served import ADMIN, Session, raw, served_hub

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
API = "/api/2.0/mlflow"
PLAIN = b"what is in a plain file"
CODE = b"what_is_in_the_code = 1\n"
FILES = "/hub/v1/workspaces/team-a/files"
_CREDENTIAL = "CREDENTIAL_OF_PATHS"
_BLOCK = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}

PATHS = [
    "../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252f%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "%25252e%25252e%25252fhub.db",
    "..%5c..%5c..%5chub.db",
    "..\\..\\..\\hub.db",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    "C:%5cwindows%5cwin.ini",
    "%5c%5cevil.example%5cshare",
    "a%00b",
    "a%0d%0aX-Injected:%201",
    "a;/../../hub.db",
    "a%23/../../hub.db",
    "a%3f/../../hub.db",
    "%ef%bc%8e%ef%bc%8e/%ef%bc%8e%ef%bc%8e/hub.db",
    "%e2%80%a5/%e2%80%a5/hub.db",
    "./.",
    ".mlflow-workspace/../../../hub.toml",
    "workspaces/team-b/1",
    "workspaces/team-a/../team-b/1",
    "workspaces/team-a%2f..%2fteam-b%2f1",
    "workspaces",
]
NO_FILES = ["n" * 300, "links", "links/x.txt/below"]
"""What no file in a folder can be called: too long, of a folder, below a file."""


class Way(NamedTuple):
    """A way in, by an address.

    Attributes:
        target: the address; ``{path}`` is what is asked for.
        plain: a path that leads to something plain by it.
        shows: what is in the answer then.
    """

    target: str
    plain: str
    shows: bytes


_OF_RUN = "{experiment}/{run}/artifacts"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_LISTED = b"x.txt"
WAYS = [
    Way(_ARTIFACTS + "/{path}", _OF_RUN + "/links/x.txt", PLAIN),
    Way("/ajax-api/2.0/mlflow-artifacts/artifacts/{path}", _OF_RUN + "/links/x.txt", PLAIN),
    Way(_ARTIFACTS + "?path={path}", _OF_RUN + "/links", _LISTED),
    Way(_ARTIFACTS + "/" + _OF_RUN + "/{path}", "links/x.txt", PLAIN),
    Way("/get-artifact?run_id={run}&path={path}", "links/x.txt", PLAIN),
    Way("/ajax-api/2.0/mlflow/artifacts/list?run_id={run}&path={path}", "links", _LISTED),
    Way("/model-versions/get-artifact?name={run}&version=1&path={path}", "x.txt", PLAIN),
    Way(
        "/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path={path}",
        "links/x.txt",
        PLAIN,
    ),
    Way(
        API + "/logged-models/{model}/artifacts/directories?artifact_directory_path={path}",
        "links",
        _LISTED,
    ),
    Way("/pages/api/runs/{run}/file?workspace=team-a&path={path}", "links/x.txt", PLAIN),
    Way("/pages/api/runs/{run}/preview?workspace=team-a&path={path}", "links/x.txt", PLAIN),
    Way("/pages/api/runs/{run}/files?workspace=team-a&path={path}", "links", _LISTED),
    Way(
        "/pages/api/runs/{run}/snapshot/file?workspace=team-a&path={path}",
        "code.py",
        CODE.strip(),
    ),
    Way("/pages/api/runs/{run}/log?workspace=team-a&name={path}", "user_logs/std_log.txt", PLAIN),
    Way("/pages/assets/{assets}/{path}", "dom.js", b"export"),
    Way("/static-files/{path}", "manifest.json", b"{"),
    Way("/pages/{path}", "views", b"<script"),
    Way("/{path}", "version", mlflow.__version__.encode()),
]
PUTS = [
    ("PUT", WAYS[0].target, WAYS[0].plain),
    ("PUT", WAYS[1].target, WAYS[1].plain),
    ("PUT", WAYS[3].target, WAYS[3].plain),
    ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={path}", "links/x.txt"),
]
DELETES = [("DELETE", *each[1:]) for each in PUTS[:3]]


@pytest.fixture(scope="module", params=["folder", "account"])
def served(request, sqlite_template, tmp_path_factory, azurite_server):
    """A hub with two tenants, of which team-b holds something of everything."""
    folder = tmp_path_factory.mktemp("served")
    hub = folder / "hub"
    shutil.copytree(sqlite_template, hub)
    container = None
    if request.param == "account":
        (hub / "artifacts").rmdir()
        os.environ[_CREDENTIAL] = connection_string(azurite_server.endpoint)
        container = azurite_server.container(f"paths-{uuid.uuid4().hex}")
        place = f"azure://{ACCOUNT}/{container.container_name}/hub?credential=${{{_CREDENTIAL}}}"
        write_settings(hub, f'artifacts = "{place}"\n')
    workspace = Workspace.create("team-a", hub=hub)
    other = Workspace.create("team-b", hub=hub)
    code = folder / "code"
    code.mkdir()
    ids = plant(other, code)
    with ExitStack() as stack:
        if container is None:
            server = stack.enter_context(served_hub(hub, folder / "server.log"))
        else:
            # From there MLflow reads by a repository of its own.
            server = OfAccount(stack.enter_context(hub_api_server(hub)))
        server.container = container
        server.experiment = Experiment(workspace, "mine")
        server.secret = f"workspaces/team-b/{ids['artifact_path']}"
        server.add_user("ana", team_a="member")
        # Who deletes what others made, in this workspace only.
        server.add_user("mona", team_a="manager")
        yield server
    os.environ.pop(_CREDENTIAL, None)


class OfAccount:
    """Our own routes of a hub whose files are in a storage account."""

    def __init__(self, api):
        self._api = api
        self.hub, self.path = api.hub, api.hub.path

    def add_user(self, name, *, team_a):
        self._api.add_user(name, "team-a", team_a)

    def session(self, name, workspace):
        session = Session(self._api.address)
        token = Tokens(self.hub).issue(name).access
        session.headers["Authorization"] = f"Bearer {token}"
        session.headers["X-MLFLOW-WORKSPACE"] = workspace
        return session


@pytest.fixture
def in_folder(served):
    """A hub whose files are in a folder, where MLflow's routes read them by ours."""
    if served.container is not None:
        pytest.skip("about folders")
    return served


class Stocked(NamedTuple):
    """A run with files, a snapshot, a log and a model, and where the rooms of its workspace are."""

    run: object
    model: str
    places: dict[str, str]

    def named(self, template, path):
        """An address, with what it names."""
        names = {"run": self.run.id, "experiment": self.run.experiment.id, "model": self.model}
        names["assets"] = load_assets().version
        return template.format(path=path.format(**names) if "{run}" in path else path, **names)


@pytest.fixture
def stocked(served, tmp_path):
    """A run of a test's own, and folders of its own among the datasets and the hub's own files."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "code.py").write_bytes(CODE)
    run = served.experiment.start_logging(snapshot_directory=code, outputs=None)
    for path in ("links/x.txt", "user_logs/std_log.txt"):
        run.upload_file(path, io.BytesIO(PLAIN))
    run.flush()
    client = run.experiment.workspace.client
    uri = client.get_run(run.id).info.artifact_uri
    client.create_registered_model(run.id)
    client.create_model_version(run.id, f"{uri}/links", run.id)
    store = run.experiment.workspace.tracking_store
    model = store.create_logged_model(str(run.experiment.id), "model", run.id)
    places = {
        "run": uri.partition(":/")[2],
        "model": model.artifact_location.partition(":/")[2],
        "datasets": f"workspaces/team-a/datastores/workspacefiles/{run.id}",
        "manifests": f"{location_of_manifests('team-a')}/{run.id}",
        "snapshots": f"{location_of_snapshots('team-a')}/{run.id}",
    }
    boss = served.session("mona", "team-a")
    for each in places.values():
        assert ask(boss, stored(f"{each}/links/x.txt", PLAIN)).ok
    return Stocked(run, model.model_id, places)


def ask(session, asked):
    """Ask one of our routes of files."""
    method, route, options = asked
    return session.request(method, f"{FILES}/{route}", **options)


def piece(place, content, start, end):
    """A request that brings a piece of a file."""
    said = {"location": place, "size": len(content), "sha256": sha256(content).hexdigest()}
    return "POST", "content", {"params": {**said, "offset": start}, "data": content[start:end]}


def stored(place, content):
    """A request that brings a whole file."""
    return piece(place, content, 0, len(content))


def reads(place, content=PLAIN):
    """The requests that read a place, or tell what is there."""
    known = {"sha256": sha256(content).hexdigest(), "size": len(content)}
    return [
        ("GET", "content", {"params": {"location": place}}),
        ("POST", "find", {"json": {"files": [{"location": place, **known}]}}),
        ("POST", "sign-reads", {"json": {"locations": [place]}}),
        ("POST", "list", {"json": {"location": place}}),
        ("POST", "list", {"json": {"location": place, "deep": True}}),
    ]


def signed_writes(place):
    """The requests for signatures by which something may be stored at a place."""
    acts = [{"act": "look", "size": 7}, {"act": "create"}, {"act": "write"}, {"act": "append"}]
    files = [{"location": place, **each} for each in acts]
    return [("POST", "sign-writes", {"json": {"files": [each]}}) for each in files]


def writes(place, content=b"planted"):
    """The requests that store something at a place: at once, in pieces, as a log that grows."""
    at_end = {"location": place, "goes_on": "1"}
    return [
        stored(place, content),
        piece(place, content, 0, 3),
        piece(place, content, 3, len(content)),
        ("POST", "append", {"params": at_end, "data": content}),
        ("POST", "append", {"params": {"location": place, "at": 0}, "data": content}),
        *signed_writes(place),
    ]


def deletes(base, path):
    """The requests that delete a path below a place."""
    return [
        ("POST", "delete", {"json": {"location": base, "path": path}}),
        ("POST", "delete", {"json": {"location": f"{base}/{path}"}}),
    ]


def kept(name):
    """The requests that ask whether a snapshot, or a list of files, is kept."""
    kinds = ("snapshot", "manifest")
    return [("POST", "kept", {"json": {"kind": kind, "name": name}}) for kind in kinds]


def url(served, answer, place):
    """The address in the storage account of what was signed for."""
    said = answer.json()
    container = f"{said['service']}/{said['container']}/{said['prefix']}"
    return f"{container}/{place}?{said['files'][0]['signature']}"


def headers_of(served, name):
    """What says who asks by :func:`~tests.served.raw`."""
    token = served.token(name)
    return [("Authorization", f"Bearer {token}"), ("X-MLFLOW-WORKSPACE", "team-a")]


def everything(served):
    """What is stored of all workspaces and beside them, but for what a server writes itself."""
    hub = served.path
    found = {}
    for each in hub.parent.rglob("*"):
        name = str(each.relative_to(hub.parent))
        if each.is_dir() or name.startswith(("hub/hub.db", "hub/accounts.db", "hub/server/")):
            continue
        if not name.startswith(("hub/uploads/", "server.log")):
            found[name.removeprefix("hub/artifacts/")] = sha256(each.read_bytes()).hexdigest()
    if served.container is not None:
        for each in served.container.list_blobs():
            found[each.name.removeprefix("hub/")] = each.etag
    return found


def changed(before, after):
    """The names of what was stored, replaced or deleted."""
    return {name for name, _ in before.items() ^ after.items()}


def check_tells_nothing(answer, asked):
    """No fault, and nothing of what lies elsewhere."""
    text = str(asked)
    status, content = answer
    # MLflow makes a file of that name, before it asks anybody where to store it.
    assert status < 500 or "upload-artifact" in text, (text, content[:300])
    secrets = (b"root:x:", b"SQLite format", MARK.encode(), b"[hub]", b"win.ini\n", b"journal_mode")
    for secret in secrets:
        assert secret not in content, (text, content[:300])


def test_every_way_leads_to_plain_files(in_folder, stocked):
    """By each of MLflow's and of our pages' a plain file is read, stored and deleted."""
    served = in_folder
    token, boss = (headers_of(served, name) for name in ("ana", "mona"))
    for way in WAYS:
        target = stocked.named(way.target, way.plain)
        status, text = raw(served, "GET", target, token)
        assert status == 200, (target, text[:300])
        assert way.shows in text, (target, text[:300])
    (read,) = [each for each in WAYS if each.target.startswith("/get-artifact")]
    plain = stocked.named(read.target, read.plain)
    for number, (method, template, path) in enumerate(PUTS):
        content = b"stored by %d" % number
        target = stocked.named(template, path)
        assert raw(served, method, target, token, content)[0] == 200, target
        assert raw(served, "GET", plain, token) == (200, content), target
    for method, template, path in DELETES:
        target = stocked.named(template, path)
        stocked.run.upload_file("links/x.txt", io.BytesIO(PLAIN))
        assert raw(served, "GET", plain, token)[0] == 200
        assert raw(served, method, target, boss)[0] in (200, 204), target
        assert raw(served, "GET", plain, token)[0] == 404, target


@pytest.mark.parametrize("place", ["run", "model", "datasets", "manifests", "snapshots"])
def test_every_route_of_ours_leads_to_plain_files(served, stocked, place):
    """Of runs, models, datasets and code: each is read, listed, stored, appended to and deleted."""
    session, boss = served.session("ana", "team-a"), served.session("mona", "team-a")
    base = f"{stocked.places[place]}/links"
    at = f"{base}/x.txt"
    content, found, signed, *_ = (ask(session, each) for each in reads(at))
    assert content.content == PLAIN
    assert found.json()["files"][0]["is_same"] is True
    for each in reads(base)[3:]:
        assert _LISTED in ask(session, each).content
    if served.container is None:
        statuses = {ask(session, each).status_code for each in signed_writes(at)}
        assert statuses | {signed.status_code} == {409}
    else:
        assert requests.get(url(served, signed, at), timeout=60).content == PLAIN
        _, creating, *_ = (ask(session, each) for each in signed_writes(f"{base}/new"))
        address = url(served, creating, f"{base}/new")
        assert requests.put(address, b"new", headers=_BLOCK, timeout=60).status_code == 201
    whole, first, second, grown, *_ = writes(f"{base}/new", b"planted")
    assert ask(session, whole).json()["stored"] is True
    content, *_ = reads(f"{base}/new")
    assert ask(session, content).content == b"planted"
    assert ask(boss, deletes(base, "new")[0]).ok
    assert ask(session, first).json() == {"stored": None, "staged": 3}
    assert ask(session, second).json()["stored"] is True
    assert ask(session, content).content == b"planted"
    assert ask(boss, deletes(base, "new")[1]).ok
    assert ask(session, content).status_code == 404
    if place == "manifests":
        # They are named by their content.
        assert ask(session, grown).status_code == 409
        return
    for _ in range(2):
        assert ask(session, grown).ok
    assert ask(session, content).content == b"plantedplanted"


def test_what_is_kept_is_told(served, stocked):
    """Of a snapshot and of a dataset's list of files, by their own names."""
    session = served.session("ana", "team-a")
    with Manifests(served.hub, "team-a").keeping(Manifest.of([])) as name:
        pass
    for asked, is_kept in zip(
        [*kept(stocked.run.get_snapshot_id()), *kept(name)], (True, False, False, True), strict=True
    ):
        assert ask(session, asked).json() == {"is_kept": is_kept}, asked


def test_no_route_of_files_is_left_out():
    """A new one is asked for each path here, too."""
    asked = [*reads("x"), *writes("x"), *deletes("x", "x"), *kept("x"), ("GET", "storage", {})]
    prefix = FILES.replace("team-a", "{workspace}") + "/"
    ours = {line[:2] for line in our_lines() if line.path.startswith(prefix)}
    assert {(method, prefix + route) for method, route, _ in asked} == ours


def test_no_address_leads_out(in_folder, stocked):
    """Each path by each address of MLflow's and of our pages': to read, to store, to delete."""
    served = in_folder
    token, boss = (headers_of(served, name) for name in ("ana", "mona"))
    for way in WAYS:
        for path in PATHS:
            target = stocked.named(way.target, path)
            answer = raw(served, "GET", target, token)
            check_tells_nothing(answer, target)
            # Some storages are asked for that again and again.
            assert "%00" not in path or answer[0] == 400, target
    before = everything(served)
    for method, template, _ in (*PUTS, *DELETES):
        own = stocked.places["run"] if "{run}" in template else "workspaces/team-a"
        for path in PATHS:
            target = stocked.named(template, path)
            asked = raw(served, method, target, boss, b"planted" if method != "DELETE" else b"")
            check_tells_nothing(asked, target)
        after = everything(served)
        assert all(each.startswith(f"{own}/") for each in changed(before, after)), template
        before = after


def test_no_location_leads_out(served, stocked):
    """Each path by each route of ours, in a run and in the rooms of the workspace, and alone."""
    boss = served.session("mona", "team-a")
    before, rooms = everything(served), cycle(["model", "datasets", "manifests", "snapshots"])
    for path in dict.fromkeys([*PATHS, *map(unquote, PATHS)]):
        for base in (stocked.places["run"], stocked.places[next(rooms)], None):
            at = path if base is None else f"{base}/{path}"
            asked = [*reads(at), *writes(at), *kept(path)]
            asked += deletes("workspaces/team-a", path) if base is None else deletes(base, path)
            for each in asked:
                answer = ask(boss, each)
                check_tells_nothing((answer.status_code, answer.content), each)
                # What is signed for is a place of one's own, however it is called.
                if answer.ok and each[1].startswith("sign"):
                    address = url(served, answer, served.secret)
                    got = requests.get(address, timeout=60).status_code
                    put = requests.put(address, b"x", headers=_BLOCK, timeout=60).status_code
                    assert {got, put} == {403}, each
                assert base is not None or not answer.ok or each[1] == "delete", each
    # "./." is the place itself, in a storage account a file as any other.
    places = tuple(stocked.places.values())
    for each in changed(before, everything(served)):
        assert each.startswith(places), each


def test_what_no_file_can_be_called_is_refused(in_folder, stocked):
    """It is the fault of who names it so, and none of the server's."""
    served = in_folder
    boss, session = headers_of(served, "mona"), served.session("mona", "team-a")
    for place, name in product(stocked.places.values(), NO_FILES):
        whole, _, _, grown, *_ = writes(f"{place}/{name}")
        for each in (whole, grown):
            answer = ask(session, each)
            if each is grown and "/manifests/" in place:
                assert answer.json()["error"] == "WrittenOnceError"
                continue
            assert answer.status_code == 400, (each, answer.text)
            assert answer.json()["error"] == "ArtifactRefusedError"
        for each in [*reads(f"{place}/{name}"), *writes(f"{place}/{name}")]:
            answer = ask(session, each)
            check_tells_nothing((answer.status_code, answer.content), each)
    for name in NO_FILES:
        target = stocked.named(WAYS[3].target, name)
        assert raw(served, "PUT", target, boss, b"x")[0] == 400, target
        for way in WAYS:
            target = stocked.named(way.target, name)
            check_tells_nothing(raw(served, "GET", target, boss), target)
    for place, name in product(stocked.places.values(), (NO_FILES[0], NO_FILES[2], NO_FILES[1])):
        for each in deletes(place, name):
            assert ask(session, each).ok, each


@pytest.fixture
def link(served, stocked, tmp_path):
    """Lay links that lead to a secret, where they are not any more."""
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_text(MARK)

    def laid():
        for place in stocked.places.values():
            folder = served.path / "artifacts" / place / "links"
            folder.mkdir(parents=True, exist_ok=True)
            for name, target in (("file", secret), ("folder", secret.parent)):
                (folder / name).unlink(missing_ok=True)
                (folder / name).symlink_to(target)

    yield laid
    assert [each.name for each in secret.parent.iterdir()] == ["secret"]
    assert secret.read_text() == MARK


def test_no_link_leads_out(in_folder, stocked, link):
    """One that lies in a folder of the hub is followed by no way in: to read, store or delete."""
    served = in_folder
    token, boss = (headers_of(served, name) for name in ("ana", "mona"))
    session = served.session("mona", "team-a")
    link()
    paths = ("links/file", "links/folder/secret", "links/folder")
    for way, path in product(WAYS, paths):
        # By that of the whole workspace a run is named, too.
        asked = f"{_OF_RUN}/{path}" if "{run}" in way.plain else path
        target = stocked.named(way.target, asked)
        status, text = raw(served, "GET", target, token)
        check_tells_nothing((status, text), target)
        assert b"secret" not in text.replace(path.encode(), b""), (target, text[:300])
    for place, path in product(stocked.places.values(), paths):
        for each in reads(f"{place}/{path}", MARK.encode()):
            answer = ask(session, each)
            check_tells_nothing((answer.status_code, answer.content), each)
            assert '"is_same":true' not in answer.text, each
            assert "secret" not in answer.text.replace(path, ""), (each, answer.text)
    paths += ("links/folder/new",)
    for (method, template, plain), path in product((*PUTS, *DELETES), paths):
        asked = f"{_OF_RUN}/{path}" if "{run}" in plain else path
        check_tells_nothing(raw(served, method, stocked.named(template, asked), boss), path)
        link()
    for place, path in product(stocked.places.values(), paths):
        for each in [*writes(f"{place}/{path}"), *deletes(place, path)]:
            answer = ask(session, each)
            check_tells_nothing((answer.status_code, answer.content), each)
            link()


class _Loaded:
    """What writes a file wherever it is loaded."""

    def __init__(self, file):
        self._file = file

    def __reduce__(self):
        return Path.touch, (self._file,)


def test_nothing_that_was_logged_is_loaded(in_folder, stocked, tmp_path):
    """Neither a page nor a route unpickles a file, whatever it is called and whoever asks."""
    run, loaded = stocked.run, tmp_path / "loaded"
    content = pickle.dumps(_Loaded(loaded))
    session = in_folder.session(ADMIN, "team-a")
    names = ("model.pkl", "array.npy", "weights.pt", "table.csv", "figure.json", "MLmodel")
    places = [stocked.places[each] for each in ("run", "model")]
    for name in names:
        # Below ``links`` is what the version of the model has.
        for place in (*(f"{each}/links/{name}" for each in places), f"{places[0]}/{name}"):
            assert ask(session, stored(place, content)).ok
            for each in reads(place):
                assert ask(session, each).status_code < 500, each
        for way in WAYS:
            of_run = name if "model-versions" in way.target else f"links/{name}"
            path = f"{_OF_RUN}/{of_run}" if "{run}" in way.plain else of_run
            target = stocked.named(way.target, path)
            assert session.get(target, allow_redirects=False).status_code < 500, target
    for page in ("figures", "preview?path=links/model.pkl", "snapshot", "names"):
        target = f"/pages/api/runs/{run.id}/{page}"
        assert session.get(target, params={"workspace": "team-a"}).status_code < 500, target
    assert not loaded.exists()
    pickle.loads(content)
    assert loaded.exists()
