"""Journals that somebody damaged, or that no disk had room for: what is said of values is true."""

import itertools
import json
import os
import shutil
from subprocess import PIPE

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.sending.dropping import drop
from tests import python_processes
from tests.waiting import wait_until

pytestmark = pytest.mark.databases

COUNT = 400
SMALL = 8_000
"""Bytes of a segment: about 65 calls."""


@pytest.fixture
def run_id(direct):
    return direct.create_run(direct.create_experiment("damage"), "user", 0, [], "run").info.run_id


def called(*arguments, answer=None):
    """Call the command line; return what it printed, and its exit code."""
    done = CliRunner().invoke(main, list(map(str, arguments)), input=answer)
    return (json.loads(done.stdout) if "--json" in arguments else done.output), done.exit_code


def verified(run_id, hub_path):
    """Return what verify answers, and what became of the values of the metric."""
    report, code = called("verify", run_id, "--hub", hub_path, "--json")
    assert code == {"equal": 0, "different": 1, "unknown": 3}[report["result"]]
    assert report["equal"] == (report["result"] == "equal")
    counts = next((each for each in report["metrics"] if each["metric"] == "m"), {})
    return report["result"], {name: counts.get(name, 0) for name in ("stored", "dropped", "lost")}


def left(uri, run_id, end="os.kill(os.getpid(), 9)"):
    """Let a process log, and end before anything is sent; return its segments."""
    script = f"""
import os
from mlflow import MlflowClient
from mlflow_workspace_plugin.journal.files import segments
from mlflow_workspace_plugin.journal.sending.sender import Sender
segments._SEGMENT_BYTES = {SMALL}
client = MlflowClient({uri!r}, {uri!r})
client.get_run({run_id!r})
Sender._ship = lambda self, *_: self._outbox.save() or True
for step in range({COUNT}):
    client.log_metric({run_id!r}, "m", step, step=step)
client._tracking_client.store.journal._outbox._look()
{end}
"""
    assert python_processes.run(["-c", script]).returncode == -9
    return sorted(JournalFolder(uri).path.glob("*.journal"))


def damage(path, how):
    if how == "cut":
        os.truncate(path, path.stat().st_size // 2)
        return
    path.unlink()
    if how == "empty":
        path.touch()
    elif how == "dangling link":
        path.symlink_to("/nowhere")
    elif how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)


@pytest.mark.parametrize(
    ("place", "how"),
    [*itertools.product([0, 3, -1], ["missing", "empty", "cut"]), (3, "dangling link")],
)
@pytest.mark.sqlite
def test_segment_that_lacks_something(uri, direct, run_id, hub_path, caplog, place, how):
    """It is said and counted, all else is sent, and nobody says that all is equal."""
    segments = left(uri, run_id)
    damage(segments[place], how)
    assert verified(run_id, hub_path)[0] != "equal"
    (sent,), code = called("sync", "--json")
    assert code == 0
    assert 0 < sent["lost calls"] == COUNT - sent["sent calls"] < 80
    assert "are lost" in caplog.text
    assert len(direct.get_metric_history(run_id, "m")) == sent["sent calls"]
    assert verified(run_id, hub_path)[0] == "unknown"
    assert not list(JournalFolder(uri).path.glob("*.journal"))
    # Once and for all.
    assert called("sync", "--json")[0][0]["lost calls"] == 0


@pytest.mark.parametrize("how", ["folder", "pipe"])
def test_segment_that_cannot_be_read(uri, client, direct, run_id, hub_path, how):
    """It is named and stays, those behind it are sent; once it can be read it is sent, too."""
    segment = left(uri, run_id)[3]
    aside = segment.with_name("aside")
    segment.rename(aside)
    segment.mkdir() if how == "folder" else os.mkfifo(segment)
    for sent_calls in (COUNT - aside.read_bytes().count(b"\n"), 0):
        (sent,), code = called("sync", "--json")
        assert (sent["sent calls"], sent["lost calls"], code) == (sent_calls, 0, 1)
        assert segment.name in sent["problem"]
        assert verified(run_id, hub_path)[0] == "unknown"
    segment.rmdir() if how == "folder" else segment.unlink()
    aside.rename(segment)
    (sent,), code = called("sync", "--json")
    assert (sent["problem"], code) == (None, 0)
    assert [m.step for m in direct.get_metric_history(run_id, "m")] == list(range(COUNT))
    assert verified(run_id, hub_path)[0] == "equal"


@pytest.mark.sqlite
def test_reserve_that_was_removed_with_a_segment(uri, run_id, hub_path):
    """The numbers of the records tell that some are missing."""
    segments = left(uri, run_id)
    segments[3].unlink()
    for path in JournalFolder(uri).path.glob("*.reserve"):
        path.unlink()
    assert called("sync", "--json")[0][0]["lost calls"] > 0
    assert verified(run_id, hub_path)[0] == "unknown"


def test_lock_file_that_was_removed(uri, client, run_id, hub_path):
    """By a cleaner of old files: the journal of a process that lives is not taken over."""
    folder = JournalFolder(uri)
    store = client._tracking_client.store
    with store.journal.sending:
        client.log_metric(run_id, "m", 0, step=0)
        for pattern in ("*.lock", "*.reserve"):
            for path in folder.path.glob(pattern):
                path.unlink()
        assert list(folder.leftovers()) == []
        assert list(folder.path.glob("*.journal"))
    client.log_metric(run_id, "m", 1, step=1)
    assert store.flush(10)
    for pattern in ("*.lock", "*.reserve"):
        wait_until(lambda pattern=pattern: len(list(folder.path.glob(pattern))) == 1)
    assert [m.step for m in client.get_metric_history(run_id, "m")] == [0, 1]


@pytest.mark.parametrize("how", ["removed", "renamed", "cut", "segment removed"])
@pytest.mark.sqlite
def test_files_of_a_process_that_logs(uri, client, run_id, hub_path, how):
    """Whatever somebody does to them, what is open is saved, and the rest is said."""
    store = client._tracking_client.store
    folder = JournalFolder(uri).path
    client.get_run(run_id)
    with store.journal.sending:
        for step in range(100):
            client.log_metric(run_id, "m", step, step=step)
        (segment,) = folder.glob("*.journal")
        if how == "removed":
            shutil.rmtree(folder)
        elif how == "renamed":
            folder.rename(folder.with_name("elsewhere"))
            # As the thread that sends does every five seconds.
            store.journal._outbox._look()
        elif how == "cut":
            os.truncate(segment, segment.stat().st_size // 2 + 7)
        else:
            segment.unlink()
        for step in range(100, 200):
            client.log_metric(run_id, "m", step, step=step)
    client.set_terminated(run_id)
    steps = [metric.step for metric in client.get_metric_history(run_id, "m")]
    result, counts = verified(run_id, hub_path)
    if how == "cut":
        assert steps[-100:] == list(range(100, 200))
        assert (result, counts["lost"]) == ("different", 200 - len(steps))
    else:
        assert steps == list(range(200))
        assert result == "equal"


@pytest.mark.sqlite
def test_folders_that_say_nothing(uri, direct, run_id, tmp_path):
    """A folder of which nobody knows whose it is is named, and stops neither sync nor status."""
    left(uri, run_id)
    base = JournalFolder(uri).path.parent
    for name, content in (("0", b"\xff\xfe"), ("1", b""), ("2", None), ("3", b"hello")):
        (base / name).mkdir()
        target = base / name / "target"
        target.mkdir() if content is None else target.write_bytes(content)
        (base / name / "a.000001.journal").write_bytes(b"x\n")
    (base / "4" / "files").mkdir(parents=True)
    (base / "5").touch()
    (base / JournalFolder(uri).path.name / "refused").mkdir()
    (base / JournalFolder(uri).path.name / "refused" / "x.jsonl").mkdir()
    for arguments in (("sync", "--status"), ("sync",)):
        rows, code = called(*arguments, "--json")
        assert code == 1
        problems = {row["workspace"]: row["problem"] for row in rows}
        assert problems.pop(uri) is None
        assert len(problems) == 5
        assert all(problems.values())
        assert called(*arguments)[1] == 1
    assert len(direct.get_metric_history(run_id, "m")) == COUNT


class TestDrop:
    @pytest.mark.parametrize("by", ["folder", "uri", "name"])
    @pytest.mark.sqlite
    def test_hub_that_is_gone(self, uri, run_id, hub_path, by):
        """It is shown, asked for, and gone; then sync has no problem any more."""
        left(uri, run_id)
        folder = JournalFolder(uri).path
        hub_path.rename(hub_path.with_name("elsewhere"))
        name = {"folder": folder, "uri": uri, "name": folder.name}[by]
        shown, code = called("sync", "--drop", name, answer="n\n")
        assert f"{run_id}: {COUNT} calls" in shown
        assert (code, folder.exists()) == (1, True)
        _, code = called("sync", "--drop", name, answer="y\n")
        assert (code, folder.exists()) == (0, False)
        assert called("sync", "--json") == ([], 0)

    @pytest.mark.sqlite
    def test_hub_that_is_away(self, uri, direct, run_id, hub_path):
        """Nothing is removed that can be sent once it is back, unless the hub is given up."""
        left(uri, run_id)
        folder = JournalFolder(uri).path
        settings = hub_path / "hub.toml"
        settings.write_text("no_such_setting = 1")
        for arguments in (("--yes",), ("--yes", "--json")):
            done = CliRunner().invoke(main, ["sync", "--drop", uri, *arguments])
            assert done.exit_code == 1
            assert "no_such_setting" in done.output
            assert "Nothing was removed" in done.output
            assert "--give-up-hub" in done.output
        settings.unlink()
        (sent,), code = called("sync", "--json")
        assert (sent["sent calls"], code) == (COUNT, 0)
        left(uri, run_id)
        settings.write_text("no_such_setting = 1")
        assert called("sync", "--drop", uri, "--yes", "--give-up-hub")[1] == 0
        assert not folder.exists()

    def test_what_cannot_be_sent(self, uri, direct, run_id, hub_path):
        """Of a hub that is there all else is sent, and what is dropped is not forgotten."""
        segment = left(uri, run_id)[3]
        segment.unlink()
        segment.mkdir()
        said, code = called("sync", "--drop", uri, "--yes", "--json")
        assert (said["sent"]["sent calls"], code) == (
            len(direct.get_metric_history(run_id, "m")),
            0,
        )
        assert called("sync", "--json")[1] == 0
        assert verified(run_id, hub_path)[0] == "unknown"

    @pytest.mark.sqlite
    def test_params_beside_values(self, uri, direct, run_id, hub_path):
        """Of a run both are noted, and verify says so of both."""
        end = f"""
from mlflow_workspace_plugin.journal.files.records import Kind
client._tracking_client.store.journal.append(Kind.PARAM, {run_id!r}, {{"p": "1"}})
os.kill(os.getpid(), 9)
"""
        left(uri, run_id, end)
        folder = JournalFolder(uri)
        (leftover,) = folder.leftovers()
        drop(folder, leftover, direct, lambda _: {})
        report, code = called("verify", run_id, "--hub", hub_path, "--json")
        dropped = {each["metric"]: each["dropped"] for each in report["metrics"]}
        assert (dropped, code) == ({"m": COUNT, "(params, tags, end)": 1}, 1)

    @pytest.mark.sqlite
    def test_unknown_folder(self, uri, run_id):
        """One that does not say whose it is is named by its path."""
        left(uri, run_id)
        folder = JournalFolder(uri).path
        (folder / "target").write_bytes(b"\xff")
        assert called("sync", "--drop", folder, "--yes")[1] == 0
        assert not folder.exists()

    def test_journal_of_a_process_that_lives(self, uri, client, run_id):
        """It is refused, with the remedy."""
        client.log_metric(run_id, "m", 1)
        said, code = called("sync", "--drop", uri, "--yes")
        assert code == 1
        assert "End it" in said

    def test_nothing_of_that_name(self, uri):
        """An error that says where the names are."""
        said, code = called("sync", "--drop", "workspace:///no/such", "--yes")
        assert code == 1
        assert "sync --status" in said


ON_FULL_DISK = """
import ctypes, json, os, resource, sqlite3, subprocess, sys
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow_workspace_plugin.cli import main

uri, hub, run_id, folder, end, size, error = sys.argv[1:]
assert ctypes.CDLL(None).unshare(0x20000) == 0  # CLONE_NEWNS: mounts of its own
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.dup2(os.open(error, os.O_WRONLY | os.O_CREAT), 2)
    client = MlflowClient(uri, uri)
    client.get_run(run_id)
    if end == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    os.read(reading, 1)
    for step in range(3_000):
        client.log_metric(run_id, "m", step, step=step)
    if end == "killed":
        if os.fork() == 0:
            client.log_metric(run_id, "child", 1)
            os.kill(os.getpid(), 9)
        os.wait()
        os.kill(os.getpid(), 9)
    client.log_param(run_id, "p", 1)
    client.set_terminated(run_id)
    sys.exit()
other = sqlite3.connect(hub + "/hub.db", isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
os.write(writing, b"x")
os.waitpid(child, 0)
other.execute("ROLLBACK")
subprocess.run(["mount", "-o", "remount,size=50m", folder], check=True)
for command in (["sync"], ["verify", run_id, "--hub", hub]):
    done = CliRunner().invoke(main, [*command, "--json"])
    print(json.dumps([json.loads(done.stdout), done.exit_code]))
"""


def on_full_disk(uri, hub_path, run_id, tmp_path, end, size):
    """Let a process log on a small disk while SQLite is locked, and end; then there is room.

    Returns:
        What sync and verify said, each with its exit code, and what the process said.
    """
    disk, error = tmp_path / "disk", tmp_path / "said"
    disk.mkdir()
    own = {"MLFLOW_WORKSPACE_JOURNAL_DIR": str(disk), "MLFLOW_WORKSPACE_EXIT_WAIT": "1"}
    script = ["-c", ON_FULL_DISK, uri, hub_path, run_id, disk, end, size, error]
    done = python_processes.run(script, env=os.environ | own, stdout=PIPE, text=True)
    assert done.returncode == 0
    sync, verify = map(json.loads, done.stdout.splitlines())
    return sync, verify, error.read_text()


@pytest.mark.sqlite
def test_process_that_ends_while_the_disk_is_full(hub_path, uri, direct, run_id, tmp_path):
    """It says how much waits and how much is lost, as verify does; params and the end are kept."""
    ([sent], _), (report, code), said = on_full_disk(uri, hub_path, run_id, tmp_path, "end", "128k")
    stored, lost = len(direct.get_metric_history(run_id, "m")), sent["lost calls"]
    assert (report["result"], code) == ("different", 1)
    (counts,) = report["metrics"]
    assert (counts["logged"], counts["stored"], counts["dropped"]) == (3_000, stored, lost)
    assert stored + lost == 3_000 > stored
    assert f"{stored + 2} calls for {uri} could not be sent and wait in" in said
    assert f"{lost} calls for {uri} are lost: the journal" in said
    run = direct.get_run(run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"p": "1"})


@pytest.mark.sqlite
def test_process_that_is_killed_while_the_disk_is_full(hub_path, uri, run_id, tmp_path):
    """Nobody can say what it and its child held in memory, and verify says that."""
    _, (report, code), _ = on_full_disk(uri, hub_path, run_id, tmp_path, "killed", "128k")
    assert (report["result"], code) == ("unknown", 3)
    assert "in 2 places" in report["unknown"][0]


@pytest.mark.sqlite
def test_limit_of_the_size_of_files(hub_path, uri, direct, run_id, tmp_path):
    """Other segments are within it: nothing is in memory only."""
    ([sent], _), (report, code), said = on_full_disk(uri, hub_path, run_id, tmp_path, "limit", "9m")
    assert (sent["sent calls"], report["result"], code) == (3_002, "equal", 0)
    assert "lost" not in said
    assert direct.get_run(run_id).info.status == "FINISHED"
