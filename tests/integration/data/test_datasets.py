"""SDK v1's datasets: made, resolved, registered, compared with what they were, brought here."""

import os
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    DatasetExecutionError,
    DatasetExistsError,
    DatasetValidationError,
    UnsafeArtifactPathError,
    UnstorableValueError,
    UserErrorException,
    WorkspaceNotEmptyError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.data.datasets.file_dataset import FileDataset
from mlflow_workspace_plugin.sdk.data.datastores.data_path import DataPath
from tests.commands import output_of
from tests.web_files import web_files

pytestmark = pytest.mark.hubs

FILES = ["a/.hidden/z.csv", "a/b/x [1].csv", "a/two.csv", "one.csv", "é #%20?.txt"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of files, whose contents are their names."""
    for name in FILES:
        file = tmp_path / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "source"


@pytest.fixture
def store(workspace, folder):
    """The datastore of the workspace, with the files in its folder ``d``."""
    found = workspace.get_default_datastore()
    found.upload(str(folder), "d", show_progress=False)
    return found


def put(store, path: str, text: str) -> None:
    """Write a file to a datastore, over one that is there."""
    source = Path("put.txt")
    source.write_text(text)
    store._storage.upload([(source, path)], overwrite=True)


def _spoil(file: Path) -> None:
    """Write to a file, and around it, in all the ways that are not refused."""
    real = file.resolve()
    for write in (
        lambda: file.write_text("x"),
        lambda: os.truncate(file, 0),
        lambda: real.write_text("x"),
        file.unlink,
        lambda: (file.parent / "new").write_text("x"),
    ):
        with suppress(OSError):
            write()


def remove(store, path: str) -> None:
    """Delete a file of a datastore."""
    store._storage._space.delete_artifacts(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("d", FILES),
        ("/d/", FILES),
        ("d/**", FILES),
        ("d/*", ["one.csv", "é #%20?.txt"]),
        ("d/**/*.csv", FILES[:4]),
        ("d/one.csv", ["one.csv"]),
        ("d/a/b/x [1].csv", ["x [1].csv"]),
        ("d/é #%20?.txt", ["é #%20?.txt"]),
        ("**/two.csv", ["d/a/two.csv"]),
        ("", [f"d/{name}" for name in FILES]),
    ],
)
@pytest.mark.sqlite
@pytest.mark.folder
def test_paths_of_one_path_are_below_its_folder(store, path, found):
    """The paths of a dataset are relative to the deepest folder that its one path names."""
    assert Dataset.File.from_files((store, path)).to_path() == [f"/{name}" for name in found]
    assert Dataset.File.from_files(DataPath(store, path)).to_path() == [f"/{n}" for n in found]


def test_files_are_found_and_copied(store, tmp_path):
    """Several paths are read in their order, under the datastore's name, and copied as named."""
    dataset = Dataset.File.from_files([(store, "d/one.csv"), (store, "d/a/*"), (store, "d/*")])
    names = ["d/one.csv", "d/a/two.csv", "d/one.csv", "d/é #%20?.txt"]
    assert dataset.to_path() == [f"/workspaceblobstore/{name}" for name in names]
    copies = dataset.download(str(tmp_path / "to"))
    assert copies == [str(tmp_path / "to/workspaceblobstore" / name) for name in names]
    assert [Path(copy).read_text() for copy in copies] == [name[2:] for name in names]
    Path(copies[0]).write_text("mine")
    with pytest.raises(DatasetExecutionError, match=r"already exists.*overwrite=True"):
        dataset.download(str(tmp_path / "to"))
    assert Path(copies[0]).read_text() == "mine"
    dataset.download(str(tmp_path / "to"), overwrite=True)
    assert Path(copies[0]).read_text() == "one.csv"
    assert len(Dataset.File.from_files(store.path("d")).download()) == len(FILES)


@pytest.mark.sqlite
@pytest.mark.folder
def test_many_paths_are_few_storages(store):
    """A dataset of a thousand paths opens its datastore once, and is mounted as others are."""
    paths = ["d/one.csv", "d/a/two.csv"] * 500
    dataset = Dataset.File.from_files([(store, path) for path in paths])
    assert len({id(file.storage) for file in dataset._found()}) == 1
    with dataset.mount() as mounted:
        there = Path(mounted.mount_point, "workspaceblobstore/d")
        assert sorted(each.name for each in there.iterdir()) == ["a", "one.csv"]
    with dataset.take(0).mount() as mounted:
        assert list(Path(mounted.mount_point).iterdir()) == []
    urls = [f"http://127.0.0.1:9/x/{number}.csv" for number in range(100)]
    found = Dataset.File.from_files(urls)._found()
    assert len({id(file.storage) for file in found}) == 1
    assert [file.key for file in found] == urls


@pytest.mark.sqlite
@pytest.mark.folder
def test_steps_are_on_files(store):
    """Parts of a dataset are datasets of their own, which are not registered."""
    dataset = Dataset.File.from_files((store, "d"))
    assert dataset.take(2).to_path() + dataset.skip(2).to_path() == dataset.to_path()
    first, second = dataset.random_split(0.5, seed=3)
    assert sorted(first.to_path() + second.to_path()) == sorted(dataset.to_path())
    assert dataset.take_sample(0.5, seed=3).to_path() == first.to_path()
    drawn, left = dataset.random_split(0.5)
    assert sorted(drawn.to_path() + left.to_path()) == sorted(dataset.to_path())
    assert dataset.take(0).to_path() == []
    assert dataset.take(0).download() == []
    for count in (-1, "1", 1.5):
        with pytest.raises(ValueError, match="count must be a positive integer"):
            dataset.take(count)
    with pytest.raises(ValueError, match="percentage must be a number between"):
        dataset.random_split(1.5)
    assert isinstance(first, FileDataset)
    assert first.name is first.id is first.version is first.tags is None


@pytest.mark.sqlite
@pytest.mark.folder
@pytest.mark.parametrize("path", ["nope", "d/nope/*", "D/*", "d/on"])
def test_no_match_is_said(store, path):
    """That nothing is there is found when it is read, and names path, datastore and remedy."""
    dataset = Dataset.File.from_files((store, path))
    for read in (dataset.to_path, dataset.download, dataset.mount):
        with pytest.raises(UserErrorException) as raised:
            read()
        assert f"{path!r} in datastore 'workspaceblobstore'" in raised.value.message


@pytest.mark.sqlite
@pytest.mark.folder
def test_paths_that_are_none_are_refused(store, workspace):
    """What is no path, leads out of the datastore, or holds a secret, is refused at once."""
    for path in ("../x", "d/../../x", "%2e%2e/x", "..\\x"):
        with pytest.raises(UnsafeArtifactPathError):
            Dataset.File.from_files((store, path))
    for path in (None, [], (store,), (store, 1), store, [(store, "d"), "http://h/a"], "ftp://h/a"):
        with pytest.raises(UserErrorException):
            Dataset.File.from_files(path)
    for url in ("http://h/", "http://h", "http://h/a/*.csv", "http://[h/a.csv"):
        with pytest.raises(UserErrorException, match=r"single file|URL was given that is none"):
            Dataset.File.from_files(url)
    with pytest.raises(UserErrorException) as refused:
        Dataset.File.from_files("wasbs://verysecret@h/a.csv?sig=verysecret")
    assert "verysecret" not in refused.value.message
    signed = "https://me.blob.core.windows.net/c/a.csv?sv=1&sig=verysecret"
    with pytest.raises(UserErrorException) as refused:
        Dataset.File.from_files(signed)
    assert "verysecret" not in refused.value.message
    for url in (
        "https://u:verysecret@h/a.csv",
        "https://h/a.csv?token=verysecret",
        "https://verysecret@h/a.csv",
    ):
        with pytest.raises(DatasetValidationError) as refused:
            Dataset.File.from_files(url).register(workspace, "n")
        assert "verysecret" not in refused.value.message
        assert "verysecret" not in repr(Dataset.File.from_files(url))
    with pytest.raises(UserErrorException, match=r"Dataset\.File"):
        FileDataset()


def test_versions(store, workspace, other_workspace):
    """A name has versions, each a definition, found by name, number, ``latest``, and id."""
    first = Dataset.File.from_files((store, "d/*"))
    one = first.register(workspace, "Odd näme / 1", description="D", tags={"k": "v"})
    assert (one.name, one.version, one.description) == ("Odd näme / 1", 1, "D")
    assert one.tags == {"k": "v"}
    assert len(one.id) == 36
    assert (first.name, first.id) == (None, None)
    second = Dataset.File.from_files((store, "d/a/*"))
    with pytest.raises(DatasetExistsError, match="create_new_version=True"):
        second.register(workspace, "Odd näme / 1")
    two = second.register(workspace, "Odd näme / 1", create_new_version=True)
    assert (two.version, two.description, two.tags) == (2, None, {})
    same = second.register(workspace, "Odd näme / 1", create_new_version=True)
    assert same.version == 2
    for version in ("latest", None, 2, "2"):
        assert Dataset.get_by_name(workspace, "Odd näme / 1", version).version == 2
    assert Dataset.get_by_name(workspace, "Odd näme / 1", 1).to_path() == one.to_path()
    assert Dataset.get_by_id(workspace, one.id).name == "Odd näme / 1"
    for version in (0, 3, -1, 2**40):
        with pytest.raises(UserErrorException, match=r"Cannot find dataset.*of it versions 2, 1\."):
            Dataset.get_by_name(workspace, "Odd näme / 1", version)
    with pytest.raises(UserErrorException, match="must be number"):
        Dataset.get_by_name(workspace, "Odd näme / 1", "x")
    with pytest.raises(UserErrorException, match="Cannot find dataset with id"):
        Dataset.get_by_id(workspace, "none")
    everything = workspace.datasets
    assert list(everything) == ["Odd näme / 1"]
    assert everything["Odd näme / 1"].version == 2
    assert "none" not in everything
    assert everything.get("none") is None
    assert "DatasetRegistration(id=" in repr(everything)
    assert other_workspace.datasets == {}
    two.unregister_all_versions()
    assert (two.name, two.id) == (None, None)
    assert len(workspace.datasets) == 0
    assert Dataset.get_by_id(workspace, one.id).name is None


@pytest.mark.sqlite
@pytest.mark.folder
def test_what_is_said_of_a_version_can_be_changed(store, workspace):
    """Descriptions and tags are changed in place; of what has no name an error is returned."""
    dataset = Dataset.File.from_files((store, "d"))
    for returned in (dataset.update("x"), dataset.add_tags({"a": "b"}), dataset.remove_tags(["a"])):
        assert isinstance(returned, UserErrorException)
    assert dataset.unregister_all_versions() is None
    named = dataset.register(workspace, "n", "D", {"a": "1"})
    assert named.update("E").description == named.description == "E"
    assert named.add_tags({"a": "1", "b": 2}).tags == {"a": "1", "b": "2"}
    with pytest.raises(UserErrorException, match=r"different values for tags.*\['a'\]"):
        named.add_tags({"a": "2"})
    assert named.remove_tags(["a", "none"]).tags == {"b": "2"}
    assert Dataset.get_by_name(workspace, "n").tags == {"b": "2"}
    assert '"name": "n"' in repr(named)
    assert str(named).startswith("FileDataset\n")
    for name in ("x" * 5000, "a\x00b"):
        with pytest.raises(UnstorableValueError):
            dataset.register(workspace, name)
    for name in ("", " ", None, 1):
        with pytest.raises(UserErrorException, match="name"):
            dataset.register(workspace, name)
    with pytest.raises(UserErrorException, match="dictionary"):
        dataset.register(workspace, "m", tags=["a"])
    assert Dataset.get_by_name(workspace, "n").data_changed_time > datetime.now(
        timezone.utc
    ).replace(tzinfo=None) - timedelta(hours=1)


def test_registrations_at_once_each_get_a_number(store, workspace):
    """Of several threads that register under one name each gets a version of its own."""
    made, errors = [], []

    def register(number: int) -> None:
        dataset = Dataset.File.from_files((store, "d")).take(number)
        try:
            made.append(dataset.register(workspace, "n", create_new_version=True).version)
        except AzureMLException as error:
            errors.append(error)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(made) == [1, 2, 3, 4]


def test_what_became_of_the_files_is_said(store, workspace, caplog, monkeypatch):
    """A read says what was added, changed and gone since registration, and strict reads fail."""
    Dataset.File.from_files((store, "d")).register(workspace, "n")
    Dataset.get_by_name(workspace, "n").to_path()
    assert "is not what it was" not in caplog.text
    put(store, "d/new.csv", "new")
    put(store, "d/one.csv", "another length")
    remove(store, "d/a/two.csv")
    named = Dataset.get_by_name(workspace, "n")
    assert "/new.csv" in named.to_path()
    for part in ("1 added: 'workspaceblobstore/d/new.csv'", "1 changed", "1 gone", "5 files"):
        assert part in caplog.text
    monkeypatch.setenv("MLFLOW_WORKSPACE_STRICT_DATA", "1")
    with pytest.raises(DatasetExecutionError, match=r"Version 1 of dataset 'n'.*1 gone"):
        named.download()
    again = Dataset.File.from_files((store, "d")).register(workspace, "n", create_new_version=True)
    assert again.version == 2
    assert len(again.to_path()) == 5
    for name in [path[1:] for path in again.to_path()]:
        remove(store, f"d/{name}")
    with pytest.raises(DatasetExecutionError, match=r"Version 2 of dataset 'n': There is no file"):
        again.to_path()


@pytest.mark.sqlite
@pytest.mark.folder
def test_what_cannot_be_listed_is_registered(store, workspace, caplog):
    """A definition of what is not there yet is registered, and it is said what that means."""
    named = Dataset.File.from_files((store, "later/*.csv")).register(workspace, "n")
    assert "later changes of them are not noticed" in caplog.text
    put(store, "later/a.csv", "a")
    assert named.to_path() == ["/a.csv"]


def test_gc_frees_what_no_version_names(store, workspace, hub_path):
    """Lists of files go once their versions are unregistered, and not one before."""

    def freed() -> str:
        done = CliRunner().invoke(main, ["gc", "--hub", str(hub_path), "-w", workspace.name])
        assert done.exit_code == 0, done.output
        return done.output

    one = Dataset.File.from_files((store, "d/*")).register(workspace, "one")
    Dataset.File.from_files((store, "d/a/*")).register(workspace, "two")
    assert "0 files" in freed()
    one.unregister_all_versions()
    assert "1 files" in freed()
    put(store, "d/a/new.csv", "new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_WORKSPACE_STRICT_DATA", "1")
        with pytest.raises(DatasetExecutionError, match="1 added"):
            Dataset.get_by_name(workspace, "two").to_path()


@pytest.mark.beneath
def test_gc_spares_what_is_being_registered(store, workspace, hub_path):
    """However often lists of files are freed meanwhile, each registered version keeps its own."""
    is_over = threading.Event()

    def free() -> None:
        from mlflow_workspace_plugin.data.files.manifests import Manifests

        while not is_over.is_set():
            Manifests(*workspace.tracking_store.place).free_unnamed()

    thread = threading.Thread(target=free)
    thread.start()
    try:
        for number in range(5):
            dataset = Dataset.File.from_files((store, "d")).take(number + 1)
            dataset.register(workspace, f"n{number}")
    finally:
        is_over.set()
        thread.join()
    versions = workspace.tracking_store.newest_datasets()
    from mlflow_workspace_plugin.data.files.manifests import Manifests

    manifests = Manifests(*workspace.tracking_store.place)
    assert [len(manifests.read(each.manifest).files) for each in versions] == [1, 2, 3, 4, 5]


@pytest.mark.beneath
def test_who_frees_lists_each_time_is_kept_out(store, workspace, monkeypatch):
    """However often others free what was just stored: a version is registered in the end."""
    from mlflow_workspace_plugin.data.files import manifests

    stored = manifests.Manifests(*workspace.tracking_store.place)
    taken, freed = manifests.locked_hub, []

    @contextmanager
    def locked_hub(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(manifests, "locked_hub", taken)
            freed.extend(stored.unnamed())
            stored.free_unnamed()
        with taken(*arguments) as lock:
            yield lock

    monkeypatch.setattr(manifests, "locked_hub", locked_hub)
    dataset = Dataset.File.from_files((store, "d")).register(workspace, "n")
    assert len(freed) > 3
    (version,) = workspace.tracking_store.newest_datasets()
    assert len(stored.read(version.manifest).files) == len(dataset.to_path())


@pytest.mark.beneath
def test_large_file_in_the_place_of_a_list_is_none(workspace, monkeypatch):
    """Whoever may store it, there: the hub is locked meanwhile, so it is not read to its end."""
    from mlflow_workspace_plugin.data.files import manifests

    stored = manifests.Manifests(*workspace.tracking_store.place)
    content = os.urandom(100_000)
    name = manifests.name_of(content)
    stored._store(name, content)
    assert stored.is_kept(name, 60)
    monkeypatch.setattr(manifests, "MOST_STORED", 1000)
    assert not stored.is_kept(name, 60)
    with pytest.raises(ValueError, match="more than"):
        stored.read(name)


@pytest.mark.beneath
def test_another_list_in_the_place_of_one_is_none(workspace):
    """Its name is made of its content: whoever put it there changed what a dataset is."""
    from mlflow_workspace_plugin.data.files import manifest, manifests

    stored = manifests.Manifests(*workspace.tracking_store.place)
    one, other = (
        manifest.Manifest({name: manifest.Facts(1, 2)}).to_bytes() for name in ("a.csv", "b.csv")
    )
    stored._store(manifests.name_of(one), other)
    with pytest.raises(ValueError, match="not what its name says"):
        stored.read(manifests.name_of(one))


def test_a_workspace_with_datasets_is_not_deleted_as_an_empty_one(workspace, hub):
    """Dataset versions alone keep a workspace; with its content it goes, and they do."""
    Path("a.csv").write_text("a")
    dataset = Dataset.File.from_files("a.csv")
    dataset.register(workspace, "n")
    with pytest.raises(WorkspaceNotEmptyError):
        workspace.delete()
    workspace.delete(delete_dependent_resources=True)
    with pytest.raises(WorkspaceNotFoundError):
        dataset.register(workspace, "n")
    again = Workspace.create(workspace.name, hub=hub)
    assert dict(again.datasets) == {}


@pytest.mark.sqlite
@pytest.mark.folder
def test_datasets_of_another_workspaces_datastore_are_refused(store, workspace, hub_path):
    """A definition names datastores of its workspace, and is registered in no other one."""
    other = Workspace.create("team-b", hub=hub_path)
    dataset = Dataset.File.from_files((store, "d"))
    with pytest.raises(UserErrorException, match="workspaces share none"):
        dataset.register(other, "n")
    with pytest.raises(UserErrorException, match="several workspaces"):
        Dataset.File.from_files([(store, "d"), (other.get_default_datastore(), "d")])


def test_mounted_files_are_read_and_never_written(store, workspace):
    """A mount shows the files, takes no write to where they are, and is gone after its end."""
    for path in ("d", "d/**/*.csv"):
        dataset = Dataset.File.from_files((store, path))
        context = dataset.mount()
        with context as mounted:
            assert mounted is context
            folder = Path(mounted.mount_point)
            found = sorted(
                str(Path(above, name).relative_to(folder))
                for above, _, names in os.walk(folder)
                for name in names
            )
            assert found == [each[1:] for each in sorted(dataset.to_path())]
            assert [(folder / each).read_text() for each in found] == found
            for name in found:
                _spoil(folder / name)
        assert not folder.exists()
        copies = Dataset.File.from_files((store, "d")).download()
        assert [Path(copy).read_text() for copy in copies] == FILES
    # What was written to a copy of theirs is no file of the next mount.
    with Dataset.File.from_files((store, "d/one.csv")).mount() as mounted:
        assert Path(mounted.mount_point, "one.csv").read_text() == "one.csv"


MOUNTING = """
import os, sys
from pathlib import Path
from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
store = Workspace.get(sys.argv[2], hub=sys.argv[1]).get_default_datastore()
for _ in range(2):
    with Dataset.File.from_files((store, "d/*.csv")).mount() as mounted:
        file = Path(mounted.mount_point, "one.csv")
        print(file.read_text())
        try:
            file.write_text("spoilt")
            print("a copy")
        except OSError as error:
            print(type(error).__name__)
"""


@pytest.mark.sqlite
@pytest.mark.folder
@pytest.mark.skipif(os.getuid() != 0, reason="root gives up what makes it root")
@pytest.mark.parametrize(
    ("without", "refusal"),
    [("-sys_admin", "a copy"), ("-dac_override,-dac_read_search,-sys_admin", "PermissionError")],
)
def test_mounts_without_the_means_of_root(store, hub_path, without, refusal):
    """Root that may mount nothing gets copies; who may not write to the files gets links."""
    command = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}", sys.executable]
    done = output_of([*command, "-c", MOUNTING, str(hub_path), "team-a"])
    assert done.splitlines() == ["one.csv", refusal] * 2
    assert (
        Path(Dataset.File.from_files((store, "d/one.csv")).download()[0]).read_text() == "one.csv"
    )


@pytest.mark.sqlite
@pytest.mark.folder
def test_mount_points(store, tmp_path):
    """A mount point is made, or is an empty folder; what is in one stays."""
    dataset = Dataset.File.from_files((store, "d/*"))
    context = dataset.mount(str(tmp_path / "m"))
    assert context.mount_point == str(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    context.start()
    context.start()
    assert (tmp_path / "m/one.csv").read_text() == "one.csv"
    with pytest.raises(DatasetExecutionError, match="empty"):
        dataset.mount(str(tmp_path / "m")).start()
    assert (tmp_path / "m/one.csv").read_text() == "one.csv"
    context.stop()
    context.stop()
    assert not (tmp_path / "m").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with pytest.raises(DatasetExecutionError, match="another mount point"):
        dataset.mount(str(tmp_path / "full")).start()
    assert (tmp_path / "full/mine").read_text() == "mine"


@pytest.mark.sqlite
@pytest.mark.folder
def test_files_of_this_machine(folder, workspace, tmp_path):
    """Local paths are read, too, are not changed, and cannot be written through a mount."""
    for path in (str(folder), f"{folder}/**", folder.as_uri(), folder):
        assert len(Dataset.File.from_files(path).to_path()) == len(FILES)
    assert Dataset.File.from_files([str(folder / "one.csv")]).to_path() == ["/one.csv"]
    with Dataset.File.from_files(str(folder)).mount() as mounted:
        for name in FILES:
            assert Path(mounted.mount_point, name).read_text() == name
            _spoil(Path(mounted.mount_point, name))
    assert [(folder / name).read_text() for name in FILES] == FILES
    assert os.access(folder / "one.csv", os.W_OK)
    named = Dataset.File.from_files(str(folder)).register(workspace, "n")
    assert len(Dataset.get_by_name(workspace, "n").to_path()) == len(named.to_path())


@pytest.mark.sqlite
@pytest.mark.folder
@pytest.mark.parametrize("in_place", [True, False])
def test_mounts_show_what_is_there_now(tmp_path, in_place):
    """Though it has the size and the time of what was there when it was copied for another one."""
    file = tmp_path / "data.csv"
    file.write_text("old")
    time_ns = file.stat().st_mtime_ns
    dataset = Dataset.File.from_files(str(file))
    for content in ("old", "new"):
        target = file if in_place else tmp_path / "unpacked"
        target.write_text(content)
        os.utime(target, ns=(time_ns, time_ns))
        target.replace(file)
        with dataset.mount() as mounted:
            assert Path(mounted.mount_point, "data.csv").read_text() == content


@pytest.mark.sqlite
@pytest.mark.folder
def test_files_of_the_web(tmp_path, workspace, monkeypatch):
    """URLs are files of their own names; nothing is asked before it is read."""
    gone = Dataset.File.from_files("http://127.0.0.1:9/x/gone.csv")
    assert gone.to_path() == ["/gone.csv"]
    with web_files({"/a/one.csv": b"1", "/a/my%20file.csv": b"2"}) as server:
        one, two = (f"{server.url}/a/{name}" for name in ("one.csv", "my%20file.csv"))
        (copy,) = Dataset.File.from_files(two).download()
        assert (Path(copy).name, Path(copy).read_text()) == ("my file.csv", "2")
        both = Dataset.File.from_files([one, two])
        host = server.url.removeprefix("http://").replace(":", "%3A")
        assert both.to_path() == [
            f"/http%3A/%2F{host}/a/one.csv",
            f"/http%3A/%2F{host}/a/my file.csv",
        ]
        with both.mount() as mounted:
            assert (Path(mounted.mount_point) / both.to_path()[0][1:]).read_text() == "1"
        missing = Dataset.File.from_files([one, f"{server.url}/a/none.csv"])
        with pytest.raises(DatasetExecutionError, match=r"gone.*none\.csv"):
            missing.download()
        assert len(missing.download(ignore_not_found=True)) == 1
        named = Dataset.File.from_files(one).register(workspace, "n")
        server.files["/a/one.csv"] = b"longer"
        monkeypatch.setenv("MLFLOW_WORKSPACE_STRICT_DATA", "1")
        with pytest.raises(DatasetExecutionError, match="1 changed"):
            named.download()


def test_a_folder_is_uploaded_and_is_a_dataset(workspace, folder, capsys):
    """``upload_directory`` stores a folder and returns all that is there."""
    store = workspace.get_default_datastore()
    dataset = Dataset.File.upload_directory(folder, (store, "up"), show_progress=False)
    assert [path[1:] for path in dataset.to_path()] == FILES
    assert capsys.readouterr().out == ""
    some = Dataset.File.upload_directory(str(folder), DataPath(store, "some"), pattern="*.csv")
    assert [path[1:] for path in some.to_path()] == FILES[:4]
    none = Dataset.File.upload_directory(str(folder), (store, "none"), pattern="*.xyz")
    assert "No files found with pattern *.xyz" in capsys.readouterr().out
    with pytest.raises(DatasetExecutionError):
        none.to_path()
    for target in ("x", (store, 1), None):
        with pytest.raises(ValueError, match="target type is not supported"):
            Dataset.File.upload_directory(str(folder), target)
    with pytest.raises(UserErrorException, match="directory"):
        Dataset.File.upload_directory(str(folder / "one.csv"), store)


@pytest.mark.sqlite
@pytest.mark.folder
def test_partitions(workspace):
    """What paths tell is told, each combination once."""
    store = workspace.get_default_datastore()
    for country in ("de", "fr"):
        for name in ("1", "2"):
            put(store, f"p/{country}/{name}.csv", name)
    dataset = Dataset.File.from_files(
        (store, "p/**/*.csv"), partition_format="/{country}/{number}.csv"
    )
    assert dataset.partition_keys == ["country", "number"]
    assert len(dataset.get_partition_key_values()) == 4
    assert dataset.get_partition_key_values(["country"]) == [{"country": "de"}, {"country": "fr"}]
    with pytest.raises(UserErrorException, match="invalid partition keys"):
        dataset.get_partition_key_values(["x"])
    with pytest.raises(DatasetExecutionError, match="partition_format"):
        Dataset.File.from_files((store, "p"), partition_format="/{a}/{b}/{c}/x.txt")
