"""What a writer notes beside its segments is read as it was noted, whatever happens to the disk."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.journal.files import reserve as module
from mlflow_workspace_plugin.journal.files.records import Kind, body, line
from mlflow_workspace_plugin.journal.files.reserve import ANY_RUN, Place, Reserve, read_notes

WRITER = "host-writer"
RUNS = ["0" * 32, "1" * 32]


@pytest.fixture
def reserve(tmp_path):
    made = Reserve(tmp_path, WRITER)
    made.make()
    yield made
    made.close()


ends = st.lists(st.text(max_size=99), max_size=20)


@given(runs=st.sets(st.text(max_size=40), max_size=9), ends=ends, calls=st.integers(0, 2**40))
def test_statements_round_trip(tmp_path_factory, runs, ends, calls):
    """A mark, counts in its place, and nothing any more."""
    folder = tmp_path_factory.mktemp("journal")
    made = Reserve(folder, WRITER)
    made.make()
    made.mark(runs)
    assert read_notes(folder, WRITER).unsaved == runs
    lines = [line(i, body(Kind.TAG, RUNS[0], 5, {"k": end})) for i, end in enumerate(ends, 1)]
    assert made.count(calls, lines)
    notes = read_notes(folder, WRITER)
    assert (notes.unsaved, notes.lost) == (frozenset(), calls)
    assert [record.content["k"] for record in notes.saved] == ends
    made.clear()
    assert read_notes(folder, WRITER).saved == []
    made.close()


def test_segments_round_trip(tmp_path, reserve):
    """Where each began, whose records it holds, how far the last one was written."""
    reserve.begin(1, Place(0, 0))
    reserve.add_run(1, RUNS[0])
    reserve.begin(2, Place(10, 11))
    reserve.add_run(2, RUNS[1])
    for count in (3, 200, 14):
        reserve.note_progress(2, Place(count, count + 1))
    assert read_notes(tmp_path, WRITER) == reserve.notes


def test_removed_file_is_made_anew(tmp_path, reserve):
    """With all that was noted, and the mark."""
    reserve.begin(1, Place(0, 0))
    reserve.add_run(1, RUNS[0])
    reserve.mark(RUNS)
    before = read_notes(tmp_path, WRITER)
    (tmp_path / f"{WRITER}.reserve").unlink()
    reserve.make()
    assert read_notes(tmp_path, WRITER) == before


@given(cut=st.integers(0, 14 << 10))
def test_statement_that_is_written_by_half(tmp_path_factory, cut):
    """A kill in the middle of a statement leaves the one before, or the new one, and no mixture."""
    folder = tmp_path_factory.mktemp("journal")
    made = Reserve(folder, WRITER)
    made.make()
    many = [line(i, body(Kind.TAG, RUNS[0], 5, {"k": "x" * 50})) for i in range(1, 99)]
    made.count(1, many)
    made.mark(RUNS)
    path = folder / f"{WRITER}.reserve"
    before = path.read_bytes()
    made.count(2, many[:50])
    after = path.read_bytes()
    changed = next(
        i for i, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1
    )
    path.write_bytes(after[: changed + cut] + before[changed + cut :])
    notes = read_notes(folder, WRITER)
    is_old = notes.unsaved == frozenset(RUNS) and notes.lost == 0 and not notes.saved
    is_new = not notes.unsaved and notes.lost == 2 and len(notes.saved) == 50
    assert is_old or is_new
    made.close()


def test_more_runs_than_there_is_room_for(tmp_path, reserve):
    """The mark is of any run then."""
    reserve.mark({f"{number:032}" for number in range(1_000)})
    assert read_notes(tmp_path, WRITER).unsaved == {ANY_RUN}


def test_where_no_room_was(tmp_path, monkeypatch):
    """A file that could not be made: the names of empty files are the mark."""
    monkeypatch.setattr(os, "write", lambda *_: 0)
    made = Reserve(tmp_path, WRITER)
    made.make()
    assert not (tmp_path / f"{WRITER}.reserve").exists()
    made.mark([RUNS[0], "../no name"])
    assert read_notes(tmp_path, WRITER).unsaved == {RUNS[0], ANY_RUN}
    made.clear()
    assert list(tmp_path.iterdir()) == []


def test_what_is_lost_of_a_segment(tmp_path, reserve):
    """Records that are neither in it nor stored; of the last one, as far as that was noted."""
    reserve.begin(1, Place(0, 0))
    reserve.begin(2, Place(10, 12))
    reserve.note_progress(2, Place(15, 17))
    notes = read_notes(tmp_path, WRITER)
    assert [notes.lost_of(1, count, 0) for count in (0, 4, 10)] == [10, 6, 0]
    assert [notes.lost_of(1, 0, stored) for stored in (9, 12, 20)] == [3, 0, 0]
    assert [notes.lost_of(2, count, 12) for count in (0, 5, 9)] == [5, 0, 0]
    assert notes.lost_of(3, 0, 0) == 0
    assert module.Notes().lost_of(1, 0, 0) == 0
