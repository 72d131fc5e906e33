"""The log that is shown of a run: which one it is, and each line of it once, while it grows.

And what is stored of one for what was added to it.
"""

import threading
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.artifacts import repository as repositories
from mlflow_workspace_plugin.artifacts.azure_blob.connection import container as connection
from mlflow_workspace_plugin.runs.files.captured_folders import WatchedLogs
from mlflow_workspace_plugin.runs.files.logs import GrowingLog, LogStream, streamed_log
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from tests.azurite import connection_string
from tests.fault_proxy import Cut
from tests.waiting import wait_until

pytestmark = [pytest.mark.hubs]

LOG = "user_logs/std_log.txt"


@pytest.fixture
def files(workspace):
    """The files of a new run."""
    run = workspace.client.create_run(Experiment(workspace, "e").id)
    return RunFiles(workspace.client, workspace.tracking_store, run.info.run_id)._repository()


def lines_of(pieces):
    return [line for piece in pieces for line in piece]


def test_new_lines_are_read_once(files):
    """From wherever the hub keeps its files, as they come."""
    files.append(LOG, b"one\n")
    log = GrowingLog(files, LOG)
    assert lines_of(log.new_lines()) == ["one"]
    assert lines_of(log.new_lines()) == []
    files.append(LOG, b"two\nthr\xc3\xa9e\n")
    assert lines_of(log.new_lines()) == ["two", "thr\xe9e"]
    assert lines_of(log.rest()) == []


def test_nothing_is_read_twice(files):
    """Of a large log only what is behind the last read, in pieces of a limited size."""
    asked = []

    class Watched:
        def read_from(self, path, start, size):
            asked.append((start, size))
            return files.read_from(path, start, size)

    line = b"x" * 1023 + b"\n"
    files.append(LOG, line * 3000)
    log = GrowingLog(Watched(), LOG)
    assert len(lines_of(log.new_lines())) == 3000
    files.append(LOG, line)
    asked.clear()
    assert len(lines_of(log.new_lines())) == 1
    assert [start for start, _ in asked] == [3000 * 1024, 3001 * 1024]
    assert all(size <= 2**20 for _, size in asked)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (["logs/user_log.txt", "logs/other.txt"], "logs/user_log.txt"),
        (["logs/user_log.txt", "azureml-logs/20_image.txt"], "azureml-logs/20_image.txt"),
        (["azureml-logs/20_image.txt", "azureml-logs/70_driver_log.txt"], None),
        (["azureml-logs/70_driver_log.txt", LOG], LOG),
        (
            ["azureml-logs/70_rank_0.txt", "azureml-logs/70_rank_1.txt"],
            "azureml-logs/70_rank_0.txt",
        ),
        (["user_logs/std_log_0.txt", "user_logs/std_log_1.txt"], "user_logs/std_log_0.txt"),
        (["user_logs/std_log_10.txt", "user_logs/std_log_2.txt"], "user_logs/std_log_2.txt"),
        (["outputs/std_log.txt"], "nothing"),
    ],
)
def test_the_most_telling_log_is_shown(files, stored, expected):
    """The last by SDK v1's order of names, and of several processes that of the first."""
    for name in stored:
        files.append(name, b"x\n")
    found = streamed_log(files)
    assert found == (None if expected == "nothing" else expected or stored[-1])


def test_a_more_telling_log_takes_over(files):
    """After the rest of the one before."""
    stream = LogStream(files)
    assert list(stream.new_lines()) == []
    files.append("azureml-logs/20_image.txt", b"building\n")
    assert lines_of(lines for _, lines in stream.new_lines()) == ["building"]
    files.append("azureml-logs/20_image.txt", b"built\n")
    files.append(LOG, b"training\n")
    found = [(name, line) for name, lines in stream.new_lines() for line in lines]
    assert found == [("azureml-logs/20_image.txt", "built"), (LOG, "training")]


class OneFile:
    """A file that grows by a piece with each look at it."""

    def __init__(self, pieces):
        self.left, self.content = list(pieces), b""

    def read_from(self, path, start, size):
        if start == len(self.content) and self.left:
            self.content += self.left.pop(0)
        return self.content[start : start + size]


@pytest.mark.sqlite
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="a\u00e9\U0001f600\r\n\u2028"), st.data())
def test_pieces_do_not_matter(text, data):
    """Wherever the writer's pieces end, within a character or an end of line, too."""
    content = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)))))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True) if a < b]
    expected = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    log = GrowingLog(OneFile(pieces), LOG)
    assert lines_of(log.rest()) == (expected if expected[-1] else expected[:-1])


@pytest.mark.sqlite
def test_a_line_without_an_end_waits_for_it():
    """Until the log is over; an end of line that is cut in two is one."""
    file = OneFile([])
    log = GrowingLog(file, LOG)
    file.content = b"one\ntw"
    assert lines_of(log.new_lines()) == ["one"]
    file.content += b"o\r"
    assert lines_of(log.new_lines()) == []
    file.content += b"\nthree"
    assert lines_of(log.new_lines()) == ["two"]
    assert lines_of(log.rest()) == ["three"]


@pytest.fixture
def sent(monkeypatch):
    """How many bytes each request of this process brought."""
    sizes, send = [], requests.adapters.HTTPAdapter.send

    def counted(self, request, *args, **kwargs):
        sizes.append(int(request.headers.get("Content-Length", 0)))
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", counted)
    return sizes


def add(log, text):
    with log.open("ab") as file:
        file.write(text)


def grow(files, log):
    with log.open("rb") as source:
        return files.grow("logs/log", source)


def test_little_more_is_stored_than_what_was_added(files, sent, tmp_path):
    """Of a log of 5 MB, wherever the hub keeps its files; and the two are alike."""
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"epoch %08d loss 0.123456789\n" % each for each in range(160_000)))
    files.log_artifact(str(log), "logs")
    # Where a file is in blocks it is cut into those of a growing one once.
    add(log, b"more\n")
    assert grow(files, log) is not None
    for number in range(3):
        sent.clear()
        add(log, b"".join(b"line %d %d\n" % (number, each) for each in range(100)))
        assert 0 < grow(files, log) < 100_000
        assert sum(sent) < 100_000
    size = log.stat().st_size
    assert files.read_from("logs/log", 0, size + 1) == log.read_bytes()


class TestCaptured:
    """Whatever becomes of a log, in the end the run has what it is."""

    @pytest.fixture
    def run(self, workspace):
        return Experiment(workspace, "e").start_logging(snapshot_directory=None)

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "logs").mkdir()
        return tmp_path / "logs"

    def test_what_two_processes_write_to(self, run, folder, tmp_path):
        """As with a script that is started again: the file of whoever writes last."""
        (tmp_path / "others").mkdir()
        for each, of in ((folder, b"one"), (tmp_path / "others", b"two"), (folder, b"three")):
            logs = WatchedLogs(run, each, name="logs")
            for number in range(4):
                add(each / "log", b"%s %d\n" % (of, number) * 5_000)
                logs._store_what_grew()
            logs.stop()
            stored = run._repository().read_from("logs/log", 0, 10**6)
            assert stored == (each / "log").read_bytes()

    def test_what_was_rewritten(self, run, folder):
        """Longer, shorter, and with other bytes in its midst only."""
        logs = WatchedLogs(run, folder, name="logs")
        whole = b"0123456789\n" * 20_000
        for content in (whole, whole * 2, whole[:100_000], b"", whole, b"x" + whole[1:] + b"y"):
            (folder / "log").write_bytes(content)
            logs._store_what_grew()
        logs.stop()
        assert run._repository().read_from("logs/log", 0, 10**6) == content


def test_end_does_not_wait_for_a_storage_that_hangs(azure_workspace, proxy, monkeypatch):
    """What was printed is kept on this machine then, and stored when the storage answers again."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "3600")
    monkeypatch.setattr(connection, "_SHORTEST_READ_TIMEOUT_S", 1)
    for name in ("PATIENCE_S", "_SENDING_PATIENCE_S"):
        monkeypatch.setattr(repositories, name, 1.0)
    run = Experiment(azure_workspace, "e").start_logging(snapshot_directory=None)
    log, lines = "logs/user_log.txt", [f"line {each}" for each in range(10_000)]
    asked = threading.Event()

    def hang(request):
        asked.set()
        return Cut(is_silent=True)

    def train():
        with run:
            print(lines[0])  # noqa: T201
            wait_until(lambda: run.get_file_names() == [log], 60)
            proxy.fault = hang
            print("\n".join(lines[1:]))  # noqa: T201
            assert asked.wait(60)

    training = threading.Thread(target=train, daemon=True)
    training.start()
    training.join(60)
    proxy.fault = lambda _: None
    assert not training.is_alive()
    assert run.get_status() == "Completed"
    run.download_file(log, "copy")
    assert Path("copy").read_text().splitlines() == lines
