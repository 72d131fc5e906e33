"""The journal's files: what was written is read, and damage takes no more than what it hit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.journal.files.records import Kind, body, line, metrics_body, parse
from mlflow_workspace_plugin.journal.files.segments import (
    SegmentReader,
    SegmentWriter,
    segment_path,
    segments_of,
)

WRITER = "host-writer"
RUN = "0123456789abcdef0123456789abcdef"

numbers = st.floats(width=64) | st.integers(-(2**53), 2**53).map(float)
times = st.integers(-(2**63), 2**63 - 1)
values = st.tuples(st.text(max_size=300), numbers, times, times)
of_models = st.tuples(
    st.text(max_size=9), numbers, times, times, st.text(), *[st.none() | st.text()] * 2
)


def bits(value):
    return "nan" if math.isnan(value) else value.hex()


@given(logged=st.lists(values | of_models, max_size=5), sequence=st.integers(1, 2**63))
def test_values_round_trip(logged, sequence):
    """Every key, float, step and timestamp is read as it was written, in one line."""
    written = line(sequence, metrics_body(RUN, 5, logged))
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    record = parse(written[:-1])
    assert (record.sequence, record.kind, record.run_id, record.called_at) == (
        sequence,
        Kind.METRICS,
        RUN,
        5,
    )
    read = [(key, bits(value), *rest) for key, value, *rest in record.content]
    assert read == [(key, bits(value), *rest) for key, value, *rest in logged]


@given(content=st.dictionaries(st.text(), st.text()))
def test_tags_round_trip(content):
    """Any text is a key and a value."""
    assert parse(line(1, body(Kind.TAGS, RUN, 5, content))[:-1]).content == content


@given(logged=values, at=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_damaged_line_is_no_record(logged, at, flip):
    """One byte that is another one is noticed, wherever it is."""
    written = bytearray(line(7, metrics_body(RUN, 5, [logged]))[:-1])
    written[at % len(written)] ^= flip
    assert parse(bytes(written)) is None


def write(folder, count):
    writer = SegmentWriter(folder, WRITER, fsync=False)
    for sequence in range(1, count + 1):
        writer.append(line(sequence, metrics_body(RUN, 5, [("m", float(sequence), 5, sequence)])))
    writer.close()
    return segment_path(folder, WRITER, 1)


def read(folder, *, complete=True):
    reader = SegmentReader(folder, WRITER)
    records, damaged = [], 0
    while (chunk := reader.read(complete=complete)).size:
        records += chunk.records
        damaged += len(chunk.damaged)
        reader.advance(chunk)
    return [record.sequence for record in records], damaged


@given(cut=st.integers(0, 4_000))
def test_truncated_segment(tmp_path_factory, cut):
    """All whole lines before the cut are read, and the part of a line is counted."""
    folder = tmp_path_factory.mktemp("journal")
    path = write(folder, 40)
    text = path.read_bytes()[:cut]
    path.write_bytes(text)
    whole = text.count(b"\n")
    assert read(folder) == (list(range(1, whole + 1)), int(not text.endswith(b"\n") and bool(text)))


@given(at=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_flipped_byte(tmp_path_factory, at, flip):
    """It costs the lines that it is in, at most two; all others are read, in their order."""
    folder = tmp_path_factory.mktemp("journal")
    path = write(folder, 40)
    text = bytearray(path.read_bytes())
    text[at % len(text)] ^= flip
    path.write_bytes(bytes(text))
    sequences, damaged = read(folder)
    assert sequences == sorted(sequences)
    assert len(sequences) >= 38
    assert damaged >= 1


def test_line_that_is_being_written_is_left_for_later(tmp_path):
    """Of a segment that grows only whole lines are read."""
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert read(tmp_path, complete=False) == ([1, 2], 0)
    path.write_bytes(whole)
    assert read(tmp_path, complete=False) == ([1, 2, 3], 0)


def test_segments_follow_each_other(tmp_path, monkeypatch):
    """A long journal is in several files, each removed when it was read."""
    monkeypatch.setattr("mlflow_workspace_plugin.journal.files.segments._SEGMENT_BYTES", 1_000)
    write(tmp_path, 100)
    numbers = segments_of(tmp_path)[WRITER]
    assert len(numbers) > 5
    reader = SegmentReader(tmp_path, WRITER)
    sequences = []
    for _ in numbers:
        while (chunk := reader.read(complete=True)).size:
            sequences += [record.sequence for record in chunk.records]
            reader.advance(chunk)
        reader.next_segment(tmp_path / "damaged")
    assert sequences == list(range(1, 101))
    assert segments_of(tmp_path) == {}


def test_line_longer_than_what_is_read_at_once(tmp_path, monkeypatch):
    """A batch of any size is one line, and is read whole."""
    monkeypatch.setattr("mlflow_workspace_plugin.journal.files.segments._READ_BYTES", 100)
    writer = SegmentWriter(tmp_path, WRITER, fsync=True)
    logged = [("m", float(i), i, i) for i in range(1_000)]
    writer.append(line(1, metrics_body(RUN, 5, logged)))
    writer.append(line(2, metrics_body(RUN, 5, logged)))
    assert read(tmp_path, complete=False) == ([1, 2], 0)


@pytest.mark.parametrize("name", ["notes.txt", "x.journal", "a.b.journal", "a.000001.journal.bak"])
def test_other_files_are_no_segments(tmp_path, name):
    """What lies beside the journals is left alone."""
    (tmp_path / name).touch()
    assert segments_of(tmp_path) == {}
