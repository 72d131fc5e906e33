"""The log that is shown of a run: which one it is, and each line of it once, while it grows."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.runs.files.logs import GrowingLog, LogStream, streamed_log
from mlflow_workspace_plugin.runs.files.run_files import RunFiles

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
