"""Datastores in the hub's own storage: what is stored, what is said of it, and what is refused."""

import os
import re
import shutil
import signal
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities.workspace import Workspace as MlflowWorkspace
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.data.storages.find import OWN, storage_of
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    DatastoreExistsError,
    DatastoreNotFoundError,
    ForeignFileError,
    HubError,
    HubUnreachableError,
    NoAnswerError,
    NotServedError,
    UnsafeArtifactPathError,
    UserErrorException,
    WorkspaceException,
    WorkspaceNotEmptyError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.sdk.data.datastores.data_path import DataPath, DataPathComputeBinding
from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore
from mlflow_workspace_plugin.sdk.data.datastores.references import DataReference
from mlflow_workspace_plugin.sdk.data.datastores.storage_accounts import (
    AzureBlobDatastore,
    AzureFileDatastore,
)
from mlflow_workspace_plugin.stores.build import build_workspace_store
from mlflow_workspace_plugin.stores.data.datastore_row import DatastoreRow
from tests import python_processes
from tests.azurite import azurite
from tests.full_disk import full_disk

hubs = pytest.mark.hubs

ODD = ("a b%20.csv", "é#?.csv", "100%", "semi;colon&.txt", "-", "x" * 200, "日本/語.txt")
OUT = ("../x", "/etc/passwd", "a/../../x", "a\0b", "%2e%2e/x", "..\\x")


@pytest.fixture
def datastore(workspace):
    """The workspace's default datastore."""
    return workspace.get_default_datastore()


@pytest.fixture
def storage(workspace):
    """The files of that datastore."""
    return storage_of(workspace.tracking_store, OWN)


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder with two files, one of them empty and in a folder."""
    made = tmp_path / "source"
    (made / "sub").mkdir(parents=True)
    (made / "a.txt").write_text("a")
    (made / "sub" / "empty").touch()
    return made


def contents(storage):
    """What is stored, by path."""
    found = {}
    for file in storage.files():
        with storage.open(file.path) as opened:
            found[file.path] = opened.read()
        assert len(found[file.path]) == file.size
        assert file.modified_ms
    return found


def local(folder):
    """What is in a local folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


@hubs
def test_what_is_uploaded_comes_back(storage, tmp_path):
    """Under whatever names, as it was, by listing, opening and downloading; and by its URI."""
    source = tmp_path / "source"
    files = {f"d/{name}": f"content of {name}".encode() for name in ODD} | {"d/empty": b""}
    for number, content in enumerate(files.values()):
        source.mkdir(exist_ok=True)
        (source / str(number)).write_bytes(content)
    sources = [(source / str(number), path) for number, path in enumerate(files)]
    assert storage.upload(sources).count == len(files)
    assert contents(storage) == files
    assert [each.path for each in storage.files()] == sorted(files)
    assert [each.path for each in storage.files("d/empty")] == ["d/empty"]
    assert [each.path for each in storage.files("d/日本/")] == ["d/日本/語.txt"]
    assert list(storage.files("d/e")) == list(storage.files("none")) == []
    got = storage.download(storage.files("d"), tmp_path / "copy")
    assert {path.relative_to(tmp_path / "copy").as_posix() for path in got} == set(files)
    assert local(tmp_path / "copy") == files
    with storage.open("d/100%") as opened:
        assert (opened.seek(3), opened.read(4), opened.seek(0), opened.read(1)) == (
            3, b"tent", 0, b"c"
        )  # fmt: skip
    with pytest.raises(MlflowException, match="d/none"):
        storage.open("d/none")
    with pytest.raises(MlflowException, match="d/none"):
        storage.download(["d/none"], tmp_path / "copy")
    assert not list((tmp_path / "copy").glob("**/.download-*"))


@hubs
def test_uri_is_one_of_mlflows(workspace, storage, source, uri, tmp_path):
    """Whoever has the workspace's tracking URI downloads by it."""
    storage.upload([(source / "a.txt", "d/a b%20#?.txt")])
    found = storage.uri("d/a b%20#?.txt")
    root = f"mlflow-artifacts:/workspaces/{workspace.name}/datastores/workspaceblobstore"
    assert found == f"{root}/d/a b%20#?.txt"
    got = mlflow.artifacts.download_artifacts(
        artifact_uri=storage.uri("d"), tracking_uri=uri, dst_path=str(tmp_path / "got")
    )
    assert local(got) == {"a b%20#?.txt": b"a"}


@hubs
def test_upload_as_sdk_v1_says_it(datastore, source, tmp_path, capsys):
    """Lines, references and counts; what is there is skipped, unless it may be overwritten."""
    made = datastore.upload(str(source), "../t")
    assert isinstance(made, DataReference)
    assert (made.datastore.name, made.path_on_datastore, made.mode) == (OWN, "t", "mount")
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == ("Uploading an estimated of 2 files", "Uploaded 2 files")
    assert f"Uploading {source / 'a.txt'}" in lines
    assert sum(line.endswith("1 files out of an estimated total of 2") for line in lines) == 1
    (source / "a.txt").write_text("new")
    (source / "b.txt").write_text("b")
    datastore.upload(src_dir=str(source), target_path="t/", overwrite=False)
    lines = capsys.readouterr().out.splitlines()
    assert "Target already exists. Skipping upload for t/a.txt" in lines
    uploaded = f"Uploaded {source / 'b.txt'}, 1 files out of an estimated total of 1"
    assert (uploaded in lines, lines[-1]) == (True, "Uploaded 1 files")
    assert contents(datastore._storage)["t/a.txt"] == b"a"
    datastore.upload(str(source), "t", overwrite=True, show_progress=False)
    assert contents(datastore._storage)["t/a.txt"] == b"new"
    datastore.upload_files([str(source / "a.txt")], target_path="one", show_progress=False)
    files = [str(source / "a.txt"), str(source / "sub" / "empty")]
    datastore.upload_files(files, None, "two", show_progress=False)
    datastore.upload_files(files, str(tmp_path), show_progress=False)
    assert set(contents(datastore._storage)) == {
        "t/a.txt", "t/b.txt", "t/sub/empty", "one/a.txt", "two/a.txt", "two/sub/empty",
        "source/a.txt", "source/sub/empty",
    }  # fmt: skip
    assert capsys.readouterr().out == ""
    assert datastore.download(str(tmp_path / "got"), prefix="t") == 5
    lines = capsys.readouterr().out.splitlines()
    assert "Downloading two/a.txt" in lines
    assert sum("files out of an estimated total of 5" in line for line in lines) == 5
    assert datastore.download(str(tmp_path / "got"), "t", show_progress=False) == 0
    assert datastore.download(str(tmp_path / "got"), "t/s", overwrite=True) == 1
    assert datastore.download(str(tmp_path / "empty"), prefix="none") == 0
    assert (tmp_path / "empty").is_dir()


@hubs
def test_ways_out_are_refused(storage, datastore, source, tmp_path):
    """Whichever call they are given to, and nothing is stored or read."""
    for path in OUT:
        for call in (
            lambda path=path: list(storage.files(path)),
            lambda path=path: storage.open(path),
            lambda path=path: storage.local(path),
            lambda path=path: storage.upload([(source / "a.txt", path)]),
            lambda path=path: storage.download([path], tmp_path / "copy"),
            lambda path=path: storage.uri(path),
        ):
            with pytest.raises(UnsafeArtifactPathError):
                call()
    with pytest.raises(UnsafeArtifactPathError):
        datastore.upload(str(source), "a/../../b")
    with pytest.raises(UserErrorException, match="without a name"):
        storage.upload([(source / "a.txt", ".")])
    with pytest.raises(UserErrorException, match="both to be stored"):
        storage.upload([(source / "a.txt", "x"), (source / "sub" / "empty", "./x")])
    assert list(storage.files()) == []
    there = {path.name for path in tmp_path.iterdir()}
    assert there <= {"source", "copy", "hub", "journal", "empty", "cache"}


def test_file_that_changes_while_it_is_uploaded(storage, tmp_path, caplog):
    """What is stored may be of before, of after or of both, and that is said."""
    (tmp_path / "changing").write_bytes(b"0" * 10_000_000)
    (tmp_path / "other").write_text("a")

    def change(what, path):
        del what, path
        (tmp_path / "changing").write_text("1")

    storage.upload([(tmp_path / "changing", "d/changing"), (tmp_path / "other", "d/other")])
    assert "was changed" not in caplog.text
    sources = [(tmp_path / name, name) for name in ("a/other", "changing", "other")]
    (tmp_path / "a").mkdir()
    (tmp_path / "a/other").touch()
    storage.upload(sources, say=change)
    assert caplog.text.count("was changed") == 1
    assert f"{str(tmp_path / 'changing')!r} was changed" in caplog.text


def test_folders_that_links_lead_to_are_uploaded(datastore, source, tmp_path):
    """Their files are not left out unseen; a link back up leads to none that is not there yet."""
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/b.txt").write_text("b")
    (tmp_path / "elsewhere/back").symlink_to(source)
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "sub/up").symlink_to("..")
    datastore.upload(str(source), show_progress=False)
    assert set(contents(datastore._storage)) == {"a.txt", "sub/empty", "link/deep/b.txt"}


def test_disk_that_is_full(datastore, source, tmp_path):
    """The folder that is copied to is named, with what to do."""
    (source / "large").write_bytes(b"0" * 100_000)
    datastore.upload(str(source), show_progress=False)
    message = f"{tmp_path}/copy.*Make room"
    with full_disk(), pytest.raises(UserErrorException, match=message):
        datastore.download(str(tmp_path / "copy"), show_progress=False)
    assert not [each for each in (tmp_path / "copy").rglob("*") if "download" in each.name]


def test_bad_sources_are_refused(datastore, source, tmp_path):
    """SDK v1's sentences; and no pipe keeps the upload waiting."""
    with pytest.raises(UserErrorException, match="must be a directory"):
        datastore.upload(str(source / "a.txt"))
    with pytest.raises(UserErrorException, match="does not point to a file"):
        datastore.upload_files([str(source / "none")])
    with pytest.raises(UserErrorException, match=r"a list of paths\. Write \['.*a\.txt'\]"):
        datastore.upload_files(str(source / "a.txt"))
    with pytest.raises(UserErrorException, match="is not part of the file_path"):
        datastore.upload_files([str(source / "a.txt")], relative_root=str(tmp_path / "sour"))
    os.mkfifo(source / "pipe")
    with pytest.raises(UserErrorException, match="pipe"):
        datastore.upload(str(source))
    (source / "pipe").unlink()
    (source / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserErrorException, match="gone"):
        datastore.upload(str(source))
    (source / "gone").unlink()
    (source / os.fsdecode(b"\xff")).touch()
    with pytest.raises(UserErrorException, match="no valid text"):
        datastore.upload(str(source))
    assert list(datastore._storage.files()) == []


def test_file_of_the_name_of_a_folder(storage, source, tmp_path):
    """A folder takes neither way; the error says what is in the way, and the other stays."""
    file = source / "a.txt"
    storage.upload([(file, "x/y")])
    for path in ("x", "x/y/z"):
        with pytest.raises(ArtifactRefusedError, match=re.escape(path.rpartition("/")[0])):
            storage.upload([(file, path)], overwrite=True)
    with pytest.raises(ArtifactRefusedError, match="too long"):
        storage.upload([(file, "n" * 300)])
    file.write_text("b")
    with pytest.raises(ArtifactRefusedError, match="too long"):
        storage.upload([(file, "x/" + "n" * 300), (file, "x/y")])
    assert contents(storage) == {"x/y": b"a"}
    with pytest.raises(UserErrorException, match="No disk takes"):
        storage.download(["x", "x/y"], tmp_path / "copy")


def test_links_below_a_hub_are_never_followed(storage, source, hub_path, tmp_path):
    """Neither for reading nor for writing, whether they stand for a file or a folder."""
    storage.upload([(source / "a.txt", "d/a.txt")])
    place = hub_path / "artifacts/workspaces/team-a/datastores/workspaceblobstore/d"
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (place / "file").symlink_to(secret / "key")
    (place / "folder").symlink_to(secret)
    assert [each.path for each in storage.files()] == ["d/a.txt"]
    assert storage.local("d/a.txt") is None or storage.local("d/a.txt").read_text() == "a"
    for path in ("d/file", "d/folder/key"):
        with pytest.raises((ForeignFileError, MlflowException)):
            storage.open(path)
        with pytest.raises((ForeignFileError, MlflowException)):
            storage.download([path], tmp_path / "copy")
    with pytest.raises(ForeignFileError):
        storage.local("d/folder/key")
    with pytest.raises(ForeignFileError):
        storage.upload([(source / "a.txt", "d/folder/new")])
    storage.upload([(source / "a.txt", "d/file")], overwrite=True)
    assert {path.name: path.read_text() for path in secret.iterdir()} == {"key": "secret"}
    assert not (place / "file").is_symlink()


def test_stored_files_are_for_nobody_to_write_to(storage, source, hub_path):
    """So that what leads to them may be given to a script; they can be overwritten by an upload."""
    storage.upload([(source / "a.txt", "d/a.txt")])
    place = storage.local("d/a.txt")
    assert place == hub_path / "artifacts/workspaces/team-a/datastores" / OWN / "d/a.txt"
    assert not stat.S_IMODE(place.stat().st_mode) & 0o222
    (source / "a.txt").write_text("b")
    storage.upload([(source / "a.txt", "d/a.txt")], overwrite=True)
    assert storage.local("d/a.txt").read_text() == "b"
    assert storage.root() == place.parents[1]


@hubs
def test_uploads_of_the_same_files_at_once(storage, tmp_path):
    """Each file is one of theirs, whole; none is lost, and nothing else is left."""
    folders = []
    for writer in range(4):
        made = tmp_path / f"writer-{writer}"
        made.mkdir()
        for number in range(30):
            (made / str(number)).write_bytes(bytes([writer]) * (20_000 + number))
        folders.append(made)
    barrier = threading.Barrier(4)

    def upload(made):
        barrier.wait()
        files = [(path, path.name) for path in made.iterdir()]
        return storage.upload(files, overwrite=True)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(upload, folders))
    assert [each.count for each in done] == [30] * 4
    found = contents(storage)
    assert len(found) == 30
    for name, content in found.items():
        assert len(set(content)) == 1, name
        assert len(content) == 20_000 + int(name)


@hubs
@pytest.mark.parametrize("size", [10, 9_000_000])
def test_uploads_that_replace_nothing_at_once(storage, tmp_path, size):
    """One stores the file, whatever the others saw when they began; they skip it."""
    sources = [tmp_path / str(n) for n in range(4)]
    for each in sources:
        each.write_bytes(each.name.encode() * size)
    together = threading.Barrier(len(sources))

    def upload(source):
        together.wait()
        return storage.upload([(source, "d/x")])

    with ThreadPoolExecutor(len(sources)) as pool:
        done = list(pool.map(upload, sources))
    (first,) = (source for source, each in zip(sources, done, strict=True) if each.count)
    assert sum(each.skipped for each in done) == len(sources) - 1
    assert contents(storage) == {"d/x": first.read_bytes()}


UPLOAD = """
import sys
from pathlib import Path
from mlflow_workspace_plugin.data.storages.find import OWN, storage_of
from mlflow_workspace_plugin.remote.build import build_tracking_store

uri, folder, ready = sys.argv[1:]
storage = storage_of(build_tracking_store(uri), OWN)
files = [(path, path.name) for path in Path(folder).iterdir()]
Path(ready).touch()
storage.upload(files, overwrite=True, say=lambda what, path: print(what, path, flush=True))
"""


@hubs
def test_killed_in_the_middle_of_an_upload(storage, uri, tmp_path):
    """No half file is seen, and what was said to be uploaded is there; once more finishes it."""
    source = tmp_path / "source"
    source.mkdir()
    size = 3 * 2**20
    for number in range(40):
        (source / str(number)).write_bytes(bytes([number]) * size)
    for killed_after in (0, 3, 11):
        ready = tmp_path / f"ready-{killed_after}"
        said = tmp_path / f"said-{killed_after}"
        with said.open("wb") as output:
            process = python_processes.Popen(
                ["-c", UPLOAD, uri, str(source), str(ready)], env=os.environ, stdout=output
            )
            end = time.monotonic() + 60
            while not ready.exists() or len(said.read_bytes().splitlines()) < killed_after:
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait()
        found = contents(storage)
        for name, content in found.items():
            assert content == bytes([int(name)]) * size
        uploaded = {
            line.split()[1]
            for line in said.read_text().splitlines()
            if line.startswith("uploaded") and line.split()[1:]
        }
        assert {each for each in uploaded if (source / each).exists()} <= set(found)
    files = [(path, path.name) for path in source.iterdir()]
    done = storage.upload(files)
    assert done.count + done.skipped == 40
    assert len(contents(storage)) == 40


def test_ten_thousand_files(storage, tmp_path, datastore):
    """They are stored, listed and copied, and none is missing."""
    source = tmp_path / "source"
    for number in range(10_000):
        place = source / str(number % 100)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(str(number))
    datastore.upload(str(source), "many", show_progress=False)
    found = list(storage.files("many"))
    assert len(found) == 10_000
    assert sum(each.size for each in found) == sum(len(str(number)) for number in range(10_000))
    assert datastore.download(str(tmp_path / "copy"), show_progress=False) == 10_000
    assert local(tmp_path / "copy" / "many") == local(source)


@hubs
@pytest.mark.beneath
def test_workspace_with_files_in_a_datastore_is_not_empty(
    workspace, storage, source, hub, hub_path
):
    """It is deleted with them only when that is asked for; no collection of garbage frees them."""
    storage.upload([(source / "a.txt", "a.txt")])
    with pytest.raises(WorkspaceNotEmptyError, match="datastores"):
        workspace.delete()
    shown = CliRunner().invoke(main, ["delete", "-w", workspace.name, "--hub", str(hub), "--yes"])
    assert shown.exit_code == 1
    assert "is not empty" in shown.output
    freed = CliRunner().invoke(main, ["gc", "-w", workspace.name, "--hub", str(hub_path)])
    assert freed.exit_code == 0, freed.output
    assert contents(storage) == {"a.txt": b"a"}
    workspace.delete(delete_dependent_resources=True)
    with pytest.raises(WorkspaceNotFoundError, match="was deleted"):
        storage.upload([(source / "a.txt", "late.txt")])
    again = Workspace.create(workspace.name, hub=hub)
    assert contents(again.get_default_datastore()._storage) == {}
    again.delete()


@hubs
@pytest.mark.beneath
def test_files_of_an_earlier_workspace_are_nobody_else_s(
    workspace, storage, source, hub_path, monkeypatch
):
    """No workspace of that name is made while they are there; its rows were deleted by others."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    storage.upload([(source / "a.txt", "a.txt")])
    # As a server of MLflow's alone does.
    workspace._hub.catalog.store.delete_workspace("team-a")
    for make in (
        lambda: Workspace.create("team-a", hub=hub_path),
        lambda: Workspace.create("Team_A", hub=hub_path, exist_ok=True),
        lambda: build_workspace_store(f"workspace-hub://{hub_path}").create_workspace(
            MlflowWorkspace("team-a")
        ),
    ):
        with pytest.raises(WorkspaceException, match="earlier workspace of that name"):
            make()
    storage._space.delete_artifacts("a.txt")
    again = Workspace.create("team-a", hub=hub_path)
    assert contents(again.get_default_datastore()._storage) == {}


def test_server_deletes_a_workspace_with_its_files_or_not_at_all(
    workspace, storage, source, hub_path, monkeypatch
):
    """What MLflow's own server deletes goes as ``Workspace.delete`` does it."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = build_workspace_store(f"workspace-hub://{hub_path}")
    storage.upload([(source / "a.txt", "a.txt")])
    for mode in (WorkspaceDeletionMode.RESTRICT, WorkspaceDeletionMode.SET_DEFAULT):
        with pytest.raises(WorkspaceNotEmptyError, match="datastores"):
            store.delete_workspace("team-a", mode)
    assert contents(storage) == {"a.txt": b"a"}
    store.delete_workspace("team-a", WorkspaceDeletionMode.CASCADE)
    assert not list(hub_path.rglob("a.txt"))
    assert store.create_workspace(MlflowWorkspace("team-a")).name == "team-a"


@hubs
def test_workspaces_have_their_own_files(storage, source, other_workspace, uri, tmp_path):
    """Of another workspace's neither paths nor URIs lead to any."""
    storage.upload([(source / "a.txt", "a.txt")])
    other = other_workspace.get_default_datastore()._storage
    assert list(other.files()) == []
    with pytest.raises(MlflowException):
        other.open("a.txt")
    with pytest.raises(MlflowException):
        mlflow.artifacts.download_artifacts(
            artifact_uri=storage.uri("a.txt"),
            tracking_uri=other_workspace.get_mlflow_tracking_uri(),
            dst_path=str(tmp_path),
        )


@pytest.mark.store
def test_names_of_datastores(workspace, other_workspace):
    """The default one and the file share are there; others are registered, in one workspace."""
    default = workspace.get_default_datastore()
    assert type(default) is AzureBlobDatastore
    assert (default.name, default.datastore_type) == (OWN, "AzureBlob")
    assert list(workspace.datastores) == [OWN, "workspacefilestore"]
    share = Datastore.get(workspace, "WorkspaceFileStore")
    assert type(share) is AzureFileDatastore
    workspace.set_default_datastore("workspacefilestore")
    assert Datastore(workspace).name == "workspacefilestore"
    assert Datastore.get_default(other_workspace).name == OWN
    default.set_as_default()
    assert workspace.get_default_datastore().name == OWN
    assert str(default) == repr(default)
    assert '"container_name": "workspaceblobstore"' in repr(default)
    with pytest.raises(DatastoreNotFoundError, match="'none'"):
        Datastore.get(workspace, "none")
    with pytest.raises(UserErrorException):
        workspace.set_default_datastore("none")
    with pytest.raises(DatastoreExistsError, match="hub's own"):
        Datastore.register_azure_blob_container(workspace, OWN, "container", "account")
    for register in (
        "register_azure_sql_database",
        "register_azure_postgre_sql",
        "register_azure_my_sql",
        "register_azure_data_lake",
        "register_dbfs",
        "register_hdfs",
    ):
        with pytest.raises(NotServedError, match="is not served here"):
            getattr(Datastore, register)(workspace, "name")


@pytest.mark.parametrize("name", ["a/b", ".", "..", "", "../datastores"])
def test_name_that_is_no_folders(workspace, name):
    """A row that anybody wrote leads neither to another datastore's files nor out."""
    workspace.tracking_store.put_datastore(DatastoreRow(name, "AzureBlob"))
    with pytest.raises(UserErrorException):
        storage_of(workspace.tracking_store, name)


def test_both_of_the_hubs_own_hold_their_own_files(workspace, source):
    """The one is not below the other."""
    share = Datastore.get(workspace, "workspacefilestore")
    share.upload(str(source), show_progress=False)
    assert set(contents(share._storage)) == {"a.txt", "sub/empty"}
    assert contents(workspace.get_default_datastore()._storage) == {}


def test_references_are_sdk_v1s(workspace, datastore):
    """Names, modes and texts of references and paths."""
    whole = datastore.path()
    assert (whole.data_reference_name, whole.path_on_datastore, whole.mode) == (OWN, None, "mount")
    assert str(whole) == f"$AZUREML_DATAREFERENCE_{OWN}"
    below = datastore.path("a")
    assert re.fullmatch("[0-9a-f]{32}", below.data_reference_name)
    assert below.path("b").path_on_datastore == "a/b"
    assert below.path(".") is below
    assert below.path(".", "n").path_on_datastore is None
    assert datastore.path("a", "name").data_reference_name == "name"
    copy = below.as_download("/x", overwrite=True)
    assert (copy.mode, copy.path_on_compute, copy.overwrite) == ("download", "/x", False)
    assert copy.data_reference_name == below.data_reference_name
    assert datastore.as_upload("out").mode == "upload"
    assert datastore.as_mount().to_config().data_store_name == OWN
    assert datastore.path("a").to_config().path_on_data_store == "a"
    with pytest.raises(UserErrorException, match="Invalid mode x"):
        DataReference(datastore, mode="x")
    path = DataPath(datastore, "a")
    assert re.fullmatch(f"{OWN}_[0-9a-f]{{8}}", path._name)
    assert (path.datastore_name, path.path_on_datastore) == (OWN, "a")
    binding = DataPathComputeBinding("download", "/y", overwrite=True)
    for made in (
        path.create_data_reference("n", binding),
        binding.create_data_reference("n", path),
        DataReference.create("n", path, binding),
    ):
        assert (made.mode, made.path_on_compute, made.overwrite) == ("download", "/y", True)
        assert (str(made), made.path_on_datastore) == ("$AZUREML_DATAREFERENCE_n", "a")
    assert DataPath.create_from_data_reference(below).path_on_datastore == "a"
    assert DataPathComputeBinding.create_from_data_reference(copy)._mode == "download"
    with pytest.raises(ValueError, match="datastore parameter is required"):
        DataPath()
    with pytest.raises(ValueError, match="expected parameters"):
        DataReference.create("n")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    files=st.dictionaries(
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0%:"),
            min_size=1,
            max_size=40,
        ).filter(lambda name: name.strip(".") and not name.startswith(".artifact.uploading.")),
        st.binary(max_size=100),
        max_size=6,
    )
)
def test_any_names_come_back(workspace, tmp_path, files):
    """Whatever text a file is called, and whatever is in it."""
    source, copy = tmp_path / "given", tmp_path / "copy"
    for each in (source, copy):
        shutil.rmtree(each, ignore_errors=True)
    source.mkdir()
    storage = storage_of(workspace.tracking_store, OWN)
    sources = []
    for number, (name, content) in enumerate(files.items()):
        (source / str(number)).write_bytes(content)
        sources.append((source / str(number), f"p/{name}"))
    storage.upload(sources, overwrite=True)
    wanted = [path for _, path in sources]
    storage.download(wanted, copy)
    assert {
        os.path.relpath(path, copy / "p"): path.read_bytes()
        for path in copy.rglob("*")
        if path.is_file()
    } == files
    assert {each.path for each in storage.files("p")} >= set(wanted)


class TestAccountAway:
    """An account that is stopped, in the middle of an upload or before it."""

    @pytest.fixture(scope="class")
    def azurite_server(self):
        """A server of these tests' own, which they stop."""
        with azurite() as started:
            yield started

    @pytest.fixture
    def storage(self, azure_workspace):
        """The files of its default datastore."""
        return storage_of(azure_workspace.tracking_store, OWN)

    def test_stopped_in_the_middle(self, storage, azurite_server, tmp_path, monkeypatch):
        """What is said to be uploaded is, the rest is kept, and is there when it is back."""
        source = tmp_path / "source"
        source.mkdir()
        for number in range(60):
            (source / f"{number:02}").write_bytes(bytes([number]) * 200_000)
        files = [(path, f"d/{path.name}") for path in source.iterdir()]
        said = []

        def say(what, path):
            said.append((what, path))
            if len(said) == 5:
                azurite_server.stop()

        done = storage.upload(files, overwrite=True, say=say)
        assert done.count + done.waiting == 60
        assert done.waiting > 0
        assert sum(what == "uploaded" for what, _ in said) == done.count
        assert sum(what == "kept" for what, _ in said) == done.waiting
        with pytest.raises(HubError):
            storage.upload(files)
        azurite_server.start()
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "100")
        found = contents(storage)
        assert found == {f"d/{number:02}": bytes([number]) * 200_000 for number in range(60)}
        assert storage.upload(files).skipped == 60

    def test_away_from_the_start(
        self, storage, azure_workspace, azurite_server, source, capsys, monkeypatch
    ):
        """Nobody knows then what there is: only what may be overwritten is taken, and kept."""
        datastore = azure_workspace.get_default_datastore()
        azurite_server.stop()
        with pytest.raises((HubUnreachableError, NoAnswerError)):
            datastore.upload(str(source), "e")
        capsys.readouterr()
        datastore.upload(str(source), "e", overwrite=True)
        lines = capsys.readouterr().out.splitlines()
        assert lines[:2] == ["Uploading an estimated of 2 files", "Uploaded 0 files"]
        assert "2 files are kept on this machine" in lines[2]
        with pytest.raises(WorkspaceNotEmptyError):
            azure_workspace.delete()
        azurite_server.start()
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "100")
        assert {"e/a.txt", "e/sub/empty"} <= set(contents(storage))

    def test_large_file(self, storage, tmp_path):
        """It is read from any place, and never mixed with what takes its place."""
        large = tmp_path / "large"
        with large.open("wb") as file:
            for number in range(24):
                file.write(bytes([number]) * 2**20)
        assert storage.upload([(large, "large")]).count == 1
        [found] = storage.files("large")
        assert (found.size, len(found.sha256)) == (24 * 2**20, 64)
        assert found.etag
        with storage.open("large") as opened:
            opened.seek(20 * 2**20 - 1)
            assert opened.read(2) == bytes([19, 20])
            opened.seek(-1, os.SEEK_END)
            assert opened.read() == bytes([23])
        with storage.open("large") as opened:
            opened.read(1)
            large.write_bytes(b"other" * 2**22)
            storage.upload([(large, "large")], overwrite=True)
            opened.seek(20 * 2**20)
            with pytest.raises(HubError, match="replaced while it was read"):
                opened.read()
