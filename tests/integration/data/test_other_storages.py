"""Data that is in no hub: in a storage account, on a web server, on this machine."""

import gzip
import http.server
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.data.storages import secrets
from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.data.storages.local import LocalStorage
from mlflow_workspace_plugin.data.storages.web import web
from mlflow_workspace_plugin.errors import (
    DatastoreError,
    DatastoreExistsError,
    UnsafeArtifactPathError,
    UserErrorException,
)
from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore
from mlflow_workspace_plugin.stores.data.datastore_row import DatastoreRow
from tests.azurite import ACCOUNT, KEY, sas
from tests.full_disk import full_disk
from tests.hubs import url_of_hub

CONTENT = bytes(range(256)) * 20_000


@pytest.fixture(autouse=True)
def forgotten_secrets():
    """Each test is as a process of its own."""
    secrets._given.clear()
    yield
    secrets._given.clear()


@pytest.fixture
def place(azurite_server, container):
    """How a container on Azurite is named to SDK v1."""
    return {
        "container_name": container.container_name,
        "account_name": ACCOUNT,
        "endpoint": azurite_server.endpoint,
    }


@pytest.fixture
def source(tmp_path):
    """A folder with files."""
    made = tmp_path / "source"
    (made / "sub").mkdir(parents=True)
    (made / "a b%.txt").write_text("a")
    (made / "sub" / "é.bin").write_bytes(CONTENT)
    (made / "empty").touch()
    return made


def names(storage, prefix=""):
    """The paths of what is stored."""
    return [each.path for each in storage.files(prefix)]


class TestStorageAccount:
    """A container that is no hub's, through a file system of fsspec's."""

    def test_files(self, workspace, place, source, tmp_path, container, capsys):
        """They are stored, listed, opened and copied; what is there is skipped."""
        datastore = Datastore.register_azure_blob_container(
            workspace, "Mine", account_key=KEY, **place
        )
        datastore.upload(str(source), "d")
        lines = capsys.readouterr().out.splitlines()
        assert (lines[0], lines[-1]) == ("Uploading an estimated of 3 files", "Uploaded 3 files")
        assert {each.name for each in container.list_blobs()} == {
            "d/a b%.txt", "d/sub/é.bin", "d/empty"
        }  # fmt: skip
        (source / "a b%.txt").write_text("new")
        storage = storage_of(workspace.tracking_store, "mine")
        files = [(source / "a b%.txt", "d/a b%.txt")]
        assert storage.upload(files).skipped == 1
        found = {each.path: each for each in storage.files()}
        assert list(found) == ["d/a b%.txt", "d/empty", "d/sub/é.bin"]
        assert found["d/sub/é.bin"].size == len(CONTENT)
        assert found["d/empty"].size == 0
        assert all(each.etag and each.modified_ms for each in found.values())
        assert names(storage, "d/sub") == ["d/sub/é.bin"]
        assert names(storage, "d/empty") == ["d/empty"]
        assert names(storage, "none") == []
        assert storage.upload(files, overwrite=True).count == 1
        with storage.open("d/a b%.txt") as opened:
            assert opened.read() == b"new"
        with storage.open("d/sub/é.bin") as opened:
            opened.seek(256 * 10_000 - 1)
            assert opened.read(2) == b"\xff\0"
        assert datastore.download(str(tmp_path / "copy"), "d", show_progress=False) == 3
        assert (tmp_path / "copy/d/sub/é.bin").read_bytes() == CONTENT
        assert storage.local("d/empty") is None
        assert storage.uri("d/x") == f"{place['endpoint']}/{place['container_name']}/d/x"
        message = f"{tmp_path}/full.*Make room"
        with full_disk(), pytest.raises(UserErrorException, match=message):
            datastore.download(str(tmp_path / "full"), "d/sub", show_progress=False)
        for call in (storage.open, lambda path: storage.download([path], tmp_path / "copy")):
            with pytest.raises(MlflowException, match="d/none"):
                call("d/none")
        for path in ("../x", "/x", "a/../../x"):
            with pytest.raises(UnsafeArtifactPathError):
                storage.open(path)
            with pytest.raises(UnsafeArtifactPathError):
                storage.upload([(source / "empty", path)])

    def test_uploads_of_the_same_file_at_once(self, workspace, place, tmp_path):
        """Without ``overwrite`` one stores it, whatever the others saw; they skip it."""
        Datastore.register_azure_blob_container(workspace, "mine", account_key=KEY, **place)
        storage = storage_of(workspace.tracking_store, "mine")
        sources = [tmp_path / str(n) for n in range(8)]
        for each in sources:
            each.write_text(each.name)
        together = threading.Barrier(len(sources))

        def upload(source):
            together.wait()
            return storage.upload([(source, "x")])

        with ThreadPoolExecutor(len(sources)) as pool:
            done = list(pool.map(upload, sources))
        (first,) = (source for source, each in zip(sources, done, strict=True) if each.count)
        assert sum(each.skipped for each in done) == len(sources) - 1
        with storage.open("x") as opened:
            assert opened.read() == first.name.encode()

    def test_secret_is_stored_nowhere(self, workspace, place, hub_path, caplog, source):
        """It serves this process; another one is told what to do."""
        Datastore.register_azure_blob_container(workspace, "mine", account_key=KEY, **place)
        assert "serves this process only" in caplog.text
        datastore = Datastore.get(workspace, "mine")
        assert (datastore.account_key, datastore.credential_type) == (KEY, "AccountKey")
        assert KEY not in f"{datastore!r}{caplog.text}{workspace.tracking_store.datastore('mine')}"
        for path in (*hub_path.rglob("*"), *(hub_path.parent / "journal").rglob("*")):
            if path.is_file():
                assert KEY.encode() not in path.read_bytes(), path
        secrets._given.clear()
        with pytest.raises(DatastoreError, match="MLFLOW_WORKSPACE_ALLOWED_LOCATIONS"):
            datastore.upload(str(source))
        assert datastore.credential_type == "None"

    def test_secret_by_reference(
        self, workspace, place, source, container, azurite_server, monkeypatch
    ):
        """The name of the variable is kept; a signature goes only where this user allows it."""
        signature = sas(container.container_name)
        monkeypatch.setenv("MY_SECRET", signature)
        datastore = Datastore.register_azure_blob_container(
            workspace, "mine", sas_token="${MY_SECRET}", **place
        )
        datastore.upload(str(source), show_progress=False)
        row = workspace.tracking_store.datastore("mine")
        assert (row.settings["credential"], row.settings["credential_kind"]) == ("MY_SECRET", "sas")
        secrets._given.clear()
        monkeypatch.setenv("MLFLOW_WORKSPACE_ALLOWED_LOCATIONS", azurite_server.endpoint)
        assert len(names(datastore._storage)) == 3
        monkeypatch.delenv("MY_SECRET")
        with pytest.raises(DatastoreError, match="MY_SECRET, which is not set"):
            names(datastore._storage)
        monkeypatch.setenv("MY_SECRET", "sig=wrong")
        with pytest.raises(DatastoreError) as refused:
            names(datastore._storage)
        assert "sig=wrong" not in str(refused.value)
        assert refused.value.__cause__ is None

    def test_secret_of_the_environment(self, workspace, place, azurite_server, monkeypatch):
        """It is used for the account that it is of, and for no other one."""
        Datastore.register_azure_blob_container(workspace, "mine", **place)
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
        assert names(Datastore.get(workspace, "mine")._storage) == []
        assert secrets.secret_of("https://bbb.blob.core.windows.net/c", "bbb", None, None) is None
        monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        assert secrets.secret_of("https://bbb.blob.core.windows.net/c", "bbb", None, None) is None
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "bbb")
        assert (
            secrets.secret_of("https://bbb.blob.core.windows.net/c", "bbb", None, None).key == KEY
        )
        monkeypatch.setenv("VARIABLE", "x")
        with pytest.raises(DatastoreError, match="signature in VARIABLE"):
            secrets.secret_of("https://bbb.blob.core.windows.net/c", "bbb", "VARIABLE", "sas")

    @pytest.mark.parametrize(
        ("location", "account"),
        [
            ("https://evil.example/c", "mine"),
            ("https://foreign.blob.core.windows.net/c", "mine"),
            ("http://mine.blob.core.windows.net/c", "mine"),
            ("https://mine.blob.core.windows.net/x;BlobEndpoint=https://evil.example/c", "mine"),
            ("https://allowed.example/mine/x;BlobEndpoint=https://evil.example/c", "mine"),
            ("https://allowed.example/mine/../other/c", "mine"),
            ("https://allowed.example/mine/c", "mine;BlobEndpoint=https://evil.example"),
            ("https://evil.example\\@mine.blob.core.windows.net/c", "mine"),
            ("https://mine.blob.core.windows.net:evil@evil.example/c", "mine"),
            ("https://mine.blob.core.windows.net.evil.example/c", "mine"),
        ],
    )
    def test_row_of_somebody_else_gets_no_secret(self, workspace, monkeypatch, location, account):
        """Wherever it says that an account is, another place is not told what this user has."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_ALLOWED_LOCATIONS", "https://allowed.example/mine")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", account)
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=secret")
        container = location.rpartition("/")[2]
        settings = {"account": account, "container": container}
        workspace.tracking_store.put_datastore(
            DatastoreRow("theirs", "AzureBlob", location, settings)
        )
        with pytest.raises(DatastoreError) as refused:
            storage_of(workspace.tracking_store, "theirs")
        assert "sig=secret" not in str(refused.value)

    def test_container_is_made(self, workspace, place, azurite_server):
        """If that is asked for."""
        place["container_name"] = "made-by-registration"
        datastore = Datastore.register_azure_blob_container(
            workspace, "mine", account_key=KEY, create_if_not_exists=True, **place
        )
        assert names(datastore._storage) == []
        assert azurite_server.container("made-by-registration").exists()

    def test_names_are_taken_once(self, workspace):
        """Unless another one may take the place; what cannot be is refused."""
        register = partial(Datastore.register_azure_blob_container, workspace)
        first = register("Mine", "container", "account")
        assert register("mine", "container", "account").name == "mine"
        with pytest.raises(DatastoreExistsError, match="overwrite=True"):
            register("mine", "other", "account")
        assert register("mine", "other", "account", overwrite=True).container_name == "other"
        assert (first.account_name, first.container_name) == ("account", "container")
        gen2 = Datastore.register_azure_data_lake_gen2(workspace, "lake", "files", "account")
        assert gen2.datastore_type == "AzureDataLakeGen2"
        assert set(workspace.datastores) >= {"mine", "lake"}
        share = Datastore.register_azure_file_share(workspace, "share", "files", "account")
        with pytest.raises(DatastoreError, match="file share"):
            share.download("x")
        for given in (
            ("a/b", "container", "account"),
            ("x", "../c", "account"),
            ("x", "container", "evil.example/"),
        ):
            with pytest.raises(UserErrorException):
                register(*given)
        with pytest.raises(UserErrorException, match="protocol"):
            register("x", "container", "account", protocol="file")
        with pytest.raises(UserErrorException, match="endpoint"):
            register("x", "container", "account", endpoint="https://user:secret@host")
        with pytest.raises(UserErrorException, match="defined together"):
            Datastore.register_azure_data_lake_gen2(workspace, "y", "files", "acc", tenant_id="t")


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves files; of some it breaks off, refuses for a while, or says nothing of the size."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(is_head=True)

    def do_GET(self):
        self._answer(is_head=False)

    def _answer(self, *, is_head):
        server = self.server
        server.asked.append((self.command, self.path, self.headers.get("Range")))
        name = self.path.partition("?")[0].rpartition("/")[2]
        if name == "busy" and server.busy:
            server.busy -= 1
            self._end(503)
            return
        if name == "none" or (name == "no-head" and is_head):
            self._end(404 if name == "none" else 405)
            return
        if name == "forbidden":
            self._end(401)
            return
        content, start = server.content, 0
        given = self.headers.get("Range")
        if given and self.headers.get("If-Range") == server.etag:
            start = int(given.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("ETag", server.etag)
        self.send_header("Last-Modified", "Sun, 29 Nov 2026 07:00:00 GMT")
        if name == "packed":
            assert self.headers["Accept-Encoding"] == "identity"
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if is_head:
            return
        if name == "cut" and server.cuts:
            server.cuts -= 1
            self.wfile.write(body[: len(body) // 2])
            if name == "cut" and server.replaces:
                server.etag, server.content = '"new"', b"new" * 100_000
            self.close_connection = True
            return
        self.wfile.write(body)

    def _end(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def web_server():
    """A web server on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.content, server.etag, server.asked = CONTENT, '"one"', []
    server.busy, server.cuts, server.replaces = 2, 2, False
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestWeb:
    """Files of a web server."""

    @pytest.fixture
    def server(self):
        """A web server."""
        with web_server() as running:
            yield running

    @pytest.fixture
    def url(self, server):
        """The URL of a folder of it."""
        return f"http://127.0.0.1:{server.server_port}/d"

    @pytest.mark.parametrize("name", ["plain", "busy", "cut", "no-head", "packed", "a%20b"])
    def test_file_comes_whole(self, server, url, tmp_path, name):
        """Whatever the server does on the way; it is asked for its size without its content."""
        storage, path = web(f"{url}/{name}?secret=1")
        [found] = list(storage.files(path))
        assert (found.path, found.etag) == (name, '"one"')
        assert found.modified_ms == 1795935600000
        assert found.size == (None if name == "packed" else len(CONTENT))
        assert name == "no-head" or {each[0] for each in server.asked} == {"HEAD"}
        assert storage.uri(path) == f"{url}/{name}"
        [got] = storage.download([path], tmp_path)
        assert got.read_bytes() == CONTENT
        with storage.open(path) as opened:
            opened.seek(-1, os.SEEK_END)
            assert opened.read() == CONTENT[-1:]
        if name == "cut":
            assert any(each[2] and each[2] != "bytes=0-" for each in server.asked)

    def test_replaced_while_it_comes(self, server, url, tmp_path):
        """It is one of the two, and no mixture."""
        server.replaces = True
        storage, path = web(f"{url}/cut")
        [got] = storage.download([path], tmp_path)
        assert got.read_bytes() == b"new" * 100_000

    def test_what_cannot_be_had(self, server, url, tmp_path):
        """Each error names the file and why; nothing of what is behind the ? is shown."""
        storage, path = web(f"{url}/none?sig=secret")
        assert list(storage.files(path)) == []
        with pytest.raises(MlflowException, match="No such file") as missing:
            storage.download([path], tmp_path)
        storage, path = web(f"{url}/forbidden?sig=secret")
        with pytest.raises(DatastoreError, match="401") as refused:
            storage.open(path)
        server.busy = 100
        storage, path = web("http://127.0.0.1:9/x?sig=secret")
        with pytest.raises(DatastoreError, match="refused") as away:
            storage.open(path)
        for each in (missing, refused, away):
            assert "secret" not in str(each.value)
        assert list(tmp_path.iterdir()) == []
        for bad in (
            "ftp://host/x",
            "http://host/",
            "http://host",
            "file:///etc/passwd",
            "x",
            "ftp://u:secret@h/x",
        ):
            with pytest.raises(UserErrorException, match="no URL of a file") as refused:
                web(bad)
            assert "secret" not in str(refused.value)
        with pytest.raises(UnsafeArtifactPathError):
            web(f"{url}/..%2f..%2fx")
        with pytest.raises(UserErrorException, match="only read"):
            storage.upload([(tmp_path, "x")])


class TestThisMachine:
    """Files of the user's own."""

    def test_files(self, source, tmp_path):
        """They are listed, opened and copied; the user's links are followed."""
        (source / "link").symlink_to(source / "sub")
        storage = LocalStorage(source)
        assert names(storage) == ["a b%.txt", "empty", "link/é.bin", "sub/é.bin"]
        assert names(storage, "sub") == ["sub/é.bin"]
        assert names(storage, "empty") == ["empty"]
        assert names(storage, "none") == []
        assert storage.local("empty") == source / "empty"
        assert storage.local("none") is None
        assert storage.root() == source
        assert storage.uri("empty") == str(source / "empty")
        with storage.open("sub/é.bin") as opened:
            assert opened.read() == CONTENT
        copy = LocalStorage(tmp_path / "copy")
        done = copy.upload([(source / "empty", "x/y")])
        assert (done.count, names(copy)) == (1, ["x/y"])
        assert copy.upload([(source / "a b%.txt", "x/y")]).skipped == 1
        [got] = storage.download(["sub/é.bin"], tmp_path / "got")
        assert got.read_bytes() == CONTENT
        with pytest.raises(MlflowException, match="none"):
            storage.open("none")
        for path in ("../x", "/etc/passwd", "a/../../x"):
            with pytest.raises(UnsafeArtifactPathError):
                storage.open(path)


@pytest.mark.store
def test_no_secret_is_in_a_row(workspace, hub_path, database):
    """On neither database."""
    from sqlalchemy import create_engine, text

    Datastore.register_azure_blob_container(
        workspace, "mine", "container", "account", sas_token="?sv=1&sig=literal"
    )
    Datastore.register_azure_data_lake_gen2(
        workspace, "lake", "files", "account", "tenant", "client", "literal"
    )
    engine = create_engine(url_of_hub(hub_path))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM workspace_plugin_datastores")).all()
    engine.dispose()
    assert len(rows) == 2
    assert "literal" not in str(rows)
