"""Snapshots: what a folder held comes back, what is stored is stored once, and others' is not."""

import gzip
import json
import os
import shutil
import subprocess
import threading
import tracemalloc
import uuid
import zipfile
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.artifacts.folder_repository import ServedFiles
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    SnapshotException,
    UnsafeArtifactPathError,
)
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.submission import submit
from mlflow_workspace_plugin.runs.snapshots.followed import with_links_followed
from mlflow_workspace_plugin.runs.snapshots.garbage import SnapshotGarbage
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import (
    SNAPSHOT_TAG,
    Snapshots,
    manifest_path,
)
from tests import python_processes
from tests.azurite import ACCOUNT, connection_string
from tests.jobs import until
from tests.servers import free_port

BELOW = "workspaces/team-a/.mlflow-workspace/snapshots"


@pytest.fixture
def snapshots(uri) -> Snapshots:
    return snapshots_of(uri)


@pytest.fixture
def code(tmp_path) -> Path:
    """A folder of scripts, whose files are older than the clock of any file system is coarse."""
    folder = tmp_path / "code"
    for number in range(20):
        write(folder, f"part{number % 3}/module{number}.py", f"print({number})\n" * 50)
    return folder


def write(folder: Path, path: str, text: str = "") -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def keep(snapshots, folder) -> str:
    with snapshots.keeping(folder) as snapshot_id:
        return snapshot_id


def restored(snapshots, snapshot_id, tmp_path) -> Path:
    target = tmp_path / f"restored-{len(list(tmp_path.iterdir()))}"
    snapshots.restore(snapshot_id, target)
    return target


def stored(snapshots) -> dict[str, int]:
    found = [*snapshots.manifests(), *snapshots.packs()]
    return {each.path: each.file_size for each in found}


def assert_equal(one: Path, other: Path) -> None:
    done = subprocess.run(
        ["diff", "-r", "--no-dereference", one, other], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b""), done.stdout


NAMES = st.one_of(
    st.sampled_from(["a", "b", "a b", "x.py", "-", "new\nline", "...", "%2e%2e", "c:d", "\\"]),
    st.binary(min_size=1, max_size=20)
    .filter(lambda name: not {0, ord("/")} & {*name} and name not in (b".", b".."))
    .map(os.fsdecode),
)
THINGS = st.one_of(
    st.tuples(st.just("file"), st.sampled_from([b"", b"same", b"other", b"\0" * 3000])),
    st.tuples(st.just("program"), st.binary(max_size=50)),
    st.tuples(st.just("folder"), st.none()),
    st.tuples(st.just("link"), st.integers(min_value=0, max_value=20)),
)
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), THINGS), max_size=8)


def make(folder: Path, tree) -> None:
    """Make what a tree says, but for what has no room where it is to be."""
    links = []
    for path, (kind, content) in tree:
        place = folder.joinpath(*path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "folder":
                place.mkdir()
            elif kind == "link":
                links.append((place, content))
            else:
                with place.open("xb") as file:
                    file.write(content)
                place.chmod(0o755 if kind == "program" else 0o644)
        except (FileExistsError, NotADirectoryError):
            continue
    there = sorted(folder.rglob("*"))
    for place, number in links:
        if there and not os.path.lexists(place):
            place.symlink_to(os.path.relpath(there[number % len(there)], place.parent))


def followed_on_disk(folder: Path) -> dict[str, int]:
    """Return the files with their sizes as who follows links sees them, none within itself."""
    found = {}
    left = [("", (os.path.realpath(folder),))]
    while left:
        prefix, above = left.pop()
        for each in os.scandir(folder / prefix):
            real = os.path.realpath(each.path)
            if each.is_file():
                found[prefix + each.name] = each.stat().st_size
            elif each.is_dir() and real not in above:
                left.append((f"{prefix}{each.name}/", (*above, real)))
    return found


@pytest.fixture(scope="module")
def module_snapshots(copied_hub, tmp_path_factory) -> Snapshots:
    hub = copied_hub(tmp_path_factory.mktemp("round") / "hub")
    return snapshots_of(Workspace.create("team-a", hub=hub).get_mlflow_tracking_uri())


@settings(
    max_examples=int(os.environ.get("TREES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tree=TREES)
def test_any_folder_comes_back(module_snapshots, tmp_path_factory, tree):
    """Contents, names of any bytes, programs, links that stay inside, and empty folders."""
    top = tmp_path_factory.mktemp("any")
    make(top / "source", [])
    (top / "source").mkdir()
    make(top / "source", tree)
    snapshot_id = keep(module_snapshots, top / "source")
    module_snapshots.restore(snapshot_id, top / "target")
    assert_equal(top / "source", top / "target")
    for path in (top / "source").rglob("*"):
        copy = top / "target" / path.relative_to(top / "source")
        assert os.access(path, os.X_OK) == os.access(copy, os.X_OK)
        assert path.is_symlink() == copy.is_symlink()
    # Who follows links sees in it what the system sees.
    seen = with_links_followed(module_snapshots.manifest(snapshot_id))
    assert {path: each.size for path, each in seen.items()} == followed_on_disk(top / "target")
    # And so it is once more.
    assert keep(module_snapshots, top / "target") == snapshot_id
    shutil.rmtree(top)


@pytest.mark.hubs
def test_what_is_stored_is_not_stored_again(snapshots, code, tmp_path):
    """Nothing for an unchanged folder; of a changed file that one, wherever else it is."""
    first = keep(snapshots, code)
    before = stored(snapshots)
    assert len(before) == 2
    assert keep(snapshots, code) == first
    assert stored(snapshots) == before
    write(code, "part0/module0.py", "changed")
    (code / "part1/module1.py").rename(code / "renamed.py")
    (code / "part1/module4.py").chmod(0o755)
    second = keep(snapshots, code)
    new = {path: size for path, size in stored(snapshots).items() if path not in before}
    assert len(new) == 2
    assert sum(new.values()) < 3000
    assert_equal(restored(snapshots, second, tmp_path), code)
    # As it was, by a folder that was never seen.
    assert keep(snapshots, restored(snapshots, first, tmp_path)) == first
    assert stored(snapshots).keys() == before.keys() | new.keys()


def test_memory_saves_reading_and_nothing_else(snapshots, code, tmp_path):
    """Without it, with a damaged one, and with one of another hub at that path all is stored."""
    first = keep(snapshots, code)
    files = list((tmp_path / "cache" / "snapshots").iterdir())
    assert [each.stat().st_mode & 0o777 for each in files] == [0o600]
    for content in ("", "{", "[]", '{"manifest": {"version": 1}}'):
        files[0].write_text(content)
        assert keep(snapshots, code) == first
    root = tmp_path / "hub" / "artifacts" / BELOW
    # A backup brought back a hub from before; then one of which a part was lost.
    shutil.rmtree(root)
    assert keep(snapshots, code) == first
    assert_equal(restored(snapshots, first, tmp_path), code)
    next((root / "packs").iterdir()).unlink()
    write(code, "new.py", "new")
    assert_equal(restored(snapshots, keep(snapshots, code), tmp_path), code)
    (root / manifest_path(first)).write_bytes(b"damaged")
    (code / "new.py").unlink()
    assert keep(snapshots, code) == first
    assert_equal(restored(snapshots, first, tmp_path), code)


def test_change_that_leaves_size_and_time_is_seen(snapshots, code, tmp_path):
    """Whatever a program sets a file's time to, and however soon after the last snapshot it is."""
    file = write(code, "fast.py", "1")
    for text in ("2", "3", "4"):
        keep(snapshots, code)
        before = file.stat()
        file.write_text(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (
            restored(snapshots, keep(snapshots, code), tmp_path) / "fast.py"
        ).read_text() == text


def test_links(snapshots, code, tmp_path, caplog):
    """What leads out comes with its content, what leads nowhere is left out, and that is said."""
    outside = tmp_path / "outside"
    write(outside, "data/values.csv", "1,2")
    write(outside, "secret", "key")
    write(code, "kept.txt", "kept")
    write(code, "ignored/big.bin", "big")
    write(code, ".amlignore", "/ignored/\n")
    links = {
        "to-file": outside / "secret",
        "to-folder": outside / "data",
        "absolute": code / "kept.txt",
        "around": "../code/kept.txt",
        "to-ignored": "ignored/big.bin",
        "nowhere": "missing",
        "inside": "kept.txt",
        "loop": ".",
    }
    for name, target in links.items():
        (code / name).symlink_to(target)
    (outside / "data" / "own").symlink_to("values.csv")
    target = restored(snapshots, keep(snapshots, code), tmp_path)
    assert {each.name for each in target.rglob("*") if each.is_symlink()} == {"inside", "loop"}
    assert (target / "to-file").read_text() == "key"
    assert (target / "to-folder/own").read_text() == "1,2"
    assert (target / "to-ignored").read_text() == "big"
    assert (target / "absolute").read_text() == (target / "around").read_text() == "kept"
    assert not (target / "ignored").exists()
    assert [each.message for each in caplog.records if "leads nowhere" in each.message]
    assert not os.path.lexists(target / "nowhere")


def test_zip_follows_links(snapshots, code, tmp_path):
    """As SDK v1 gave it: unpacked by Python, each is what it led to."""
    write(code, "folder/a.txt", "a")
    (code / "one").symlink_to("folder/a.txt")
    (code / "two").symlink_to("three")
    (code / "three").symlink_to("folder")
    (code / "folder" / "up").symlink_to("..")
    (code / "circle").symlink_to("circle2")
    (code / "folder" / "a.txt").chmod(0o755)
    snapshots.zip(keep(snapshots, code), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
        assert archive.getinfo("one").external_attr >> 16 & 0o777 == 0o755
    named = {name for name, content in found.items() if content == b"a"}
    assert named == {"folder/a.txt", "one", "two/a.txt", "three/a.txt"}


def test_file_that_grows_while_it_is_read(snapshots, code, tmp_path):
    """It is in the snapshot as it was read, and nothing is damaged."""
    log = write(code, "train.log", "line\n" * 100_000)
    done = threading.Event()

    def grow():
        with log.open("a") as file:
            while not done.wait(0.0005):
                file.write("line\n" * 100)
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        ids = [keep(snapshots, code) for _ in range(5)]
    finally:
        done.set()
        writer.join()
    for each in ids:
        text = (restored(snapshots, each, tmp_path) / "train.log").read_text()
        assert text.startswith("line\n" * 100_000)
        assert set(text.splitlines()) == {"line"}


def test_unreadable_files_are_left_out_and_said(snapshots, code, tmp_path, caplog):
    """Pipes are not waited for; deep folders are no limit; nor is a single file no folder."""
    os.mkfifo(code / "pipe")
    (code / "gone").symlink_to(code / "pipe")
    deep = code.joinpath(*["d"] * 800)
    deep.mkdir(parents=True)
    (deep / "x").write_text("deep")
    target = restored(snapshots, keep(snapshots, code), tmp_path)
    assert (target.joinpath(*["d"] * 800) / "x").read_text() == "deep"
    assert not (target / "pipe").exists()
    with pytest.raises(SnapshotException, match="holds something"):
        snapshots.restore(keep(snapshots, code), target)
    for missing in (code / "missing", code / "pipe"):
        with pytest.raises(SnapshotException, match="no folder"):
            keep(snapshots, missing)


def test_of_what_is_left_out_a_few_are_named(snapshots, code, caplog):
    """A folder with thousands of broken links is no flood of warnings."""
    for number in range(40):
        (code / f"gone-{number}").symlink_to("missing")
    keep(snapshots, code)
    said = [each.message for each in caplog.records if each.message.startswith("Left out")]
    assert len(said) == 6
    assert "35 more" in said[-1]


KEEPER = """
import itertools, os, sys
from mlflow_workspace_plugin import Experiment, Workspace
experiment = Experiment(Workspace.from_config(sys.argv[1]), sys.argv[2])
for number in itertools.count():
    if number >= 12 and os.path.exists(f"{sys.argv[1]}/enough"):
        break
    # What others keep at the same time is deleted, then kept; and what nobody else has is deleted.
    text = sys.argv[2] + f" {number}" if number % 3 == 2 else f"{number // 3}"
    with open(f"{sys.argv[3]}/changing.py", "w") as file:
        file.write(f"# {text}")
    run = experiment.start_logging(snapshot_directory=sys.argv[3])
    run.complete()
    kept = number % 3 == 1
    print(run.id, int(kept), text, sep="\t", flush=True)
    if not kept:
        experiment.workspace.client.delete_run(run.id)
"""


@pytest.mark.databases
def test_submitters_race_each_other_and_gc(workspace, snapshots, code, tmp_path):
    """Each run that is there has its snapshot, whole, whoever frees what others just named."""
    workspace.write_config(tmp_path)
    folders = [shutil.copytree(code, tmp_path / f"code{number}") for number in range(3)]
    keepers = [
        python_processes.Popen(
            ["-c", KEEPER, str(tmp_path), f"e{number}", str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            # Each as of a user of its own, who knows nothing of what others stored.
            env=os.environ | {"MLFLOW_WORKSPACE_CACHE_DIR": f"{folder}-cache"},
        )
        for number, folder in enumerate(folders)
    ]
    garbage = 0
    hub = open_hub(tmp_path / "hub")
    while any(each.poll() is None for each in keepers):
        done = CliRunner().invoke(
            main, ["gc", "--workspace", "team-a", "--json", "--hub", str(hub.path)]
        )
        assert done.exit_code == 0, done.output
        garbage += json.loads(done.output)["workspaces"][0]["files"]
        if garbage:
            (tmp_path / "enough").touch()
    runs = [line.split("\t") for each in keepers for line in each.communicate()[0].splitlines()]
    assert [each.returncode for each in keepers] == [0] * 3
    assert len(runs) >= 36
    texts = {run_id: f"# {text}" for run_id, kept, text in runs if kept == "1"}
    left = [
        (each.info.run_id, each.data.tags[SNAPSHOT_TAG])
        for each in workspace.client.search_runs(
            [each.id for each in workspace.experiments.values()], max_results=1000
        )
    ]
    assert {run_id for run_id, _ in left} == set(texts)
    for run_id, snapshot_id in left:
        target = restored(snapshots, snapshot_id, tmp_path)
        assert (target / "changing.py").read_text() == texts[run_id]
        (target / "changing.py").unlink()
        assert_equal(target, code)


@pytest.mark.databases
def test_who_frees_it_each_time_is_kept_out(
    workspace, hub_path, snapshots, code, tmp_path, monkeypatch
):
    """However often others free what was just stored: it is kept in the end."""
    garbage = SnapshotGarbage(open_hub(hub_path), workspace.name)
    freed = []

    def locked(within_s=None):
        freed.extend(garbage.find())
        garbage.free()
        return Snapshots.locked(snapshots, within_s)

    monkeypatch.setattr(snapshots, "locked", locked)
    assert_equal(restored(snapshots, keep(snapshots, code), tmp_path), code)
    assert len(freed) > 4


@pytest.mark.hubs
def test_gc_frees_what_no_run_names(workspace, hub_path, snapshots, code, tmp_path):
    """And says so beforehand; packs that others need stay, and what a killed submit left goes."""
    experiment = Experiment(workspace, "experiment")
    first = experiment.start_logging(snapshot_directory=str(code))
    write(code, "part0/module0.py", "changed")
    second = experiment.start_logging(snapshot_directory=str(code))
    write(code, "part0/module0.py", "changed again")
    keep(snapshots, code)  # by a submit that was killed before it made its run
    for run in (first, second):
        run.complete()
    assert len(stored(snapshots)) == 6

    def gc(*options):
        command = ["gc", "--workspace", workspace.name, "--json", "--hub", str(hub_path), *options]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        (row,) = json.loads(done.output)["workspaces"]
        return row["runs"], row["files"], row["bytes"]

    before = stored(snapshots)
    workspace.client.delete_run(first.id)
    said = gc("--dry-run")
    assert stored(snapshots) == before
    assert gc() == said
    # Its own manifest, and the killed one's with its pack. What the first stored, the second needs.
    assert said[:2] == (1, 3)
    left = stored(snapshots)
    assert said[2] == sum(size for path, size in before.items() if path not in left)
    write(code, "part0/module0.py", "changed")
    assert_equal(restored(snapshots, second.get_snapshot_id(), tmp_path), code)
    assert gc() == (0, 0, 0)
    workspace.client.delete_run(second.id)
    assert gc("--older-than", "1h") == (0, 0, 0)
    assert_equal(restored(snapshots, second.get_snapshot_id(), tmp_path), code)
    gc()
    assert stored(snapshots) == {}


def test_gc_frees_nothing_that_it_cannot_judge(workspace, hub_path, snapshots, code):
    """Which packs a snapshot needs that this version cannot read, nobody knows."""
    run = Experiment(workspace, "experiment").start_logging(snapshot_directory=str(code))
    run.complete()
    write(code, "more.py", "more")
    keep(snapshots, code)
    before = stored(snapshots)
    file = hub_path / "artifacts" / BELOW / manifest_path(run.get_snapshot_id())
    file.write_bytes(gzip.compress(json.dumps({"version": 2}).encode()))
    before[manifest_path(run.get_snapshot_id())] = file.stat().st_size
    done = CliRunner().invoke(main, ["gc", "--all-workspaces", "--hub", str(hub_path)])
    assert done.exit_code == 0
    assert "cannot be read" in done.output
    assert stored(snapshots) == before


@pytest.mark.hubs
def test_workspaces_have_snapshots_of_their_own(
    workspace, other_workspace, hub_path, snapshots, code, tmp_path, stored_in_hub
):
    """No other one restores them, or finds what it stored itself there; all go with their own."""
    others = snapshots_of(other_workspace.get_mlflow_tracking_uri())
    run = Experiment(workspace, "experiment").start_logging(snapshot_directory=str(code))
    snapshot_id = run.get_snapshot_id()
    run.complete()
    with pytest.raises(SnapshotException, match="no snapshot"):
        others.restore(snapshot_id, tmp_path / "stolen")
    theirs = Experiment(other_workspace, "experiment").start_logging()
    with pytest.raises(SnapshotException, match="No run of an active experiment"):
        theirs.restore_snapshot(snapshot_id)
    theirs.complete()
    assert stored(others) == {}
    assert keep(others, code) == snapshot_id
    assert len(stored(others)) == 2
    assert SnapshotGarbage(open_hub(hub_path), other_workspace.name).find()
    other_workspace.delete(delete_dependent_resources=True, no_wait=False)
    assert not [each for each in stored_in_hub() if other_workspace.name in each]
    assert_equal(restored(snapshots, snapshot_id, tmp_path), code)


@pytest.mark.databases
def test_lock_that_somebody_keeps(snapshots, code, uri, monkeypatch):
    """It is waited for as long as the settings say, and then it is said for what."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "0.5")
    busy = pytest.raises(SnapshotException, match=r"has had the lock of hub .* for 0.5 s")
    with snapshots_of(uri).locked(), busy as caught:
        keep(snapshots, code)
    assert "amlignore" not in str(caught.value)
    keep(snapshots, code)


@pytest.mark.sqlite
def test_account_that_is_away_keeps_nobody_else_out(azure_workspace, code, monkeypatch):
    """Who waits for it lets go of the hub's lock, then says what is away; no job is left behind."""
    uri = azure_workspace.get_mlflow_tracking_uri()
    nowhere = connection_string(f"http://127.0.0.1:{free_port()}/{ACCOUNT}")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", nowhere)
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "5")
    monkeypatch.setattr("mlflow_workspace_plugin.runs.snapshots.snapshots.UNDER_LOCK_S", 1.0)
    store, errors = azure_workspace.tracking_store, []
    experiment = Experiment(azure_workspace, "experiment")

    def submits():
        try:
            submit(store, experiment.id, Definition(command="true"), code, own_id="own")
        except SnapshotException as error:
            errors.append(error.message)

    def is_free():
        try:
            with snapshots_of(uri).locked(0.0):
                return True
        except HubBusyError:
            return False

    submitting = threading.Thread(target=submits)
    submitting.start()
    until(lambda: not is_free())
    until(is_free)
    assert submitting.is_alive()
    submitting.join()
    assert "cannot be reached" in errors[0]
    assert "amlignore" not in errors[0]
    assert store.jobs() == []


@pytest.fixture
def stored_in_hub(request, hub_path, database):
    def files():
        root = hub_path / "artifacts"
        if database != "postgresql+azure":
            return [str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()]
        place = open_hub(hub_path).settings.artifact_root
        container = request.getfixturevalue("azurite_server").container(place.container)
        return [each.name for each in container.list_blobs()]

    return files


def test_server_gives_them_to_their_workspace_only(workspace, other_workspace, snapshots, code):
    """As MLflow's server asks for files: by paths from the root, for the workspace of a request."""
    keep(snapshots, code)
    folder = open_hub(workspace._hub.path).folder
    path = f"{BELOW}/packs"
    assert len(ServedFiles(folder, "team-a").list_artifacts(path)) == 1
    for call in ("list_artifacts", "delete_artifacts", "download_artifacts"):
        with pytest.raises(UnsafeArtifactPathError):
            getattr(ServedFiles(folder, "team-b"), call)(path)


def test_snapshot_of_an_older_version_is_restored(workspace, code, tmp_path):
    """Which was one zip among the files of each run."""
    run = Experiment(workspace, "experiment").start_logging()
    snapshot_id = "ac31e26e-0b0d-5ba2-8d35-95e2bcc0b1a5"
    with zipfile.ZipFile(tmp_path / f"{snapshot_id}.zip", "w") as archive:
        archive.writestr("train.py", "old")
    workspace.client.log_artifact(
        run.id, str(tmp_path / f"{snapshot_id}.zip"), f"{INTERNAL_FOLDER}/snapshots"
    )
    workspace.client.set_tag(run.id, SNAPSHOT_TAG, snapshot_id)
    with zipfile.ZipFile(run.restore_snapshot(path=tmp_path / "copy")) as archive:
        assert archive.read("train.py") == b"old"
    other = Experiment(workspace, "other").start_logging()
    assert zipfile.is_zipfile(other.restore_snapshot(snapshot_id, tmp_path / "copy2"))


ATTACKS = [
    {"files": ["../out"]},
    {"files": ["/tmp/out"]},
    {"files": ["a/../../out"]},
    {"files": ["a//out"]},
    {"files": ["."]},
    {"folders": ["../out"]},
    {"folders": ["a", "a/./b"], "files": ["a"]},
    {"links": [["link", "/etc"]]},
    {"links": [["link", "../out"]]},
    {"links": [["link", "a/../../out"]]},
    {"links": [["a/link", ".."], ["a/b", "link/../.."]]},
    {"links": [["a", "."]], "files": ["a/out"]},
    {"links": [["a", "b"]], "folders": ["a/b"]},
    {"links": [["a", "b"], ["a", "c"]]},
    {"links": [["../link", "x"]]},
    {"files": ["same", "same"]},
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_snapshot_made_by_somebody_else_writes_nothing_outside(
    snapshots, code, tmp_path, hub_path, attack
):
    """Whatever the manifest says, also one whose id is made of what it says."""
    manifest = snapshots.manifest(keep(snapshots, code))
    file = next(iter(manifest.to_json()["files"]))
    evil = manifest.to_json() | {
        "files": [[path, *file[1:]] for path in attack.get("files", ())],
        "links": attack.get("links", []),
        "folders": attack.get("folders", []),
    }
    # Its true id, computed as by who wants it to be believed.
    made = type(manifest)(
        dict.fromkeys(attack.get("files", ()), manifest.files[file[0]]),
        dict(attack.get("links", [])),
        attack.get("folders", []),
    )
    place = hub_path / "artifacts" / BELOW / manifest_path(made.id)
    place.write_bytes(gzip.compress(json.dumps(evil).encode()))
    (tmp_path / "in").mkdir()
    with pytest.raises(SnapshotException, match="damaged"):
        snapshots.restore(made.id, tmp_path / "in" / "target")
    with pytest.raises(SnapshotException, match="damaged"):
        snapshots.zip(made.id, tmp_path / "in" / "a.zip")
    assert not list((tmp_path / "in").iterdir())


def test_a_bomb_in_place_of_a_manifest_is_no_snapshot(snapshots, hub_path):
    """It is not unpacked any further than the largest manifest, be it asked about or restored."""
    snapshot_id, packing = str(uuid.uuid4()), zlib.compressobj(1, wbits=31)
    place = hub_path / "artifacts" / BELOW / manifest_path(snapshot_id)
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        for _ in range(1024):
            file.write(packing.compress(b" " * (1 << 20)))
        file.write(packing.flush())
    tracemalloc.start()
    try:
        assert not snapshots.is_kept(snapshot_id, 5)
        with pytest.raises(SnapshotException, match="more than 128 MiB"):
            snapshots.contents(snapshot_id)
        assert tracemalloc.get_traced_memory()[1] < 500 << 20
    finally:
        tracemalloc.stop()


def test_more_than_is_restored_is_refused_before_anything_is_written(
    snapshots, code, tmp_path, hub_path
):
    """A few kB stored that name one content again and again would fill any disk."""
    manifest = snapshots.manifest(keep(snapshots, code))
    file = next(iter(manifest.files.values()))._replace(size=1 << 30)
    made = type(manifest)({f"f{number}": file for number in range(10_000)}, {}, [])
    place = hub_path / "artifacts" / BELOW / manifest_path(made.id)
    place.write_bytes(made.to_bytes())
    with pytest.raises(SnapshotException, match="17,179,869,184 are the most"):
        snapshots.restore(made.id, tmp_path / "target")
    assert not list((tmp_path / "target").iterdir())
    with pytest.raises(SnapshotException, match="17,179,869,184 are the most"):
        snapshots.zip(made.id, tmp_path / "zips" / "a.zip")
    with (code / "large.bin").open("wb") as large:
        large.truncate(17 << 30)
    with pytest.raises(SnapshotException, match=r"\.amlignore"):
        keep(snapshots, code)


@pytest.mark.parametrize("how", ["bzip2", "a list of a GB"])
def test_pack_that_takes_memory_is_damaged(snapshots, code, tmp_path, hub_path, how):
    """Whatever few bytes of it may become, a few pieces of it are in memory."""
    snapshot_id = keep(snapshots, code)
    (pack,) = (hub_path / "artifacts" / BELOW / "packs").iterdir()
    if how == "bzip2":
        with zipfile.ZipFile(pack, "w", zipfile.ZIP_BZIP2) as archive:
            for number in range(20):
                with archive.open(str(number), "w") as target:
                    target.write(b"\0" * (256 << 20 if number == 0 else 1))
    else:
        content = pack.read_bytes()
        end = content.rindex(b"PK\5\6")
        with pack.open("r+b") as stored:
            stored.truncate(1 << 30)
            stored.seek(0, os.SEEK_END)
            stored.write(content[end : end + 12] + (1 << 30).to_bytes(4, "little") + bytes(6))
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotException, match="damaged"):
            snapshots.restore(snapshot_id, tmp_path / "target")
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", ["other content", "cut", "no zip", "a link", "gone", "other name"])
def test_damaged_pack_is_an_error(snapshots, code, tmp_path, hub_path, how):
    """No file has another content than the snapshot's, be it by a fault or on purpose."""
    snapshot_id = keep(snapshots, code)
    (pack,) = (hub_path / "artifacts" / BELOW / "packs").iterdir()
    content = pack.read_bytes()
    if how == "other content":
        with zipfile.ZipFile(pack, "w") as archive:
            for number in range(20):
                archive.writestr(str(number), "evil\n" * 100)
    elif how == "cut":
        pack.write_bytes(content[: len(content) // 2])
    elif how == "no zip":
        pack.write_bytes(b"x" * 100)
    elif how == "a link":
        pack.rename(tmp_path / "pack.zip")
        pack.symlink_to(tmp_path / "pack.zip")
    elif how == "gone":
        pack.unlink()
    else:
        with zipfile.ZipFile(pack, "w") as archive:
            archive.writestr("../x", "evil\n" * 100)
    with pytest.raises(SnapshotException):
        snapshots.restore(snapshot_id, tmp_path / "target")
    with pytest.raises(SnapshotException):
        snapshots.zip(snapshot_id, tmp_path / "zips" / "a.zip")
    assert not list((tmp_path / "zips").iterdir())


def test_link_in_the_folder_to_restore_into_is_not_followed(snapshots, code, tmp_path, monkeypatch):
    """Put there by another process while files are written."""
    snapshot_id = keep(snapshots, code)
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    (target / "x").mkdir(parents=True)
    with pytest.raises(SnapshotException, match="holds something"):
        snapshots.restore(snapshot_id, target)
    from mlflow_workspace_plugin.runs.snapshots import restoring

    before = restoring.write_folder

    def write_folder(manifest, packs, folder):
        (folder / "part0").symlink_to(outside)
        before(manifest, packs, folder)

    monkeypatch.setattr(restoring, "write_folder", write_folder)
    with pytest.raises(SnapshotException):
        snapshots.restore(snapshot_id, tmp_path / "new")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("snapshot_id", ["", "..", "../../x", None, "ac31e26e" * 4])
def test_no_id(snapshots, tmp_path, snapshot_id):
    """What names no snapshot names no file, either."""
    with pytest.raises(SnapshotException, match="no snapshot"):
        snapshots.restore(snapshot_id, tmp_path / "target")
    assert not (tmp_path / "target").exists()
