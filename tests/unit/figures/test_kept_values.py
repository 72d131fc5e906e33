"""What was read of files of exact values, and what is read of them again."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from mlflow.entities import FileInfo

from mlflow_workspace_plugin.journal.files.records import Kind, body, line
from mlflow_workspace_plugin.overview.figures import kept_values
from mlflow_workspace_plugin.overview.figures.kept_values import exact_values
from mlflow_workspace_plugin.stores.reads import exact_values as stored_values
from mlflow_workspace_plugin.stores.reads.exact_values import read_exact


class Files:
    """Where files of values are; counts how many bytes are read of them."""

    def __init__(self, **files):
        self.files = files
        self.read = 0

    def list_artifacts(self, path):
        return [FileInfo(f"{path}/{name}", False, len(each)) for name, each in self.files.items()]

    def read_from(self, path, start, size):
        found = self.files[path.rpartition("/")[2]][start : start + size]
        self.read += len(found)
        return found


@pytest.fixture
def found(request):
    """The values in files, of a run of this test."""

    def of(files):
        found = exact_values(files, "uri", request.node.name)
        return [each.value for each in found.get("k", ())]

    return of


@pytest.fixture
def lines(request):
    """Lines of values, from a number on."""

    def of(*values, first=1):
        bodies = (body(Kind.TYPED, request.node.name, 0, [["k", 0, 0, each]]) for each in values)
        return b"".join(line(number, each) for number, each in enumerate(bodies, first))

    return of


def test_only_what_has_come_is_read(found, lines):
    """And, to tell that it is the same file, its end."""
    files = Files(w=lines(*map(str, range(1_000))))
    assert found(files) == [*map(str, range(1_000))]
    assert files.read == len(files.files["w"])
    files.read = 0
    assert len(found(files)) == 1_000
    assert files.read <= kept_values._END
    files.files["w"] += lines("new", first=1_001)
    files.read = 0
    assert found(files)[-1] == "new"
    assert files.read <= 2 * kept_values._END


def test_look_that_was_told_an_older_size_reads_nothing_again(found, lines, monkeypatch):
    """What another look has read meanwhile is what is known, however much that is."""
    files = Files(w=lines(*map(str, range(1_000))))
    [before] = files.list_artifacts("values")
    files.files["w"] += lines(*["new"] * 1_000, first=1_001)
    assert len(found(files)) == 2_000
    for size in (before.file_size, len(files.files["w"]) - 10):
        monkeypatch.setattr(
            files, "list_artifacts", lambda path, size=size: [FileInfo(f"{path}/w", False, size)]
        )
        files.read = 0
        assert len(found(files)) == 2_000
        assert files.read <= kept_values._END


def test_line_is_read_once_it_is_whole(found, lines):
    """Wherever it was cut when it was looked at."""
    whole = lines("a", "b")
    start = len(lines("a"))
    for end in range(start, len(whole) + 1):
        assert found(Files(w=whole[:end])) == (["a"] if end < len(whole) - 1 else ["a", "b"])
    assert found(Files(w=whole + lines("c", first=3))) == ["a", "b", "c"]


def test_another_file_is_read_anew(found, lines):
    """Be it shorter, longer or as long; and one that is empty."""
    contents = ["ab", "abcd", "xy", "xyz", "pq", "", "p"]
    for before, after in itertools.permutations(contents, 2):
        assert found(Files(w=lines(*before))) == [*before]
        assert found(Files(w=lines(*after))) == [*after]


def test_files_of_a_writer_are_read_in_its_order(found, lines):
    """The last line of a number counts; one that is damaged does not."""
    files = Files(w=lines("a", "b", "c"))
    files.files["w.2"] = lines("B", first=2) + b"damaged\n" + lines("d", first=4)
    files.files["v"] = lines("of another")
    assert found(files) == found(files) == ["a", "B", "c", "d", "of another"]


def test_no_more_is_kept_than_there_is_room_for(found, lines, monkeypatch):
    """What was read first is read anew; a file that is larger than the room costs no other."""
    values = ["x" * 100] * 10
    size = len(lines(*values))
    monkeypatch.setattr(kept_values, "_kept", kept_values._Kept())
    monkeypatch.setattr(kept_values, "MOST_KEPT", 2 * kept_values._Read(size).memory)
    for name in ("a", "b", "c"):
        assert found(Files(**{name: lines(*values)})) == values
    assert found(Files(large=lines(*values * 3))) == values * 3
    for name, is_read in (("c", False), ("b", False), ("large", True)):
        files = Files(**{name: lines(*values * (3 if name == "large" else 1))})
        found(files)
        assert (files.read >= size) is is_read
    first = Files(a=lines(*values))
    assert found(first) == values
    assert first.read == size


def test_files_without_values_take_room_too(monkeypatch):
    """However many there are, and however often each is read."""
    monkeypatch.setattr(kept_values, "MOST_KEPT", 10 * kept_values._Read().memory)
    kept = kept_values._Kept()
    for name in [*range(30), *[29] * 30]:
        kept.put(("uri", "run", str(name)), kept_values._Read())
    assert [int(name) for *_, name in kept._files] == [*range(20, 30)]


def test_nothing_is_kept_of_runs_without_files(monkeypatch):
    """However many are asked for."""
    monkeypatch.setattr(kept_values, "_kept", kept_values._Kept())
    for number in range(100):
        assert exact_values(Files(), "uri", f"run {number}") == {}
    assert kept_values._kept._by_key == {}


@pytest.mark.parametrize(("most", "seconds"), [(0, 0.5), (1 << 20, 60)])
@pytest.mark.parametrize("read", [exact_values, read_exact])
def test_many_values_are_read_by_one_at_a_time(lines, read, most, seconds, monkeypatch):
    """Those of all files of a run together; few wait for nobody."""
    half = lines(*["x" * 100] * 10)
    monkeypatch.setattr(kept_values, "_kept", kept_values._Kept())
    monkeypatch.setattr(stored_values, "MOST_TOGETHER", most or len(half))
    both = threading.Barrier(2)
    met = []

    class Met(Files):
        def meet(self):
            with suppress(threading.BrokenBarrierError):
                both.wait(seconds)
                met.append(1)

        def read_from(self, path, start, size):
            self.meet()
            return super().read_from(path, start, size)

        @contextmanager
        def local(self, path):
            self.meet()
            with NamedTemporaryFile() as file:
                file.write(self.files[path.rpartition("/")[2]])
                file.flush()
                yield Path(file.name)

    def look(_):
        files = Met(a=half, b=half)
        if read is exact_values:
            return exact_values(files, "uri", "a run")
        return read_exact(files, "a run", is_limited=True)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(look, range(2)))
    assert bool(met) is (most > 0)
