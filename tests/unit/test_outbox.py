"""What waits in memory and in files, as one thread sends it and others put and save."""

import resource
from contextlib import contextmanager

import pytest

from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind, body
from mlflow_workspace_plugin.journal.outbox import Outbox
from mlflow_workspace_plugin.journal.reminder import Reminder


@contextmanager
def no_room():
    """Let no file grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def put(outbox, steps):
    for step in steps:
        outbox.put(body(Kind.METRICS, "run", 1, [["m", 0.5, 1, step]]), "run", ["m"])


def steps_of(batch):
    return [value[3] for record in batch.records for value in record.content]


@pytest.mark.parametrize("later", [range(6, 13), range(0)])
def test_memory_that_is_saved_while_it_is_sent(tmp_path, later):
    """What is put afterwards is not taken for what was sent, and stays."""
    outbox = Outbox(JournalFolder("", path=tmp_path), Reminder(), fsync=False)
    with no_room():
        put(outbox, range(1, 6))
    in_flight = outbox.take()
    assert in_flight.chunk is None
    assert steps_of(in_flight) == list(range(1, 6))
    outbox.settle()
    with no_room():
        put(outbox, later)
        outbox.remove(in_flight)
        assert outbox.calls_after(5) == len(later)
        found = []
        while batch := outbox.take():
            found += steps_of(batch)
            outbox.remove(batch)
    # The first ones are in files, too: whoever sends leaves out what was sent.
    assert found == [*range(1, 6), *later]
    assert outbox.remains(outbox.last).lost == 0


def test_memory_that_is_saved_while_it_is_looked_for(tmp_path, monkeypatch):
    """Between the looks at the files and at the memory: it is found, and not taken for lost."""
    outbox = Outbox(JournalFolder("", path=tmp_path), Reminder(), fsync=False)
    put(outbox, [0])
    outbox.remove(outbox.take())
    with no_room():
        put(outbox, range(1, 6))
    read = outbox._read

    def read_and_save(files, current):
        chunk = read(files, current)
        if files.reader.number == current:
            outbox.settle()
        return chunk

    monkeypatch.setattr(outbox, "_read", read_and_save)
    assert steps_of(outbox.take()) == list(range(1, 6))
