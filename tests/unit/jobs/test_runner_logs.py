"""What is kept of what a process prints, on the disk of the machine that runs it."""

import resource
from contextlib import contextmanager
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.runner.log_file import LogFile
from mlflow_workspace_plugin.runner.output import Output
from mlflow_workspace_plugin.runner.shipping import GrowingFile


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def small_log(tmp_path, clock, monkeypatch):
    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_MB", "0.01")
    return LogFile(tmp_path / "log", clock)


def lines_of(number, since=0):
    return b"".join(b"line %07d\n" % each for each in range(since, since + number))


class TestLogFile:
    def test_what_fits_is_kept_as_it_is(self, small_log):
        """Nothing is changed below the limit."""
        small_log.write(lines_of(700))
        small_log.close()
        assert small_log.path.read_bytes() == lines_of(700)

    def test_flood_leaves_head_and_end(self, small_log):
        """Of 2.6 MB the first part and the last megabyte are there, and what is missing is said."""
        for each in range(0, 200_000, 100):
            small_log.write(lines_of(100, each))
        small_log.close()
        text = small_log.path.read_text()
        assert text.startswith(lines_of(700).decode())
        assert text.endswith(lines_of(70_000, 130_000).decode())
        assert text.count("left out here") == 1
        assert "MLFLOW_WORKSPACE_LOG_MB" in text
        assert len(text) < 1_020_000

    def test_who_reads_along_sees_how_it_goes(self, small_log, clock):
        """While more is printed than there is room for, the newest whole lines are kept."""
        small_log.write(lines_of(769))
        for each in range(1000, 50_000, 1000):
            clock.now += 2.5
            small_log.write(lines_of(1000, each))
            small_log.tick()
            assert small_log.path.read_bytes().endswith(b"line %07d\n" % (each + 999))
        assert small_log.size < 10_000 + 512 * clock.now + 50 * 100
        small_log.close()
        kept = [line for line in small_log.path.read_text().splitlines() if "left out" not in line]
        assert {*map(len, kept)} == {0, 12}

    def test_quiet_script_is_never_cut(self, small_log, clock):
        """What prints no faster than the room grows is kept whole, however long it runs."""
        for each in range(5000):
            clock.now += 1
            small_log.write(lines_of(30, 30 * each))
        small_log.close()
        assert small_log.path.read_bytes() == lines_of(150_000)


@contextmanager
def files_of(most):
    """Let no file of this process grow beyond some bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestFullDisk:
    def test_what_has_no_space_is_written_when_there_is(self, tmp_path):
        """Nothing is lost, and all of it is in its order."""
        log = LogFile(tmp_path / "log")
        with files_of(1000):
            log.write(lines_of(100))
            log.write(b"more\n")
        assert log.size == 1000
        log.tick()
        log.write(b"last\n")
        log.close()
        assert (tmp_path / "log").read_bytes() == lines_of(100) + b"more\nlast\n"
        assert log.unwritten == b""

    def test_what_never_has_space_is_stored_all_the_same(self, tmp_path):
        """Behind what the file has; of very much the end, and how much is missing is said."""
        output = Output(tmp_path / "log")
        with files_of(1000):
            for _ in range(30):
                output.standard_output(lines_of(10_000))
            output.standard_output(b"last\n")
            output.close()
        behind = output.unwritten()
        assert b"[2.899 MB are missing here: the disk of the machine was full.]\nline " in behind
        assert behind.endswith(lines_of(10_000) + b"last\n")
        # Somebody removes what looks old.
        growing = GrowingFile(tmp_path / "log", "log", output.unwritten)
        stored = FolderRepository(HubFolder(tmp_path), PurePosixPath("of-a-run"))
        growing.ship(stored)
        (tmp_path / "log").unlink()
        while not growing.ship(stored):
            pass
        copy = tmp_path / "artifacts" / "of-a-run" / "log"
        assert copy.read_bytes() == lines_of(10_000)[:1000] + behind


class TestProgressBars:
    def test_states_are_few_and_the_last_is_there(self, tmp_path):
        """Of a bar that is written anew a thousand times a second, one state a second is kept."""
        output = Output(tmp_path / "log")
        for each in range(1000):
            output.standard_error(b"\r%3d%%" % (each / 10))
        output.standard_error(b"\r100%\n")
        output.standard_output(b"done\n")
        output.close()
        kept = (tmp_path / "log").read_bytes()
        assert kept.endswith(b"100%\ndone\n")
        assert len(kept) < 100

    def test_windows_ends_of_lines(self, tmp_path):
        """A carriage return before the end of a line is a part of that, in whatever pieces."""
        output = Output(tmp_path / "log")
        for piece in (b"one\r\ntwo\r", b"\nthree", b"\r\n"):
            output.standard_output(piece)
        output.close()
        assert (tmp_path / "log").read_bytes() == b"one\r\ntwo\r\nthree\r\n"

    def test_line_that_has_no_end_yet_is_seen(self, tmp_path):
        """As dots that say how far something is; a line of the other stream begins below it."""
        output = Output(tmp_path / "log")
        output.standard_output(b"..")
        output.tick()
        output.tick()
        assert (tmp_path / "log").read_bytes() == b".."
        output.standard_output(b".")
        output.standard_error(b"a warning\n")
        output.standard_output(b" done\n")
        output.close()
        assert (tmp_path / "log").read_bytes() == b"..\na warning\n. done\n"

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"a", b"b\n", b"\n", b"c\nd"]))))
    def test_without_carriage_returns_nothing_is_lost(self, tmp_path_factory, pieces):
        """Each stream's text is kept whole and in order, in whatever pieces it comes."""
        path = tmp_path_factory.mktemp("output") / "log"
        output = Output(path)
        for is_out, piece in pieces:
            (output.standard_output if is_out else output.standard_error)(piece)
        output.close()
        printed = [
            b"".join(p for is_out, p in pieces if is_out is which) for which in (True, False)
        ]
        kept = path.read_bytes()
        assert sorted(kept.replace(b"\n", b"")) == sorted(b"".join(printed).replace(b"\n", b""))
        for text in printed:
            for line in text.splitlines():
                assert line in kept
