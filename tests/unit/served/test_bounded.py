"""What anybody may have stored or sent is read up to a limit, and no more of it is in memory."""

import gzip
import json
import tracemalloc
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import bounded
from mlflow_workspace_plugin.artifacts import hub_repository
from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository
from mlflow_workspace_plugin.bounded import (
    GZIP,
    TooMuchError,
    check_values,
    json_of,
    unpacked,
)
from mlflow_workspace_plugin.data.files import manifest as of_dataset
from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.figures.charts import chart
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.overview.figures import table_files
from mlflow_workspace_plugin.runs.snapshots import manifest as of_snapshot

json_values = st.recursive(
    st.none() | st.integers() | st.text('ab",[]{}:\\ é'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('a",:\\'), inner),
)


@contextmanager
def little_memory(most):
    """Within the block no more than so many bytes are in use at once."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


def marks(value):
    """How many values, lists and names JSON of it has."""
    if isinstance(value, list):
        return 1 + max(len(value) - 1, 0) + sum(map(marks, value))
    if isinstance(value, dict):
        return 1 + max(len(value) - 1, 0) + len(value) + sum(map(marks, value.values()))
    return 0


@given(json_values, st.integers(1, 9))
def test_values_are_counted_outside_of_texts(value, piece):
    """Whatever the texts hold, also where the parts that are looked at have their ends."""
    text = json.dumps(value, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bounded, "_PIECE", piece)
        check_values(text, marks(value))
        assert json_of(text, marks(value)) == value
        if marks(value):
            with pytest.raises(TooMuchError):
                check_values(text, marks(value) - 1)


def test_nothing_is_made_of_too_many_values():
    """They are counted in little more than what the text takes."""
    text = b"[" + b"[]," * 1_000_000 + b"[]]"
    with little_memory(4 * len(text)), pytest.raises(TooMuchError):
        json_of(text, 1_000_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of(b"[" * 100_000, 1_000_000)


@pytest.mark.parametrize(
    ("pack", "wbits"), [(zlib.compress, zlib.MAX_WBITS), (gzip.compress, GZIP)]
)
def test_a_bomb_is_not_unpacked_any_further(pack, wbits):
    """Up to the limit it is; what is damaged, cut, or goes on is an error, too."""
    packed = pack(b" " * (64 << 20))
    with little_memory(16 << 20), pytest.raises(TooMuchError, match="4 MiB"):
        unpacked(packed, 4 << 20, wbits)
    packed = pack(b"abc")
    assert unpacked(packed, 3, wbits) == b"abc"
    for damaged in (b"", packed[:-1], packed + b"x", b"x" + packed):
        with pytest.raises(ValueError, match=r"cut|unpacked"):
            unpacked(damaged, 100, wbits)


def test_a_large_file_is_not_read(tmp_path, monkeypatch):
    """Whatever the pieces are that it is read in. One without content takes no room on the disk."""
    monkeypatch.setattr(hub_repository, "_PIECE", 3)
    stored = FolderRepository(HubFolder(tmp_path), PurePosixPath("files"))
    file = tmp_path / "artifacts" / "files" / "file"
    file.parent.mkdir(parents=True)
    for content in (b"", b"ab", b"abc", b"abcdefgh"):
        file.write_bytes(content)
        assert b"".join(stored.pieces("file", len(content))) == content
        if content:
            with pytest.raises(TooMuchError):
                list(stored.pieces("file", len(content) - 1))
    monkeypatch.undo()
    with file.open("wb") as opened:
        opened.truncate(10 << 30)
    with little_memory(20 << 20), pytest.raises(TooMuchError):
        list(stored.pieces("file", 1 << 20))
    with pytest.raises(MlflowException, match="No such artifact"):
        list(stored.pieces("nothing", 1 << 20))


@pytest.mark.parametrize("module", [of_snapshot, of_dataset], ids=["snapshot", "dataset"])
def test_manifests_are_read_up_to_a_limit(module, monkeypatch):
    """Of text, of values, and of depth: each is the same error as of one that is damaged."""
    monkeypatch.setattr(module, "MOST_STORED", 4 << 20)
    packed = gzip.compress(b" " * (64 << 20))
    with little_memory(16 << 20), pytest.raises(ValueError, match="4 MiB"):
        module.Manifest.from_bytes(packed)
    monkeypatch.setattr(module, "_MOST_VALUES", 1000)
    packed = gzip.compress(b'{"files":[' + b"[]," * 10_000 + b"[]]}")
    with pytest.raises(ValueError, match="1,000 values"):
        module.Manifest.from_bytes(packed)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="damaged"):
        module.Manifest.from_bytes(gzip.compress(b"[" * 100_000))


def test_what_would_not_be_read_again_is_not_stored(monkeypatch):
    """A snapshot is refused when it is taken, and not when it is wanted."""
    files = {f"f{number}": of_snapshot.File("0" * 64, 1, False, "pack") for number in range(100)}
    manifest = of_snapshot.Manifest(files, {}, [])
    assert of_snapshot.Manifest.from_bytes(manifest.to_bytes()) == manifest
    monkeypatch.setattr(of_snapshot, "_MOST_VALUES", 700)
    with pytest.raises(SnapshotException, match="100 files is too large"):
        manifest.to_bytes()


def test_names_given_twice_are_refused_where_one_meaning_is_asked_for():
    """At whatever depth, and however the name is written; readers take one or the other."""
    for text in (b'{"a":1,"a":1}', b'[{"b":{"a":1,"\\u0061":2}}]'):
        with pytest.raises(ValueError, match="twice"):
            json_of(text, 100, names_once=True)
        assert json_of(text, 100)
    assert json_of(b'[{"a":1},{"a":2}]', 100, names_once=True) == [{"a": 1}, {"a": 2}]
    with pytest.raises(ValueError, match="deeply"):
        json_of(b'{"a":' * 100_000, 1_000_000, names_once=True)


def test_files_that_are_figures_are_read_up_to_a_limit(monkeypatch):
    """Charts and tables: what would take much more memory than its bytes is not taken apart."""
    monkeypatch.setattr(chart, "_MOST_VALUES", 1000)
    monkeypatch.setattr(table_files, "MOST_CELLS", 500)
    lists = b"[" + b"[]," * 1_000_000 + b"[]]"
    with little_memory(16 << 20):
        [figure] = chart.figures_of_chart(("a",), "a", "residuals", lists)
        with pytest.raises(TooMuchError):
            table_files._of_json(b'{"columns":["a"],"data":' + lists + b"}")
    assert "more than 1,000 values" in figure["note"]
    monkeypatch.undo()
    [figure] = chart.figures_of_chart(("a",), "a", "residuals", b"[" * 100_000)
    assert "no JSON" in figure["note"]
    assert table_files._of_json(b'{"columns":["a"],"data":[[1],[2]]}').total == 2
